"""The rules of this house that a compiler doesn't check: prints file:line and why, ends with 1.

    tidy.py ROOT

Four kinds of rule, each a table or a function below:
  arrows    which folder may include which (ARCHITECTURE.md); a folder without arrows is an error
  patterns  what may not be written, where, and what to write instead
  shape     columns, lines, a header's essay, a folder's README.md
  top       what may stand at the top level

Code is looked at without its comments and strings, so that a comment may speak of what it avoids.
There is no list of exempted files.  A rule that needs one is wrong: change the rule.
tidy_test.py shows each rule a file that breaks it.
"""
import pathlib
import re
import subprocess
import sys

LINES_PER_FILE, COLUMNS, README_LINES = 600, 100, 30
SOURCES = {".h", ".cc", ".cu"}
CODE = SOURCES | {".py", ".capnp", ".cmake"}

TOP = {"CMakeLists.txt", "CMakePresets.json", "README.md", "ARCHITECTURE.md", "LICENSE", "dev",
       "core", "gpu", "transport", "schema", "daemons", "examples", "tests"}

# Folder -> what its files may include, beside themselves and the standard library.  A folder
# names itself and all below it; a path with a dot names one file; `<x>` is an outside world.
# The longest folder that holds a file decides.
_MESSAGES = ["core/node/orders.h", "core/node/assignment.h"]
_GRAPH = ["core/base", "core/cluster", "core/graph"]
MAY_INCLUDE = {
    "core/base": [],
    "core/cluster": ["core/base"],
    "core/graph": ["core/base", "core/cluster"],
    "core/placement": _GRAPH + _MESSAGES,
    "core/node": _GRAPH + ["core/placement"],
    "core/head": _GRAPH + ["core/placement"] + _MESSAGES,
    "core/api": _GRAPH,
    "core/engine": ["core", "<posix>"],
    "gpu/driver": ["core/base", "<posix>", "<cuda>"],
    "gpu/emulator": ["core/base", "gpu/driver", "<posix>"],
    "gpu/emulator/testdata": ["gpu/emulator/testdata", "<cuda>"],  # kernels
    "gpu/discovery": ["core/base", "core/cluster", "gpu/driver", "<posix>", "<hwloc>"],
    "gpu/device": ["core", "gpu/driver", "gpu/discovery/offered.h", "<posix>"],
    "schema": [],
    "transport/memory": ["core/base", "<posix>"],
    "transport/rpc": ["core", "schema", "transport/memory", "<posix>", "<kj>", "<capnp>",
                      "<openssl>", "<spdlog>"],
    "transport/ucx": ["core/base", "transport/memory", "<posix>", "<kj>", "<ucx>"],
    "daemons": ["core", "gpu", "transport", "schema", "daemons/program", "daemons/process",
                "<posix>", "<kj>", "<capnp>", "<openssl>", "<spdlog>", "<cli>"],
    "examples": ["<alnilam>", "<cli>", "<posix>"],
    "tests": ["core", "gpu", "transport", "schema", "daemons", "tests", "<alnilam>", "<posix>",
              "<kj>", "<capnp>", "<ucx>", "<openssl>", "<spdlog>", "<cli>", "<tbb>",
              "<benchmark>", "<cuda>"],
}
# A unit test may use these wherever it stands.
FOR_TESTS = ["<gtest>", "<rapidcheck>", "<posix>"]
WORLDS = [
    ("<kj>", r"kj/"), ("<capnp>", r"capnp/"), ("<ucx>", r"uc[pst]/"),
    ("<cuda>", r"cuda|nv(rtc|ml)"), ("<hwloc>", r"hwloc"),
    ("<openssl>", r"openssl/"), ("<spdlog>", r"(spdlog|fmt)/"),
    ("<cli>", r"CLI/"), ("<tbb>", r"(oneapi/)?tbb/"), ("<benchmark>", r"benchmark/"),
    ("<gtest>", r"g(test|mock)/"), ("<rapidcheck>", r"rapidcheck"), ("<alnilam>", r"alnilam/"),
    ("<posix>", r"(sys|arpa|net|netinet|linux|asm)/|\w+\.h$"),  # what else C has: <unistd.h>
]

