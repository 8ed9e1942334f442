"""What the encoders of speech transformers, ``whisper`` and ``hubert``, share: models by path, a fixed number of
tokens, and that they may learn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from merc import (
    AudioClip,
    Encoder,
    FeatureSpec,
    FolderOrName,
    FrozenNetwork,
    MercError,
    Missing,
    Pretrained,
    Waveform,
)
from merc_audio.public import HUBERT, WHISPER

if TYPE_CHECKING:
    from torch import nn

    from merc import Clip, EncodeFunction, Features, PrepareFunction
    from merc_audio.nets import SpeechNetwork

RATE = 16_000
STEP = 320
"""Samples a state: both families give 50 states a second."""
LEAST = 0.1

PUBLIC = {"whisper": WHISPER, "hubert": HUBERT}


@dataclass(frozen=True, kw_only=True)
class SpeechTransformer(Encoder):
    """An encoder around the states of a speech transformer; see ``Whisper`` and ``Hubert``."""

    modality = "audio"
    model_type: ClassVar[str]
    path: FolderOrName
    """A folder of transformers, or a name on the hub."""
    tokens: int | None = 64
    """Tokens of a clip, each the mean of an equal part of its states (adaptive average pooling); null keeps every
    state."""
    pad: bool = True
    """Whether a clip that has fewer states than ``tokens`` is filled up with zeros, as in the paper; ``false`` leaves
    it shorter."""
    revision: str | None = None
    """The version of a model on the hub (a branch, tag or commit); null is its main one."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """What the network computes in; features are float32."""
    batch: int = 4
    """Clips that are encoded together; changes no number."""

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch counts from 1, not {self.batch}")
        if self.tokens is not None and self.tokens < 1:
            raise ValueError(f"tokens counts from 1, not {self.tokens}; null keeps every state")

    def sampling(self) -> Waveform:
        """16 kHz, mono."""
        return Waveform(rate=RATE, min_seconds=LEAST)

    def spec(self) -> FeatureSpec:
        """As wide as the configuration of the weights says. Raises MercError."""
        return FeatureSpec(self._width(configuration(self.model_type, self.path, self.revision)), self.tokens)

    def network(self) -> FrozenNetwork:
        """The network, counted from its configuration."""
        return _frozen(type(self), self.path, self.revision)

    def identity(self) -> dict[str, Any]:
        """The content of the weights, where ``path`` is a folder."""
        return source(self.model_type, self.path, self.revision).identity()

    def load(self, device: str) -> EncodeFunction:
        """Read the weights. Raises MercError."""
        from merc import computed_in

        return self.encode_by(self._module(computed_in(self.dtype, device)), device)

    def prepare(self) -> PrepareFunction:
        """Clips to the samples ``[n]`` float32 that the network hears. Raises MercError."""
        sound = self._sound()

        def prepared(clip: AudioClip) -> npt.NDArray[np.float32] | Missing:
            if clip.seconds < LEAST:
                return Missing(f"{clip.seconds:.2f} s of sound; {self.model_type} needs {LEAST} s")
            return sound(clip.samples)

        return lambda clips: [prepared(clip) for clip in clips]

    def build(self) -> nn.Module:
        """The network, from samples to features. Raises MercError."""
        return self._module(self.dtype)

    def token_count(self, count: int) -> int:
        """As many tokens as so many samples give states, brought to ``tokens``."""
        states = self._state_count(count)
        return states if self.tokens is None or (states < self.tokens and not self.pad) else self.tokens

    def remark(self, clip: Clip, features: Features) -> str | None:
        """That it is short and was filled up: no state of a network is all zeros."""
        if not self.pad or features[-1].any():
            return None
        return f"filled up to {self.tokens} states with zeros, as the paper does; pad: false keeps those that there are"

    @staticmethod
    @abstractmethod
    def _width(config: dict[str, Any]) -> int:
        """Numbers a state."""

    @staticmethod
    @abstractmethod
    def _network(config: dict[str, Any]) -> Any:
        """The module, by a configuration."""

    @abstractmethod
    def _module(self, dtype: str) -> SpeechNetwork:
        """The network with its weights, from samples to features, on the CPU."""

    @abstractmethod
    def _state_count(self, count: int) -> int:
        """How many states so many samples give."""

    def _sound(self) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
        """What brings samples to what the network was trained with; by default as they are."""
        return lambda samples: samples


def source(kind: str, path: str, revision: str | None) -> Pretrained:
    """What a ``path`` names, for the messages of an encoder."""
    return Pretrained(path, f"encoder {kind!r}: path", revision)


def configuration(kind: str, path: str, revision: str | None, *, own: bool = False) -> dict[str, Any]:
    """The configuration as plain values; ``own``: that of the weights, fetched if need be, and not what is known of
    public ones. Raises MercError for a model of another type."""
    config = _read(kind, path, revision, own)
    if config.get("model_type") != kind:
        raise MercError(
            f"encoder {kind!r}: path: {path!r} is a model of type {config.get('model_type')!r}; one of type {kind!r} "
            "is wanted"
        )
    return config


@lru_cache(maxsize=64)
def _read(kind: str, path: str, revision: str | None, own: bool) -> dict[str, Any]:
    return source(kind, path, revision).config(None if own else PUBLIC[kind])


@lru_cache(maxsize=64)
def _frozen(cls: type[SpeechTransformer], path: str, revision: str | None) -> FrozenNetwork:
    import torch

    with torch.device("meta"):
        net = cls._network(configuration(cls.model_type, path, revision))
    name = path if revision is None else f"{path}@{revision}"
    return FrozenNetwork(f"{cls.model_type} {name}", sum(p.numel() for p in net.parameters()))
