"""Runs saxpy (the command line is this script's) and reads what it says, and where it ran."""
import os
import subprocess
import sys

ran = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True, check=False)
assert ran.returncode == 0, ran
lines = ran.stdout.splitlines()
assert lines[0] == "2 * 3 + 1 = 7, 100000 times", ran.stdout
emulated = "emulate" in " ".join(sys.argv) or "ALNILAM_EMULATE_GPUS" in os.environ
assert any("[emulated]" in line for line in lines[1:]) == emulated, ran.stdout
assert len(lines) == 2 and lines[1].startswith("on "), ran.stdout
