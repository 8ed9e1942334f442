"""Labels of past utterances beside their words: whose they are is said wherever they are, and when there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from merc.components import Prompter, Query
from merc.errors import MercError


def with_gold(groups: Sequence[Sequence[Query]]) -> list[list[Query]]:
    """The queries, each with the labels that its conversation has before the target: a user's recordings have none."""
    return [
        [_with_history(query, tuple(u.label for u in query.conversation.utterances)) for query in g] for g in groups
    ]


def with_predicted(query: Query, labels: Mapping[int, str | None]) -> Query:
    """The query with what was predicted so far, by place in the conversation; its demonstrations have their own."""
    return _with_history(query, tuple(labels.get(place) for place in range(len(query.conversation.utterances))))


def with_all_predicted(groups: Sequence[Sequence[Query]], labels: Sequence[str | None]) -> list[list[Query]]:
    """The queries, each with the labels that were predicted of those before it in its group; ``labels`` are those of
    all queries in their order."""
    each = iter(labels)
    by_place = [{query.index: next(each) for query in group} for group in groups]
    return [[with_predicted(query, own) for query in group] for group, own in zip(groups, by_place, strict=True)]


def gold_note(where: str, groups: Sequence[Sequence[Query]]) -> str:
    """How many utterances before those that are asked about have no label to tell; empty where all have one.

    Raises MercError where none has: recordings of a user, say. ``where`` names what tells them.
    """
    before = {u.id: u.label for g in groups for q in g for u in q.conversation.utterances[: q.index]}
    without = sum(label is None for label in before.values())
    if not without:
        return ""
    if without == len(before):
        raise MercError(
            f"{where} shows the model the corpus's own labels of earlier utterances, and none of these {without} has "
            "one; use evaluate.label_history=predicted, the model's own, or evaluate.label_history=null"
        )
    return f"{where}: {without} of {len(before)} earlier utterances have no label, and none is shown for them"


def check_label_history_shown(where: str, prompter: Prompter, groups: Sequence[Sequence[Query]]) -> None:
    """Raise MercError for a prompter that does not show the labels of past utterances that a recipe gives it."""

    def shows(query: Query) -> bool:
        plain = replace(query, demonstrations=(), label_history=None)
        with_label = with_predicted(plain, dict.fromkeys(range(plain.index), plain.labels.labels[0]))
        return prompter.prompt(plain) != prompter.prompt(with_label)

    later = [query for group in groups for query in group if query.index]
    if later and not any(map(shows, later)):
        raise MercError(
            f"{where}: the prompter shows no labels of earlier utterances ({type(prompter).__name__}), so "
            "label_history would change nothing; take it out, or choose another prompter"
        )


def _with_history(query: Query, labels: tuple[str | None, ...]) -> Query:
    (examples,) = with_gold([query.demonstrations])
    hidden = (None,) * (len(labels) - query.index)
    return replace(query, label_history=labels[: query.index] + hidden, demonstrations=tuple(examples))
