"""Runs wordcount (the command line is this script's) beside a count in one loop."""
import collections
import pathlib
import random
import subprocess
import sys
import tempfile


def run(*arguments):
    return subprocess.run([*sys.argv[1:], *map(str, arguments)], capture_output=True, text=True,
                          check=False)


def check_counts():
    known = [f"word{i}" for i in range(300)] + ["Word1", "ünicode", "a,b"]
    chance = random.Random(5)
    with tempfile.TemporaryDirectory() as name:
        root, total = pathlib.Path(name), collections.Counter()
        for number in range(150):
            folder = root / f"d{number % 7}" / f"e{number % 3}"
            folder.mkdir(parents=True, exist_ok=True)
            text = [chance.choice(known) for _ in range(chance.randrange(200))]
            (folder / f"{number}.txt").write_text("\n \t".join(text), encoding="utf-8")
            total.update(text)
        ran = run(root, "--top", 25)
        assert ran.returncode == 0, ran
        lines = ran.stdout.splitlines()
        words = sum(total.values())
        assert lines[0] == f"{words} words, {len(total)} different, in 150 files", lines
        ranked = sorted(total.items(), key=lambda item: (-item[1], item[0].encode()))
        assert lines[1:] == [f"{count} {word}" for word, count in ranked[:25]], lines


def check_refusals():
    with tempfile.TemporaryDirectory() as empty:
        for arguments, want in [((empty,), "no files in"), (("/nowhere",), "is not a directory"),
                                ((), "DIR is required")]:
            ran = run(*arguments)
            told = [line for line in ran.stderr.splitlines() if line.startswith("wordcount: ")]
            assert ran.returncode == 2 and len(told) == 1 and want in told[0], ran


check_counts()
check_refusals()
