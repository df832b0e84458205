"""Runs primes (the command line is this script's) and counts the primes in another way."""
import itertools
import pathlib
import re
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import mt19937_64


def is_prime(number):
    """Trial division where that is quick, else Miller-Rabin with bases that primes.cc has not."""
    if number < 1 << 26:
        return number > 1 and all(number % d for d in range(2, int(number ** 0.5) + 1))
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return number % 2 == 1 and all(
        pow(base, odd, number) == 1
        or any(pow(base, odd << i, number) == number - 1 for i in range(twos))
        for base in range(101, 201, 2))


def check(count, bits, seed):
    command = [*sys.argv[1:], "--count", str(count), "--bits", str(bits), "--seed", str(seed)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran
    lines = ran.stdout.splitlines()
    numbers = [x >> 64 - bits for x in itertools.islice(mt19937_64.draws(seed), count)]
    primes = sum(map(is_prime, numbers))
    assert lines[0] == f"{primes} of {count} numbers of {bits} bits are prime", lines
    assert re.fullmatch(r"\d+ tasks/s", lines[1]), lines
    row = r"(\w+) +(\d+) tasks   p50 +(\d+) us   p95 +(\d+) us   p99 +(\d+) us"
    rows = [re.fullmatch(row, line) for line in lines[2:]]
    assert all(rows), lines
    assert {found[1]: int(found[2]) for found in rows} == {
        "urgent": count // 10, "normal": count * 6 // 10, "patient": count * 3 // 10, "all": count}
    assert all(int(found[3]) <= int(found[4]) <= int(found[5]) for found in rows), lines


check(5000, 24, 3)
check(500, 64, 4)
check(1000, 3, 5)
