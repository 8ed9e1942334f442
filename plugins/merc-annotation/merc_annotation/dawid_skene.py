"""Votes of several annotators put together: the majority, and Dawid and Skene's model of how each errs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Votes = Mapping[str, Mapping[str, str]]
"""Labels by item and by annotator; an annotator that votes_by nothing of an item is left out there."""
Shares = dict[str, float]
"""A probability by label."""


@dataclass(frozen=True, kw_only=True)
class Consensus:
    """What votes come to."""

    shares: Mapping[str, Shares]
    """How probable each label is, by item."""
    confusion: Mapping[str, Mapping[str, Shares]]
    """By annotator: how often it says each label where another (or the same) is true; empty for a majority."""
    rounds: int
    """How often the model was fitted anew."""


def majority(votes: Votes, labels: Sequence[str]) -> Consensus:
    """The share of annotators that give each label.

    >>> majority({"u": {"a": "joy", "b": "joy", "c": "anger"}}, ["joy", "anger"]).shares["u"]
    {'joy': 0.6666666666666666, 'anger': 0.3333333333333333}
    """
    shares = {}
    for item, labels_by in votes.items():
        counts = Counter(labels_by.values())
        shares[item] = {label: counts[label] / max(1, len(labels_by)) for label in labels}
    return Consensus(shares=shares, confusion={}, rounds=0)


def dawid_skene(
    votes: Votes, labels: Sequence[str], *, rounds: int = 200, tolerance: float = 1e-7, smoothing: float = 0.01
) -> Consensus:
    """Maximum likelihood by expectation and maximisation (Dawid and Skene, 1979): each annotator has a matrix of how it
    confuses labels, estimated together with how probable each label is for each item. It begins with the majority.

    Args:
        votes: Labels by item and annotator; every label is one of ``labels``.
        labels: All labels.
        rounds: The most rounds.
        tolerance: It ends when no probability moves by more than this.
        smoothing: What is added to each count, so that what was never seen is improbable and not impossible.
    """
    items = list(votes)
    annotators = list(dict.fromkeys(name for labels_by in votes.values() for name in labels_by))
    place = {label: at for at, label in enumerate(labels)}
    votes_by = np.zeros((len(items), len(annotators), len(labels)))
    for row, item in enumerate(items):
        for name, label in votes[item].items():
            votes_by[row, annotators.index(name), place[label]] = 1.0
    shares: npt.NDArray[np.float64] = votes_by.sum(axis=1)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    shares[~votes_by.any(axis=(1, 2))] = 1 / len(labels)
    matrix = np.zeros((len(annotators), len(labels), len(labels)))
    done = 0
    for done in range(1, rounds + 1):  # noqa: B007 - it says how many there were
        prior = shares.mean(axis=0) + 1e-12
        matrix = np.einsum("it,ian->atn", shares, votes_by) + smoothing
        matrix = matrix / matrix.sum(axis=2, keepdims=True)
        logs = np.log(prior)[None] + np.einsum("ian,atn->it", votes_by, np.log(matrix))
        logs -= logs.max(axis=1, keepdims=True)
        new = np.exp(logs)
        new /= new.sum(axis=1, keepdims=True)
        moved = float(np.abs(new - shares).max(initial=0.0))
        shares = new
        if moved < tolerance:
            break
    return Consensus(
        shares={item: dict(zip(labels, map(float, shares[row]), strict=True)) for row, item in enumerate(items)},
        confusion={
            name: {true: dict(zip(labels, map(float, matrix[at, place[true]]), strict=True)) for true in labels}
            for at, name in enumerate(annotators)
        },
        rounds=done,
    )
