"""The numbers of each speaker and of each data set, with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from merc.components import Prediction
from merc.conversation import Conversation, LabelSpace
from merc.evaluation.intervals import FEW, Ends, label_intervals, label_statistics
from merc.evaluation.metrics import by_split, split_order
from merc.evaluation.significance import RESAMPLES, intervals

HEADLINES = ("weighted_f1", "accuracy", "macro_f1", "uar", "unparsed_rate")
"""The numbers that stand large in a report."""

_NUMBERS = HEADLINES[:4]
_MOST = 20
_DRAWS = 1000
_MANY_CONVERSATIONS = 2000


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How far the headline numbers of a split may be off: the interval of each, by name, and how often conversations
    were drawn for them."""

    intervals: Mapping[str, Ends]
    draws: int

    @property
    def reasons(self) -> list[str]:
        """Why some have none."""
        return sorted({ends for ends in self.intervals.values() if isinstance(ends, str)})


@dataclass(frozen=True, kw_only=True)
class Group:
    """The numbers of some utterances of a split. ``filter`` are the filters of the report's page that show them."""

    name: str
    utterances: int
    conversations: int
    numbers: Mapping[str, float]
    intervals: Mapping[str, Ends]
    filter: Mapping[str, str]

    @property
    def few(self) -> bool:
        """Whether they are too few for numbers that say much."""
        return self.utterances < FEW


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """A split by what its utterances have in common (``by``): those with the most utterances first. ``left`` sentences
    say what has no row of its own, or no number."""

    by: str
    split: str
    groups: Sequence[Group]
    left: Sequence[str]


Finder = Callable[[Prediction], Conversation | None]


def finder(conversations: Sequence[Conversation]) -> Finder:
    """The conversation that a prediction is about: of its split, else of any, for a recipe may put one into another
    split than its corpus; ``None`` where there is none."""
    known: dict[tuple[str | None, str], Conversation] = {(c.split, c.id): c for c in conversations}
    by_id = {c.id: c for c in conversations}
    return lambda p: known.get((p.split, p.conversation)) or by_id.get(p.conversation)


def spreads(predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Spread]:
    """The intervals of the headline numbers by split. Of very many conversations fewer draws are made, since each costs
    as much as there are conversations, and the ends hardly move."""
    spread_of = {}
    for split, mine in _counted(predictions).items():
        many = len({p.conversation for p in mine}) > _MANY_CONVERSATIONS
        draws = _DRAWS if many else RESAMPLES
        spread_of[split] = Spread(intervals=label_intervals(HEADLINES, mine, labels, draws), draws=draws)
    return spread_of


def breakdowns(
    predictions: Sequence[Prediction], conversations: Sequence[Conversation], labels: LabelSpace
) -> list[Breakdown]:
    """The tables of every split whose utterances are of more than one data set, or speaker.

    Only utterances with a truth count. Of many speakers those with the fewest utterances stand together in one row.
    """
    conversation_of = finder(conversations)
    speakers = {(c.split, c.id, u.id): u.speaker for c in conversations for u in c.utterances}

    def dataset(p: Prediction) -> str | None:
        talk = conversation_of(p)
        return talk.dataset if talk else None

    def speaker(p: Prediction) -> str | None:
        talk = conversation_of(p)
        return speakers.get((talk.split, talk.id, p.id)) if talk else None

    splits = sorted(_counted(predictions).items(), key=lambda one: split_order(one[0]))
    tables = [
        _breakdown(by, split, _grouped(mine, key), labels)
        for by, key in (("dataset", dataset), ("speaker", speaker))
        for split, mine in splits
    ]
    return [table for table in tables if table is not None]


def _counted(predictions: Sequence[Prediction]) -> dict[str, list[Prediction]]:
    return by_split(p for p in predictions if p.truth is not None)


def _grouped(
    predictions: Sequence[Prediction], key: Callable[[Prediction], str | None]
) -> dict[str | None, list[Prediction]]:
    groups: dict[str | None, list[Prediction]] = {}
    for p in predictions:
        groups.setdefault(key(p), []).append(p)
    return dict(sorted(groups.items(), key=lambda one: (-len(one[1]), one[0] or "")))


def _breakdown(
    by: str, split: str, groups: Mapping[str | None, list[Prediction]], labels: LabelSpace
) -> Breakdown | None:
    named = {name: mine for name, mine in groups.items() if name is not None}
    if len(named) < 2:
        return None
    largest = dict(list(named.items())[:_MOST])
    rows = [_group(name, mine, labels, {"split": split, by: name}) for name, mine in largest.items()]
    rest = [p for name, mine in named.items() if name not in largest for p in mine]
    left = []
    if rest:
        rows.append(_group(f"{len(named) - len(largest):,} others together", rest, labels, {}))
        left.append(f"The {len(largest)} with the most utterances of {len(named):,} have a row of their own.")
    if None in groups:
        left.append(f"Of {len(groups[None]):,} utterances it is not known; they are in no row.")
    return Breakdown(by=by, split=split, groups=rows, left=left)


def _group(name: str, mine: Sequence[Prediction], labels: LabelSpace, filters: Mapping[str, str]) -> Group:
    statistics = label_statistics(_NUMBERS, mine, labels)
    count = len({p.conversation for p in mine})
    once = np.ones((1, count))
    return Group(
        name=name,
        utterances=len(mine),
        conversations=count,
        numbers={number: float(statistic(once)[0]) for number, statistic in statistics.items()},
        intervals=intervals(statistics, count, resamples=_DRAWS),
        filter=filters,
    )
