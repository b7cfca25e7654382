"""One case of PyTorch on a GPU: torch_speed.py NETWORK training|inference bf16|f16 eager|compile BATCH SECONDS. Prints JSON."""
import json
import sys
import time

import torch
import torchvision
from torch.nn import functional as F


def main():
    network, mode, precision, variant, batch, seconds = sys.argv[1:]
    batch, seconds = int(batch), float(seconds)
    dtype = {"bf16": torch.bfloat16, "f16": torch.float16}[precision]
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    options = {"aux_logits": True, "init_weights": True} if network == "googlenet" else {}
    model = getattr(torchvision.models, network)(**options).cuda().to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, 224, 224, device="cuda").to(memory_format=torch.channels_last)
    labels = torch.randint(1000, (batch,), device="cuda")
    if mode == "training":
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, fused=True)
        scaler = torch.amp.GradScaler("cuda", enabled=precision == "f16")

        def forward(x, labels):
            with torch.autocast("cuda", dtype=dtype):
                outputs = model(x)
                main, *heads = outputs if isinstance(outputs, tuple) else (outputs,)
                return F.cross_entropy(main, labels) + 0.3 * sum(F.cross_entropy(head, labels) for head in heads)
        forward = torch.compile(forward, mode="max-autotune") if variant == "compile" else forward

        def step():
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(forward(x, labels)).backward()
            scaler.step(optimizer)
            scaler.update()
    else:
        model, x = model.eval().to(dtype), x.to(dtype)
        compiled = torch.compile(model, mode="max-autotune") if variant == "compile" else model

        @torch.no_grad()
        def step():
            compiled(x)
    start = time.time()
    step()
    torch.cuda.synchronize()
    compile_seconds = time.time() - start
    for _ in range(4):
        step()
    torch.cuda.synchronize()
    start, steps = time.time(), 0
    while time.time() - start < seconds:
        for _ in range(4):
            step()
        torch.cuda.synchronize()
        steps += 4
    print(json.dumps({"images": batch * steps / (time.time() - start), "bytes": torch.cuda.max_memory_allocated(),
                      "compile": compile_seconds}))


if __name__ == "__main__":
    main()
