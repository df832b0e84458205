"""A cluster of real processes for a test, and programs that run against it.

    with Cluster(nodes=2) as cluster:
        program = cluster.start("run", "100")
        program.expect("running")
        os.kill(cluster.nodes["node1"].pid, signal.SIGKILL)
        program.passes()

Whatever is waited for has a bound; nothing is waited for by letting time pass.  Every process dies
with the test.
"""
import ctypes
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = 40  # seconds; the most that anything may take on a busy machine
BIN = pathlib.Path(sys.argv[1]).resolve()
ALNILAM, PROGRAM = BIN / "alnilam", BIN / "e2e_program"
# Two cores for each of two nodes, whatever this machine has; hwloc's own memory of a made domain.
TWO_CORES = "synthetic:pack:1 [numa(memory=16GB)] core:2 pu:1"

_LIBC = ctypes.CDLL(None)


def _dieWithParent():
    _LIBC.prctl(1, signal.SIGKILL)


def environment(**changes):
    """This process's, without what would change Alnilam's mind; None removes."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("ALNILAM_") or name == "ALNILAM_EMULATOR"}
    for name, value in changes.items():
        env.pop(name, None)
        if value is not None:
            env[name] = str(value)
    return env


def spawn(command, **options):
    return subprocess.Popen([str(part) for part in command], preexec_fn=_dieWithParent, **options)


def ran(command, patience=PATIENCE, **options):
    """Runs to the end: the CompletedProcess, with stdout and stderr as text."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=patience, check=False, preexec_fn=_dieWithParent, **options)


def complaints(text):
    """The lines on stderr that are not of a log, which begin with a date."""
    return [line for line in text.splitlines() if not re.match(r"\d{4}-\d\d-\d\dT", line)]


def eventually(what, condition):
    """Asks until `condition` is true.  It asks a process each time, so this does not spin."""
    deadline = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"it never came true that {what}"


class Lines:
    """Lines from a descriptor, each awaited with a bound."""

    def __init__(self, stream):
        self.fd, self.rest = stream.fileno(), b""

    def next(self, patience=PATIENCE):
        deadline = time.monotonic() + patience
        while b"\n" not in self.rest:
            left = deadline - time.monotonic()
            readable, _, _ = select.select([self.fd], [], [], max(left, 0))
            assert readable, "no line came in time"
            part = os.read(self.fd, 65536)
            if not part:
                return None
            self.rest += part
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode(errors="replace")


class Program:
    """e2e_program at work."""

    def __init__(self, arguments, env):
        self.process = spawn([PROGRAM, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             env=env)
        self.lines = Lines(self.process.stdout)

    def expect(self, wanted):
        line = self.lines.next()
        assert line == wanted, f"the program said {line!r} and not {wanted!r}"

    def say(self, line="go on"):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def passes(self):
        code = self.process.wait(PATIENCE)
        assert code == 0, f"the program ended with {code}"


class Cluster:
    def __init__(self, nodes=2, head=(), node=(), topology=TWO_CORES):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="alnilam-e2e-"))
        self.secret = self.directory / "secret"
        self.nodeOptions, self.count = [f"--topology={topology}", *node], nodes
        self.nodes = {}
        self.log = open(self.directory / "log", "w+b")  # of all daemons
        try:
            self.head, self.address = self._daemon(
                "alnilam-head", "--listen=127.0.0.1:0", f"--state-dir={self.directory}/head",
                f"--secret-file={self.secret}", *head)
            for number in range(nodes):
                self.addNode(number)
        except BaseException:
            self.close()
            raise

    def _daemon(self, name, *options, **changes):
        ours, theirs = os.pipe()
        process = spawn([BIN / name, *options, f"--ready-fd={theirs}"], pass_fds=[theirs],
                        stdin=subprocess.DEVNULL, stderr=self.log, env=environment(**changes))
        os.close(theirs)
        with os.fdopen(ours) as ready:
            line = Lines(ready).next()
        assert line is not None, f"{name} did not serve: {self.logged()}"
        return process, line

    def addNode(self, number, *options, name=None, **changes):
        name = name or f"node{number + 1}"
        process, _ = self._daemon(
            "alnilam-node", f"--head={self.address}", f"--name={name}",
            f"--secret-file={self.secret}", f"--state-dir={self.directory}/{name}",
            f"--share={number}/{max(self.count, 1)}", *self.nodeOptions, *options, **changes)
        self.nodes[name] = process
        return process

    def env(self, **changes):
        return environment(ALNILAM_HEAD=self.address, ALNILAM_SECRET_FILE=self.secret, **changes)

    def start(self, *arguments, **changes):
        return Program(arguments, self.env(**changes))

    def hello(self):
        """A next program runs: the cluster works."""
        done = ran([PROGRAM, "hello"], env=self.env())
        assert done.returncode == 0, done

    def ask(self, *command):
        """What `alnilam COMMAND -o json` tells."""
        done = ran([ALNILAM, *command, "-o", "json"], env=self.env())
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    def states(self):
        return {row["name"]: row["state"] for row in self.ask("node", "list")["nodes"]}

    def alive(self):
        return sum(row["state"] == "alive" for row in self.ask("node", "list")["nodes"])

    def logged(self):
        return (self.directory / "log").read_text(errors="replace")

    def children(self, pid, name):
        """Pids of `pid`'s children whose command is `name`."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)
                command = (entry / "cmdline").read_bytes().split(b"\0")[0].decode()
            except OSError:
                continue
            if int(fields[1].split()[1]) == pid and fields[1].split()[0] != "Z" and \
                    pathlib.PurePath(command).name.startswith(name):
                found.append(int(entry.name))
        return found

    def close(self):
        for process in [*self.nodes.values(), getattr(self, "head", None)]:
            if process and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in [*self.nodes.values(), getattr(self, "head", None)]:
            if not process:
                continue
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close()
        if kind:
            sys.stderr.write(f"--- what the daemons logged\n{self.logged()[-8000:]}\n")
        shutil.rmtree(self.directory, ignore_errors=True)


def main(cases):
    """Runs the case that the command line names."""
    name = sys.argv[2] if len(sys.argv) == 3 else ""
    if name not in cases:
        sys.exit(f"usage: {sys.argv[0]} BIN {'|'.join(cases)}")
    cases[name]()
    print(f"passed {name}")


def casesOf(module):
    return {name: case for name, case in module.items()
            if callable(case) and not name.startswith("_") and
            getattr(case, "__module__", "") == "__main__"}
