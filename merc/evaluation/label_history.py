"""In words, whose labels of earlier utterances a model was shown: numbers with gold ones are no user's numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from merc.components import Prediction

_MEANS = {
    "gold": "The model was shown the corpus's labels of earlier utterances, which a user's recordings do not have.",
    "predicted": "The model was shown its own predictions of earlier utterances.",
}


def history_sources(predictions: Iterable[Prediction]) -> str | None:
    """``gold``, ``predicted``, or both with an "and"; ``None`` where the model was shown no labels."""
    return " and ".join(sorted({p.label_history for p in predictions if p.label_history})) or None


def in_words(source: str) -> str:
    """What stands beside a name or a number.

    >>> in_words("gold")
    'gold label history'
    """
    return f"{source} label history"


def explained(source: str) -> str:
    """What it means, for the head of a page or a table.

    >>> explained("predicted")
    'The model was shown its own predictions of earlier utterances.'
    """
    return " ".join(_MEANS.get(one, "") for one in source.split(" and "))


def sentences(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line for each kind of label history in the numbers of several splits, which names these.

    >>> sentences({"dev": {"label_history": "predicted"}, "test": {"label_history": "predicted"}})
    ['Predicted label history (dev, test). The model was shown its own predictions of earlier utterances.']
    """
    splits: dict[str, list[str]] = {}
    for split, numbers in metrics.items():
        if source := numbers.get("label_history"):
            splits.setdefault(str(source), []).append(split)
    return [
        f"{in_words(source).capitalize()} ({', '.join(names)}). {explained(source)}" for source, names in splits.items()
    ]
