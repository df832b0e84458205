"""Who speaks to the ports without being asked: each is turned away, and the next program runs.

    strangers_test.py BIN CASE
"""
import os
import select
import socket
import struct
import time

from cluster import (ALNILAM, BIN, PATIENCE, PROGRAM, TWO_CORES, Cluster, casesOf, complaints,
                     environment, main, ran)


def _ports(cluster):
    """(what it is, (host, port)) of every TCP port of the cluster."""
    yield "head", _address(cluster.address)
    for row in cluster.ask("node", "list")["nodes"]:
        yield row["name"], _address(row["objects"])


def _address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def _sendAndHear(address, data, patience=15):
    """Sends all, then reads until the other side closes: the bytes, None if it never closes."""
    with socket.create_connection(address, timeout=patience) as stranger:
        try:
            stranger.sendall(data)
        except OSError:
            return b""  # closed while we were still talking
        heard, deadline = b"", time.monotonic() + patience
        while True:
            readable, _, _ = select.select([stranger], [], [], max(deadline - time.monotonic(), 0))
            if not readable:
                return None
            try:
                part = stranger.recv(65536)
            except OSError:
                return heard
            if not part:
                return heard
            heard += part


def _turnedAway(data):
    with Cluster(nodes=1) as cluster:
        for what, address in list(_ports(cluster)):
            heard = _sendAndHear(address, data)
            assert heard is not None, f"the {what} holds the line"
            assert len(heard) < 4096, heard[:200]
        assert cluster.head.poll() is None
        assert cluster.nodes["node1"].poll() is None
        assert cluster.ask("status")["connectionsRefused"] >= 1
        cluster.hello()


def http_is_turned_away():
    _turnedAway(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n")


def segment_count_of_all_ones_is_turned_away():
    _turnedAway(b"\xff" * 8 + b"\0" * 64)


def random_bytes_are_turned_away():
    _turnedAway(bytes((i * 167 + i // 251) % 256 for i in range(200_000)))


def an_announced_gigabyte_is_turned_away():
    """A valid header of one segment of 2^32-1 words."""
    _turnedAway(struct.pack("<II", 0, 0xffffffff) + b"\0" * 4096)


def silence_is_ended():
    """Whoever says nothing, or stalls in mid-message, is not waited for for ever."""
    with Cluster(nodes=1) as cluster:
        for what, address in list(_ports(cluster)):
            assert _sendAndHear(address, b"\0\0", patience=25) is not None, what
        cluster.hello()


def a_thousand_resets():
    with Cluster(nodes=1) as cluster:
        for _, address in list(_ports(cluster)):
            for number in range(1000):
                stranger = socket.create_connection(address, timeout=PATIENCE)
                stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if number % 2:
                    stranger.send(b"\0\0\0")
                stranger.close()
        assert cluster.head.poll() is None
        assert cluster.nodes["node1"].poll() is None
        cluster.hello()
        # It does not write a line for each.
        assert len(cluster.logged().splitlines()) < 200, cluster.logged()[-2000:]


def wrong_secret():
    """For a program, a node and a tool: one line, nothing given."""
    with Cluster(nodes=1) as cluster:
        wrong = cluster.directory / "wrong"
        wrong.write_text("ab" * 32 + "\n")
        wrong.chmod(0o600)
        env = environment(ALNILAM_HEAD=cluster.address, ALNILAM_SECRET_FILE=wrong)
        commands = [([PROGRAM, "hello"], 1), ([ALNILAM, "status"], 8),
                    ([BIN / "alnilam-node", "--name=stranger", f"--topology={TWO_CORES}"], 1)]
        for command, code in commands:
            done = ran(command, env=env)
            assert done.returncode == code, done
            errors = complaints(done.stderr)
            assert len(errors) == 1 and "secret" in errors[0], done
        assert cluster.alive() == 1
        cluster.hello()


def secret_readable_by_others():
    with Cluster(nodes=0) as cluster:
        os.chmod(cluster.secret, 0o644)
        env = cluster.env()
        for command, code in [([PROGRAM, "hello"], 1), ([ALNILAM, "status"], 8),
                              ([BIN / "alnilam-node", "--name=a", f"--topology={TWO_CORES}"], 1),
                              ([BIN / "alnilam-head", "--listen=127.0.0.1:0"], 1)]:
            done = ran(command, env=env)
            assert done.returncode == code, done
            assert "chmod 600" in done.stderr and len(done.stderr.splitlines()) == 1, done


def secret_that_is_none():
    with Cluster(nodes=0) as cluster:
        for text in ["", "secret\n", "ab" * 31 + "\n", "zz" * 32 + "\n"]:
            cluster.secret.write_text(text)
            done = ran([PROGRAM, "hello"], env=cluster.env())
            assert done.returncode == 1 and "64 hex digits" in done.stderr, done
        cluster.secret.unlink()
        done = ran([PROGRAM, "hello"], env=cluster.env())
        assert done.returncode == 1 and "is not there" in done.stderr, done


def nobody_listens():
    """At once, in one line, for a program and for a tool."""
    with Cluster(nodes=0) as cluster:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))  # ours, and nobody listens at it
            address = f"127.0.0.1:{held.getsockname()[1]}"
            env = environment(ALNILAM_HEAD=address, ALNILAM_SECRET_FILE=cluster.secret)
            for command, code in [([PROGRAM, "hello"], 1), ([ALNILAM, "status"], 7),
                                  ([BIN / "alnilam-node", f"--topology={TWO_CORES}"], 1)]:
                done = ran(command, env=env)
                assert done.returncode == code, done
                errors = complaints(done.stderr)
                assert len(errors) == 1 and address in errors[0], done
        for address in ["nowhere", ":1", "127.0.0.1:99999", "127.0.0.1:", "unix:"]:
            done = ran([PROGRAM, "hello"], env=environment(ALNILAM_HEAD=address,
                                                           ALNILAM_SECRET_FILE=cluster.secret))
            assert done.returncode == 1 and address in done.stderr, done


def two_nodes_of_one_name():
    with Cluster(nodes=1) as cluster:
        done = ran([BIN / "alnilam-node", "--name=node1", f"--topology={TWO_CORES}",
                    f"--head={cluster.address}", f"--secret-file={cluster.secret}"],
                   env=environment())
        assert done.returncode == 1, done
        assert "node1" in done.stderr, done
        assert cluster.states() == {"node1": "alive"}
        cluster.hello()


def head_started_twice():
    with Cluster(nodes=0) as cluster:
        done = ran([BIN / "alnilam-head", f"--listen={cluster.address}",
                    f"--secret-file={cluster.secret}"], env=environment())
        assert done.returncode == 1, done
        assert cluster.address in done.stderr and len(done.stderr.splitlines()) == 1, done


if __name__ == "__main__":
    main(casesOf(dict(globals())))
