"""Runs pi (the command line is this script's): near the truth, and the same every time."""
import itertools
import math
import pathlib
import re
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import mt19937_64


def run(*arguments):
    return subprocess.run([*sys.argv[1:], *arguments], capture_output=True, text=True, check=False)


def inside(tasks, samples):
    ran = run("--tasks", str(tasks), "--samples", str(samples))
    assert ran.returncode == 0, ran
    said = re.fullmatch(r"(\d+) of (\d+) samples are inside: pi is about ([\d.]+)\n", ran.stdout)
    assert said, ran.stdout
    assert int(said[2]) == tasks * samples
    assert abs(float(said[3]) - 4 * int(said[1]) / int(said[2])) < 1e-6
    return int(said[1])


# Four million draws: the standard deviation of the estimate is 0.0008.
assert abs(4 * inside(4000, 1000) / 4_000_000 - math.pi) < 0.004
# The C++ standard settles every draw of mt19937_64, so the count is known.
want = 0
for seed in range(1, 41):
    draws = [draw >> 33 for draw in itertools.islice(mt19937_64.draws(seed), 200)]
    want += sum(x * x + y * y < 1 << 62 for x, y in zip(draws[::2], draws[1::2]))
assert inside(40, 100) == want
bad = run("--tasks", "0")
assert bad.returncode == 2 and "--tasks" in bad.stderr, bad
