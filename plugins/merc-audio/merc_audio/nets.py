"""The networks of the speech transformers: real sound in, features out, frozen or learning. Imported where a network is
wanted, since it needs torch."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc_audio.windows import windows

FORWARD = 4
"""Windows of Whisper in a forward pass."""


class SpeechNetwork(nn.Module):
    """A speech transformer ``net`` with what brings its states to ``tokens`` (``fit``). Takes samples ``[n]`` float32 a
    clip, gives features ``[tokens, dim]`` float32."""

    def __init__(self, net: Any, tokens: int | None, pad: bool) -> None:
        super().__init__()
        self.net, self.tokens, self.pad = net.requires_grad_(True), tokens, pad

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Features of each clip."""
        return [fit(states.float(), self.tokens, self.pad) for states in self.states(inputs)]

    @abstractmethod
    def states(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The states ``[states, dim]`` of each clip, on real sound only."""

    def _given(self, inputs: Tensor) -> Tensor:
        """Inputs of the network, where it is and in what it computes in."""
        own = next(self.net.parameters())
        return inputs.to(own.device, own.dtype)


class HubertNetwork(SpeechNetwork):
    """HuBERT, which hears ``size`` samples at most at once; a rest of fewer than ``least`` belongs to the window before
    it."""

    def __init__(self, net: Any, tokens: int | None, pad: bool, size: int, least: int) -> None:
        super().__init__(net, tokens, pad)
        self.size, self.least = size, least
        net.masked_spec_embed.requires_grad_(False)  # of pretraining: features do not depend on it

    def states(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Each clip by itself, so that nothing depends on what it is batched with."""
        return [
            torch.cat([self._hear(samples[begin:end]) for begin, end in windows(len(samples), self.size, self.least)])
            for samples in inputs
        ]

    def _hear(self, samples: Tensor) -> Tensor:
        states: Tensor = self.net(self._given(samples[None])).last_hidden_state[0]
        return states


class WhisperNetwork(SpeechNetwork):
    """Whisper's encoder. The spectrogram is computed here and not kept with the clip: it is that of a whole window,
    most of it silence."""

    def __init__(self, net: Any, tokens: int | None, pad: bool, rate: int, step: int) -> None:
        from transformers import WhisperFeatureExtractor

        super().__init__(net, tokens, pad)
        net.embed_positions.requires_grad_(False)  # sines, as in transformers
        self.rate, self.step = rate, step
        self.window = net.config.max_source_positions * step
        self.spectrogram = WhisperFeatureExtractor(
            feature_size=net.config.num_mel_bins, chunk_length=self.window // rate
        )

    def states(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Windows of all clips, some at once; of each the states that lie on its sound."""
        cut = [list(samples.split(self.window)) for samples in inputs]
        every = [one for of_clip in cut for one in of_clip]
        heard = iter([row for at in range(0, len(every), FORWARD) for row in self._hear(every[at : at + FORWARD])])
        return [torch.cat([next(heard) for _ in of_clip]) for of_clip in cut]

    def _hear(self, some: Sequence[Tensor]) -> list[Tensor]:
        samples = [one.cpu().numpy() for one in some]
        mel = self.spectrogram(samples, sampling_rate=self.rate, return_tensors="pt")["input_features"]
        states = self.net(self._given(mel)).last_hidden_state
        return [row[: math.ceil(len(one) / self.step)] for row, one in zip(states, samples, strict=True)]


def fit(states: Tensor, tokens: int | None, pad: bool) -> Tensor:
    """States ``[n, dim]`` brought to ``tokens``: more are averaged to that many equal parts, fewer are filled up with
    zeros if ``pad`` says so; ``None`` keeps them all.

    >>> fit(torch.tensor([[1.0], [3.0], [5.0], [7.0]]), 2, True).tolist(), fit(torch.tensor([[1.0]]), 2, True).tolist()
    ([[2.0], [6.0]], [[1.0], [0.0]])
    """
    if tokens is None:
        return states
    if len(states) > tokens:
        return F.adaptive_avg_pool1d(states.T, tokens).T
    return F.pad(states, (0, 0, 0, tokens - len(states))) if pad else states
