"""Emulated devices that are lost while a program runs: what becomes of its tasks, and what people
see.

    devices_test.py BIN CASE
"""
import os
import pathlib
import sys
import tempfile

from cluster import ALNILAM, BIN, PROGRAM, Cluster, casesOf, environment, eventually, main, ran

SKIPPED = 77  # as CMakeLists.txt tells ctest


def _withEmulator():
    there = os.environ.get("ALNILAM_EMULATOR", "/nowhere")
    if not os.path.exists(there):
        sys.exit(SKIPPED)


def _outOfService(cluster):
    """Of the cluster's only node: the devices' reasons, by index."""
    gpus = cluster.ask("node", "info", "node1")["gpus"]
    return {gpu["index"]: gpu["outOfService"] for gpu in gpus if gpu["outOfService"]}


def a_lost_device_is_taken_out_and_its_tasks_run_on_the_other():
    _withEmulator()
    with Cluster(nodes=1, node=["--emulate-gpus=2x1GiB;lost=3@1"]) as cluster:
        program = cluster.start("device_lost", "200", "left")
        program.expect("ran")
        out = _outOfService(cluster)
        assert list(out) == [1] and "CUDA_ERROR_DEVICE_UNAVAILABLE" in out[1], out
        (node,) = cluster.ask("node", "list")["nodes"]
        assert "gpu=1,gpu.memory=1GiB" in node["offers"] and node["state"] == "alive", node
        for command, words in [(["status"], "out of service: gpu 1"),
                               (["node", "list", "-o", "wide"], "(1 out of service)"),
                               (["node", "info", "node1"], "OUT OF SERVICE: lost: ")]:
            shown = ran([ALNILAM, *command], env=cluster.env())
            assert shown.returncode == 0 and words in shown.stdout, shown
        assert "gpu 1 is out of service: lost: " in cluster.logged()
        program.say()
        program.passes()

        # The next executor is another process, to which the emulator gives a sound device.
        restored = cluster.ask("node", "restore", "node1")
        assert (restored["name"], restored["restored"]) == ("node1", [1]), restored
        eventually("both devices are back", lambda: not _outOfService(cluster))
        assert "gpu=2" in cluster.ask("node", "list")["nodes"][0]["offers"]
        program = cluster.start("device_lost", "2", "left")  # of which neither is a third
        program.expect("ran")
        assert not _outOfService(cluster)
        program.say()
        program.passes()


def the_last_device_is_lost():
    _withEmulator()
    with Cluster(nodes=1, node=["--emulate-gpus=1x1GiB;lost=5"]) as cluster:
        program = cluster.start("device_lost", "40", "none")
        program.expect("ran")
        assert list(_outOfService(cluster)) == [0]
        program.say()
        program.passes()
        cluster.hello()


def a_device_is_lost_in_one_process():
    """The same without a cluster."""
    _withEmulator()
    for devices, left in [("2x1GiB;lost=7@1", "left"), ("1x1GiB;lost=5", "none")]:
        done = ran([PROGRAM, "device_lost", "40", left], input="\n",
                   env=environment(ALNILAM_EMULATE_GPUS=devices))
        assert done.returncode == 0 and "passed" in done.stdout, done


def memory_of_devices_is_shown_and_released_with_the_results():
    _withEmulator()
    with tempfile.TemporaryDirectory() as folder:
        trace = pathlib.Path(folder) / "trace.json"
        with Cluster(nodes=1, node=[f"--emulate-gpus=1x1GiB;trace={trace}"]) as cluster:
            def use():
                shown = cluster.ask("node", "info", "node1")["deviceMemory"]
                return shown[0] if shown else None

            assert use() is None
            program = cluster.start("device_memory")
            program.expect("made")
            full = eventually("8 results of 4 MiB are there",
                              lambda: use() and use()["usedBytes"] >= 8 << 22 and use())
            assert full["gpu"] == 0 and full["reservedBytes"] >= full["usedBytes"], full
            assert full["mostUsedBytes"] >= full["usedBytes"], full
            assert 0 <= full["fragmentation"] <= 1, full
            program.say()
            program.expect("dropped")
            eventually("they are released on the device, too",
                       lambda: use()["usedBytes"] < 1 << 22)
            assert use()["mostUsedBytes"] >= 8 << 22, use()

            shown = ran([ALNILAM, "metrics"], env=cluster.env())
            assert shown.returncode == 0, shown
            values = _metrics(shown.stdout)
            family = 'alnilam_gpu_memory_used_high_bytes{node="node1",gpu_uuid="EMU-'
            high = [value for name, value in values.items()
                    if name.startswith(family) and name.endswith('",emulated="true"}')]
            assert len(high) == 1 and high[0] >= 8 << 22, values
            assert values['alnilam_nodes{state="alive"}'] == 1, values
            capacity = 'alnilam_node_resource_capacity{node="node1",resource="gpu"}'
            assert values[capacity] == 1 and values["alnilam_tasks_finished_total"] >= 8, values
            tree = ran([ALNILAM, "node", "info", "node1"], env=cluster.env()).stdout
            assert "GPU 0 memory: " in tree, tree
            program.say()
            program.passes()

        calls = trace.read_text()
        assert '"cuMemHostRegister_v2"' in calls, "the store's pages are pinned in place"
        assert '"cuMemHostAlloc"' not in calls, "and nothing is copied through others"


def _metrics(text):
    """Values by name with labels; every family is described once, before its lines."""
    values, described = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert kind in ("gauge", "counter") and family not in described, line
            assert family.endswith("_total") == (kind == "counter"), line
            described.add(family)
        elif not line.startswith("# HELP "):
            name, value = line.rsplit(" ", 1)
            assert name.split("{")[0] == family and name not in values, line
            values[name] = float(value)
    return values


def restoring_what_is_not_out():
    with Cluster(nodes=1) as cluster:
        done = ran([ALNILAM, "node", "restore", "node1"], env=cluster.env())
        assert done.returncode == 0 and "nothing is out of service" in done.stdout, done
        done = ran([ALNILAM, "node", "restore", "other"], env=cluster.env())
        assert done.returncode == 1 and "other" in done.stderr and "node1" in done.stderr, done


if __name__ == "__main__":
    main(casesOf(globals()))