_ALL = {"core", "gpu", "transport", "daemons", "examples", "tests"}
_OURS = _ALL - {"tests"}
BANNED = [  # pattern, folders, what to do instead
    (r"\brandom_device\b|\brand\(\)|\bsrand\(|\bmt19937(_64)?\s+\w+;", {"core", "gpu", "transport"},
     "take a seeded generator"),
    (r"\bsleep_for\b|\bsleep_until\b|\b(u|nano)?sleep\(", _ALL, "wait for the event itself"),
    (r"\[=\s*[\],]", _ALL, "name what you capture"),
    (r"\[&\s*,", _OURS, "name what you capture"),
    (r"\bco_(await|return|yield)\b", _ALL, "g++ 12 miscompiles coroutines over KJ; use .then()"),
    (r"\bunordered_(multi)?(map|set)\b", {"core"}, "iteration order must not depend on hashing"),
    (r"\bKJ_DBG\b", _ALL, "remove before landing"),
    (r"\bstd::(thread|jthread|mutex|condition_variable|atomic|future|async)\b",
     {"core/cluster", "core/graph", "core/placement", "core/node", "core/head"},
     "brains have no threads; core/engine does"),
    (r"\.detach\(\)", _ALL, "nothing runs without an owner"),
    (r"\bkj::Exception\b|\bKJ_(REQUIRE|ASSERT|FAIL\w*)\b", {"core", "gpu", "examples"},
     "kj's errors live in transport/ and daemons/"),
    (r"^\s*using namespace std\s*;", _ALL, "write std::"),
    (r"#\s*pragma\s+GCC\s+diagnostic\s+ignored", _ALL, "mend what the warning tells of"),
    (r"\b(class|struct|using)\s+(?!CU)\w*(Manager|Helper|Utils?|Handler|Processor|Info|Data)\b"
     r"(?!\s*;)", _ALL, "a name that says what it is for"),
    (r"\b(ctx|tmp)\b", _OURS, "a name that says what it is"),
]
# Likewise, but unit tests and benchmarks may: they read seeds and measure.
BANNED_BUT_IN_TESTS = [
    (r"\bclock::now\b|\w_clock::now\b|\btime\((nullptr|NULL|0)\)|\b(gettimeofday|clock_gettime)\b",
     {"core/base", "core/cluster", "core/graph", "core/placement", "core/node", "core/head",
      "core/api", "gpu", "transport"}, "take `now`, a timer or a clock as a parameter"),
    (r"\bgetenv\b|\bsetenv\b|\bputenv\b|\bunsetenv\b",
     {"core/base", "core/cluster", "core/graph", "core/placement", "core/node", "core/head",
      "core/api", "transport"}, "whoever wires the process reads the environment and hands it in"),
]
# In comments as well: what nobody may leave behind.
LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|stu" r"bbed)\b")


