"""What stays of a conversation: a continuous latent state, and a memory of its earlier segments (section 7.2)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from merc import Stream
from merc_fusion.nets.streams import Heard, sinusoids


class StateSpace(nn.Module):
    """``ds/dt = A s + B u`` with a diagonal A below zero, solved exactly over a step of a length that learns."""

    def __init__(self, dims: Mapping[str, int], width: int, states: int) -> None:
        super().__init__()
        self.heard = Heard(dims, width)
        self.step = nn.Linear(width, width)
        # S4D-Real: each channel remembers over ``states`` times, the shortest first.
        self.log_decay = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(width, 1))
        self.enter = nn.Parameter(torch.ones(width, states))
        self.leave = nn.Parameter(torch.randn(width, states) / states**0.5)
        self.through = nn.Parameter(torch.ones(width))

    def forward(self, streams: Mapping[str, Stream], speakers: Tensor) -> Stream:
        """``[utterances, 1, width]``."""
        heard, here = self.heard(streams, speakers)
        heard = heard * here.unsqueeze(1)
        rate = -self.log_decay.exp()
        decay = torch.exp(softplus(self.step(heard)).unsqueeze(-1) * rate)  # [utterances, width, states]
        added = (decay - 1) / rate * self.enter * heard.unsqueeze(-1)
        state, tokens = torch.zeros_like(added[0]), []
        for number in range(len(heard)):
            state = decay[number] * state + added[number]
            tokens.append((self.leave * state).sum(-1) + self.through * heard[number])
        return Stream(torch.stack(tokens).unsqueeze(1), here.unsqueeze(1))


class SegmentMemory(nn.Module):
    """Causal attention within a segment and to the memory of those before it, which each segment rewrites in part."""

    def __init__(self, dims: Mapping[str, int], width: int, heads: int, segment: int, slots: int) -> None:
        super().__init__()
        self.segment = segment
        self.heard = Heard(dims, width)
        self.memory = nn.Parameter(torch.randn(slots, width) * 0.02)
        self.reads = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm, self.last = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.writes = nn.MultiheadAttention(width, heads, batch_first=True)
        self.keeps = nn.Linear(2 * width, width)

    def forward(self, streams: Mapping[str, Stream], speakers: Tensor) -> Stream:
        """``[utterances, 1, width]``."""
        heard, here = self.heard(streams, speakers)
        memory, tokens = self.memory, []
        for first in range(0, len(heard), self.segment):
            now, there = heard[first : first + self.segment], here[first : first + self.segment]
            states = self._read(now, there, memory)
            tokens.append(states)
            memory = self._write(states, there, memory)
        return Stream(torch.cat(tokens).unsqueeze(1), here.unsqueeze(1))

    def _read(self, now: Tensor, there: Tensor, memory: Tensor) -> Tensor:
        """States of a segment's utterances ``[utterances, width]``."""
        now = now + sinusoids(len(now), now.shape[1], now)
        seen = torch.cat([memory.to(now.dtype), now])
        causal = torch.ones(len(now), len(now), dtype=torch.bool, device=now.device).tril() & there
        hidden = torch.cat([causal.logical_not().new_zeros(len(now), len(memory)), ~causal], 1)
        states = self.norm(
            now + self.reads(now[None], seen[None], seen[None], attn_mask=hidden, need_weights=False)[0][0]
        )
        return self.last(states + self.feed_forward(states))

    def _write(self, states: Tensor, there: Tensor, memory: Tensor) -> Tensor:
        """The memory ``[slots, width]`` after a segment; as it was where nothing was there."""
        hidden = (~there & there.any())[None]  # of nothing no softmax can be taken
        new = self.writes(memory[None], states[None], states[None], key_padding_mask=hidden, need_weights=False)[0][0]
        keep = self.keeps(torch.cat([memory.to(new.dtype), new], -1)).sigmoid()
        return torch.where(there.any(), keep * memory + (1 - keep) * new, memory)
