"""alnilam-sim load: the head's brain under a synthetic load, in virtual time.

    load_test.py ALNILAM_SIM CASE...
"""
import json
import subprocess
import sys

PROGRAM = sys.argv[1]


def run(*arguments):
    return subprocess.run([PROGRAM, "load", *arguments], capture_output=True, text=True,
                          check=False)


def result(*arguments):
    ran = run("-o", "json", *arguments)
    assert ran.returncode == 0, ran
    return json.loads(ran.stdout)


SMALL = ("--nodes", "20", "--cores", "8", "--tasks", "4000")


def everyTaskEndsAndNoneFails():
    for rate in ("0", "200"):
        found = result(*SMALL, "--rate", rate)
        assert (found["tasks"], found["failed"]) == (4000, 0), found
        assert 0 < found["utilization"] <= 100, found
        queueing = found["queueing"]
        assert 0 < queueing["p50"] <= queueing["p95"] <= queueing["p99"] <= queueing["max"], found


def equalSeedsGiveEqualBytes():
    first, again, other = (run(*SMALL, "--no-timing", "-o", "json", "--seed", seed).stdout
                           for seed in ("7", "7", "8"))
    assert first and first == again
    assert first != other


def jobsOfEqualWeightAreServedAlike():
    found = result(*SMALL, "--jobs", "8")
    assert found["fairness"] > 0.99, found


def higherPrioritiesQueueLess():
    lowest, middle, highest = result(*SMALL, "--priorities", "3", "--gpus", "0")["byPriority"]
    assert lowest["p50"] > 1.2 * middle["p50"], (lowest, middle)
    assert middle["p50"] > 1.2 * highest["p50"], (middle, highest)


def aClusterTwiceAsLargeQueuesHalfAsLong():
    once = result(*SMALL, "--gpus", "0")
    twice = result("--nodes", "40", *SMALL[2:], "--gpus", "0")
    assert 1.7 < once["makespan"] / twice["makespan"] < 2.3, (once, twice)
    assert once["utilization"] > 80, once


def aWaitingTaskTakesAtMostSixHundredBytes():
    found = result("--nodes", "10", "--tasks", "100000", "--mean-seconds", "0.01")
    assert 0 < found["bytesPerTask"] <= 600, found


def valuesThatCannotBeAreNamedWithWhatCould():
    rows = [("--nodes", "0", "--nodes is 0; it must be 1 to "), ("--cores", "2", "3 to 1024"),
            ("--tasks", "3", "4 to "), ("--rate", "-1", "0 (all at once) or 0.001"),
            ("--mean-seconds", "nan", "--mean-seconds is nan"), ("--priorities", "11", "1 to 10"),
            ("--jobs", "x", "--jobs"), ("-o", "yaml", "yaml"), ("--nodes", "60001", "60000")]
    for option, value, says in rows:
        ran = run(option, value)
        assert ran.returncode == 2 and says in ran.stderr and not ran.stdout, (option, value, ran)


for name in sys.argv[2:]:
    globals()[name]()
