"""Attention tree by tree: on a CPU, trees that stand in one row are attended to apart, and padding is not computed.

With a mask over a whole row, attention computes what every tree sees of every other, which is nothing. Within a long
tree a node sees only its ancestors, not the branches beside it, so the nodes are taken in a few parts, and each part
reads only the keys that one of its nodes sees. transformers takes an attention function of one's own by its name; this
one is torch's, for each part alone. What it needs to know stands at the mask that transformers hands on to every layer,
so a layer that is computed again in the backward pass (activation checkpointing) knows it too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from merc.pretrained import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from merc.model.batch import TreeBatch

NAME = "merc_trees"
"""What transformers knows the attention function by."""

_HELD_BY = "_merc_trees"

PART_NODES = 128
"""About how many nodes a part has: with fewer, the products are too small to be quick."""

MOST_KEYS = 3.0
"""How many times the tree's own number of keys its parts may read together. Each part keeps the keys that it reads for
the backward pass, so many parts that all read a long history would take much memory and save little."""


@dataclass(frozen=True)
class Part:
    """Nodes that attend together: their places in the row, the places whose keys they read, and who sees whom."""

    nodes: slice
    seen: slice | Tensor
    mask: Tensor

    def read(self, states: Tensor) -> Tensor:
        """Of keys or values ``[rows, heads, length, width]`` those that the part reads."""
        return states[:, :, self.seen] if isinstance(self.seen, slice) else states.index_select(2, self.seen)


def attend(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **more: Any
) -> tuple[Tensor, None]:
    """Attention ``[rows, length, heads, width]``: tree by tree where the mask says so, else as transformers' own."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    parts: Sequence[Part] | None = getattr(attention_mask, _HELD_BY, None)
    if parts is None:
        whole: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **more)
        return whole
    own = [
        sdpa_attention_forward(module, query[:, :, part.nodes], part.read(key), part.read(value), part.mask, **more)[0]
        for part in parts
    ]
    return torch.cat(own, dim=1), None


def tree_by_tree(batch: TreeBatch) -> Tensor:
    """A mask ``[1, 1, 1, 1]`` that says what each tree of a batch sees, laid side by side in one row. It lets nobody
    see anything, so whatever takes it for a mask gives no numbers."""
    mask = torch.zeros(1, 1, 1, 1, dtype=torch.bool, device=batch.end.device)
    parts: list[Part] = []
    begin = 0
    for row, first, last in batch.spans:
        parts.extend(_parts(begin, batch.sees(row, first, last)))
        begin += last - first
    setattr(mask, _HELD_BY, parts)
    return mask


def _parts(begin: int, sees: Tensor) -> Iterator[Part]:
    """The parts of a tree whose first node stands at ``begin``, by who sees whom in it ``[1, 1, nodes, nodes]``."""
    length = sees.shape[-1]
    count = max(1, round(length / PART_NODES))
    while count > 1:
        cuts = [length * number // count for number in range(count + 1)]
        parts = [slice(first, last) for first, last in itertools.pairwise(cuts)]
        seen = [sees[0, 0, part].any(0).nonzero().flatten() for part in parts]
        if sum(map(len, seen)) <= MOST_KEYS * length:
            for part, keys in zip(parts, seen, strict=True):
                nodes = slice(begin + part.start, begin + part.stop)
                yield Part(nodes, begin + keys, sees[:, :, part].index_select(-1, keys))
            return
        count //= 2
    whole = slice(begin, begin + length)
    yield Part(whole, whole, sees)


def use_tree_attention(model: PreTrainedModel) -> bool:
    """Let a model attend by ``attend`` where it attends by torch's function now; whether it does."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if model.device.type != "cpu" or model.config.get_text_config()._attn_implementation != "sdpa":
        return False
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    try:
        with quiet():  # it would warn of towers that a backbone was loaded without
            model.set_attn_implementation(NAME)
    except (ValueError, AttributeError):
        return False
    return bool(model.config.get_text_config()._attn_implementation == NAME)


def use_own_attention(model: PreTrainedModel) -> None:
    """Let a model attend by torch's function again."""
    with quiet():
        model.set_attn_implementation("sdpa")
