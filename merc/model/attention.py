"""Attention tree by tree: on a CPU, trees that stand in one row are attended to apart, and padding is not computed.

With a mask over a whole row, attention computes what every tree sees of every other, which is nothing. Within a long
tree a node sees only its ancestors, not the branches beside it, so the nodes are taken in a few parts, and each part
reads only the keys that one of its nodes sees. transformers takes an attention function of one's own by its name; this
one is torch's, for each part alone. What it needs to know stands at the mask that transformers hands on to every layer,
so a layer that is computed again in the backward pass (activation checkpointing) knows it too.

The backward pass is written out: torch's own takes several times as long on a CPU in bfloat16, and it would add the
gradients of parts one after the other, each as long as the row.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from merc.pretrained import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from merc.model.batch import TreeBatch

NAME = "merc_trees"
"""What transformers knows the attention function by."""

_HELD_BY = "_merc_trees"

PART_NODES = 128
"""About how many nodes a part has: with fewer, the products are too small to be quick."""


@dataclass(frozen=True)
class Part:
    """Nodes that attend together: their places in the row, the places whose keys they read, and who sees whom."""

    nodes: slice
    seen: slice | Tensor
    mask: Tensor

    def read(self, states: Tensor) -> Tensor:
        """Of keys or values ``[rows, heads, length, width]`` those that the part reads."""
        return states[:, :, self.seen] if isinstance(self.seen, slice) else states.index_select(2, self.seen)

    def add(self, share: Tensor, whole: Tensor) -> None:
        """Add to the gradient of all keys or values ``[rows, heads, length, width]`` that of those that are read."""
        if isinstance(self.seen, slice):
            whole[:, :, self.seen] += share
        else:
            whole.index_add_(2, self.seen, share.to(whole.dtype))


def attend(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **more: Any
) -> tuple[Tensor, None]:
    """Attention ``[rows, length, heads, width]``: tree by tree where the mask says so, else as transformers' own."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    parts: Sequence[Part] | None = getattr(attention_mask, _HELD_BY, None)
    if parts is None:
        whole: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **more)
        return whole

    def forward(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        own = [
            sdpa_attention_forward(module, query[:, :, part.nodes], part.read(key), part.read(value), part.mask, **more)
            for part in parts
        ]
        return torch.cat([out for out, _ in own], dim=1)

    if not torch.is_grad_enabled() or more.get("dropout"):  # what is dropped is drawn, so backward could not know it
        return forward(query, key, value), None
    scale = more.get("scaling") or query.shape[-1] ** -0.5
    out: Tensor = _InParts.apply(forward, parts, scale, query, key, value)  # type: ignore[no-untyped-call]
    return out, None


class _InParts(torch.autograd.Function):
    """Attention part by part: torch's in the forward pass, and its derivative by products of matrices.

    With the weights W = softmax(scale Q K^T) of a part, its output W V and the output's gradient G:
    dV = W^T G,  dS = W * (dW - rows' sums of W * dW) with dW = G V^T,  dQ = scale dS K,  dK = scale dS^T Q.
    """

    @staticmethod
    def forward(
        context: Any,
        forward: Callable[[Tensor, Tensor, Tensor], Tensor],
        parts: Sequence[Part],
        scale: float,
        query: Tensor,
        key: Tensor,
        value: Tensor,
    ) -> Tensor:
        context.parts, context.scale = parts, scale
        context.save_for_backward(query, key, value)
        return forward(query, key, value)

    @staticmethod
    @once_differentiable
    def backward(context: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved: tuple[Tensor, ...] = context.saved_tensors
        # As autocast may have done; in float16 the products of a scaled loss's gradients would not be finite.
        precision = torch.float32 if grad.dtype == torch.float16 else grad.dtype
        query, key, value, grad = (states.to(precision) for states in (*saved, grad))
        grad_query = torch.empty_like(query)
        # A key is read by many parts: their shares are added up in float32.
        grad_key, grad_value = (torch.zeros(states.shape, dtype=torch.float32) for states in (key, value))
        for part in context.parts:
            grad_query[:, :, part.nodes], *shares = _part_backward(part, context.scale, query, key, value, grad)
            for whole, share in zip((grad_key, grad_value), shares, strict=True):
                part.add(share.unsqueeze(0), whole)
        grads = (grad_query, grad_key, grad_value)
        return None, None, None, *(own.to(states.dtype) for own, states in zip(grads, saved, strict=True))


def _part_backward(
    part: Part, scale: float, query: Tensor, key: Tensor, value: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of a part's queries ``[1, heads, nodes, width]``, and of the keys and values that it reads
    ``[key heads, seen, width]``. The query heads that share a key head are taken in one product."""
    heads, width = key.shape[1], query.shape[-1]
    keys, values = part.read(key)[0], part.read(value)[0]
    queries = query[0, :, part.nodes].reshape(heads, -1, width)
    grads = grad[0, part.nodes].transpose(0, 1).reshape(heads, -1, value.shape[-1])
    hidden = ~part.mask[0]
    scores = (queries.float() * scale) @ keys.float().transpose(-1, -2)
    per_head = scores.view(query.shape[1], hidden.shape[-2], -1)
    weights = per_head.masked_fill_(hidden, -torch.inf).softmax(-1).view_as(scores)
    grad_values = weights.to(grads.dtype).transpose(-1, -2) @ grads
    grad_weights = (grads @ values.transpose(-1, -2)).float()
    grad_weights -= (grad_weights * weights).sum(-1, keepdim=True)
    grad_scores = (grad_weights.mul_(weights).mul_(scale)).to(queries.dtype)
    grad_queries = (grad_scores @ keys).view(1, query.shape[1], -1, width)
    return grad_queries, grad_scores.transpose(-1, -2) @ queries, grad_values


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
    if count == 1:
        whole = slice(begin, begin + length)
        yield Part(whole, whole, sees)
        return
    cuts = [length * number // count for number in range(count + 1)]
    for first, last in itertools.pairwise(cuts):
        keys = sees[0, 0, first:last].any(0).nonzero().flatten()
        nodes = slice(begin + first, begin + last)
        yield Part(nodes, begin + keys, sees[:, :, first:last].index_select(-1, keys))


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
