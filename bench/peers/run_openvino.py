"""A worker that runs OpenVINO on an exported model: one stream on all threads, for latency."""
import argparse
import sys
from pathlib import Path

import numpy as np
import openvino as ov

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from peers.worker import resident_bytes, serve


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--dtype", choices=["f32", "bf16"], required=True)
    parser.add_argument("--dump", help="write the outputs for x.npy of the model's folder here, and end")
    args = parser.parse_args()
    libraries = resident_bytes("VmRSS")
    core = ov.Core()
    compiled = core.compile_model(core.read_model(args.model), "CPU", {
        "INFERENCE_PRECISION_HINT": args.dtype, "INFERENCE_NUM_THREADS": args.threads, "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": True})
    request = compiled.create_infer_request()
    if args.dump:
        x = np.load(Path(args.model).with_suffix(".x.npy"))
        np.save(args.dump, request.infer({0: x})[0])
        return
    x = np.random.default_rng(1).standard_normal(list(compiled.input(0).shape), dtype=np.float32)
    request.set_input_tensor(ov.Tensor(x))

    def step():
        request.start_async()
        request.wait()
    serve(step, {"version": ov.__version__.split("-")[0], "variant": ""}, libraries_bytes=libraries)


if __name__ == "__main__":
    main()
