"""Runs matmul (the command line is this script's), which checks its own result, on every device."""
import os
import re
import subprocess
import sys

EMULATED = "emulate" in " ".join(sys.argv) or "ALNILAM_EMULATE_GPUS" in os.environ


def run(*arguments):
    return subprocess.run([*sys.argv[1:], *map(str, arguments)], capture_output=True, text=True,
                          check=False)


def check(n, tile, on, gpu):
    """The program's word that it is right, and that the devices did it which should."""
    ran = run("-n", n, "--tile", tile, "--on", on)
    assert ran.returncode == 0, ran
    head, *rows = ran.stdout.splitlines()
    assert re.fullmatch(rf"{n}x{n} in tiles of {tile}: right, .* GFLOP/s", head), ran
    cuts = -(-n // tile)
    devices = {row.split(":")[0]: int(re.search(r"(\d+) tasks", row)[1]) for row in rows}
    on_gpus = sum(tasks for device, tasks in devices.items() if "[emulated]" in device)
    assert sum(devices.values()) >= 3 * cuts * cuts, ran.stdout  # tiles of A, of B, of C
    assert (on_gpus >= cuts * cuts) == gpu, ran.stdout
    return len([device for device in devices if "[emulated]" in device])


for n, tile in [(1, 16), (33, 16), (40, 64)]:
    check(n, tile, "auto", EMULATED)
check(50, 16, "cpu", False)
if EMULATED:
    assert check(100, 16, "gpu", True) >= 2, "49 tiles were all made on one GPU"
else:
    none = run("-n", 16, "--tile", 16, "--on", "gpu")
    assert none.returncode == 1 and "gpu" in none.stderr.lower(), none

for arguments, want in [(("-n", 0), "-n"), (("--tile", 8), "--tile"), (("--on", "tpu"), "tpu"),
                        (("extra",), "extra")]:
    ran = run(*arguments)
    told = [line for line in ran.stderr.splitlines() if line.startswith("matmul: ")]
    assert ran.returncode == 2 and len(told) == 1 and want in told[0], ran
