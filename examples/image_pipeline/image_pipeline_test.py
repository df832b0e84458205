"""Holds image_pipeline (the command line is this script's) to a plain implementation of filters.

Devices are held to each other too: what CPUs make and what GPUs make are the same files.
"""
import math
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import sample_jpegs  # noqa: E402

EMULATED = "emulate" in " ".join(sys.argv) or "ALNILAM_EMULATE_GPUS" in os.environ


def run(*arguments):
    return subprocess.run([*sys.argv[1:], *map(str, arguments)], capture_output=True, text=True,
                          check=False)


def told(ran):
    """What the program said on standard error; on a cluster its daemons log there as well."""
    return [line for line in ran.stderr.splitlines() if line.startswith("image_pipeline: ")]


def chunk(kind, data):
    return (struct.pack(">I", len(data)) + kind + data +
            struct.pack(">I", zlib.crc32(kind + data)))


def png(width, height, rows, depth=8, colour=2, before=b"", data=None):
    """A PNG file; `rows` are bytes each.  `colour` 0 is gray, 2 RGB, 3 a palette, 6 RGBA."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows)) if data is None else data
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", data) +
            chunk(b"IEND", b""))


def samples_of(file):
    """(width, height, channels, samples) of an 8-bit gray or RGB PNG file."""
    assert file[:8] == b"\x89PNG\r\n\x1a\n", file[:8]
    at, data = 8, b""
    while at < len(file):
        size, kind = struct.unpack(">I4s", file[at:at + 8])
        body = file[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert depth == 8 and colour in (0, 2) and not interlaced, body
        elif kind == b"IDAT":
            data += body
        at += 12 + size
    channels = 3 if colour == 2 else 1
    data, stride, rows, above = zlib.decompress(data), width * channels, [], None
    for y in range(height):
        kind, row = data[y * (stride + 1)], bytearray(data[y * (stride + 1) + 1:][:stride])
        above = above or bytearray(stride)
        for x in range(stride):
            left = row[x - channels] if x >= channels else 0
            corner = above[x - channels] if x >= channels else 0
            near = left + above[x] - corner
            guess = (0, left, above[x], (left + above[x]) // 2, min(
                (left, above[x], corner), key=lambda value: abs(near - value)))[kind]
            row[x] = (row[x] + guess) & 255
        rows.append(row)
        above = row
    return width, height, channels, b"".join(map(bytes, rows))


def clamp(at, size):
    return min(max(at, 0), size - 1)


def weights_of(radius):
    deviation = max(radius / 2, 0.5)
    exact = [math.exp(-(k * k) / (2 * deviation * deviation)) for k in range(-radius, radius + 1)]
    weights = [math.floor(65536 * value / sum(exact)) for value in exact]
    weights[radius] += 65536 - sum(weights)
    return weights


def blur(width, height, rgb, radius):
    taps = list(zip(range(-radius, radius + 1), weights_of(radius)))
    rows = [(sum(weight * rgb[3 * (y * width + clamp(x + k, width)) + c] for k, weight in taps) +
             128) >> 8 for y in range(height) for x in range(width) for c in range(3)]
    return bytes((sum(weight * rows[3 * (clamp(y + k, height) * width + x) + c]
                      for k, weight in taps) + (1 << 23)) >> 24
                 for y in range(height) for x in range(width) for c in range(3))


def edges(width, height, rgb):
    gray = [(77 * rgb[3 * i] + 150 * rgb[3 * i + 1] + 29 * rgb[3 * i + 2] + 128) >> 8
            for i in range(width * height)]

    def at(x, y):
        return gray[clamp(y, height) * width + clamp(x, width)]

    def edge(x, y):
        across = sum(weight * (at(x + 1, y + dy) - at(x - 1, y + dy))
                     for dy, weight in ((-1, 1), (0, 2), (1, 1)))
        down = sum(weight * (at(x + dx, y + 1) - at(x + dx, y - 1))
                   for dx, weight in ((-1, 1), (0, 2), (1, 1)))
        return min((abs(across) + abs(down)) // 2, 255)
    return bytes(edge(x, y) for y in range(height) for x in range(width))


def picture(width, height, seed):
    """RGB samples with slopes, an edge and some noise."""
    chance = random.Random(seed)
    return bytes(clamp((5 * x + 9 * y * (c + 1)) % 256 // 2 + (100 if x > y else 0) +
                       chance.randrange(20), 256)
                 for y in range(height) for x in range(width) for c in range(3))


def rows_of(samples, width, channels=3):
    stride = width * channels
    return [samples[at:at + stride] for at in range(0, len(samples), stride)]


def generate(root):
    """Good images: name -> (width, height, RGB samples, or None where only a decoder knows)."""
    known = {}
    (root / "deeper").mkdir()
    for number, (width, height) in enumerate([(1, 1), (31, 1), (1, 18), (33, 20), (16, 47)]):
        rgb = picture(width, height, number)
        name = f"deeper/{number}.PNG" if number % 2 else f"{number}.png"
        (root / name).write_bytes(png(width, height, rows_of(rgb, width)))
        known[name] = (width, height, rgb)
    gray = bytes(range(0, 240, 2))
    (root / "gray.png").write_bytes(png(12, 10, rows_of(gray, 12, 1), colour=0))
    known["gray.png"] = (12, 10, bytes(value for value in gray for _ in range(3)))
    palette = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255])
    (root / "palette.png").write_bytes(png(3, 2, [b"\0\1\2", b"\2\1\0"], colour=3,
                                           before=chunk(b"PLTE", palette)))
    known["palette.png"] = (3, 2, palette + palette[6:] + palette[3:6] + palette[:3])
    through = bytes([10, 20, 30, 255, 10, 20, 30, 0])  # what shows through is white
    (root / "transparent.png").write_bytes(png(2, 1, [through], colour=6))
    known["transparent.png"] = (2, 1, bytes([10, 20, 30, 255, 255, 255]))
    (root / "deep.png").write_bytes(png(2, 1, [struct.pack(">6H", *range(0, 60000, 10000))],
                                        depth=16))
    known["deep.png"] = (2, 1, None)
    for name in ("plain", "gray", "progressive"):
        (root / f"{name}.jpg").write_bytes(getattr(sample_jpegs, name.upper()))
        known[f"{name}.jpg"] = (40, 30, None)
    (root / "renamed.jpeg").write_bytes((root / "0.png").read_bytes())  # told by what is in it
    known["renamed.jpeg"] = known["0.png"]
    (root / "notes.txt").write_text("not named as an image")
    return known


def spoil(root):
    """Bad images: name -> what is said of them."""
    good = (root / "3.png").read_bytes() if (root / "3.png").exists() else \
        (root / "deeper/3.PNG").read_bytes()
    frame = sample_jpegs.PLAIN.index(b"\xff\xc0") + 5  # where height and width are
    flat = sample_jpegs.PLAIN[:frame] + b"\0\0" + sample_jpegs.PLAIN[frame + 2:]
    header = struct.pack(">IIBBBBB", 100000, 90000, 8, 2, 0, 0, 0)
    return {name: (content, want) for name, content, want in [
        ("bad/text.png", b"This is not an image.\n", "not a PNG or JPEG image"),
        ("bad/empty.png", b"", "an empty file"),
        ("bad/cut.png", good[:len(good) // 2], "a PNG file that is cut off"),
        ("bad/mark.png", good[:8], "a PNG file that is cut off"),
        ("bad/cut.jpg", sample_jpegs.PLAIN[:-60], "a JPEG file that is cut off"),
        ("bad/head.jpg", sample_jpegs.PLAIN[:-200], "a JPEG file that is cut off"),
        ("bad/flat.jpg", flat, "an image of no pixels"),
        ("bad/cmyk.jpg", sample_jpegs.CMYK, "a JPEG file in CMYK"),
        ("bad/none.png", png(0, 5, []), "an image of 0x5 pixels"),
        ("bad/huge.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header),
         "an image of 100000x90000 pixels; 64000000 are the most"),
        ("bad/bomb.png", png(2000, 2000, [], data=zlib.compress(b"")), "PNG file"),
        ("bad/line\nbreak.png", good[:60], "a PNG file that is cut off"),
    ]}


def contents(root):
    return {path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*") if path.is_file()}


def results_of(names, sheets=("contact_sheet.png",)):
    return {*sheets, *(f"{name}.{what}.png" for name in names for what in ("blur", "edges"))}


def check_good(root, out, known):
    made = {}
    for on, radius in [("auto", 4), ("cpu", 4), *([("gpu", 4)] if EMULATED else []), ("auto", 1)]:
        ran = run(root, out / on / str(radius), "--on", on, "--radius", radius)
        assert ran.returncode == 0, ran
        assert ran.stdout.startswith(f"{len(known)} images are in "), ran.stdout
        assert told(ran) == [] and "\r" not in ran.stderr, ran.stderr
        assert ("[emulated]" in ran.stdout) == (EMULATED and on != "cpu"), ran.stdout
        made[on, radius] = contents(out / on / str(radius))
        assert set(made[on, radius]) == results_of(known), sorted(made[on, radius])
    assert made["auto", 4] == made["cpu", 4], "devices do not agree"
    assert made["cpu", 4] == made.get(("gpu", 4), made["cpu", 4]), "devices do not agree"
    assert made["auto", 1] != made["auto", 4]
    for (on, radius), files in made.items():
        for name, (width, height, rgb) in known.items():
            soft, lines = (samples_of(files[f"{name}.{what}.png"]) for what in ("blur", "edges"))
            assert soft[:3] == (width, height, 3) and lines[:3] == (width, height, 1), name
            if rgb:
                assert soft[3] == blur(width, height, rgb, radius), (name, on, radius)
            assert lines[3] == edges(width, height, soft[3]), (name, on, radius)
    strips = len(known)
    width, height, channels, sheet = samples_of(made["auto", 4]["contact_sheet.png"])
    assert (width, height, channels) == (16 + 2 * 504, 16 + (strips + 1) // 2 * 136, 3)
    assert len(set(sheet)) > 50, "a contact sheet of nothing"


def check_bad(root, out, known):
    bad = spoil(root)
    (root / "bad").mkdir()
    for name, (content, _) in bad.items():
        (root / name).write_bytes(content)
    ran = run(root, out)
    assert ran.returncode == 3, ran
    assert set(contents(out)) == results_of(known), sorted(contents(out))
    said = {line.split(": ")[1]: line for line in told(ran)}
    assert len(said) == len(bad) == len(told(ran)), ran.stderr
    for name, (_, want) in bad.items():
        line = said[name.replace("\n", "?")]
        assert want in line, (line, want)
    assert f"{len(bad)} were left out" in ran.stdout, ran.stdout
    only = run(root / "bad", out / "bad")
    assert only.returncode == 3 and not (out / "bad/contact_sheet.png").exists(), only


def check_refusals(root, empty):
    (root / "file").write_bytes(b"")
    for arguments, want in [((empty, empty / "out"), "no files named"),
                            ((root / "none", empty / "out"), "no directory"),
                            ((root / "file", empty / "out"), "is not a directory"),
                            ((root, root / "file"), "cannot be made a directory"),
                            ((root, root / "deeper/out"), "is inside of"), ((root, root), "inside"),
                            ((root,), "OUT is required"), ((), "is required"),
                            ((root, empty / "out", "--radius", 0), "--radius"),
                            ((root, empty / "out", "--on", "tpu"), "tpu")]:
        ran = run(*arguments)
        assert ran.returncode == 2 and len(told(ran)) == 1 and want in told(ran)[0], ran
        assert ran.stdout == "", ran


def check_many(root, out):
    """More images than are in flight at once, and than one sheet shows."""
    for number in range(65):
        (root / f"{number:03}.png").write_bytes(png(5, 4, rows_of(picture(5, 4, number), 5)))
    ran = run(root, out)
    assert ran.returncode == 0, ran
    assert "65 images" in ran.stdout and "contact_sheet.png and 1 more" in ran.stdout, ran.stdout
    want = results_of([f"{number:03}.png" for number in range(65)],
                      ("contact_sheet.png", "contact_sheet-2.png"))
    assert set(contents(out)) == want
    assert samples_of(contents(out)["contact_sheet-2.png"])[1] == 16 + 3 * 136


with tempfile.TemporaryDirectory() as name:
    home = pathlib.Path(name)
    (home / "images").mkdir()
    images = generate(home / "images")
    check_good(home / "images", home / "good", images)
    check_bad(home / "images", home / "some", images)
    (home / "empty").mkdir()
    check_refusals(home / "images", home / "empty")
    (home / "many").mkdir()
    check_many(home / "many", home / "all")
