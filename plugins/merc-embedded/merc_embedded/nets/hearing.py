"""Whisper tiny.en's encoder from real sound to features, frozen or learning."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

FORWARD = 4
"""Windows a forward pass: a larger batch is no faster on a CPU, and takes memory."""


class Hearing(nn.Module):
    """The encoder ``net``, which hears windows of ``window`` samples at ``rate``, and gives a state every ``step``
    samples. Takes samples ``[n]`` float32 a clip, gives features ``[tokens, 384]``: the states on the sound itself,
    averaged to at most ``tokens``.

    The spectrogram is computed here and not kept with the clip: it is that of a whole window, most of it silence.
    """

    def __init__(self, net: WhisperEncoder, tokens: int | None, window: int, rate: int, step: int) -> None:
        super().__init__()
        self.net, self.tokens, self.window, self.rate, self.step = net, tokens, window, rate, step
        self.spectrogram = WhisperFeatureExtractor(feature_size=80, chunk_length=window // rate)

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Windows of all clips, some at once; features of each clip."""
        cut = [list(samples.split(self.window)) for samples in inputs]
        every = [one for of_clip in cut for one in of_clip]
        heard = iter([row for at in range(0, len(every), FORWARD) for row in self._hear(every[at : at + FORWARD])])
        return [self._fit(torch.cat([next(heard) for _ in of_clip])) for of_clip in cut]

    def _hear(self, some: Sequence[Tensor]) -> list[Tensor]:
        samples = [one.cpu().numpy() for one in some]
        mel = self.spectrogram(samples, sampling_rate=self.rate, return_tensors="pt")["input_features"]
        states = self.net(mel.to(some[0].device)).last_hidden_state
        return [row[: math.ceil(len(one) / self.step)] for row, one in zip(states, samples, strict=True)]

    def _fit(self, states: Tensor) -> Tensor:
        if self.tokens is None or len(states) <= self.tokens:
            return states
        return F.adaptive_avg_pool1d(states.T, self.tokens).T
