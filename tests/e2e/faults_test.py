"""Processes that are killed and stopped while a program runs, and what becomes of the program.

    faults_test.py BIN CASE
"""
import os
import signal
import subprocess

from cluster import PATIENCE, PROGRAM, Cluster, casesOf, environment, eventually, main, ran


def node_killed_while_tasks_run():
    with Cluster(nodes=2) as cluster:
        program = cluster.start("run", "400")
        program.expect("running")
        cluster.nodes["node2"].kill()
        program.passes()
        assert cluster.states() == {"node1": "alive", "node2": "lost"}, cluster.states()


def node_killed_with_large_values():
    """What lay on it is made again."""
    with Cluster(nodes=2) as cluster:
        program = cluster.start("large_values")
        program.expect("made")
        held = {row["name"]: row["storeUsedBytes"] for row in cluster.ask("node", "list")["nodes"]}
        cluster.nodes["node2"].kill()
        eventually("node2 is lost", lambda: cluster.states()["node2"] == "lost")
        program.say()
        program.passes()
        assert held, held


def node_killed_and_another_joins():
    with Cluster(nodes=2) as cluster:
        program = cluster.start("run", "400")
        program.expect("running")
        for node in list(cluster.nodes.values()):
            node.kill()
        cluster.addNode(1, name="node3")
        program.passes()
        assert cluster.states()["node3"] == "alive"


def node_stopped_and_continued():
    """Beyond the lease it is lost, its tasks run elsewhere; continued, it joins anew."""
    with Cluster(nodes=2, head=["--lost-after=1"]) as cluster:
        program = cluster.start("run", "300")
        program.expect("running")
        node = cluster.nodes["node2"]
        node.send_signal(signal.SIGSTOP)
        eventually("node2 is lost", lambda: cluster.states()["node2"] == "lost")
        program.passes()
        node.send_signal(signal.SIGCONT)
        eventually("node2 is back", lambda: cluster.alive() == 2)
        cluster.hello()
        values = cluster.start("large_values")
        values.expect("made")
        values.say()
        values.passes()
        assert node.poll() is None


def node_stopped_briefly():
    """Within its lease it loses nothing."""
    with Cluster(nodes=2) as cluster:
        program = cluster.start("run", "200")
        program.expect("running")
        node = cluster.nodes["node2"]
        node.send_signal(signal.SIGSTOP)
        cluster.ask("status")
        node.send_signal(signal.SIGCONT)
        program.passes()
        assert cluster.alive() == 2


def mover_killed():
    """It is started again, and values still come from node to node."""
    with Cluster(nodes=2) as cluster:
        program = cluster.start("large_values")
        program.expect("made")
        for node in cluster.nodes.values():
            (mover,) = cluster.children(node.pid, "alnilam-mover")
            os.kill(mover, signal.SIGKILL)
        program.say()
        program.passes()
        for node in cluster.nodes.values():
            eventually("the mover is back", lambda: cluster.children(node.pid, "alnilam-mover"))
        pulls = ran([PROGRAM, "large_values"], input="go on\n", env=cluster.env())
        assert pulls.returncode == 0, pulls
        assert cluster.alive() == 2


def executor_killed():
    with Cluster(nodes=2) as cluster:
        program = cluster.start("run", "400")
        program.expect("running")
        executors = [pid for node in cluster.nodes.values() for pid in _executors(cluster, node)]
        assert executors
        for pid in executors:
            os.kill(pid, signal.SIGKILL)
        program.passes()
        assert cluster.alive() == 2


def _executors(cluster, node):
    movers = set(cluster.children(node.pid, "alnilam-mover"))
    return [pid for pid in cluster.children(node.pid, "") if pid not in movers]


def client_killed():
    """Its job is closed, its tasks go, and the cluster is free for the next one."""
    with Cluster(nodes=2) as cluster:
        gate = cluster.directory / "gate"
        os.mkfifo(gate)
        program = cluster.start("pending", "5000", gate)
        program.expect("submitted")
        _job(cluster, lambda job: job["ready"] + job["assigned"] == 5000)
        program.process.kill()
        program.process.wait(PATIENCE)
        _job(cluster, lambda job: job["state"] == "closed")
        eventually("nothing runs", lambda: all(
            row["running"] == 0 for row in cluster.ask("node", "list")["nodes"]))
        assert cluster.ask("status")["tasksPending"] == 0
        cluster.hello()
        for node in cluster.nodes.values():
            eventually("its executors are gone", lambda: not _executors(cluster, node))


def _job(cluster, holds):
    eventually("the job is so",
               lambda: any(holds(job) for job in cluster.ask("job", "list")["jobs"]))


def two_jobs():
    with Cluster(nodes=2) as cluster:
        programs = [cluster.start(*arguments) for arguments in (
            ("run", "100"), ("forest",), ("run", "100"))]
        for program in programs:
            program.passes()
        jobs = cluster.ask("job", "list")["jobs"]
        assert len({job["id"] for job in jobs}) == 3, jobs
        # A job is closed when the head has heard of its program's end.
        eventually("all are closed", lambda: all(
            job["state"] == "closed" for job in cluster.ask("job", "list")["jobs"]))
        assert all(job["failed"] == 0 for job in jobs), jobs


def head_killed():
    """The program is told, at once and in one line; so are the nodes, which go on asking."""
    with Cluster(nodes=1) as cluster:
        gate = cluster.directory / "gate"
        os.mkfifo(gate)
        program = subprocess.Popen(
            [str(PROGRAM), "pending", "10", str(gate)], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=cluster.env())
        assert program.stdout.readline() == "submitted\n"
        cluster.head.kill()
        _, errors = program.communicate(timeout=PATIENCE)
        assert program.returncode == 1, program.returncode
        assert len(errors.splitlines()) == 1 and "the head at" in errors, errors
        node = cluster.nodes["node1"]
        eventually("the node has heard", lambda: "joining again" in cluster.logged())
        assert node.poll() is None
        cluster.head, _ = cluster._daemon(
            "alnilam-head", f"--listen={cluster.address}", f"--state-dir={cluster.directory}/head",
            f"--secret-file={cluster.secret}")
        eventually("the node is back", lambda: cluster.alive() == 1)
        cluster.hello()


def program_without_its_library():
    """The loader's own words, at once, though the client has the library."""
    with Cluster(nodes=1) as cluster:
        program = PROGRAM.with_name("e2e_program_with_library")
        library = next(program.parent.parent.glob("lib/**/libe2e_part.so"), None)
        assert library, "libe2e_part.so has been built"
        done = ran([program], env=cluster.env(LD_LIBRARY_PATH=library.parent))
        assert done.returncode == 1, done
        assert "could not be started" in done.stderr, done.stderr
        assert "libe2e_part.so: cannot open shared object file" in done.stderr, done.stderr
        embedded = ran([program], env=environment(LD_LIBRARY_PATH=library.parent))
        assert embedded.returncode == 0, embedded
        cluster.hello()


if __name__ == "__main__":
    main(casesOf(dict(globals())))
