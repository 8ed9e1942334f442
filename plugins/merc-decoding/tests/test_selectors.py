"""Selectors against their objectives written out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from merc_decoding.selectors import Determinantal, MaxMin

import merc
from merc.conversation import Conversation, LabelSpace, Utterance

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(12, 5))
VECTORS = (VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)).astype(np.float32)
LIKE = VECTORS @ VECTORS[0]
ALIKE = VECTORS @ VECTORS.T


@pytest.mark.parametrize("relevance", [0.0, 2.0, 8.0])
def test_each_next_one_makes_the_determinant_largest(relevance: float) -> None:
    quality = np.exp(relevance * LIKE.astype(float) / 2)
    kernel = np.outer(quality, quality) * ALIKE
    chosen: list[int] = []
    for _ in range(4):
        rest = [at for at in range(12) if at not in chosen]
        chosen.append(max(rest, key=lambda at: np.linalg.det(kernel[np.ix_([*chosen, at], [*chosen, at])])))
    assert Determinantal(embedder="minilm", k=4, relevance=relevance).spread(LIKE, ALIKE) == chosen


def test_relevance_draws_to_the_query() -> None:
    def mean(relevance: float) -> float:
        chosen = Determinantal(embedder="minilm", k=4, relevance=relevance).spread(LIKE, ALIKE)
        return float(LIKE[chosen].mean())

    assert mean(0) < mean(1) < mean(40) == pytest.approx(float(np.sort(LIKE)[-4:].mean()))


def test_the_greedy_set_is_near_the_best() -> None:
    chosen = Determinantal(embedder="minilm", k=3, relevance=0.0).spread(LIKE, ALIKE)
    every = [np.linalg.det(ALIKE[np.ix_(some, some)]) for some in itertools.combinations(range(12), 3)]
    assert np.linalg.det(ALIKE[np.ix_(chosen, chosen)]) > 0.63 * max(every)  # 1 - 1/e


def test_of_copies_the_rest_is_nearest() -> None:
    """More than the vectors have dimensions: no determinant is above 0 any more."""
    plane = np.array([[1, 0], [0, 1], [1, 0], [0.6, 0.8]], np.float32)
    like = plane @ np.array([0.8, 0.6], np.float32)
    chosen = Determinantal(embedder="minilm", k=4, relevance=0.0).spread(like, plane @ plane.T)
    assert sorted(chosen) == [0, 1, 2, 3] and set(chosen[:2]) == {0, 1}
    assert chosen[2] == 3  # 0.96 like the query, the copy of the first 0.8


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_max_min_step_by_step(balance: float) -> None:
    chosen = [max(range(12), key=lambda at: LIKE[at])]
    while len(chosen) < 5:
        worth = {
            at: balance * LIKE[at] + (1 - balance) * min(1 - ALIKE[at, other] for other in chosen)
            for at in range(12)
            if at not in chosen
        }
        chosen.append(max(worth, key=worth.__getitem__))
    assert MaxMin(embedder="minilm", k=5, balance=balance).spread(LIKE.copy(), ALIKE) == chosen


@pytest.mark.parametrize("order", ["nearest-last", "nearest-first", "chosen"])
def test_the_order_in_which_they_are_shown(order: str) -> None:
    talks = [Conversation(id=f"c{i}", utterances=(Utterance(id=f"c{i}u", text="Hm.", label="joy"),)) for i in range(12)]
    queries = [merc.Query(conversation=talk, index=0, labels=LabelSpace(("joy",))) for talk in talks]
    pool = merc.Pool(queries, vectors=VECTORS)
    selector = MaxMin(embedder="minilm", k=4, candidates=8, order=order)  # type: ignore[arg-type]
    (places,) = selector.load(pool)(queries[:1], VECTORS[:1], 0)
    near = [at for at in np.argsort(-LIKE).tolist() if at != 0][:8]
    own = VECTORS[near]
    wanted = [near[at] for at in selector.spread(own @ VECTORS[0], own @ own.T)]
    if order != "chosen":
        wanted.sort(key=lambda at: LIKE[at], reverse=order == "nearest-first")
    assert places == wanted
    (drawn,) = selector.load(pool)(queries[:1], np.zeros((1, 5), np.float32), 0)
    assert len(set(drawn)) == 4 and 0 not in drawn


def test_a_pool_that_is_too_small_says_for_whom() -> None:
    talk = Conversation(id="c", utterances=tuple(Utterance(id=f"u{i}", text="Hm.", label="joy") for i in range(3)))
    queries = [merc.Query(conversation=talk, index=i, labels=LabelSpace(("joy",))) for i in range(3)]
    with pytest.raises(merc.MercError, match=r"k: 4 wants more demonstrations than there are for 'u0'.*lower k"):
        Determinantal(embedder="minilm").load(merc.Pool(queries, vectors=VECTORS[:3]))(queries, VECTORS[:3], 0)


@pytest.mark.parametrize(
    ("wrong", "holds"),
    [
        ({"k": 0}, "k counts from 1"),
        ({"k": 9, "candidates": 8}, "candidates: 8 are too few to choose k: 9 of"),
        ({"embedder": None}, "nothing to compare by"),
        ({"balance": 2.0}, "balance is from 0"),
    ],
)
def test_values_that_cannot_be(wrong: dict[str, object], holds: str) -> None:
    with pytest.raises(ValueError, match=holds):
        MaxMin(**{"embedder": "minilm", **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("relevance", [float("nan"), float("inf"), 2000.0, -60.0])
def test_a_relevance_that_cannot_be(relevance: float) -> None:
    with pytest.raises(ValueError, match="relevance is from 0 to 100"):
        Determinantal(embedder="minilm", relevance=relevance)
    assert len(Determinantal(embedder="minilm", relevance=100.0).spread(LIKE, ALIKE)) == 4
