"""Probabilities of labels from the likeliest tokens of an answer that a server wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import merc


def label_shares(
    steps: Sequence[tuple[str, Mapping[str, float]]], labels: merc.LabelSpace
) -> tuple[dict[str, float] | None, float]:
    """What an answer's likeliest tokens say of each label.

    The answer is followed token by token while what is written may still become several labels. At each place the
    probability of a token goes to the labels that the text would then begin, in equal parts where there are several,
    but for the token that was written, whose share the next place divides. A label whose words share no beginning with
    another's so gets the probability of all its first tokens.

    Args:
        steps: For each token of the answer, the token and the log-probabilities of the likeliest ones at its place.
        labels: The labels.

    Returns:
        The labels' probabilities, which add up to 1, or None where no token begins a label; and the share of all
        answers that they come from.

    >>> space = merc.LabelSpace(("sad", "surprised", "joy"))
    >>> first, second = {"s": math.log(0.6), "joy": math.log(0.2)}, {"ad": math.log(0.75), "ur": math.log(0.25)}
    >>> shares, covered = label_shares([("s", first), ("ad", second)], space)
    >>> {label: round(share, 4) for label, share in shares.items()}, round(covered, 4)
    ({'sad': 0.5625, 'surprised': 0.1875, 'joy': 0.25}, 0.8)
    """
    words = {_folded(word): label for label in labels.labels for word in (*labels.words_of(label), label)}
    totals = dict.fromkeys(labels.labels, 0.0)
    text, reached = "", 1.0
    for token, likeliest in steps:
        whole, follow = _folded(text + token), False
        candidates = {**likeliest} if token in likeliest else {**likeliest, token: 0.0 if not likeliest else -math.inf}
        for other, log_probability in candidates.items():
            names = _begun(_folded(text + other), words)
            if not names:
                continue
            share = reached * math.exp(log_probability)
            if other == token and len(names) > 1 and whole not in words:
                follow, onwards = True, share
                continue
            for label in names:
                totals[label] += share / len(names)
        if not follow:
            # Space and marks before the first word begin every label, and are followed as far as they go.
            if not whole and token in likeliest:
                text, reached = text + token, reached * math.exp(likeliest[token])
                continue
            break
        text, reached = text + token, onwards
    covered = sum(totals.values())
    if covered <= 0:
        return None, 0.0
    return {label: total / covered for label, total in totals.items()}, covered


def _begun(text: str, words: Mapping[str, str]) -> list[str]:
    """The labels that a text begins, or is."""
    if not text:
        return []
    exact = words.get(text)
    longer = [label for word, label in words.items() if word.startswith(text)]
    return list(dict.fromkeys([exact] if exact and len(longer) == 1 else longer))


def _folded(text: str) -> str:
    """A text without case, and without space and marks at its beginning."""
    return text.casefold().lstrip(" \n\t\"'`*([{<:-▁Ġ").rstrip()
