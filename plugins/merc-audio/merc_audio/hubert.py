"""Encoder ``hubert``: speech as a HuBERT model represents it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from merc_audio.speech import LEAST, RATE, SpeechTransformer, configuration, source
from merc_audio.windows import windows

if TYPE_CHECKING:
    from merc_audio.nets import SpeechNetwork

KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
"""Of the convolutions over samples, where a configuration says nothing of them."""


@dataclass(frozen=True, kw_only=True)
class Hubert(SpeechTransformer):
    """The last hidden states of a HuBERT (arXiv 2106.07447), such as ``facebook/hubert-large-ls960-ft``, as
    Emotion-LLaMAv2 uses it (5.1).

    A clip is brought to mean 0 and deviation 1 where the weights' preprocessor says so (or says nothing), and heard by
    itself, so that nothing depends on what it is batched with. There are about 50 states a second. It may learn.
    """

    model_type = "hubert"
    window: float = 30.0
    """The most seconds that are heard at once; a longer clip is heard in several windows, since memory grows with the
    square."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window < 1:
            raise ValueError(f"window is 1 second at least, not {self.window:g}")

    @staticmethod
    def _width(config: dict[str, Any]) -> int:
        return int(config.get("hidden_size", 768))

    @staticmethod
    def _network(config: dict[str, Any]) -> Any:
        from transformers import HubertConfig, HubertModel

        return HubertModel(HubertConfig.from_dict(config))

    def _module(self, dtype: str) -> SpeechNetwork:
        import torch
        from transformers import HubertConfig, HubertModel

        from merc_audio.nets import HubertNetwork

        config = HubertConfig.from_dict(configuration(self.model_type, self.path, self.revision, own=True))
        # masks are for training; published weights leave their vector out now and then
        net = source(self.model_type, self.path, self.revision).network(
            HubertModel, config=config, dtype=getattr(torch, dtype), unused=["masked_spec_embed"]
        )
        return HubertNetwork(net, self.tokens, self.pad, self._size, round(LEAST * RATE))

    def _sound(self) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
        weights = source(self.model_type, self.path, self.revision)
        recorded = weights.read_json("preprocessor_config.json") or weights.read_json("processor_config.json") or {}
        if not recorded.get("feature_extractor", recorded).get("do_normalize", True):
            return super()._sound()
        return lambda samples: ((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)).astype(np.float32)

    def _state_count(self, count: int) -> int:
        config = configuration(self.model_type, self.path, self.revision)
        layers = list(zip(config.get("conv_kernel", KERNELS), config.get("conv_stride", STRIDES), strict=True))

        def states(samples: int) -> int:
            for kernel, stride in layers:
                samples = (samples - kernel) // stride + 1
            return samples

        return sum(states(end - begin) for begin, end in windows(count, self._size, round(LEAST * RATE)))

    @property
    def _size(self) -> int:
        return round(self.window * RATE)
