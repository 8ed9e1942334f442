"""A long tree is attended to in parts, each of which reads only the keys that its nodes see: the numbers stay."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from merc.model.attention import MOST_PARTS, PART_NODES, attend, tree_by_tree
from merc.model.batch import TreeBatch, make_batch
from merc.prompting import AnswerPath, EncodedPrompt, build_tree

MODULE: Any = SimpleNamespace(is_causal=True, num_key_value_groups=2, training=True)


def conversation(name: str, lines: list[int], question: int) -> list[EncodedPrompt]:
    """Prompts that share their history: lines of so many tokens, and a question of its own behind each."""
    said: tuple[int, ...] = ()
    prompts = []
    for index, length in enumerate(lines):
        said += tuple(range(100 * index, 100 * index + length))
        asked = tuple(range(5000 + 100 * index, 5000 + 100 * index + question))
        prompts.append(EncodedPrompt(f"{name}{index}", (1, *said, *asked), (AnswerPath((7, 8), 0, 0, True),)))
    return prompts


def states(length: int, heads: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(1, heads, length, 8, generator=draw, requires_grad=True)


def whole_row(batch: TreeBatch) -> Tensor:
    """Who sees whom in one row of all trees ``[1, 1, length, length]``."""
    return torch.block_diag(*(batch.sees(*span)[0, 0] for span in batch.spans)).bool()[None, None]


def attended(mask: Tensor, length: int) -> tuple[Tensor, ...]:
    """What comes out, and the gradients of queries, keys and values."""
    inputs = states(length, 4, 0), states(length, 2, 1), states(length, 2, 2)
    out, _ = attend(MODULE, *inputs, mask)
    (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    return out, *(part.grad for part in inputs if part.grad is not None)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=25), st.integers(1, 30), st.integers(1, 5))
def test_parts_compute_what_a_mask_over_the_row_computes(lines: list[int], question: int, other: int) -> None:
    batch = make_batch([build_tree(conversation("a", lines, question)), build_tree(conversation("b", [other], 2))])
    length = len(batch.places)
    found = attended(tree_by_tree(batch), length)
    for mine, wanted in zip(found, attended(whole_row(batch), length), strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-5, atol=1e-5)


def test_a_long_tree_has_a_few_parts_that_read_what_they_see() -> None:
    batch = make_batch([build_tree(conversation("a", [20] * 40, 20))])
    parts = tree_by_tree(batch)._merc_trees  # type: ignore[attr-defined]
    assert len(parts) == MOST_PARTS
    (span,) = batch.spans
    sees = batch.sees(*span)[0, 0]
    covered = 0
    for part in parts:
        assert part.nodes.start == covered
        covered = part.nodes.stop
        assert part.seen.tolist() == sees[part.nodes].any(0).nonzero().flatten().tolist()
    assert covered == len(sees)
    read = sum((part.nodes.stop - part.nodes.start) * len(part.seen) for part in parts)
    assert read < 0.6 * sees.numel()


@pytest.mark.parametrize(("tokens", "parts"), [(PART_NODES, 1), (2 * PART_NODES, 2), (20 * PART_NODES, MOST_PARTS)])
def test_the_number_of_parts_goes_by_the_length(tokens: int, parts: int) -> None:
    batch = make_batch([build_tree(conversation("a", [tokens - 4], 2))])
    assert len(tree_by_tree(batch)._merc_trees) == parts  # type: ignore[attr-defined]


def test_another_mask_goes_to_torch_as_it_is() -> None:
    mask = torch.ones(1, 1, 5, 5, dtype=torch.bool).tril()
    inputs = states(5, 4, 0), states(5, 2, 1), states(5, 2, 2)
    assert torch.equal(attend(MODULE, *inputs, mask)[0], sdpa_attention_forward(MODULE, *inputs, mask)[0])
