"""all-MiniLM-L6-v2 from word pieces to a sentence vector, frozen or learning."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from transformers import BertModel


class SentenceVectors(nn.Module):
    """The transformer ``net``, which reads at most ``piece`` word pieces at once between the marks ``start`` and
    ``end``. Takes word pieces ``[n]`` int64 a text, gives ``[1, dim]``: the mean of their states, of length 1."""

    def __init__(self, net: BertModel, start: int, end: int, piece: int) -> None:
        super().__init__()
        self.net, self.start, self.end, self.piece = net, start, end, piece
        if net.pooler is not None:  # a layer that the mean does not read
            net.pooler.requires_grad_(False)

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The vector of each text."""
        if not inputs:
            return []
        start, end = (inputs[0].new_tensor([mark]) for mark in (self.start, self.end))
        parts = [(n, torch.cat([start, part, end])) for n, ids in enumerate(inputs) for part in ids.split(self.piece)]
        padded = pad_sequence([part for _, part in parts], batch_first=True)
        lengths = torch.tensor([len(part) for _, part in parts], device=padded.device)
        mask = torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]
        states = self.net(input_ids=padded, attention_mask=mask.long()).last_hidden_state
        owner = torch.tensor([number for number, _ in parts], device=padded.device)
        sums = states.new_zeros(len(inputs), states.shape[-1]).index_add(0, owner, (states * mask[..., None]).sum(1))
        # the length is set to 1, so the sum over word pieces serves as well as their mean
        return list(F.normalize(sums, dim=1).split(1))
