"""The networks of the comparison in PyTorch: torchvision's, and two that it lacks."""
import torch
import torchvision
from torch import nn
from torch.nn import functional as F


def conv_bn(inputs, outputs, window, stride=1):
    return nn.Sequential(nn.Conv2d(inputs, outputs, window, stride, padding=(window - 1) // 2, bias=False),
                         nn.BatchNorm2d(outputs))


class Basic(nn.Module):
    """Two 3x3 convolutions beside a shortcut: a projection, or (option A of He et al. 2015) subsampling and zeros."""

    def __init__(self, inputs, outputs, stride, project):
        super().__init__()
        self.first = conv_bn(inputs, outputs, 3, stride)
        self.second = conv_bn(outputs, outputs, 3)
        self.stride = stride
        self.padding = outputs - inputs
        self.projection = conv_bn(inputs, outputs, 1, stride) if project and (stride > 1 or inputs != outputs) else None

    def forward(self, x):
        y = self.second(F.relu(self.first(x)))
        if self.projection is not None:
            x = self.projection(x)
        elif self.stride > 1 or self.padding > 0:
            before = self.padding // 2
            x = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, before, self.padding - before))
        return F.relu(y + x)


class CifarResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        blocks, inputs = [], 16
        for stage, width in enumerate([16, 32, 64]):
            for i in range(3):
                blocks.append(Basic(inputs, width, 2 if i == 0 and stage > 0 else 1, project=False))
                inputs = width
        self.stem = conv_bn(3, 16, 3)
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.stem(x))).mean((2, 3)))


class Views(nn.Module):
    def __init__(self, inputs, c1, r3, c3, pool):
        super().__init__()
        self.one = conv_bn(inputs, c1, 1)
        self.reduce = conv_bn(inputs, r3, 1)
        self.three = conv_bn(r3, c3, 3)
        self.pool = conv_bn(inputs, pool, 1)

    def forward(self, x):
        return torch.cat([F.relu(self.one(x)), F.relu(self.three(F.relu(self.reduce(x)))),
                          F.relu(self.pool(F.max_pool2d(x, 3, 1, 1)))], 1)


class FashionNet(nn.Module):
    """examples/fashion_mnist/fashion_mnist.net, without what netc does in its step as well: flips, normalisation, the weights'
    moving average."""

    def __init__(self):
        super().__init__()
        self.stem = conv_bn(1, 32, 5, 2)
        self.blocks = nn.Sequential(Basic(32, 32, 1, project=True), Basic(32, 64, 2, project=True),
                                    Views(64, 48, 32, 64, 16), Views(128, 48, 32, 64, 16))
        self.fc = nn.Linear(128, 10)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.stem(x))).mean((2, 3)))


def build(name):
    torch.manual_seed(1)
    if name == "cifar_resnet20":
        return CifarResNet20()
    if name == "fashion_mnist":
        return FashionNet()
    options = {"aux_logits": True, "init_weights": True} if name == "googlenet" else {}
    return getattr(torchvision.models, name)(**options)


def input_shape(name):
    return {"cifar_resnet20": (3, 32, 32), "fashion_mnist": (1, 28, 28)}.get(name, (3, 224, 224))


def classes(name):
    return 10 if name in ("cifar_resnet20", "fashion_mnist") else 1000


def loss(name, outputs, labels):
    """The recipe's: GoogLeNet's auxiliary heads count 0.3 each."""
    if name == "fashion_mnist":
        return F.cross_entropy(outputs, labels, label_smoothing=0.05)
    if isinstance(outputs, tuple):
        main, *heads = outputs
        return F.cross_entropy(main, labels) + 0.3 * sum(F.cross_entropy(head, labels) for head in heads)
    return F.cross_entropy(outputs, labels)
