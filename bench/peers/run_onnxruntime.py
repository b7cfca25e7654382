"""A worker that runs ONNX Runtime on an exported model, inputs and outputs bound to memory."""
import argparse
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from peers.worker import resident_bytes, serve


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--dump", help="write the outputs for x.npy of the model's folder here, and end")
    args = parser.parse_args()
    libraries = resident_bytes("VmRSS")
    options = ort.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    session = ort.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    if args.dump:
        x = np.load(Path(args.model).with_suffix(".x.npy"))
        np.save(args.dump, session.run(None, {source.name: x})[0])
        return
    x = np.random.default_rng(1).standard_normal(source.shape, dtype=np.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input(source.name, ort.OrtValue.ortvalue_from_numpy(x))
    for output in session.get_outputs():
        binding.bind_output(output.name)
    serve(lambda: session.run_with_iobinding(binding), {"version": ort.__version__, "variant": ""}, libraries_bytes=libraries)


if __name__ == "__main__":
    main()
