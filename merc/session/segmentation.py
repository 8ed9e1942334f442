"""Conversations divided into segments: shorter ones, each of which has a last utterance of its own."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from merc.components import Query
from merc.conversation import Conversation
from merc.errors import MercError, did_you_mean
from merc.recipe.schema import Evaluate, StageData
from merc.session.data import Data, queries


def divided(conversations: Sequence[Conversation], lengths: tuple[int, int] | None, seed: int) -> list[Conversation]:
    """Parts of ``lengths[0]`` to ``lengths[1]`` utterances that stand side by side and hold every utterance once.

    Lengths are drawn for each conversation on its own, from the seed and its id, alike among those that leave enough
    for the next segment. A conversation that is shorter than the least stays whole. Parts keep the id of their
    conversation, so that none is shown as a demonstration to another. With ``None`` nothing is divided.

    >>> from merc.conversation import Utterance
    >>> talk = Conversation(id="c", utterances=tuple(Utterance(id=f"u{i}", text="Hm.") for i in range(23)))
    >>> [len(segment.utterances) for segment in divided([talk], (5, 10), seed=1)]
    [8, 5, 10]
    """
    if lengths is None:
        return list(conversations)
    return [segment for conversation in conversations for segment in _parts(conversation, *lengths, seed)]


def measured(conversations: Sequence[Conversation], how: Evaluate) -> list[Conversation]:
    """The conversations, or segments of them, that an evaluation measures. Where one ends does not depend on the seed
    of the run, so that runs of several seeds are measured on the same last utterances and with the same context."""
    return divided(conversations, how.segments, how.segments_seed)


def chosen_conversations(how: StageData, data: Data) -> list[Conversation]:
    """The conversations, or segments of them, that a stage learns from."""
    return divided(how.chosen(data.split(how.split)), how.segments, data.seed)


def check_datasets(path: str, how: StageData, data: Data) -> None:
    """Raise MercError for a dataset that the split does not have; ``path`` is where the recipe names it."""
    counts = Counter(c.dataset for c in data.split(how.split))
    there = [name for name in counts if name is not None]
    for name in how.datasets or ():
        if name not in there:
            counted = ", ".join(f"{n} ({counts[n]})" for n in there) or "none"
            without = f"; {counts[None]} of its conversations name none" if counts[None] else ""
            raise MercError(
                f"{path}.datasets: the split {how.split!r} has no conversation of {name!r}."
                f"{did_you_mean(name, there)} Its datasets are: {counted}{without}"
            )


def chosen_queries(how: StageData, data: Data, has_target: Callable[[Query], bool]) -> list[list[Query]]:
    """The queries that a stage learns from, of those that its prompter can teach, by conversation or segment."""
    last = how.targets == "last"
    chosen = chosen_conversations(how, data)
    return queries(chosen, data.labels, lambda q: has_target(q) and (q.is_last or not last), data.spaces)


def _parts(conversation: Conversation, least: int, most: int, seed: int) -> list[Conversation]:
    chance = random.Random(f"{seed}/parts/{least}-{most}/{conversation.id}")
    left, segments = conversation.utterances, []
    while left:
        fit = [n for n in range(least, most + 1) if n == len(left) or len(left) - n >= least]
        length = chance.choice(fit) if fit else len(left)
        segments.append(replace(conversation, utterances=left[:length]))
        left = left[length:]
    return segments
