"""alnilam-sim on a cut of a real trace, against figures that another program computed.

    replay_test.py ALNILAM_SIM FIXTURES [CASE...]
"""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

PROGRAM, FIXTURES = sys.argv[1], pathlib.Path(sys.argv[2])
FILES = {name: FIXTURES / file for name, file in
         (("nodes", "nodes.csv"), ("pods", "pods.csv"), ("arrivals", "arrivals.txt"))}


def run(*arguments, **files):
    command = [PROGRAM, "replay"]
    for name, path in {**FILES, **files}.items():
        command += [f"--{name}", str(path)]
    return subprocess.run(command + list(arguments), capture_output=True, text=True, check=False)


def results(*arguments):
    ran = run("-o", "json", *arguments)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def goldenFiguresAreReached():
    with open(FIXTURES / "golden.csv", encoding="utf-8") as file:
        golden = list(csv.DictReader(file))
    assert len(golden) == 15
    for row in golden:
        found, = results("--policy", row["policy"], "--seeds", row["seed"])
        for key in ("allocation100", "allocation130", "fragmentation100", "failed"):
            assert abs(found[key] - float(row[key])) < 0.0002, (row, found)


def theOracleStillGivesTheGoldenFigures():
    oracle = pathlib.Path(__file__).with_name("oracle.py")
    ran = subprocess.run([sys.executable, str(oracle), *map(str, FILES.values())],
                         capture_output=True, text=True, check=True)
    assert ran.stdout == (FIXTURES / "golden.csv").read_text(encoding="utf-8")


def equalSeedsGiveEqualBytes():
    for policy in ("default", "random", "fgd"):
        runs = {run("--policy", policy, "--seeds", "1-3", "-o", "json", "--no-timing").stdout
                for _ in range(2)}
        assert len(runs) == 1 and len(runs.pop().splitlines()) == 3


def objectsHaveTheirKeysInOrder():
    found, = results("--policy", "default", "--seeds", "2")
    assert list(found) == ["seed", "policy", "allocation100", "allocation130", "fragmentation100",
                           "failed", "decisionsPerSecond"], found
    assert found["seed"] == 2 and found["policy"] == "default" and found["decisionsPerSecond"] > 0


def allPoliciesRun():
    names = [found["policy"] for found in results("--policy", "all", "--seeds", "1")]
    assert len(names) == len(set(names))
    assert {"random", "dotprod", "bestfit", "packing", "clustering", "fgd", "default", "pack",
            "spread", "fragmentation"} == set(names), names


def defaultBeatsThoseThatDoNotLookAhead():
    def mean(policy):
        found = results("--policy", policy, "--seeds", "1-3")
        return sum(one["allocation130"] for one in found) / len(found)
    assert mean("default") > mean("bestfit") + 1
    assert mean("default") > mean("random") + 5


def unknownPoliciesNameTheKnownOnes():
    ran = run("--policy", "best")
    assert ran.returncode == 2 and '"best"' in ran.stderr, ran
    assert "bestfit" in ran.stderr and "default" in ran.stderr and "random" in ran.stderr


def unusableArgumentsAreUsageErrors():
    assert run("--seeds", "5-2").returncode == 2
    assert run("--seeds", "x").returncode == 2
    assert run("-o", "yaml").returncode == 2
    missing = subprocess.run([PROGRAM, "replay"], capture_output=True, text=True, check=False)
    assert missing.returncode == 2 and "--nodes" in missing.stderr, missing


def absentSeedsAndFilesFail():
    ran = run("--seeds", "1-9")
    assert ran.returncode == 1 and "no seed 4" in ran.stderr, ran
    ran = run("--seeds", "1", nodes="/nonexistent.csv")
    assert ran.returncode == 1 and "/nonexistent.csv" in ran.stderr, ran


def badRowsNameFileLineAndColumn():
    nodes, pods = (FILES[name].read_text(encoding="utf-8").splitlines()
                   for name in ("nodes", "pods"))
    arrivals = FILES["arrivals"].read_text(encoding="utf-8").splitlines()
    rows = [  # which file, its lines, what is said
        ("nodes", [nodes[0], nodes[1], "n,12x,5,1,T4"], ':3:3: cpu_milli: "12x"'),
        ("nodes", [nodes[0], "n,-1,5,1,T4"], ":2:3: cpu_milli"),
        ("nodes", [nodes[0], "n,1,5,65,T4"], ":2:7: gpu"),
        ("nodes", [nodes[0], "n,1,5,1,"], ":2:9: model"),
        ("nodes", [nodes[0], "n,1,5"], ":2:6: has 3 columns"),
        ("nodes", [nodes[0], "n,1,5,1,T4,more"], ":2:12: has 6 columns"),
        ("nodes", [nodes[0], "n,99999999999999999999,5,1,T4"], ":2:3: cpu_milli"),
        ("nodes", [nodes[0], "n,1,5,1,T4", "n,1,5,1,T4"], '"n" is there twice'),
        ("nodes", ["sn,cpu_milli"], ':1: has no column "memory_mib"'),
        ("nodes", [], "is empty"),
        ("pods", [pods[0], "p,1,1,2,500,"], ":2:9: gpu_milli"),
        ("pods", [pods[0], "p,1,1,1,1001,"], ":2:9: gpu_milli"),
        ("arrivals", ["1 2 3"], ':1:1: "1 2 3" is no seed'),
        ("arrivals", ["1: 0 1 2"], ':1:9: has no "|"'),
        ("arrivals", ["1: 0 99999 | 0"], ':1:6: "99999"'),
        ("arrivals", ["1: 0 | 0 1"], ":1:6: has 2 ranks for 47 nodes"),
        ("arrivals", [arrivals[0].rsplit(" ", 1)[0] + " " + arrivals[0].split("| ")[1].split()[0]],
         "twice"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for i, (which, lines, said) in enumerate(rows):
            path = pathlib.Path(folder) / f"{which}{i}"
            path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
            ran = run("--seeds", "1", **{which: path})
            assert ran.returncode == 1, (said, ran)
            assert str(path) in ran.stderr and said in ran.stderr, (said, ran.stderr)
            assert len(ran.stderr.splitlines()) == 1, ran.stderr


CASES = [goldenFiguresAreReached, theOracleStillGivesTheGoldenFigures, equalSeedsGiveEqualBytes,
         objectsHaveTheirKeysInOrder, allPoliciesRun, defaultBeatsThoseThatDoNotLookAhead,
         unknownPoliciesNameTheKnownOnes, unusableArgumentsAreUsageErrors, absentSeedsAndFilesFail,
         badRowsNameFileLineAndColumn]

if __name__ == "__main__":
    for case in CASES:
        if len(sys.argv) == 3 or case.__name__ in sys.argv[3:]:
            case()
            print(f"passed: {case.__name__}")
