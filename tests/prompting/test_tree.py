"""The prompt tree: every prompt and every answer is in it, whole, once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.errors import MercError
from merc.prompting import (
    AnswerPath,
    EncodedPrompt,
    Item,
    Tree,
    build_chains,
    build_tree,
    build_trees,
    check_depth,
    micro_batches,
    pack_rows,
)
from tests.prompting.strategies import talks


def path(tree: Tree, node: int) -> tuple[Item, ...]:
    """What a node sees: its ancestors by ``end``, and itself."""
    return tuple(tree.items[j] for j in range(node + 1) if tree.end[j] > node)


def held(trees: list[Tree]) -> Counter[tuple[str, tuple[Item, ...], AnswerPath]]:
    """(target, context, answer) of every path, read off the trees' nodes."""
    found: Counter[tuple[str, tuple[Item, ...], AnswerPath]] = Counter()
    for tree in trees:
        for index, answer, nodes in tree.paths:
            assert len(nodes) == max(1, len(answer.tokens))
            context = path(tree, nodes[0])
            for step, node in enumerate(nodes):
                assert path(tree, node) == context + answer.tokens[:step]
                assert tree.depth[node] == len(context) + step - 1
            found[tree.prompts[index].target, context, answer] += 1
    return found


def wanted(prompts: list[EncodedPrompt]) -> Counter[tuple[str, tuple[Item, ...], AnswerPath]]:
    return Counter((p.target, p.context, a) for p in prompts for a in p.answers or (AnswerPath(()),))


@settings(max_examples=80, deadline=None)
@given(talks())
def test_a_tree_holds_every_answer_of_every_prompt(prompts: list[EncodedPrompt]) -> None:
    tree = build_tree(prompts)
    assert tree.prompts == tuple(prompts)
    assert held([tree]) == wanted(prompts)
    # A prefix is there once: nothing is computed twice.
    assert len({path(tree, i) for i in range(len(tree))}) == len(tree)


@settings(max_examples=80, deadline=None)
@given(talks(most=8), st.integers(1, 40))
def test_trees_within_a_budget_drop_and_cut_nothing(prompts: list[EncodedPrompt], budget: int) -> None:
    trees = build_trees(prompts, budget)
    assert held(trees) == wanted(prompts)
    assert [p for tree in trees for p in tree.prompts] == prompts
    longest = max(prompt.depth for prompt in prompts)
    room = budget if longest <= budget else longest * 9 // 8
    for tree, after in zip(trees, [*trees[1:], None], strict=True):
        assert len(tree) <= room or len(tree.prompts) == 1
        if after is not None:  # a tree ends only where the next prompt has no room
            assert len(build_tree([*tree.prompts, after.prompts[0]])) > room


def branches(shared: int, own: int, count: int) -> list[EncodedPrompt]:
    """Prompts that share a beginning and go on apart."""
    head = tuple(range(shared))
    return [EncodedPrompt(f"u{i}", (*head, *[-1 - i] * own), (AnswerPath((1,)),)) for i in range(count)]


def cost(trees: list[Tree]) -> float:
    """What trees cost where a node that sees a thousand others costs twice what it costs alone."""
    return sum(len(tree) * (1 + len(tree) / 1000) for tree in trees)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 600), st.integers(1, 400), st.integers(1, 12))
def test_a_tree_is_split_only_where_that_is_cheaper(shared: int, own: int, count: int) -> None:
    prompts = branches(shared, own, count)
    trees = build_trees(prompts, 10_000)
    assert held(trees) == wanted(prompts)
    assert [p for tree in trees for p in tree.prompts] == prompts
    assert len(trees) == 1 or cost(trees) < cost([build_tree(prompts)])


def test_what_shares_little_is_split_and_what_shares_much_is_not() -> None:
    assert len(build_trees(branches(100, 300, 10), 10_000)) > 1
    assert len(build_trees(branches(1000, 20, 10), 10_000)) == 1
    # To a wide model a token by itself costs more, and what it sees less.
    assert len(build_trees(branches(100, 300, 10), 10_000, width=8192)) == 1


def test_prompts_stay_together_that_share_a_block_longer_than_the_budget() -> None:
    (tree,) = build_trees(branches(5000, 20, 4), 4096)
    assert len(tree) == 5080
    # An eighth of the longest prompt is all that comes on top: the sixth of these has no room.
    assert [len(tree.prompts) for tree in build_trees(branches(5000, 125, 8), 4096)] == [6, 2]


def test_a_prompt_that_no_split_makes_smaller_does_not_keep_others_together() -> None:
    # The first two caps split nothing, for the long prompt stands alone: the short ones are cheaper apart.
    long, short = branches(1, 3000, 1), branches(1, 300, 6)
    apart = [replace(p, context=(1000 + i, *p.context[1:])) for i, p in enumerate(short)]
    assert [len(tree.prompts) for tree in build_trees([*long, *apart], 3200)] == [1, 1, 1, 1, 1, 1, 1]


@settings(max_examples=60, deadline=None)
@given(st.lists(talks(most=3), min_size=1, max_size=8), st.integers(1, 120))
def test_micro_batches_hold_every_tree_within_the_budget(conversations: list[list[EncodedPrompt]], budget: int) -> None:
    trees = [build_tree(prompts) for prompts in conversations]
    groups = list(micro_batches(trees, budget))
    assert Counter(id(t) for g in groups for t in g) == Counter(map(id, trees))
    for group in groups:
        rows = pack_rows(group)
        assert Counter(id(t) for r in rows for t in r) == Counter(map(id, group))
        places = len(rows) * max(sum(map(len, r)) for r in rows)
        assert places <= budget or len(group) == 1


@settings(max_examples=40, deadline=None)
@given(talks(most=2))
def test_apart_every_answer_has_a_row_without_branches(prompts: list[EncodedPrompt]) -> None:
    trees = [t for p in prompts for t in build_chains(p)]
    assert held(trees) == wanted(prompts)
    for tree in trees:
        assert tree.depth == tuple(range(len(tree)))
        assert set(tree.end) == {len(tree)}


def test_a_prompt_without_answers_reads_its_last_node() -> None:
    tree = build_tree([EncodedPrompt("u", (1, 2, 3), ())])
    assert tree.paths == ((0, AnswerPath(()), (2,)),)
    assert [t.paths for t in build_chains(EncodedPrompt("u", (1, 2, 3), ()))] == [tree.paths]


@pytest.mark.parametrize("make", [lambda p: build_tree(p), lambda p: build_trees(p, 10)])
def test_an_empty_prompt_is_an_error(make: object) -> None:
    with pytest.raises(MercError, match="the prompt for 'u7' is empty: there is nothing to ask the model"):
        make([EncodedPrompt("u7", (), (AnswerPath((1,)),))])  # type: ignore[operator]


def test_prompts_longer_than_the_context_are_an_error_with_the_longest() -> None:
    prompts = [EncodedPrompt(f"u{n}", tuple(range(1, n + 1)), (AnswerPath((1, 2)),)) for n in (3, 9, 7)]
    check_depth(prompts, 10)
    check_depth(prompts, None)
    with pytest.raises(MercError) as caught:
        check_depth(prompts, 7)
    assert str(caught.value) == (
        "2 prompts are longer than the model's context of 7 tokens; the longest, for utterance 'u9', has 10. Nothing "
        "is cut: give the prompter a shorter `history`, fewer demonstrations or media tokens, or use a model with a "
        "longer context"
    )
    with pytest.raises(MercError, match=r"^1 prompt is longer than the model's context of 9 tokens; the longest"):
        check_depth(prompts, 9)
