"""mini-Xception, the network of ``fer``'s emotion model, read from its Keras file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc_embedded.reading import CLASSES

FEATURES = 128
_EPSILON = 1e-3
_WIDTHS = (8, 16, 32, 64, 128)


class MiniXception(nn.Module):
    """Grey faces ``[n, 1, 64, 64]`` in -1..1 to features ``[n, 128]`` (the last layer before the classifier, averaged
    over the face) and class probabilities ``[n, 7]``."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.ModuleList([_Conv(1, 8, 3), _Conv(8, 8, 3)])
        self.blocks = nn.ModuleList([_Block(into, out) for into, out in pairwise(_WIDTHS)])
        self.classify = nn.Conv2d(FEATURES, len(CLASSES), 3, padding=1)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """The features and the class probabilities of a batch."""
        for conv in self.stem:
            faces = F.relu(conv(faces))
        for block in self.blocks:
            faces = block(faces)
        return faces.mean((2, 3)), self.classify(faces).mean((2, 3)).softmax(-1)


class FaceFeatures(nn.Module):
    """Lists of grey faces ``[n, 64, 64]`` uint8 to features ``[n, 135]``: those of the network, and its probabilities.

    The network stands in it under its own names."""

    def __init__(self, net: MiniXception) -> None:
        super().__init__()
        self.net = net

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The features of each entry."""
        faces = torch.cat(list(inputs)).unsqueeze(1).to(self.net.classify.weight.dtype)
        tokens = torch.cat(self.net(faces / 127.5 - 1), dim=-1)
        return list(tokens.split([len(one) for one in inputs]))


class _Conv(nn.Module):
    def __init__(self, into: int, out: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, size, stride, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class _Separable(nn.Module):
    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.depth = nn.Conv2d(into, into, 3, padding=1, groups=into, bias=False)
        self.point = nn.Conv2d(into, out, 1, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.point(self.depth(x)))


class _Block(nn.Module):
    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.first = _Separable(into, out)
        self.second = _Separable(out, out)
        self.shortcut = _Conv(into, out, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        deep = self.second(F.relu(self.first(x)))
        return _halve(deep) + self.shortcut(x)


def _halve(x: Tensor) -> Tensor:
    # Keras pads "same" unevenly when the size is even: nothing before, one after
    pads = [pad for size in (x.shape[3], x.shape[2]) for pad in ((1, 1) if size % 2 else (0, 1))]
    return F.max_pool2d(F.pad(x, pads, value=float("-inf")), 3, 2)


def read(path: Path) -> MiniXception:
    """The network with the weights of a Keras HDF5 file, ready to use."""
    net = MiniXception()
    with h5py.File(path) as file:
        layers = file["model_weights"]

        def array(layer: str, name: str) -> Tensor:
            return torch.from_numpy(np.array(layers[f"{layer}/{layer}_1/{name}:0"]))

        def kernel(layer: str, name: str = "kernel") -> Tensor:
            return array(layer, name).permute(3, 2, 0, 1)

        def norm(number: int, into: nn.BatchNorm2d) -> None:
            names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
            for ours, theirs in names.items():
                getattr(into, ours).copy_(array(f"batch_normalization_{number}", theirs))

        with torch.no_grad():
            for number, conv in enumerate(net.stem, 1):
                conv.conv.weight.copy_(kernel(f"conv2d_{number}"))
                norm(number, conv.norm)
            for number, block in enumerate(net.blocks):
                block.shortcut.conv.weight.copy_(kernel(f"conv2d_{number + 3}"))
                norm(3 * number + 3, block.shortcut.norm)
                for place, part in enumerate((block.first, block.second)):
                    layer = f"separable_conv2d_{2 * number + place + 1}"
                    part.depth.weight.copy_(array(layer, "depthwise_kernel").permute(2, 3, 0, 1))
                    part.point.weight.copy_(kernel(layer, "pointwise_kernel"))
                    norm(3 * number + place + 4, part.norm)
            net.classify.weight.copy_(kernel("conv2d_7"))
            net.classify.bias.copy_(array("conv2d_7", "bias"))
    return net.eval()
