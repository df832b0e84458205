"""Makes the Debian package and looks into it.

    package_test.py BUILD CPACK
"""
import pathlib
import subprocess
import sys
import tempfile

BUILD, CPACK = sys.argv[1:3]


def run(*command):
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


with tempfile.TemporaryDirectory() as name:
    run(CPACK, "--config", f"{BUILD}/CPackConfig.cmake", "-G", "DEB", "-B", name)
    packages = list(pathlib.Path(name).glob("*.deb"))
    assert len(packages) == 1, packages
    files = [line.split()[-1] for line in run("dpkg-deb", "-c", str(packages[0])).splitlines()]
    for wanted in ["/usr/bin/alnilam", "/usr/bin/alnilam-head", "/usr/bin/alnilam-node",
                   "/usr/bin/alnilam-mover", "/libalnilam-emulated-cuda.so", "/libalnilam_core.a",
                   "/usr/include/alnilam/alnilam.h", "/cmake/Alnilam/AlnilamConfig.cmake",
                   "/pkgconfig/alnilam.pc"]:
        assert any(path.endswith(wanted) for path in files), f"no {wanted} in {files}"
    fields = run("dpkg-deb", "-f", str(packages[0]), "Package", "Depends")
    assert "Package: alnilam" in fields and "libhwloc" in fields and "libcapnp" in fields, fields
