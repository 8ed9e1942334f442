"""Encoder ``hubert``: speech as a HuBERT model represents it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import AudioClip
from merc_audio.speech import LEAST, RATE, SpeechTransformer, configuration, source
from merc_audio.windows import windows

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Hubert(SpeechTransformer):
    """The last hidden states of a HuBERT (arXiv 2106.07447), such as ``facebook/hubert-large-ls960-ft``, as
    Emotion-LLaMAv2 uses it (5.1).

    A clip is brought to mean 0 and deviation 1 where the weights' preprocessor says so (or says nothing), and heard by
    itself, so that nothing depends on what it is batched with. There are about 50 states a second.
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

    def _states(self, device: str) -> Callable[[Sequence[AudioClip]], list[Tensor]]:
        import torch
        from transformers import HubertConfig, HubertModel

        weights = source(self.model_type, self.path, self.revision)
        config = HubertConfig.from_dict(configuration(self.model_type, self.path, self.revision, own=True))
        dtype = getattr(torch, self.dtype)
        # masks are for training; published weights leave their vector out now and then
        net = weights.network(HubertModel, config=config, dtype=dtype, unused=["masked_spec_embed"]).to(device)
        recorded = weights.read_json("preprocessor_config.json") or weights.read_json("processor_config.json") or {}
        normal = recorded.get("feature_extractor", recorded).get("do_normalize", True)
        size, least = round(self.window * RATE), round(LEAST * RATE)

        def hear(clip: AudioClip) -> Tensor:
            samples = clip.samples
            if normal:
                samples = ((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)).astype(np.float32)
            inputs = [
                net(torch.from_numpy(samples[begin:end])[None].to(device, dtype)).last_hidden_state[0]
                for begin, end in windows(len(samples), size, least)
            ]
            return torch.cat(inputs)

        return lambda clips: [hear(clip) for clip in clips]
