"""Writes torchvision's networks with random weights, seed 1, for the other programs.

NETWORK.safetensors holds the weights in torchvision's names, NETWORK_bN.onnx the network for N images, NETWORK_bN.x.npy an input
and NETWORK_bN.y.npy PyTorch's logits for it.
"""
import argparse
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
import numpy as np
import torch

root = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "bench"))
sys.path.insert(0, str(root / "scripts/fixtures"))
from check_torchvision_logits import write_safetensors
from peers import torch_networks


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in args.networks:
        model = torch_networks.build(name)
        model.train()
        with torch.no_grad():
            model(torch.randn(4, *torch_networks.input_shape(name)))  # running statistics that are not the initial ones
        model.eval()
        write_safetensors(args.folder / f"{name}.safetensors", model.state_dict())
        for batch in args.batches:
            x = torch.randn(batch, *torch_networks.input_shape(name))
            with torch.no_grad():
                y = model(x)
            path = args.folder / f"{name}_b{batch}.onnx"
            torch.onnx.export(model, (x,), str(path), input_names=["image"], output_names=["logits"], dynamo=True,
                              external_data=False, verbose=False)
            np.save(path.with_suffix(".x.npy"), x.numpy())
            np.save(path.with_suffix(".y.npy"), y.numpy())
            print(path, flush=True)


if __name__ == "__main__":
    main()
