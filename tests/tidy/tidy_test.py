"""Each rule of tidy.py is shown a file that breaks it, and finds that and nothing else."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import tidy

HEADER = "#pragma once\n// An essay.\n"

# What is wrong, the file, its text, a part of what tidy says ("" where it must find nothing).
CASES = [
    # Arrows.
    ("core knows no gpu", "core/graph/a.cc", '#include "gpu/driver/table.h"\n', "may not include"),
    ("core knows no kj", "core/head/a.cc", "#include <kj/async.h>\n", "may not include <kj>"),
    ("core is not posix", "core/node/a.cc", "#include <unistd.h>\n", "may not include <posix>"),
    ("base knows only itself", "core/base/a.cc", '#include "core/graph/task.h"\n', "may not"),
    ("cluster knows no graph", "core/cluster/a.cc", '#include "core/graph/task.h"\n', "may not"),
    ("graph knows no placement", "core/graph/a.cc", '#include "core/placement/a.h"\n', "may not"),
    ("a brain knows no other brain", "core/head/a.cc", '#include "core/node/node_brain.h"\n',
     "may not include core/node/node_brain.h"),
    ("the head reads orders", "core/head/a.cc", '#include "core/node/orders.h"\n', ""),
    ("the node knows no head", "core/node/a.cc", '#include "core/head/a.h"\n', "may not"),
    ("the api knows no wiring", "core/api/a.cc", '#include "core/engine/session.h"\n', "may not"),
    ("the driver knows no device", "gpu/driver/a.cc", '#include "gpu/device/array.h"\n', "may not"),
    ("the emulator stands alone", "gpu/emulator/a.cc", '#include "core/engine/a.h"\n', "may not"),
    ("gpu knows no transport", "gpu/device/a.cc", '#include "transport/rpc/a.h"\n', "may not"),
    ("memory knows no wire", "transport/memory/a.cc", "#include <kj/async.h>\n", "<kj>"),
    ("only the driver reads cuda.h", "gpu/device/a.cc", "#include <cuda.h>\n", "<cuda>"),
    ("only discovery reads hwloc", "gpu/device/a.cc", "#include <hwloc.h>\n", "<hwloc>"),
    ("rpc knows no ucx", "transport/rpc/a.cc", "#include <ucp/api/ucp.h>\n", "<ucx>"),
    ("transport knows no gpu", "transport/ucx/a.cc", '#include "gpu/driver/a.h"\n', "may not"),
    ("the daemons stand on all", "daemons/head/a.cc",
     '#include "core/head/head_brain.h"\n#include "gpu/device/a.h"\n#include <kj/async.h>\n', ""),
    ("daemons share their start", "daemons/head/a.cc", '#include "daemons/process/a.h"\n', ""),
    ("a daemon knows no other", "daemons/head/a.cc", '#include "daemons/node/a.h"\n', "may not"),
    ("an example is a user's program", "examples/pi/a.cc", '#include "core/api/cluster.h"\n',
     "may not include core/api/cluster.h"),
    ("an example uses what is installed", "examples/pi/a.cc",
     '#include "examples/pi/b.h"\n#include "b.h"\n#include <alnilam/alnilam.h>\n', ""),
    ("a test stands beside its file", "core/base/a_test.cc", "#include <gtest/gtest.h>\n", ""),
    ("no test in the product", "core/base/a.cc", "#include <gtest/gtest.h>\n", "<gtest>"),
    ("no way by dots", "core/base/a.cc", '#include "../base/b.h"\n', "from the top"),
    ("no bare neighbour", "core/base/a.cc", '#include "b.h"\n', "from the top"),
    ("a room without arrows", "core/attic/a.cc", '#include "core/base/a.h"\n', "no arrows"),
    # Patterns.
    ("a clock", "core/head/a.cc", "auto now = std::chrono::steady_clock::now();\n", "take `now`"),
    ("a clock by its alias", "gpu/device/a.cc", "auto now = Clock::now(), b = clock::now();\n",
     "take `now`"),
    ("an old clock", "transport/rpc/a.cc", "auto now = time(nullptr);\n", "take `now`"),
    ("the engine may read a clock", "core/engine/a.cc", "auto t = steady_clock::now();\n", ""),
    ("a test may measure", "core/head/a_test.cc", "auto t = steady_clock::now();\n", ""),
    ("chance", "core/placement/a.cc", "std::random_device device;\n", "seeded"),
    ("unseeded", "core/placement/a.cc", "std::mt19937_64 random;\n", "seeded"),
    ("sleeping", "tests/e2e/a.cc", "std::this_thread::sleep_for(x);\n", "event itself"),
    ("sleeping in C", "daemons/node/a.cc", "usleep(10);\n", "event itself"),
    ("sleeping in Python", "tests/e2e/a.py", "time.sleep(1)  # sleep\n", "event itself"),
    ("capture by copy of all", "core/engine/a.cc", "auto f = [=] { g(x); };\n", "capture"),
    ("capture of all and more", "daemons/node/a.cc", "auto f = [&, n = 1] { g(x); };\n", "capture"),
    ("a coroutine", "transport/rpc/a.cc", "co_await x;\n", "miscompiles"),
    ("hash order", "core/head/a.cc", "std::unordered_map<int, int> m;\n", "hashing"),
    ("debug print", "daemons/head/a.cc", "KJ_DBG(x);\n", "landing"),
    ("environment", "core/api/a.cc", 'auto x = std::getenv("HOME");\n', "hands it in"),
    ("a test may be given a seed", "core/api/a_test.cc", 'std::getenv("ALNILAM_SEED");\n', ""),
    ("a brain's thread", "core/head/a.cc", "std::mutex mutex;\n", "no threads"),
    ("an orphan thread", "core/engine/a.cc", "thread.detach();\n", "owner"),
    ("kj's errors in core", "core/api/a.cc", "KJ_REQUIRE(x);\n", "transport/ and daemons/"),
    ("using std", "daemons/cli/a.cc", "using namespace std;\n", "std::"),
    ("a silenced warning", "gpu/device/a.cc", '#pragma GCC diagnostic ignored "-Wx"\n', "mend"),
    ("a manager", "core/engine/a.h", HEADER + "class TaskManager {};\n", "what it is for"),
    ("a context by its nickname", "gpu/device/a.cc", "int ctx = 1;\n", "what it is"),
    ("a comment may speak of it", "core/head/a.cc",
     'int x;  // no unordered_map\nauto s = "sleep_for(";\n/* co_await\n */\n', ""),
    ("left over", "daemons/cli/a.cc", "int x;  // TO" "DO: rest\n", "landing"),
    ("left over in a script", "tests/e2e/a.py", "x = 1  # FIX" "ME\n", "landing"),
    # Shape.
    ("a wide line", "core/base/a.cc", "// " + "x" * 98 + "\n", "101 columns"),
    ("a line of 100", "core/base/a.cc", "// " + "x" * 97 + "\n", ""),
    ("a long file", "core/base/a.cc", "int x;\n" * 601, "601 lines"),
    ("a file of 600", "core/base/a.cc", "int x;\n" * 600, ""),
    ("trailing space", "core/base/a.cc", "int x; \n", "white space"),
    ("a tab", "core/base/a.cc", "\tint x;\n", "tab"),
    ("no last newline", "core/base/a.cc", "int x;", "newline"),
    ("no pragma", "core/base/a.h", "// An essay.\n// More.\n", "#pragma once"),
    ("no essay", "core/base/a.h", "#pragma once\n#include <map>\n", "essay"),
    ("an essay", "core/base/a.h", HEADER, ""),
    # Folders.
    ("a tale of a README", "core/base/README.md", "line\n" * 31, "31 lines"),
    ("at the top", "scripts/a.cc", "int x;\n", "top level"),
    ("a stray at the top", "notes.txt", "x\n", "top level"),
]


def tree(root, path, text):
    """A tree with `path` in it, and otherwise nothing that tidy minds."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    for folder in target.relative_to(root).parents:
        if folder.parts:
            (root / folder / "README.md").write_text("What it is.\n", encoding="utf-8")
    target.write_text(text, encoding="utf-8")


