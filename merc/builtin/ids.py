"""Ids that begin anew in each split, made those of one corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from merc.conversation import Conversation
from merc.errors import brief, first_names

_NAMED = 5


def ids_of_one_corpus(conversations: Sequence[Conversation]) -> tuple[list[Conversation], str]:
    """The conversations with ids that no two splits share, and a sentence about it, empty where they are as they were.

    Where splits share an id, all ids of conversations that state a split get it before them, those of utterances too.

    >>> talks = [Conversation(id="d0", split=split, utterances=()) for split in ("train", "test")]
    >>> print([talk.id for talk in ids_of_one_corpus(talks)[0]])
    ['train_d0', 'test_d0']
    """
    splits: dict[tuple[str, str], set[str | None]] = {}
    for talk in conversations:
        splits.setdefault(("conversation", talk.id), set()).add(talk.split)
        for utterance in talk.utterances:
            splits.setdefault(("utterance", utterance.id), set()).add(talk.split)
    shared = {what: [name for (kind, name), those in splits.items() if kind == what and len(those) > 1]
              for what in ("conversation", "utterance")}  # fmt: skip
    if not any(shared.values()):
        return list(conversations), ""
    what, names = next((kind, ids) for kind, ids in shared.items() if ids)
    total = sum(kind == what for kind, _ in splits)
    examples = first_names([*map(brief, names)], _NAMED)
    note = (
        f"{len(names)} of {total} {what} ids stand in several splits ({examples}): all ids have "
        f"their split before them, as in {next(t.split for t in conversations if t.split)}_{brief(names[0])}"
    )
    return [_within(talk) for talk in conversations], note


def _within(talk: Conversation) -> Conversation:
    if talk.split is None:
        return talk
    utterances = tuple(replace(u, id=f"{talk.split}_{u.id}") for u in talk.utterances)
    return replace(talk, id=f"{talk.split}_{talk.id}", utterances=utterances)
