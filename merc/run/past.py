"""Labels of past utterances beside their words: whose they are is said wherever they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from merc.components import Query


def with_gold(groups: Sequence[Sequence[Query]]) -> list[list[Query]]:
    """The queries, each with the labels that its conversation has: a user's recordings have none."""
    return [[_told(query, tuple(u.label for u in query.conversation.utterances)) for query in g] for g in groups]


def with_predicted(query: Query, labels: Mapping[int, str | None]) -> Query:
    """The query with what was predicted so far, by place in the conversation; its demonstrations have their own."""
    return _told(query, tuple(labels.get(place) for place in range(len(query.conversation.utterances))))


def _told(query: Query, labels: tuple[str | None, ...]) -> Query:
    (shown,) = with_gold([query.demonstrations])
    return replace(query, past_labels=labels, demonstrations=tuple(shown))
