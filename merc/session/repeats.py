"""Conversations that stand in two splits, found by their words and by their media."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from merc.conversation import Conversation
from merc.errors import first_names

_NAMED = 5
_WORDS = 4
_PAIRS = (("test", "train"), ("dev", "train"), ("test", "dev"))


def repeats(conversations: Sequence[Conversation]) -> list[str]:
    """A sentence for each pair of splits that share conversations: how many, and which are which.

    Conversations are the same whose utterances have the same words, from the first to the last, or are the same spans
    of the same files. A single utterance of less than four words says too little.
    """
    places: dict[Hashable, dict[str, str]] = {}
    sizes: dict[str, int] = {}
    for talk in conversations:
        split: str = talk.split or "test"
        sizes[split] = sizes.get(split, 0) + 1
        for key in _keys(talk):
            places.setdefault(key, {}).setdefault(split, talk.id)
    notes = []
    for split, other in _PAIRS:
        repeated: dict[str, str] = {}
        for talk in conversations:
            if (talk.split or "test") == split:
                same = next((places[key][other] for key in _keys(talk) if other in places[key]), None)
                if same is not None:
                    repeated[talk.id] = same
        if repeated:
            named = first_names([f"{one} = {same}" for one, same in repeated.items()], _NAMED)
            stand = "stands" if len(repeated) == 1 else "stand"
            count = f"{len(repeated)} of {sizes[split]} conversations of {split}"
            notes.append(f"{count} {stand} in {other} too, by words or media: {named}")
    return notes


def _keys(talk: Conversation) -> Iterator[Hashable]:
    """What is like nothing but the same conversation."""
    words = tuple(" ".join(utterance.text.split()) for utterance in talk.utterances)
    spoken = sum(bool(one) for one in words)
    if spoken > 1 or len(" ".join(words).split()) >= _WORDS:
        yield words
    media = tuple(
        (file, *utterance.span(modality))
        for utterance in talk.utterances
        for modality in ("video", "audio")
        if (file := utterance.media(modality)) is not None
    )
    if len(media) >= len(talk.utterances):
        yield media
