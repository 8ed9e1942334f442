"""DenseNet-121 (Huang et al., 2017, arXiv 1608.06993, table 1) in plain torch, with the names of torchvision's weights.

torchvision itself cannot stand beside transformers on a machine without its GPU libraries, and this is all of it that
is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc import first_names

GROWTH = 32
BOTTLENECK = 4 * GROWTH
BLOCKS = (6, 12, 24, 16)
STEM = 64
WIDTH = 1024

# The file that torchvision publishes is older than the names of its modules.
_OLD = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


class DenseNet121(nn.Module):
    """Pictures ``[n, 3, height, width]``, normalised, to features ``[n, 1024]``: the last feature maps, averaged."""

    def __init__(self) -> None:
        super().__init__()
        parts: dict[str, nn.Module] = {
            "conv0": nn.Conv2d(3, STEM, 7, stride=2, padding=3, bias=False),
            "norm0": nn.BatchNorm2d(STEM),
            "relu0": nn.ReLU(inplace=True),
            "pool0": nn.MaxPool2d(3, stride=2, padding=1),
        }
        width = STEM
        for number, layers in enumerate(BLOCKS, start=1):
            parts[f"denseblock{number}"] = _Block(width, layers)
            width += layers * GROWTH
            if number < len(BLOCKS):
                parts[f"transition{number}"] = _Transition(width)
                width //= 2
        parts["norm5"] = nn.BatchNorm2d(width)
        self.features = nn.Sequential()
        for name, part in parts.items():
            self.features.add_module(name, part)

    def forward(self, pictures: Tensor) -> Tensor:
        """The features of each picture."""
        return F.relu(self.features(pictures)).mean((2, 3))


class _Layer(nn.Module):
    """Two convolutions, each after a normalisation; 32 further maps out of all those so far."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(width, BOTTLENECK, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(BOTTLENECK)
        self.conv2 = nn.Conv2d(BOTTLENECK, GROWTH, 3, padding=1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.conv1(F.relu(self.norm1(maps), inplace=True))
        return self.conv2(F.relu(self.norm2(maps), inplace=True))


class _Block(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        for number in range(layers):
            self.add_module(f"denselayer{number + 1}", _Layer(width + number * GROWTH))

    def forward(self, maps: Tensor) -> Tensor:
        for layer in self.children():
            maps = torch.cat((maps, layer(maps)), 1)
        return maps


class _Transition(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, width // 2, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        return F.avg_pool2d(self.conv(F.relu(self.norm(maps), inplace=True)), 2)


def build(state: Mapping[str, Tensor]) -> DenseNet121:
    """The network with published weights, ready to be asked; the classifier's are left out.

    Raises ValueError, naming the parameters, for weights of another network.
    """
    named = {_OLD.sub(r"\1\2.", key.removeprefix("module.")): value for key, value in state.items()}
    named = {key: value for key, value in named.items() if not key.startswith("classifier.")}
    net = DenseNet121()
    own = net.state_dict()
    # How many batches training saw: the published file is too old to count them, and nothing here asks.
    lacking = [key for key in own if key not in named and not key.endswith(".num_batches_tracked")]
    foreign = [key for key in named if key not in own]
    other = [key for key in named if key in own and named[key].shape != own[key].shape]
    for keys, what in ((lacking, "lacks"), (foreign, "has the further"), (other, "has another shape of")):
        if keys:
            raise ValueError(f"it {what} {first_names(keys, 3)}")
    net.load_state_dict(named, strict=False)
    return net.eval()


class Learner(nn.Module):
    """The network for pictures ``[frames, height, width, 3]`` uint8 a clip: features ``[frames, 1024]`` float32, with a
    gradient."""

    def __init__(self, net: DenseNet121, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(3, 1, 1))

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Features of each clip, whose pictures are seen together."""
        return [
            self.net((one.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.deviation).float() for one in inputs
        ]