class Tidy(unittest.TestCase):
    def whys(self, path, text, checkout=False):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            tree(root, path, text)
            if checkout:
                subprocess.run(["git", "init", "-q", name], check=True)
                subprocess.run(["git", "-C", name, "add", "-A"], check=True)
            return [f"{where}:{number}: {why}" for where, number, why in tidy.findings(root)]

    def test_each_rule_fires_where_it_is_broken_and_nowhere_else(self):
        for what, path, text, want in CASES:
            with self.subTest(what):
                found = self.whys(path, text)
                if not want:
                    self.assertEqual(found, [])
                else:
                    self.assertTrue(any(want in line for line in found), f"{want!r} not in {found}")
                    self.assertTrue(all(path.split("/")[0] in line for line in found), found)

    def test_a_folder_without_its_page_is_found(self):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            tree(root, "core/base/a.cc", "int x;\n")
            (root / "core/base/README.md").unlink()
            found = [(where, why) for where, _, why in tidy.findings(root)]
            self.assertEqual([where for where, _ in found], ["core/base"])
            self.assertIn("no README.md", found[0][1])

    def test_a_checkout_is_judged_by_what_git_keeps(self):
        found = self.whys("core/head/a.cc", "std::mutex mutex;\n", checkout=True)
        self.assertEqual(len(found), 1, found)
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            tree(root, "core/base/a.cc", "int x;\n")
            subprocess.run(["git", "init", "-q", name], check=True)
            (root / ".gitignore").write_text("/build/\n", encoding="utf-8")
            subprocess.run(["git", "-C", name, "add", "-A"], check=True)
            (root / "build").mkdir()
            (root / "build/a.cc").write_text("sleep(1);\n", encoding="utf-8")
            (root / "core/base/b.cc").write_text("co_await x;\n", encoding="utf-8")
            found = [where for where, _, _ in tidy.findings(root)]
            self.assertEqual(found, ["core/base/b.cc"])

    def test_every_pattern_and_every_home_has_a_case(self):
        for pattern, folders, _ in tidy.BANNED + tidy.BANNED_BUT_IN_TESTS:
            hit = [what for what, path, text, want in CASES
                   if want and any(tidy.inside(path, folder) for folder in folders)
                   and any(tidy.re.search(pattern, line)
                           for line in tidy.withoutComments(text).splitlines())]
            self.assertTrue(hit, f"no case breaks {pattern}")

    def test_main_tells_by_its_exit_status(self):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            script = pathlib.Path(tidy.__file__)
            tree(root, "core/base/a.cc", "int x;\n")
            clean = subprocess.run([sys.executable, script, name], capture_output=True, text=True)
            tree(root, "core/base/a.cc", "int x; \n")
            dirty = subprocess.run([sys.executable, script, name], capture_output=True, text=True)
            self.assertEqual((clean.returncode, clean.stdout), (0, "tidy: 0 found\n"))
            self.assertEqual(dirty.returncode, 1)
            self.assertIn("core/base/a.cc:1: white space", dirty.stdout)


if __name__ == "__main__":
    unittest.main()
