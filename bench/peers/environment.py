"""What a comparison needs, made once in a build folder: the peers in virtual environments, exported models, compiled programs.

Nothing of it is committed. `prepare` does what is missing; a run that times anything only reads.
"""
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent

# In their current releases. onnxscript is what torch's ONNX exporter needs.
PACKAGES = ["numpy", "onnx", "onnxscript", "onnxruntime", "openvino", "torch", "torchvision"]
# oneDNN twice: the current release runs its tasks through SYCL, which does badly with two threads; the last one that was published
# with OpenMP is older. The better time counts, and the report names the version.
ONEDNN = {"sycl": ["onednn", "onednn-devel"], "openmp": ["onednn-cpu-gomp==2023.2.0", "onednn-devel-cpu-gomp==2023.2.0"]}
EXPORTED = ["resnet18", "resnet50", "googlenet"]


class Environment:
    def __init__(self, folder, netc):
        self.folder = Path(folder).resolve()
        self.netc = Path(netc).resolve()
        self.python = self.folder / "venv/bin/python"
        self.models = self.folder / "models"

    def prepare(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self._virtual_environment("venv", PACKAGES)
        for flavour, packages in ONEDNN.items():
            venv = self._virtual_environment(f"onednn-{flavour}", packages, "--no-deps" if flavour == "openmp" else "")
            library = next(venv.glob("lib/libdnnl.so.3"))
            self._compile("onednn_convolutions.cpp", self.onednn(flavour), "-std=c++17", f"-I{venv}/include", str(library),
                          f"-Wl,-rpath,{library.parent}", "-Wl,--allow-shlib-undefined")
        self._compile("machine_limits.cpp", self.folder / "machine_limits", "-std=c++20", "-O3", "-march=native", "-pthread")
        if not all((self.models / f"{name}_b8.y.npy").exists() for name in EXPORTED):
            self.log("exporting models")
            subprocess.run([self.python, PEERS / "export_models.py", self.models, *EXPORTED], check=True,
                           env=self.variables(os.cpu_count()))

    def onednn(self, flavour):
        return self.folder / f"onednn_convolutions_{flavour}"

    def variables(self, threads):
        """The environment of a peer. Without the allocator's settings PyTorch spends half its time in page faults."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        venv = self.folder / "onednn-sycl"
        env.update(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), MALLOC_MMAP_MAX_="0",
                   MALLOC_TRIM_THRESHOLD_=str(1 << 36), MALLOC_TOP_PAD_=str(1 << 28), CUDA_VISIBLE_DEVICES="",
                   TORCHINDUCTOR_CACHE_DIR=str(self.folder / "inductor"), TORCHINDUCTOR_FX_GRAPH_CACHE="1",
                   OCL_ICD_FILENAMES=str(venv / "lib/libintelocl.so"))
        return env

    def library_path(self, flavour):
        return str(self.folder / f"onednn-{flavour}/lib")

    def log(self, text):
        print(text, file=sys.stderr, flush=True)

    def _virtual_environment(self, name, packages, *options):
        venv = self.folder / name
        done = venv / "installed"
        if not done.exists():
            self.log(f"installing {' '.join(packages)}")
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
            subprocess.run([venv / "bin/python", "-m", "pip", "install", "--quiet", "--no-cache-dir",
                            *[o for o in options if o], *packages], check=True)
            done.touch()
        return venv

    def _compile(self, source, program, *options):
        source = PEERS / source
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            self.log(f"compiling {program.name}")
            subprocess.run(["c++", "-O2", source, "-o", program, *options], check=True)


def machine():
    """What a results file says of the machine."""
    model, flags, memory = "", "", 0
    with open("/proc/cpuinfo") as info:
        for line in info:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            elif key.strip() == "flags":
                flags = value.split()
                break
    with open("/proc/meminfo") as info:
        memory = 1024 * int(info.readline().split()[1])
    return {"processor": model, "cores": os.cpu_count(), "memory_bytes": memory, "kernel": platform.release(),
            "vector_extensions": sorted(f for f in flags if f.startswith(("avx", "fma", "amx")))}
