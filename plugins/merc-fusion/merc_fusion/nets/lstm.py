"""An LSTM with gates and a memory of each modality, fused at the cell state (equations 11 to 14)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from merc import Stream
from merc_fusion.nets.operators import Operator
from merc_fusion.nets.streams import softmax, steps, there

State = tuple[Tensor, Tensor]
"""h ``[rows, width]`` and the memories of the modalities ``[rows, modalities, width]``."""


class Modality(nn.Module):
    """Gates (equation 11) and the candidate (equation 12) of one modality."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.gates = nn.Linear(dim, 3 * width)  # W and b of i, f, o
        self.gates_before = nn.Linear(width, 3 * width, bias=False)  # U
        self.candidate = nn.Linear(dim, width, bias=False)  # W_c
        self.candidate_before = nn.Linear(width, width, bias=False)  # U_c

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """The modality's new memory and its output gate, ``[rows, width]`` each."""
        i, f, o = (self.gates(x) + self.gates_before(h)).sigmoid().chunk(3, -1)
        return f * c + i * torch.tanh(self.candidate(x) + self.candidate_before(h)), o


class MultimodalCell(nn.Module):
    """One step of equations 11 to 14."""

    def __init__(self, dims: Mapping[str, int], weights: str, fusion: Operator) -> None:
        super().__init__()
        self.width = fusion.absent.shape[1]
        self.modalities = nn.ModuleDict({name: Modality(dim, self.width) for name, dim in dims.items()})
        self.weight = nn.Parameter(torch.zeros(len(dims)))
        if weights == "attention":
            self.scores = nn.ModuleDict({name: nn.Linear(dim, 1, bias=False) for name, dim in dims.items()})
        self.fusion = fusion

    def begin(self, rows: int, like: Tensor) -> State:
        """Zeros."""
        return like.new_zeros(rows, self.width), like.new_zeros(rows, len(self.modalities), self.width)

    def forward(self, xs: Sequence[Tensor], here: Tensor, state: State) -> State:
        """The state after features ``[rows, dim]`` of each modality; ``here`` ``[rows, modalities]`` bool. What a row
        lacks keeps its memory; a row that lacks all keeps its state."""
        h, memories = state
        steps = [m(x, h, c) for m, x, c in zip(self.modalities.values(), xs, memories.unbind(1), strict=True)]
        memories = torch.where(here.unsqueeze(-1), torch.stack([c for c, _ in steps], 1), memories)
        scores = self.weight.expand(len(h), -1)
        if hasattr(self, "scores"):
            scores = scores + torch.cat([score(x) for score, x in zip(self.scores.values(), xs, strict=True)], -1)
        fused = (softmax(scores, here).unsqueeze(-1) * memories).sum(1)
        parts = torch.stack([o for _, o in steps], 1) * fused.tanh().unsqueeze(1)
        return torch.where(here.any(1, keepdim=True), self.fusion(parts, here), h), memories


class UtteranceLstm(nn.Module):
    """The cell over the steps of each utterance."""

    def __init__(self, cell: MultimodalCell, length: int) -> None:
        super().__init__()
        self.cell, self.length = cell, length

    def forward(self, streams: Mapping[str, Stream]) -> Stream:
        """h of each step, ``[rows, steps, width]``."""
        here = there(streams, self.cell.modalities)
        features = [steps(streams[name], self.length) for name in self.cell.modalities]
        state, tokens = self.cell.begin(len(here), features[0]), []
        for step in range(self.length):
            state = self.cell([x[:, step] for x in features], here, state)
            tokens.append(state[0])
        return Stream(torch.stack(tokens, 1), here.any(1, keepdim=True).expand(-1, self.length))


class ConversationLstm(nn.Module):
    """The cell over the utterances of a conversation."""

    def __init__(self, cell: MultimodalCell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, streams: Mapping[str, Stream], speakers: Tensor) -> Stream:
        """h after each utterance, ``[utterances, 1, width]``."""
        here = there(streams, self.cell.modalities)
        features = [streams[name].mean() for name in self.cell.modalities]
        state, tokens = self.cell.begin(1, features[0]), []
        for number in range(len(here)):
            state = self.cell([x[number : number + 1] for x in features], here[number : number + 1], state)
            tokens.append(state[0])
        return Stream(torch.stack(tokens), here.any(1, keepdim=True))
