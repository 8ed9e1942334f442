"""Trees as tensors."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.model.batch import TreeBatch, make_batch
from merc.prompting import EncodedPrompt, Item, build_chains, build_tree, pack_rows
from tests.prompting.strategies import talks

Talk = list[EncodedPrompt]


def item(batch: TreeBatch, flat: int) -> Item:
    """The token or slot at a place, read off the tensors."""
    at = batch.slot_at.tolist()
    if flat not in at:
        return int(batch.tokens.flatten()[flat])
    number = int(batch.slot_from[at.index(flat)])
    for stream, utterance, count in batch.slots:
        if number < count:
            return (stream, utterance, number)
        number -= count
    raise AssertionError(f"media token {number} is beyond the last slot")


def seen(batch: TreeBatch, flat: int) -> tuple[Item, ...]:
    """What a place sees, in the order of the positions; positions count without a gap."""
    row, column = divmod(flat, batch.tokens.shape[1])
    columns = batch.mask()[row, 0, column].nonzero().flatten().tolist()
    assert batch.positions[row, columns].tolist() == list(range(len(columns)))
    return tuple(item(batch, row * batch.tokens.shape[1] + c) for c in columns)


@settings(max_examples=40, deadline=None)
@given(st.lists(talks(most=3), min_size=1, max_size=4))
def test_every_step_sees_its_prompt_and_the_answer_so_far(conversations: list[Talk]) -> None:
    trees = [build_tree(prompts) for prompts in conversations]
    batch = make_batch(trees)
    assert batch.size == sum(map(len, trees))
    paths = [(tree.prompts[i], answer) for row in pack_rows(trees) for tree in row for i, answer, _ in tree.paths]
    assert len(paths) == len(batch.path_prompt)
    for number, (prompt, answer) in enumerate(paths):
        assert batch.prompts[batch.path_prompt[number]] == prompt
        assert (batch.path_label[number], batch.path_gold[number]) == (answer.label, answer.gold)
        assert batch.path_length[number] == len(answer.tokens)
        steps = (batch.step_path == number).nonzero().flatten()
        assert batch.step_token[steps].tolist() == list(answer.tokens)
        for taken, step in enumerate(steps):
            place = int(batch.read[batch.step_read[step]])
            assert seen(batch, place) == prompt.context + answer.tokens[:taken]
    assert len(set(batch.read.tolist())) == len(batch.read)  # the head is computed once a place


def test_padding_sees_itself_alone() -> None:
    """A place that saw nothing would give NaN, which spreads through the gradient of what is shared."""
    batch = make_batch(
        [build_tree([EncodedPrompt("a", (1, 2, 3, 4), ())]), build_tree([EncodedPrompt("b", (5,), ())])], plain=True
    )
    assert batch.mask().tolist() == [[True] * 4, [True, False, False, False]]
    long, short = (build_tree([EncodedPrompt(n, tuple(range(1, k)), ())]) for n, k in (("a", 40), ("b", 30)))
    batch = make_batch([long, short, short, short])
    mask = batch.mask()
    assert mask.any(-1).all()
    for row, ends in enumerate(batch.end):
        width = sum(1 for c in range(len(ends)) if batch.tokens[row, c])
        for column in range(width, len(ends)):
            assert mask[row, 0, column].nonzero().flatten().tolist() == [column]
            assert not mask[row, 0, :width, column].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_additive_masks_are_the_same_in_numbers(dtype: torch.dtype) -> None:
    batch = make_batch([build_tree([EncodedPrompt("a", (1, 2, 3), ()), EncodedPrompt("b", (1, 4), ())])])
    added = batch.mask(dtype)
    assert added.dtype == dtype
    assert torch.equal(added == 0, batch.mask())
    assert (added[~batch.mask()] == torch.finfo(dtype).min).all()


@settings(max_examples=30, deadline=None)
@given(talks(most=3))
def test_plain_rows_count_a_prompt_once(prompts: Talk) -> None:
    """Also when its target and words are those of another prompt."""
    twice = [*prompts, *prompts]
    batch = make_batch([t for p in twice for t in build_chains(p)], plain=True)
    assert sorted(p.target for p in batch.prompts) == sorted(p.target for p in twice)
    for index, prompt in enumerate(batch.prompts):
        mine = batch.path_prompt == index
        assert int(mine.sum()) == len(prompt.answers)
        assert sorted(batch.path_label[mine].tolist()) == sorted(a.label for a in prompt.answers)
    assert batch.mask().sum() == batch.size


def test_to_moves_every_tensor() -> None:
    batch = make_batch([build_tree([EncodedPrompt("a", (1, ("face", "u0", 0), 3), ())])]).to("meta")
    tensors = {n: v for n, v in vars(batch).items() if isinstance(v, torch.Tensor)}
    assert tensors
    assert {v.device.type for v in tensors.values()} == {"meta"}
    assert batch.mask().device.type == "meta"
