"""Runs quickstart (the command line is this script's) and reads what it says."""
import subprocess
import sys

WANT = "10 + 32 = 42\nthe answer is 42\nthe squares of 1 to 10 add up to 385\n"

ran = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True, check=False)
assert ran.returncode == 0, ran
assert ran.stdout == WANT, ran.stdout
