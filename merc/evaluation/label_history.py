"""In words, what a model was shown beside the conversation so far: labels of earlier utterances, since numbers with
gold ones are no user's numbers, and later utterances, since numbers with those are offline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from merc.components import Prediction

_MEANS = {
    "gold": "The model was shown the corpus's labels of earlier utterances, which a user's recordings do not have.",
    "predicted": "The model was shown its own predictions of earlier utterances.",
}


OFFLINE = (
    "The model was shown what is said after the utterance: it answers conversations that are over, none that go on."
)


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


def offline(following: int) -> str:
    """What stands beside a name or a number that was predicted with utterances after the one that is asked about.

    >>> offline(1), offline(2)
    ('offline: 1 following utterance', 'offline: 2 following utterances')
    """
    return f"offline: {following} following utterance{'' if following == 1 else 's'}"


def shown_beside(history: str | None, following: int) -> tuple[tuple[str, str], ...]:
    """What a model was shown, each as what stands beside a name and what it means."""
    labels = ((in_words(history), explained(history)),) if history else ()
    return (*labels, (offline(following), OFFLINE)) if following else labels


def sentences(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line for each kind of label history, and for following utterances, in the numbers of several splits, which
    names these.

    >>> sentences({"dev": {"label_history": "predicted"}, "test": {"label_history": "predicted"}})
    ['Predicted label history (dev, test). The model was shown its own predictions of earlier utterances.']
    """
    splits: dict[tuple[str, str], list[str]] = {}
    for split, numbers in metrics.items():
        for one in shown_beside(numbers.get("label_history"), numbers.get("following") or 0):
            splits.setdefault(one, []).append(split)
    return [
        f"{words[0].upper()}{words[1:]} ({', '.join(names)}). {explanation}"
        for (words, explanation), names in splits.items()
    ]
