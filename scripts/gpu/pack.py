"""A folder with all that gpu_check needs on a machine that has no build of netc: the program without symbols, the libraries that it
links to (but for those of C and C++), the tolerance table, these scripts."""
import re
import shutil
import subprocess
from pathlib import Path

from .machine import ROOT

LARGEST = 64 << 20
SYSTEM = re.compile(r"^(linux-vdso|ld-linux|lib(c|m|dl|pthread|rt|stdc\+\+|gcc_s)\.so)")


def make(machine, folder):
    folder = Path(folder)
    (folder / "lib").mkdir(parents=True, exist_ok=True)
    (folder / "tests").mkdir(exist_ok=True)
    subprocess.run(["strip", "-o", folder / "netc", machine.netc], check=True)
    for line in subprocess.run(["ldd", machine.netc], check=True, capture_output=True, text=True).stdout.splitlines():
        name, _, path = line.strip().partition(" => ")
        if path and not SYSTEM.match(name):
            shutil.copy(path.split(" (")[0], folder / "lib" / name)
    shutil.copytree(ROOT / "scripts/gpu", folder / "scripts/gpu", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "scripts/gpu_check", folder / "scripts/gpu_check")
    shutil.copy(ROOT / "tests/tolerance.h", folder / "tests/tolerance.h")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / (1 << 20):.1f} MiB")
    if size > LARGEST:
        print(f"that is more than {LARGEST >> 20} MiB")
        return 1
    return 0
