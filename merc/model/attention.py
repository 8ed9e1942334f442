"""Attention tree by tree: on a CPU, trees that stand in one row are attended to apart, and padding is not computed.

With a mask over a whole row, attention computes what every tree sees of every other, which is nothing. transformers
takes an attention function of one's own by its name; this one is torch's, for each tree alone. What it needs to know
stands at the mask that transformers hands on to every layer, so a layer that is computed again in the backward pass
(activation checkpointing) knows it too.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def attend(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **more: Any
) -> tuple[Tensor, None]:
    """Attention ``[rows, length, heads, width]``: tree by tree where the mask says so, else as transformers' own."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    trees: Sequence[tuple[int, int, Tensor]] | None = getattr(attention_mask, _HELD_BY, None)
    if trees is None:
        whole: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **more)
        return whole
    own = [
        sdpa_attention_forward(module, *(part[:, :, begin:end] for part in (query, key, value)), mask, **more)[0]
        for begin, end, mask in trees
    ]
    return torch.cat(own, dim=1), None


def tree_by_tree(batch: TreeBatch) -> Tensor:
    """A mask ``[1, 1, 1, 1]`` that says what each tree of a batch sees, laid side by side in one row. It lets nobody
    see anything, so whatever takes it for a mask gives no numbers."""
    mask = torch.zeros(1, 1, 1, 1, dtype=torch.bool, device=batch.end.device)
    trees, begin = [], 0
    for row, first, last in batch.spans:
        trees.append((begin, begin + last - first, batch.sees(row, first, last)))
        begin += last - first
    setattr(mask, _HELD_BY, trees)
    return mask


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
