"""Which prompts are computed over one tree: those of a conversation, and of conversations that show the same
demonstrations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from merc.components import Example, Query
from merc.prompting import EncodedPrompt


@dataclass(frozen=True)
class Group:
    """The prompts of one conversation. ``shots`` names the demonstrations that all of them show, in their order; it is
    empty where there are none or they differ. ``examples`` are what prompts are to be made from when a step is due."""

    prompts: tuple[EncodedPrompt, ...]
    shots: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()


def shots_of(queries: Sequence[Query]) -> tuple[str, ...]:
    """The ids of the demonstrations that all of the queries show; empty where there are none or they differ."""
    every = {tuple(example.target.id for example in query.demonstrations) for query in queries}
    return every.pop() if len(every) == 1 else ()


def joined(groups: Iterable[Group]) -> list[list[EncodedPrompt]]:
    """Prompts in lists that share a beginning, in the order of their first: a conversation each, or all the
    conversations that show the same demonstrations.

    Without demonstrations conversations stay apart: what they share, the instruction, is short, and many short trees
    are cheaper than one long one, whose attention grows with the square of its length.
    """
    by_shots: dict[tuple[str, ...] | int, list[EncodedPrompt]] = {}
    for number, group in enumerate(groups):
        by_shots.setdefault(group.shots or number, []).extend(group.prompts)
    return list(by_shots.values())
