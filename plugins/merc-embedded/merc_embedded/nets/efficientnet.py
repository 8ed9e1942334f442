"""EfficientNet-Lite0 without its classifier, read from a state dict of the package that carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURES = 1280

# expansion, kernel, stride of the first, width, how many
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
_EPSILON = 1e-3


class EfficientNetLite0(nn.Module):
    """Pictures ``[n, 3, side, side]``, RGB, ``(value - 127) / 128``, to a map ``[n, 1280, side / 32, side / 32]``."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _Conv2d(3, 32, 3, 2)
        self._bn0 = nn.BatchNorm2d(32, eps=_EPSILON)
        self._blocks = nn.ModuleList()
        width = 32
        for expansion, kernel, stride, out, count in _STAGES:
            for number in range(count):
                self._blocks.append(_Block(width, out, expansion, kernel, stride if number == 0 else 1))
                width = out
        self._conv_head = _Conv2d(width, FEATURES, 1)
        self._bn1 = nn.BatchNorm2d(FEATURES, eps=_EPSILON)

    def forward(self, pictures: Tensor) -> Tensor:
        """The features of a batch."""
        x = F.relu6(self._bn0(self._conv_stem(pictures)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x)))


class FrameFeatures(nn.Module):
    """Lists of frames ``[n, side, side, 3]`` uint8 to tokens ``[n * pool * pool, 1280]``, row by row of each frame."""

    def __init__(self, net: EfficientNetLite0, pool: int) -> None:
        super().__init__()
        self.net, self.pool = net, pool

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The tokens of each entry."""
        frames = torch.cat(list(inputs)).permute(0, 3, 1, 2).to(self.net._bn0.weight.dtype)
        maps = self.net((frames - 127) / 128)
        tokens = F.adaptive_avg_pool2d(maps, self.pool).flatten(2).mT.flatten(0, 1)
        return list(tokens.split([len(one) * self.pool**2 for one in inputs]))


class _Conv2d(nn.Conv2d):
    # TensorFlow's "same" padding: of an odd number of pixels, the extra one stands after
    def __init__(self, into: int, out: int, size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(into, out, size, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for length, size, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = max((-(-length // stride) - 1) * stride + size - length, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads) if any(pads) else x)


class _Block(nn.Module):
    def __init__(self, into: int, out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = into * expansion
        if expansion != 1:
            self._expand_conv = _Conv2d(into, inner, 1)
            self._bn0 = nn.BatchNorm2d(inner, eps=_EPSILON)
        self._depthwise_conv = _Conv2d(inner, inner, kernel, stride, groups=inner)
        self._bn1 = nn.BatchNorm2d(inner, eps=_EPSILON)
        self._project_conv = _Conv2d(inner, out, 1)
        self._bn2 = nn.BatchNorm2d(out, eps=_EPSILON)
        self.expands = expansion != 1
        self.residual = stride == 1 and into == out

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.residual else y


def build(state: Mapping[str, Tensor]) -> EfficientNetLite0:
    """The network with its weights; the classifier's are left out."""
    net = EfficientNetLite0()
    with torch.no_grad():
        net.load_state_dict({key: value for key, value in state.items() if not key.startswith("_fc.")})
    return net.eval()
