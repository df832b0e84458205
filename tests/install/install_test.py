"""Installs Alnilam to a fresh prefix and builds programs against what lies there, and only that.

    install_test.py SOURCE BUILD CMAKE CXX

The README's first program is taken from the README and goes the way that the README tells.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE, BUILD, CMAKE, CXX = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:5]


def run(*command, **more):
    environment = {**os.environ, **more.pop("environment", {})}
    for name in ("ALNILAM_HEAD", "ALNILAM_EMULATE_GPUS"):
        environment.pop(name, None)
    environment.update(more.pop("settings", {}))
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                         env=environment, check=False, **more)
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def block(language):
    """The README's first block in `language`."""
    text = (SOURCE / "README.md").read_text(encoding="utf-8")
    return re.search(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]


def build(project, prefix):
    run(CMAKE, "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_CXX_COMPILER={CXX}", "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_EXPORT_NO_PACKAGE_REGISTRY=ON")
    run(CMAKE, "--build", project / "build")


def check_headers(prefix):
    headers = list((prefix / "include").rglob("*.h"))
    assert prefix / "include/alnilam/alnilam.h" in headers, headers
    for header in headers:
        text = header.read_text(encoding="utf-8")
        for target in re.findall(r'^#include\s*"([^"]+)"', text, re.MULTILINE):
            assert False, f"{header} includes {target}, which is not where it is installed"
        for target in re.findall(r"#include\s*<(alnilam/[^>]+)>", text):
            assert (prefix / "include" / target).is_file(), f"{header}: {target} is not installed"


def check_first_program(home):
    """As the README tells, word for word but for where the sources and the compiler are."""
    (home / "first").mkdir()
    (home / "first/first.cc").write_text(block("cpp"), encoding="utf-8")
    (home / "first/CMakeLists.txt").write_text(block("cmake"), encoding="utf-8")
    script = block("sh").replace("cmake --install build/release", f'cmake --install "{BUILD}"')
    script = re.sub(r"\bcmake ", f'"{CMAKE}" ', script)
    said = run("bash", "-euc", script, cwd=home, environment={"HOME": str(home), "CXX": CXX})
    want = "328350"
    assert said.splitlines()[-1] == want, said
    assert f"It prints {want}." in (SOURCE / "README.md").read_text(encoding="utf-8")
    program = home / "first/build/first"
    return want, program


def check_without_cmake(home, prefix, want):
    found = {"PKG_CONFIG_PATH": ":".join(str(path.parent) for path in prefix.rglob("alnilam.pc"))}
    flags = run("pkg-config", "--cflags", "--libs", "alnilam", environment=found).split()
    own = os.environ.get("CXXFLAGS", "").split()
    run(CXX, "-std=c++20", *own, home / "first/first.cc", "-o", home / "plain", *flags)
    assert run(home / "plain").strip() == want


def check_kernels(home, prefix):
    """The demo, as somebody's own project."""
    project = home / "mine"
    shutil.copytree(SOURCE / "examples/near_duplicates", project)
    (project / "CMakeLists.txt").write_text("""
cmake_minimum_required(VERSION 3.25)
project(mine LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 20)
set(ALNILAM_NVCC "")  # the PTX beside the source
find_package(Alnilam REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
add_executable(mine near_duplicates.cc tasks.cc gpu_tasks.cc shingles.cc groups.cc report.cc)
target_include_directories(mine PRIVATE .)
target_link_libraries(mine PRIVATE alnilam::alnilam CLI11::CLI11)
alnilam_add_kernels(mine compare_signatures.cu)
""", encoding="utf-8")
    build(project, prefix)
    texts = home / "texts"
    texts.mkdir()
    for name, text in [("a", "one two three four five six"), ("b", "one two three four five six\n"),
                       ("c", "another text")]:
        (texts / name).write_text(text, encoding="utf-8")
    said = run(project / "build/mine", texts, settings={"ALNILAM_EMULATE_GPUS": "1x1GiB"})
    assert "2 of 3 files are in 1 group" in said and "[emulated]" in said, said


def check_programs(prefix, program, want):
    names = {path.name for path in (prefix / "bin").iterdir()}
    assert names == {"alnilam", "alnilam-head", "alnilam-node", "alnilam-mover",
                     "alnilam-sim"}, names
    said = run(prefix / "bin/alnilam", "up", "--nodes", "2", "--", program)
    assert want in said.splitlines(), said


with tempfile.TemporaryDirectory() as name:
    home = pathlib.Path(name)
    prefix = home / "alnilam"
    want, program = check_first_program(home)
    check_headers(prefix)
    check_without_cmake(home, prefix, want)
    check_kernels(home, prefix)
    check_programs(prefix, program, want)
