"""Holds near_duplicates (the command line is this script's) to a plain loop over all pairs."""
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile


def run(*arguments):
    return subprocess.run([*sys.argv[1:], *map(str, arguments)], capture_output=True, text=True,
                          check=False)


def shingles(text):
    words = text.split()  # bytes.split: runs without ASCII white space
    if len(words) < 5:
        return {tuple(words)}
    return {tuple(words[i:i + 5]) for i in range(len(words) - 4)}


def similarities(root):
    """The text files of a tree, and the Jaccard similarity of each pair that has any."""
    files, numbers = {}, {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink() and b"\0" not in path.read_bytes():
            files[path.relative_to(root).as_posix()] = {
                numbers.setdefault(each, len(numbers)) for each in shingles(path.read_bytes())}
    pairs = {}
    for left, right in itertools.combinations(files, 2):
        both = len(files[left] & files[right])
        if both:
            pairs[left, right] = both / (len(files[left]) + len(files[right]) - both)
    return list(files), pairs


def reference(known, threshold):
    """Files joined by pairs at or above the threshold, by relabelling."""
    files, pairs = known
    label = {name: name for name in files}
    for (left, right), similarity in pairs.items():
        if similarity >= threshold and label[left] != label[right]:
            old, new = label[right], label[left]
            label = {name: new if of == old else of for name, of in label.items()}
    groups = {}
    for name, of in label.items():
        groups.setdefault(of, []).append(name)
    return sorted((sorted(group, key=os.fsencode) for group in groups.values() if len(group) > 1),
                  key=lambda group: os.fsencode(group[0]))


def edited(words, chance, share):
    return [f"edit{chance.randrange(10 ** 6)}" if chance.random() < share else word
            for word in words]


def write(root, name, words, chance):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(word + chance.choice([" ", "\n", "\t ", "\r\n"]) for word in words),
                    encoding="utf-8")


def generate(root, seed):
    """Families of texts at all distances, and what is not quite a text."""
    chance = random.Random(seed)
    for family in range(70):  # some three hundred files: several blocks
        base = [f"w{chance.randrange(400)}" for _ in range(chance.choice([3, 8, 60, 300, 900]))]
        for member in range(chance.randrange(1, 9)):
            share = chance.choice([0, 0, 0.002, 0.01, 0.03, 0.1])
            name = f"f{family % 5}/t{family}-{member}.txt"
            write(root, name, edited(base, chance, share), chance)
    # A chain: each next to the one before, the ends far apart.
    chain = [f"c{i}" for i in range(200)]
    for link in range(12):
        chain = chain[6:] + [f"c{200 + 6 * link + i}" for i in range(6)]
        write(root, f"chain/{link:02}", chain, chance)
    for name, content in [("empty 1", b""), ("blank", b" \n\t"), ("one", b"word"), ("ONE", b"Word"),
                          ("one again", b"word\n"), ("binary 1", b"a\0b"), ("binary 2", b"a\0b"),
                          ("not utf-8", b"\xff\xfe a b c d e"), ("quote\"\\", b"word"),
                          ("sp\u00e4t", b"\xff\xfe a b c d e")]:
        (root / name).write_bytes(content)
    (root / "link").symlink_to(root / "one")


def check_same_as_reference(root, thresholds):
    known, found = similarities(root), 0
    for threshold in thresholds:
        ran = run(root, "--threshold", threshold, "-o", "json")
        assert ran.returncode == 0, ran
        got, want = json.loads(ran.stdout), {"groups": reference(known, threshold)}
        assert got == want, f"threshold {threshold}: {got}\nwanted {want}"
        found += len(want["groups"])
    assert found > 0, "nothing was compared"


def check_tables(root):
    ran = run(root)
    assert ran.returncode == 0, ran
    groups = reference(similarities(root), 0.8)
    lines = ran.stdout.splitlines()
    for group in groups:
        assert all(any(line.endswith(name) for line in lines) for name in group), ran.stdout
    head = [line.split() for line in lines if line.startswith("NODE ")]
    assert head == [["NODE", "DEVICE", "TASKS", "BUSY", "MOVED", "LANE"]], ran.stdout
    emulated = "emulate" in " ".join(sys.argv) or "ALNILAM_EMULATE_GPUS" in os.environ
    assert ("[emulated]" in ran.stdout) == emulated, ran.stdout
    compared = [line.split() for line in lines if " of compareBlocks ran as " in line]
    assert compared and sum(int(line[0]) for line in compared) >= 6, ran.stdout
    kinds = {line[5] for line in compared}
    assert "compareOnCpu" in kinds and ("compareOnGpu" in kinds) == emulated, ran.stdout
    assert "\r" not in ran.stderr, "a progress bar where there is no terminal"


def check_refusals(root):
    with tempfile.TemporaryDirectory() as empty:
        (pathlib.Path(empty) / "folder").mkdir()
        for arguments, want in [((empty,), "no files in"), ((root / "none",), "no directory"),
                                ((root / "one",), "not a directory"), ((), "DIR is required"),
                                ((root, "--threshold", 1.5), "--threshold"),
                                ((root, "-o", "xml"), "xml")]:
            ran = run(*arguments)
            told = [line for line in ran.stderr.splitlines() if line.startswith("near_duplicates:")]
            assert ran.returncode == 2 and len(told) == 1 and want in told[0], ran
            assert ran.stdout == "", ran


def real_texts(root):
    """The licences and notices of this machine, as many as a loop over all pairs can bear."""
    found = sorted(pathlib.Path("/usr/share/common-licenses").glob("*"))
    found += sorted(pathlib.Path("/usr/share/doc").glob("*/copyright"))[:150]
    for number, path in enumerate(found):
        if path.is_file():
            (root / f"{number:03}").write_bytes(path.read_bytes())
    return found


with tempfile.TemporaryDirectory() as name:
    texts = pathlib.Path(name)
    generate(texts, 11)
    check_same_as_reference(texts, [0.8, 0.3, 1.0])
    check_tables(texts)
    check_refusals(texts)
with tempfile.TemporaryDirectory() as name:
    if real_texts(pathlib.Path(name)):
        check_same_as_reference(pathlib.Path(name), [0.8])
