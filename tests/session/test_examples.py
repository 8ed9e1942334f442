"""Shares of tasks in a stage."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from merc.session.examples import amounts, drawn

shares = st.lists(st.tuples(st.integers(0, 50), st.floats(0.01, 100)), min_size=1, max_size=5)


@given(shares)
def test_an_epoch_is_as_long_as_all_there_is(tasks: list[tuple[int, float]]) -> None:
    sizes = [size for size, _ in tasks]
    found = amounts(sizes, [share for _, share in tasks])
    assert sum(found) >= sum(sizes)
    assert sum(found) - sum(sizes) < max(1, len(sizes))  # only where a small share is raised to one group
    assert all(bool(amount) == bool(size) for amount, size in zip(found, sizes, strict=True))


@given(shares)
def test_amounts_follow_their_shares(tasks: list[tuple[int, float]]) -> None:
    sizes = [size for size, _ in tasks]
    found = amounts(sizes, [share for _, share in tasks])
    whole = sum(share for size, share in tasks if size)
    raised = sum(0 < sum(sizes) * share / whole < 1 for size, share in tasks if size)  # each has one group all the same
    for amount, (size, share) in zip(found, tasks, strict=True):
        if size:
            assert abs(amount - sum(sizes) * share / whole) < 1 + raised + 1e-6


def test_without_shares_everything_comes_once() -> None:
    assert amounts([3, 0, 7], [None, None, None]) == [3, 0, 7]


def test_a_task_with_nothing_leaves_its_share_to_the_others() -> None:
    assert amounts([10, 0, 10], [1, 5, 3]) == [5, 0, 15]


@given(st.integers(1, 20), st.integers(0, 30), st.integers(1, 6), st.text(max_size=3))
def test_none_comes_twice_more_often_than_another(size: int, amount: int, epochs: int, seed: str) -> None:
    groups = list(range(size))
    taken = [group for epoch in range(epochs) for group in drawn(groups, amount, epoch, seed)]
    counts = Counter(taken)
    assert len(taken) == amount * epochs
    assert max(counts.values(), default=0) - min(counts[g] for g in groups) <= 1


def test_the_order_comes_from_the_seed() -> None:
    groups = list(range(30))
    assert drawn(groups, 30, 0, "a") == drawn(groups, 30, 0, "a")
    assert drawn(groups, 30, 0, "a") != drawn(groups, 30, 0, "b")
    assert drawn(groups, 30, 0, "a") != drawn(groups, 30, 1, "a")
