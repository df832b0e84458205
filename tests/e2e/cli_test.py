"""What people type and what they are shown: exit codes, one-line errors, tables and JSON.

    cli_test.py BIN CASE
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

from cluster import (ALNILAM, BIN, PATIENCE, PROGRAM, TWO_CORES, Cluster, Lines, casesOf,
                     complaints, environment, eventually, main, ran, spawn)

USAGE = 2
FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "topologies"
SKIPPED = 77  # as CMakeLists.txt tells ctest


def _refused(command, code, *words, env=None):
    done = ran(command, env=env or environment())
    assert done.returncode == code, done
    lines = complaints(done.stderr)
    assert len(lines) == 1, done
    for word in words:
        assert word in lines[0], done
    return done


def usage_errors():
    head = ["--head=127.0.0.1:1"]
    for command, words in [
            ([ALNILAM, "nonsense"], ["nonsense"]),
            ([ALNILAM], []),
            ([ALNILAM, "status", "--nonsense", *head], ["--nonsense"]),
            ([ALNILAM, "status"], ["--head"]),
            ([ALNILAM, "status", *head, "-o", "yaml"], ["yaml"]),
            ([ALNILAM, "node"], []),
            ([ALNILAM, "node", "nonsense"], ["nonsense"]),
            ([ALNILAM, "node", "info", *head], ["node"]),
            ([ALNILAM, "node", "detect", "--emulate-gpus=match"], ["match", "--topology"]),
            ([ALNILAM, "task", "explain", "x", *head], ["x"]),
            ([ALNILAM, "task", "list", "--job=x", *head], ["x"]),
            ([ALNILAM, "task", "list", "--limit=-1", *head], ["-1"]),
            ([ALNILAM, "up", "--nodes", "0"], ["0"]),
            ([ALNILAM, "up", "--nodes", "many"], ["many"]),
            ([BIN / "alnilam-head", "--lost-after=nan"], ["nan"]),
            ([BIN / "alnilam-head", "--lost-after=1e9"], ["1"]),
            ([BIN / "alnilam-head", "--nonsense"], ["--nonsense"]),
            ([BIN / "alnilam-node", "--nonsense", *head], ["--nonsense"]),
            ([BIN / "alnilam-node"], ["--head"])]:
        _refused(command, USAGE, *words)


def help_and_version():
    for command in ([ALNILAM], [ALNILAM, "up"], [ALNILAM, "node", "list"], [BIN / "alnilam-head"],
                    [BIN / "alnilam-node"]):
        done = ran([*command, "--help"], env=environment())
        assert done.returncode == 0 and "Usage" in done.stdout and not done.stderr, done
    for name in ("alnilam", "alnilam-head", "alnilam-node"):
        done = ran([BIN / name, "--version"], env=environment())
        assert done.returncode == 0 and len(done.stdout.splitlines()) == 1, done


def topologies_that_are_none():
    with Cluster(nodes=0) as cluster, tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        (place / "empty.xml").write_text("")
        (place / "text.xml").write_text("not a topology\n")
        (place / "html.xml").write_text("<html><body/></html>\n")
        (place / "newer.xml").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n'
            '<topology version="3.0"><object type="Machine" os_index="0"/></topology>\n')
        (place / "cut.xml").write_text('<?xml version="1.0"?>\n<topology version="2.0"><object ')
        wanted = ["empty.xml", "text.xml", "html.xml", "newer.xml", "cut.xml", "missing.xml", "."]
        for name in wanted:
            topology = f"--topology={place / name}"
            _refused([BIN / "alnilam-node", f"--head={cluster.address}", "--name=a", topology,
                      f"--secret-file={cluster.secret}"], USAGE, str(place / name))
            detected = ran([ALNILAM, "node", "detect", topology], env=environment())
            assert detected.returncode == USAGE and str(place / name) in detected.stderr, detected
            assert len(detected.stderr.splitlines()) == 1, detected
        for text in ["synthetic:", "synthetic:nonsense:3", "synthetic:core:0",
                     "synthetic:core:100000000 pu:1"]:
            _refused([BIN / "alnilam-node", f"--head={cluster.address}", "--name=a",
                      f"--topology={text}", f"--secret-file={cluster.secret}"], USAGE)
        embedded = ran([PROGRAM, "hello"], env=environment(ALNILAM_TOPOLOGY=place / "text.xml"))
        assert embedded.returncode == 1 and "text.xml" in embedded.stderr, embedded
        assert cluster.alive() == 0


def _emulatorIsMissing():
    missing = not pathlib.Path(os.environ.get("ALNILAM_EMULATOR", "/nowhere")).is_file()
    if missing:
        print("SKIPPED: the emulator has not been built")
    return missing


def emulated_gpus_that_are_none():
    with Cluster(nodes=0) as cluster:
        if _emulatorIsMissing():
            sys.exit(SKIPPED)
        for text in ["nonsense", "2", "x4GiB", "2x", "-1x4GiB", "0x4GiB", "2x4Gib", "2x-4GiB",
                     "1e9x1GiB", "100000x1GiB", "2x99999999999999999999GiB"]:
            _refused([BIN / "alnilam-node", f"--head={cluster.address}", "--name=a",
                      f"--emulate-gpus={text}", f"--topology={TWO_CORES}",
                      f"--secret-file={cluster.secret}"], USAGE, text)
            embedded = ran([PROGRAM, "hello"], env=environment(ALNILAM_EMULATE_GPUS=text))
            assert embedded.returncode == 1 and text in embedded.stderr, embedded
        for option in ["--store=nonsense", "--store=0", "--store=-1GiB", "--store=1PiB",
                       "--share=2/2", "--share=x", "--share=1/0"]:
            _refused([BIN / "alnilam-node", f"--head={cluster.address}", "--name=a", option,
                      f"--topology={TWO_CORES}", f"--secret-file={cluster.secret}"], USAGE,
                     option.split("=")[1])


def what_a_cluster_shows():
    with Cluster(nodes=2) as cluster:
        gate = cluster.directory / "gate"
        os.mkfifo(gate)
        program = cluster.start("pending", "300", gate)
        program.expect("submitted")
        eventually("all are there", lambda: cluster.ask("status")["tasksPending"] == 300)
        eventually("some run", lambda: any(
            row["running"] > 0 for row in cluster.ask("node", "list")["nodes"]))

        status = cluster.ask("status")
        assert status["schemaVersion"] == 1 and status["head"] == cluster.address, status
        assert (status["nodesAlive"], status["jobsOpen"]) == (2, 1), status
        nodes = cluster.ask("node", "list")["nodes"]
        assert {row["name"] for row in nodes} == {"node1", "node2"}, nodes
        assert all(row["state"] == "alive" and row["storeBytes"] > 0 for row in nodes), nodes
        (job,) = cluster.ask("job", "list")["jobs"]
        assert (job["name"], job["state"]) == ("e2e_program", "open"), job
        assert job["ready"] + job["assigned"] == 300, job
        tasks = cluster.ask("task", "list", "--limit", "10")["tasks"]
        assert len(tasks) == 10, tasks
        assert {task["function"] for task in tasks} == {"mixBehindGate"}, tasks
        of_job = cluster.ask("task", "list", "--job", job["id"])["tasks"]
        assert len(of_job) == 100, len(of_job)
        assert cluster.ask("task", "list", "--job", "999")["tasks"] == []

        explained = ran([ALNILAM, "task", "explain", tasks[0]["id"]], env=cluster.env())
        assert explained.returncode == 0 and "mixBehindGate" in explained.stdout, explained
        for command, titles in [(["status"], ["nodes alive"]), (["node", "list"], ["ID", "NAME"]),
                                (["task", "list"], ["ID", "FUNCTION"]),
                                (["job", "list"], ["ID", "WAITING"])]:
            table = ran([ALNILAM, *command], env=cluster.env())
            assert table.returncode == 0 and not table.stderr, table
            assert all(title in table.stdout for title in titles), table
        for command, rows in [(["node", "list"], 2), (["job", "list"], 1), (["task", "list"], 100)]:
            lines = ran([ALNILAM, *command, "-o", "jsonl"], env=cluster.env()).stdout.splitlines()
            assert len(lines) == rows and all(json.loads(line) for line in lines), lines
            ids = ran([ALNILAM, *command, "-o", "id"], env=cluster.env()).stdout.split()
            assert len(set(ids)) == rows, ids

        opened = os.open(gate, os.O_RDWR)
        program.passes()
        os.close(opened)
        eventually("none is pending", lambda: cluster.ask("status")["tasksPending"] == 0)
        _job_closed(cluster)


def _job_closed(cluster):
    (job,) = eventually("it is closed", lambda: [
        job for job in cluster.ask("job", "list")["jobs"] if job["state"] == "closed"])
    assert (job["finished"], job["failed"]) == (300, 0), job


def emulated_devices_say_so():
    if _emulatorIsMissing():
        sys.exit(SKIPPED)
    with Cluster(nodes=1, node=["--emulate-gpus=2x1GiB"]) as cluster:
        (node,) = cluster.ask("node", "list")["nodes"]
        assert len(node["gpus"]) == 2, node
        assert all(gpu["emulated"] and "emulated" in gpu["model"] for gpu in node["gpus"]), node
        assert "gpu=2" in node["offers"], node
        for command in (["node", "list"], ["status"]):
            table = ran([ALNILAM, *command], env=cluster.env())
            assert "emulated" in table.stdout, table
        detected = ran([ALNILAM, "node", "detect", "--emulate-gpus", "1x1GiB"], env=environment())
        assert detected.returncode == 0 and "emulated" in detected.stdout, detected


def variants_are_shown():
    if _emulatorIsMissing():
        sys.exit(SKIPPED)
    with Cluster(nodes=1, node=["--emulate-gpus=1x1GiB"]) as cluster:
        program = cluster.start("variants", "hold")
        program.expect("ran")
        tasks = cluster.ask("task", "list", "--limit", "1000")["tasks"]
        ran_as = {task["variant"] for task in tasks}
        assert ran_as == {"cuda (quickThere)", "cpu (slowHere)", "cuda (slowThere)",
                          "cpu (quickHere)"}, ran_as
        table = ran([ALNILAM, "task", "list"], env=cluster.env())
        assert "VARIANT" in table.stdout and "cpu (quickHere)" in table.stdout, table
        program.say()
        program.passes()


def a_machine_that_is_only_described():
    """Its GPUs are stood in for, its devices and links advertised, and shown in every format."""
    if _emulatorIsMissing():
        sys.exit(SKIPPED)
    topology = FIXTURES / "hwloc-power8gpudistances.xml"
    with Cluster(nodes=0, topology=topology) as cluster:
        for name, visible in [("whole", None), ("part", "1,3"), ("none", "")]:
            cluster.addNode(0, "--emulate-gpus=match:1GiB;seed=7", name=name,
                            CUDA_VISIBLE_DEVICES=visible)
        info = cluster.ask("node", "info", "whole")
        assert (info["schemaVersion"], info["name"], info["state"]) == (1, "whole", "alive"), info
        assert len(info["domains"]) == 2 and len(info["cores"]) == 8 and info["packages"] == 2, info
        assert "gpu=4,gpu.memory=4GiB" in info["offers"], info
        gpus = info["gpus"]
        assert [gpu["domain"] for gpu in gpus] == [0, 0, 1, 1], gpus
        assert [gpu["pciAddress"] for gpu in gpus] == sorted(gpu["pciAddress"] for gpu in gpus)
        first = gpus[0]
        assert first["model"] == "Tesla P100-SXM2-16GB [emulated]" and first["emulated"], first
        assert first["uuid"].startswith("EMU-") and first["memory"] == 1 << 30, first
        assert first["multiprocessors"] > 0 and first["copyEngines"] > 0, first
        assert first["computeCapability"] == "9.0" and first["parent"] is None, first
        assert first["errorCorrection"] is False and first["outOfService"] is None, first
        near = {(link["from"], link["to"]) for link in info["links"] if link["class"] == "nvlink"}
        assert near == {(0, 1), (1, 0), (2, 3), (3, 2)}, info["links"]
        assert {link["megabytesPerSecond"] for link in info["links"]} == {40000, 0}, info["links"]
        assert any(line.startswith("sm share: ") for line in info["features"]), info["features"]
        assert "links: from hwloc-power8gpudistances.xml" in info["features"], info["features"]

        part = cluster.ask("node", "info", "pa")  # the beginning of one name only
        assert [gpu["uuid"] for gpu in part["gpus"]] == [gpus[1]["uuid"], gpus[3]["uuid"]], part
        assert [gpu["domain"] for gpu in part["gpus"]] == [0, 1], part
        assert cluster.ask("node", "info", "none")["gpus"] == []

        tree = ran([ALNILAM, "node", "info", "whole"], env=cluster.env())
        assert tree.returncode == 0 and "NVLink 40 GB/s to 1; host to 2-3" in tree.stdout, tree
        assert "node whole, id 1: alive" in tree.stdout and "sm share: " in tree.stdout, tree
        narrow = ran([ALNILAM, "node", "list"], env=cluster.env()).stdout
        wide = ran([ALNILAM, "node", "list", "-o", "wide"], env=cluster.env()).stdout
        assert "OUT OF SERVICE" not in narrow and "sm share" not in narrow, narrow
        assert "OUT OF SERVICE" in wide and "sm share" in wide, wide
        assert "4x Tesla P100-SXM2-16GB [emulated]" in narrow, narrow
        listed = cluster.ask("node", "list")["nodes"]
        assert listed[0]["gpus"] == gpus, listed
        missing = ran([ALNILAM, "node", "info", "other"], env=cluster.env())
        assert missing.returncode == 1 and "whole, part, none" in missing.stderr, missing

        detected = json.loads(ran(
            [ALNILAM, "node", "detect", f"--topology={topology}",
             "--emulate-gpus=match:1GiB;seed=7", "-o", "json"], env=environment()).stdout)
        for shared in ("hostname", "source", "domains", "cores", "gpus", "nics", "links",
                       "features"):
            assert detected[shared] == info[shared], (shared, detected[shared], info[shared])


def visible_devices_bound_a_node():
    """It offers those that the user named, its tasks get those, and find the variable unchanged."""
    if _emulatorIsMissing():
        sys.exit(SKIPPED)
    emulated = "--emulate-gpus=4x64MiB;seed=1"
    known = json.loads(ran([ALNILAM, "node", "detect", emulated, "-o", "json"],
                           env=environment()).stdout)["gpus"]
    uuids = [gpu["uuid"] for gpu in known]
    for visible, wanted in [(None, [0, 1, 2, 3]), ("3,1", [1, 3]), (uuids[2], [2]),
                            (f"{uuids[2][:-4]},0", [0, 2]), ("1,nonsense,0", [1]), ("-1", [])]:
        env = environment(CUDA_VISIBLE_DEVICES=visible)
        shown = json.loads(ran([ALNILAM, "node", "detect", emulated, "-o", "json"],
                               env=env).stdout)["gpus"]
        assert [gpu["uuid"] for gpu in shown] == [uuids[index] for index in wanted], shown
        scenario = [PROGRAM, "devices", len(wanted), "unset" if visible is None else visible]
        for done in (ran([ALNILAM, "up", emulated, "--", *scenario], env=env),
                     ran(scenario, env={**env, "ALNILAM_EMULATE_GPUS": emulated.split("=", 1)[1]})):
            assert done.returncode == 0, (visible, done)


def up_ends_with_its_program():
    for arguments, code in [(["hello"], 0), (["nonsense"], 2), (["run", "x"], 1)]:
        done = ran([ALNILAM, "up", "--nodes", "1", "--", PROGRAM, *arguments], env=environment())
        assert done.returncode == code, done
    missing = ran([ALNILAM, "up", "--nodes", "1", "--", "/nowhere/program"], env=environment())
    assert missing.returncode == 1 and "/nowhere/program" in missing.stderr, missing


def up_ends_at_a_signal():
    """With everything that it started, and its files."""
    with tempfile.TemporaryDirectory() as directory:
        up = spawn([ALNILAM, "up", "--nodes", "2", f"--topology={TWO_CORES}"],
                   stdout=subprocess.PIPE, env=environment(XDG_RUNTIME_DIR=directory))
        lines, head, secret = Lines(up.stdout), None, None
        while head is None or secret is None:
            line = lines.next()
            assert line is not None, "it ended"
            if "ALNILAM_HEAD=" in line:
                head = line.split("=", 1)[1]
            if "ALNILAM_SECRET_FILE=" in line:
                secret = line.split("=", 1)[1]
        env = environment(ALNILAM_HEAD=head, ALNILAM_SECRET_FILE=secret)
        done = ran([PROGRAM, "hello"], env=env)
        assert done.returncode == 0, done
        up.send_signal(signal.SIGINT)
        assert up.wait(PATIENCE) == 0, up.returncode
        assert os.listdir(directory) == [], os.listdir(directory)
        assert ran([PROGRAM, "hello"], env=env).returncode == 1


def daemons_end_at_sigterm():
    """Both within seconds, with 0, also in mid-run."""
    with Cluster(nodes=1) as cluster:
        program = cluster.start("run", "500")
        program.expect("running")
        for process in (cluster.nodes["node1"], cluster.head):
            process.terminate()
            assert process.wait(10) == 0, process.returncode
        assert program.process.wait(PATIENCE) == 1


if __name__ == "__main__":
    main(casesOf(dict(globals())))