def withoutComments(text, hash_comments=False):
    """The code alone, line for line: comments and the insides of string literals blanked."""
    if hash_comments:
        pattern = r'"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|#[^\n]*'
    else:
        pattern = (r'R"(?P<end>[^\s()\\]{0,16})\((?:[\s\S]*?)\)(?P=end)"|"(?:\\.|[^"\\\n])*"'
                   r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'|//[^\n]*|/\*[\s\S]*?\*/")

    def blank(match):
        kept = "\n" * match.group().count("\n")
        return '""' + kept if match.group()[0] in "\"'R" else kept
    return re.sub(pattern, blank, text)


def inside(path, folder):
    return path == folder or path.startswith(folder + "/")


def isTest(path):
    return bool(re.search(r"_tests?$|_bench$|^bench_", pathlib.PurePath(path).stem)) or \
        inside(path, "tests")


def homeOf(path):
    """The entry of MAY_INCLUDE that decides for `path`; the longest wins."""
    homes = [folder for folder in MAY_INCLUDE if inside(path, folder)]
    return max(homes, key=len) if homes else None


def checkInclude(path, line):
    match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
    if not match:
        return
    home, target = homeOf(path), match.group(2)
    if home is None:
        yield "this folder has no arrows in tests/tidy/tidy.py: say what it may include"
        return
    may = MAY_INCLUDE[home] + (FOR_TESTS if isTest(path) else [])
    if match.group(1) == '"':
        if "/" not in target or target.startswith("."):
            # A neighbour by its bare name, which only examples may use: they stand alone.
            # So do the headers that alnilam_add_kernels makes.
            made = target.endswith(".ptx.h")
            if (home != "examples" and not made) or target.startswith("."):
                yield f'"{target}": name it from the top of the tree'
            return
        room = home if home not in ("daemons", "examples", "tests") else \
            "/".join(pathlib.PurePath(path).parts[:2])
        if not inside(target, room) and not any(inside(target, allowed) for allowed in may):
            yield f"{home} may not include {target}"
    else:
        for world, mark in WORLDS:
            if re.match(mark, target):
                if world not in may:
                    yield f"{home} may not include {world}: <{target}>"
                return


def checkCode(path, text):
    lines, suffix = text.splitlines(), pathlib.PurePath(path).suffix
    if len(lines) > LINES_PER_FILE:
        yield len(lines), f"{len(lines)} lines; {LINES_PER_FILE} is the most"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            yield number, f"{len(line)} columns; {COLUMNS} is the most"
        if line != line.rstrip():
            yield number, "white space at the end of the line"
        if "\t" in line:
            yield number, "a tab"
        if LEFTOVER.search(line):
            yield number, f"`{LEFTOVER.search(line).group()}`: finish it before landing"
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end of the file"
    if suffix == ".h":
        if lines[:1] != ["#pragma once"]:
            yield 1, "a header starts with #pragma once"
        if not (len(lines) > 1 and lines[1].startswith("// ")):
            yield 2, "under #pragma once stands an essay: what it is for, and why it is so"
    if suffix in SOURCES:
        for number, line in enumerate(lines, 1):
            for why in checkInclude(path, line):
                yield number, why
    elif suffix != ".py":
        return
    banned = BANNED + ([] if isTest(path) else BANNED_BUT_IN_TESTS)
    for number, line in enumerate(withoutComments(text, suffix == ".py").splitlines(), 1):
        for pattern, folders, instead in banned:
            if any(inside(path, folder) for folder in folders) and re.search(pattern, line):
                yield number, f"`{re.search(pattern, line).group().strip()}`: {instead}"


def checkFolders(paths):
    """Every folder that holds sources, itself or below, has a README.md.

    But for include/: what programs include is described by the folder that offers it.
    """
    folders = {parent.as_posix() for path in paths for parent in pathlib.PurePath(path).parents
               if parent.parts and not parent.parts[0].startswith(".")
               and "include" not in parent.parts}
    holding = {pathlib.PurePath(path).parent.as_posix() for path in paths
               if pathlib.PurePath(path).suffix in CODE or path.endswith("CMakeLists.txt")}
    for folder in sorted(folders):
        if any(inside(held, folder) for held in holding) and f"{folder}/README.md" not in paths:
            yield folder, 1, "no README.md: what it is, may include, where to start, what not to do"


def checkTop(tracked):
    for name in sorted({pathlib.PurePath(path).parts[0] for path in tracked}):
        if name not in TOP and not name.startswith("."):
            yield name, 1, "does not belong at the top level"


def git(root, *arguments):
    ran = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z",
                          *arguments], capture_output=True, text=True, check=False)
    return [name for name in ran.stdout.split("\0") if name] if ran.returncode == 0 else None


def filesOf(root):
    """(tracked, those and the new ones), relative to root; what git ignores is left out."""
    tracked = git(root, "--cached")
    if tracked is None:  # not a checkout: a source package
        walked = sorted(path.relative_to(root).as_posix() for path in root.rglob("*")
                        if path.is_file() and path.relative_to(root).parts[0] != "build")
        return walked, walked
    rooms = [name for name in TOP if (root / name).is_dir()]
    new = git(root, "--others", "--exclude-standard", "--", *rooms)
    present = [name for name in sorted({*tracked, *new}) if (root / name).is_file()]
    return tracked, present


def findings(root):
    tracked, present = filesOf(root)
    yield from checkTop(tracked)
    yield from checkFolders(set(present))
    for path in present:
        suffix = pathlib.PurePath(path).suffix
        if path.endswith("README.md") and "/" in path:
            lines = len((root / path).read_text(encoding="utf-8").splitlines())
            if lines > README_LINES:
                yield path, lines, f"{lines} lines; a folder's README.md has at most {README_LINES}"
        elif suffix in CODE:
            text = (root / path).read_text(encoding="utf-8")
            yield from ((path, number, why) for number, why in checkCode(path, text))


def main(root):
    found = list(findings(root))
    for path, number, why in found:
        print(f"{path}:{number}: {why}")
    print(f"tidy: {len(found)} found")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: tidy.py ROOT")
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve()))
