"""A long tree is attended to in parts, each of which reads only the keys that its nodes see: the numbers stay."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from merc.model.attention import PART_NODES, Part, attend, tree_by_tree
from merc.model.batch import TreeBatch, make_batch
from merc.prompting import AnswerPath, EncodedPrompt, build_tree

MODULE: Any = SimpleNamespace(is_causal=True, num_key_value_groups=2, training=True)


def conversation(name: str, lines: list[int], question: int) -> list[EncodedPrompt]:
    """Prompts that share their history, lines of so many tokens, each with a question of its own after it."""
    history: tuple[int, ...] = ()
    prompts = []
    for index, length in enumerate(lines):
        history += tuple(range(100 * index, 100 * index + length))
        end = tuple(range(5000 + 100 * index, 5000 + 100 * index + question))
        prompts.append(EncodedPrompt(f"{name}{index}", (1, *history, *end), (AnswerPath((7, 8), 0, 0, True),)))
    return prompts


def states(length: int, heads: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(1, heads, length, 8, generator=draw).to(dtype).requires_grad_()


def whole_row(batch: TreeBatch) -> Tensor:
    """Who sees whom in one row of all trees ``[1, 1, length, length]``."""
    return torch.block_diag(*(batch.sees(*span)[0, 0] for span in batch.spans)).bool()[None, None]


def attended(mask: Tensor, length: int, dtype: torch.dtype = torch.float32, **more: Any) -> tuple[Tensor, ...]:
    """What comes out, and the gradients of queries, keys and values."""
    inputs = states(length, 4, 0, dtype), states(length, 2, 1, dtype), states(length, 2, 2, dtype)
    out, _ = attend(MODULE, *inputs, mask, **more)
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


def two_trees() -> tuple[TreeBatch, int]:
    batch = make_batch([build_tree(conversation("a", [20] * 15, 20)), build_tree(conversation("b", [5], 2))])
    return batch, len(batch.places)


def test_the_scale_of_the_model_is_used() -> None:
    batch, length = two_trees()
    found = attended(tree_by_tree(batch), length, scaling=0.7)
    for mine, wanted in zip(found, attended(whole_row(batch), length, scaling=0.7), strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-5, atol=1e-5)


def test_bfloat16_is_as_exact_as_torch() -> None:
    """Gradients in bfloat16 lie as near to those in float32 as those of torch's attention over the whole row."""
    batch, length = two_trees()
    exact = attended(whole_row(batch), length)
    found = attended(tree_by_tree(batch), length, torch.bfloat16)
    for mine, theirs, wanted in zip(found, attended(whole_row(batch), length, torch.bfloat16), exact, strict=True):
        assert mine.dtype == torch.bfloat16
        assert (mine.float() - wanted).norm() < 1.1 * (theirs.float() - wanted).norm() < 0.02 * wanted.norm()


def test_float16_stays_finite_under_a_loss_scale() -> None:
    """What is computed on the way to the gradients may be larger than float16 can say, though they are not: the product
    of the output's gradient and values that are all alike."""
    batch = make_batch([build_tree(conversation("a", [9, 20, 30], 8))])
    length, scale = len(batch.places), 1024.0
    inputs = [states(length, heads, seed, torch.float16).detach() for heads, seed in ((4, 0), (2, 1), (2, 2))]
    inputs[2] += 100
    found = []
    for dtype in (torch.float32, torch.float16):
        own = [one.to(dtype).requires_grad_() for one in inputs]
        out, _ = attend(MODULE, *own, tree_by_tree(batch))
        (out * torch.linspace(-1, 1, out.numel()).view_as(out) * scale).sum().backward()
        found.append([one.grad.float() / scale for one in own if one.grad is not None])
    for wanted, half in zip(*found, strict=True):
        assert bool(half.isfinite().all())
        torch.testing.assert_close(half, wanted, rtol=2e-2, atol=2e-2)


def test_states_of_several_types_under_autocast() -> None:
    """A layer may give keys in float32 and the rest in bfloat16: autocast makes one type of them, and each has its
    gradient in its own."""
    batch, length = two_trees()
    found = []
    for mask in (tree_by_tree(batch), whole_row(batch)):
        inputs = states(length, 4, 0, torch.bfloat16), states(length, 2, 1), states(length, 2, 2, torch.bfloat16)
        with torch.autocast("cpu", torch.bfloat16):
            out, _ = attend(MODULE, *inputs, mask)
        (out.float() * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        found.append([out, *(one.grad for one in inputs)])
    for mine, theirs in zip(*found, strict=True):
        assert mine is not None and theirs is not None and mine.dtype == theirs.dtype
        assert (mine.float() - theirs.float()).norm() < 0.02 * theirs.float().norm()


def test_dropped_weights_go_to_torch() -> None:
    """What dropout drops is drawn in the forward pass, so torch computes the derivative as well."""
    batch, length = two_trees()
    mask = tree_by_tree(batch)
    torch.manual_seed(0)
    out, *grads = attended(mask, length, dropout=0.5)
    assert not torch.allclose(out, attended(mask, length)[0])
    inputs = [states(length, heads, seed) for seed, heads in enumerate((4, 2, 2))]
    torch.manual_seed(0)
    pieces = [
        sdpa_attention_forward(
            MODULE, inputs[0][:, :, part.nodes], part.read(inputs[1]), part.read(inputs[2]), part.mask, dropout=0.5
        )[0]
        for part in mask._merc_trees  # type: ignore[attr-defined]
    ]
    again = torch.cat(pieces, 1)
    (again * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    for mine, whole in zip(grads, inputs, strict=True):
        torch.testing.assert_close(mine, whole.grad)


def parts_of(prompts: list[EncodedPrompt]) -> tuple[list[Part], Tensor]:
    """The parts of one tree, and who sees whom in it."""
    batch = make_batch([build_tree(prompts)])
    (span,) = batch.spans
    return list(tree_by_tree(batch)._merc_trees), batch.sees(*span)[0, 0]  # type: ignore[attr-defined]


def test_parts_read_what_their_nodes_see() -> None:
    parts, sees = parts_of(conversation("a", [20] * 40, 20))
    assert len(parts) > 1 and parts[0].nodes.start == 0 and parts[-1].nodes.stop == len(sees)
    for part, following in itertools.pairwise(parts):
        assert part.nodes.stop == following.nodes.start
    for part in parts:
        assert isinstance(part.seen, Tensor)
        assert part.seen.tolist() == sees[part.nodes].any(0).nonzero().flatten().tolist()
    assert sum((part.nodes.stop - part.nodes.start) * len(part.seen) for part in parts) < 0.6 * sees.numel()


@pytest.mark.parametrize(
    ("lines", "question", "parts"),
    [([PART_NODES - 4], 2, 1), ([2 * PART_NODES], 2, 2), ([20] * 120, 2, 22), ([2] * 20, PART_NODES, 20)],
    ids=["short", "two", "a long history", "long branches"],
)
def test_the_number_of_parts(lines: list[int], question: int, parts: int) -> None:
    assert len(parts_of(conversation("a", lines, question))[0]) == parts


def test_another_mask_goes_to_torch_as_it_is() -> None:
    mask = torch.ones(1, 1, 5, 5, dtype=torch.bool).tril()
    inputs = states(5, 4, 0), states(5, 2, 1), states(5, 2, 2)
    assert torch.equal(attend(MODULE, *inputs, mask)[0], sdpa_attention_forward(MODULE, *inputs, mask)[0])
