"""netc as the parts of gpu_check run it: where it is, on which device, with a log of everything."""
import json
import os
import re
import shlex
import struct
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # of the tree, or of a pack


class Skip(Exception):
    """What a part needs is not there."""


class Machine:
    def __init__(self, netc, device, logs):
        packed = ROOT / "netc"
        self.netc = Path(netc or (packed if packed.is_file() else ROOT / "build/release/netc")).resolve()
        self.device = device
        self.logs = Path(logs).resolve()
        self.work = self.logs / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        self.environment = dict(os.environ, NETC_CACHE_DIR=str(self.logs / "cache"))
        if (ROOT / "lib").is_dir():
            self.environment["LD_LIBRARY_PATH"] = f"{ROOT / 'lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}"

    def command(self, words, timeout=480):
        """The finished process; its output is in the log."""
        words = [str(word) for word in words]
        with (self.logs / "log").open("a") as log:
            log.write(f"$ {shlex.join(words)}\n")
            log.flush()
            done = subprocess.run(words, cwd=self.work, env=self.environment, capture_output=True, text=True, timeout=timeout)
            log.write(f"{done.stdout}{done.stderr}[{done.returncode}]\n")
        return done

    def run(self, *arguments, timeout=480):
        done = self.command([self.netc, *arguments], timeout)
        if done.returncode != 0:
            raise RuntimeError(f"netc {shlex.join(map(str, arguments))}: exit code {done.returncode}\n{done.stderr.strip()}")
        return done.stdout

    def json(self, *arguments, timeout=480):
        return json.loads(self.run(*arguments, "--json", timeout=timeout))

    def why_no_gpu(self):
        cuda = self.json("devices")["cuda"]
        return "" if cuda["available"] else cuda.get("reason", cuda["compiler"])


def read_npy(path):
    raw = Path(path).read_bytes()
    size = struct.unpack("<H", raw[8:10])[0]
    return floats(raw[10 + size:])


def write_npy(path, dtype, shape, data):
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    Path(path).write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data)


def floats(raw):
    return struct.unpack(f"<{len(raw) // 4}f", raw)


def read_safetensors(path):
    """name: values, of the f32 tensors."""
    raw = Path(path).read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    data = raw[8 + size:]
    return {name: floats(data[slice(*entry["data_offsets"])])
            for name, entry in json.loads(raw[8:8 + size]).items() if name != "__metadata__" and entry["dtype"] == "F32"}


def read_losses(path):
    """Of each epoch: the loss of training, and of the test."""
    lines = map(json.loads, Path(path).read_text().splitlines())
    return [line[key] for line in lines if line["kind"] == "epoch" for key in ("train_loss", "test_loss")]


def step_tolerance(precision):
    """(of a state's largest value, of a loss), of one implementation of two steps: from tests/tolerance.h."""
    text = (ROOT / "tests/tolerance.h").read_text()
    text = text[text.index("step_tolerance(Precision"):]
    f32, tf32, narrow = re.findall(r"return \{([^,}]+), ([^}]+)\};", text)[:3]
    return tuple(float.fromhex(x) if "x" in x else float(x) for x in {"f32": f32, "tf32": tf32}.get(precision, narrow))
