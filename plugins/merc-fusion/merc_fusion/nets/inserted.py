"""What stands before layers of the language model and looks at the media."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from merc import SeenMedia, Stream
from merc_fusion.nets.queries import FeedForward, Heads

AGES = 8
"""Media that were shown this many utterances ago, or more, count as equally old."""


class Tokens(nn.Module):
    """What layers look at: each token through one layer, normalised."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.layer = nn.Linear(dim, hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, stream: Stream) -> Stream:
        """``[batch, tokens, hidden]``."""
        return Stream(self.norm(self.layer(stream.zeroed())), stream.mask)


class Look(nn.Module):
    """States plus what attention to the media gives them; through a gate, where there is one, and a feed-forward part
    through another."""

    def __init__(self, hidden: int, heads: int, head: int, look: str, gated: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.attention = Heads(hidden, heads, head)
        self.look = look
        if look == "all":
            self.age = nn.Parameter(torch.zeros(heads, AGES + 1))
        self.gated = gated
        if gated:
            self.attention_gate = nn.Parameter(torch.zeros(1))
            self.feed_forward = FeedForward(hidden)
            self.feed_forward_gate = nn.Parameter(torch.zeros(1))
        else:
            nn.init.zeros_(self.attention.out.weight)

    def _mask(self, media: SeenMedia) -> Tensor:
        """What is added to the scores, ``[rows, heads or 1, length, tokens]``, or a bool mask."""
        seen = media.mask if self.look == "all" else media.mask & (media.age == 0)
        # Where nothing is seen everything is looked at, since a softmax over nothing is NaN; merc leaves that state.
        seen = (seen | ~seen.any(-1, keepdim=True)).unsqueeze(1)
        if self.look == "last":
            return seen
        bias = self.age[:, media.age.long().clamp(0, AGES)].transpose(0, 1)
        return bias.masked_fill(~seen, torch.finfo(bias.dtype).min)

    def forward(self, states: Tensor, media: SeenMedia) -> Tensor:
        """States ``[rows, length, hidden]`` before the layer, with what they see."""
        looked = self.attention(self.norm(states), media.tokens.unsqueeze(0), self._mask(media))
        if not self.gated:
            return states + looked
        states = states + self.attention_gate.tanh() * looked
        return states + self.feed_forward_gate.tanh() * self.feed_forward(states)
