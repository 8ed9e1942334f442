"""What heads learn from: values checked where they were read, and counted before hours go into a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from merc.components import Head, Query
from merc.conversation import Conversation, LabelSpace
from merc.errors import MercError, first_lines
from merc.recipe import ComponentRef, Recipe, Stage
from merc.recipe.heads import heads_of, named_like_labels

Heads = Mapping[str, ComponentRef]
"""The heads of a recipe, by name."""


def check_values(heads: Heads, conversations: Sequence[Conversation], labels: LabelSpace) -> None:
    """Raise MercError for a value that a head cannot learn or be compared with, with the place where it was read, and
    for a head that is named like a label."""
    for path, sentence in named_like_labels(heads, labels):
        raise MercError(f"{path}: {sentence}")
    faults = []
    for name, part in heads.items():
        head = cast(Head, part.component)
        for utterance in (u for c in conversations for u in c.utterances):
            try:
                head.checked(utterance)
            except MercError as error:
                faults.append(f"{error} (heads.{name})")
    if faults:
        raise MercError("\n".join(first_lines(faults, 3)))


def teaches(stage: Stage, heads: Heads) -> Callable[[Query], bool] | None:
    """Whether a query teaches something in a stage that trains heads alone: whether its target has some value of
    theirs; ``None`` for a stage that learns answers."""
    trainer = stage.trainer.component
    names = heads_of(stage.trainer)
    if not names or trainer.learns_answers():  # type: ignore[attr-defined]
        return None
    fields = [field for name in names for field in cast(Head, heads[name].component).fields()]
    return lambda query: any(query.target.true(field) is not None for field in fields)


def known_counts(stage: Stage, recipe: Recipe, learned: Sequence[Query]) -> str:
    """Of how many of the utterances that a stage learns from its heads know each value, as a sentence; empty where it
    trains no head. Raises MercError for a head of which none of them has any value: it has nothing to learn."""
    phrases = []
    for name in heads_of(stage.trainer):
        head = cast(Head, recipe.heads[name].component)
        counts = {f: sum(q.target.true(f) is not None for q in learned) for f in head.fields()}
        if not any(counts.values()):
            raise MercError(
                f"stage {stage.id}: none of the {len(learned)} utterances that it learns from has "
                f"{' or '.join(repr(f) for f in counts)}, so heads.{name} has nothing to learn; give the corpus these "
                f"values ('values' of an utterance), or take the head out (heads.{name}=null, and its loss)"
            )
        phrases += [f"{count} of {len(learned)} utterances have {f!r}" for f, count in counts.items()]
    return f"heads learn from what is known: {', '.join(phrases)}" if phrases else ""
