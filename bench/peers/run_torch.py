"""A worker that runs PyTorch. Variants: eager, frozen (TorchScript, traced, frozen, optimised), inductor (torch.compile)."""
import argparse
import sys
import warnings

warnings.filterwarnings("ignore")
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from peers import torch_networks
from peers.worker import reset_peak, resident_bytes, serve


def inference_step(args, model, x):
    model.eval()
    if args.dtype == "bf16":
        model, x = model.bfloat16(), x.bfloat16()
    if args.variant == "frozen":
        with torch.no_grad():
            traced = torch.jit.trace(model, x, check_trace=False)
            model = torch.jit.freeze(traced)
            if args.dtype == "f32":  # its rewriting to blocked layouts is for f32
                model = torch.jit.optimize_for_inference(model)
    elif args.variant == "inductor":
        import torch._inductor.config as config
        config.freezing = True
        config.cpp_wrapper = False
        model = torch.compile(model)

    def step():
        with torch.no_grad():
            return model(x)
    return step


def training_step(args, model, x, labels):
    model.train()
    recipe = {"momentum": 0.9}
    if args.network == "fashion_mnist":
        recipe = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
    elif args.network == "cifar_resnet20":
        recipe = {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, fused=True, **recipe)

    def forward(x, labels):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.dtype == "bf16"):
            return torch_networks.loss(args.network, model(x), labels)
    if args.variant == "inductor":
        forward = torch.compile(forward)

    def step():
        optimizer.zero_grad(set_to_none=True)
        forward(x, labels).backward()
        optimizer.step()
    return step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", required=True)
    parser.add_argument("--mode", choices=["inference", "training"], required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--dtype", choices=["f32", "bf16"], required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--variant", choices=["eager", "frozen", "inductor"], required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_num_interop_threads(1)
    reset_peak()
    libraries = resident_bytes("VmRSS")
    model = torch_networks.build(args.network).to(memory_format=torch.channels_last)
    x = torch.randn(args.batch, *torch_networks.input_shape(args.network)).to(memory_format=torch.channels_last)
    labels = torch.randint(torch_networks.classes(args.network), (args.batch,))
    step = inference_step(args, model, x) if args.mode == "inference" else training_step(args, model, x, labels)
    serve(step, {"version": torch.__version__, "variant": args.variant}, libraries_bytes=libraries)


if __name__ == "__main__":
    main()
