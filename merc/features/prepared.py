"""What an encoder that learns is given in a training step: kept as features are, under keys of their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.components.encoder import Clip, EncodeFunction, Encoder, Features
from merc.features.wrapped import Wrapped

if TYPE_CHECKING:
    from merc.recipe import ComponentRef

DTYPES = ("float32", "uint8", "int64")
"""What prepared inputs may be."""


@dataclass(frozen=True, kw_only=True)
class Prepared(Wrapped):
    """Stands for an encoder in a pass over media, and gives what its network takes in place of features."""

    def differs(self) -> Mapping[str, Any]:
        """That these are no features."""
        return {"prepared": True}

    def remark(self, clip: Clip, features: Features) -> None:
        """Nothing: a remark is about features, which are not there yet."""
        return

    def load(self, device: str) -> EncodeFunction:
        """The function from clips to prepared inputs."""
        return self.of.prepare()


def gives_inputs(encoder: Encoder) -> bool:
    """Whether what stands in an encoder's place gives inputs of its network."""
    return isinstance(encoder, Prepared) or (isinstance(encoder, Wrapped) and gives_inputs(encoder.of))


def prepared(encoders: Mapping[str, ComponentRef], learning: Collection[str]) -> dict[str, ComponentRef]:
    """The encoders, those that learn as what prepares the inputs of their networks."""
    replaced = dict(encoders)
    for name in replaced:
        if name in learning:
            encoder = replaced[name].component
            assert isinstance(encoder, Encoder)
            replaced[name] = replace(replaced[name], component=Prepared(of=encoder))
    return replaced


def wrong_input(value: object) -> str | None:
    """What is wrong with a prepared input, an array ``[n, ...]``; None for one that can be kept."""
    if not isinstance(value, np.ndarray):
        return f"prepare() gave a {type(value).__name__}; a numpy array or Missing is wanted"
    if value.dtype.name not in DTYPES:
        return f"prepare() gave {value.dtype}; it may give {', '.join(DTYPES)}"
    if value.ndim < 1 or not value.size:
        return f"prepare() gave an array of shape {list(value.shape)}; it should give Missing with the reason instead"
    return None
