"""The demonstrations of a run: chosen from the train split, filled into queries, counted and said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from merc.components import Prompter, Query, Selector, Similarity
from merc.conversation import Conversation, Utterance
from merc.errors import MercError
from merc.media import Decoding
from merc.model.emotion_model import EmotionModel
from merc.recipe import ComponentRef, Recipe
from merc.retrieval import Chooser, Embeddings, IndexSource
from merc.session.encoding import feature_store
from merc.session.journal import Journal
from merc.session.loading import load_once
from merc.session.reporter import within

Groups = list[list[Query]]


class Demonstrations:
    """Chooses from ``pool``, the queries of the run's own train split.

    ``folder`` is where indices are kept; with ``keep`` false they are only read there.
    """

    def __init__(
        self, recipe: Recipe, pool: Groups, folder: Path, device: str, journal: Journal, keep: bool = True
    ) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        self.journal, self.keep = journal, keep
        self.pool = [query for group in pool for query in group]
        self.conversations = {query.conversation.id: query.conversation for query in self.pool}
        self._choosers: dict[str, Chooser] = {}
        self._shown: dict[str, None] = {}

    def fill(
        self, part: ComponentRef | None, where: str, groups: Sequence[Sequence[Query]], turn: int | None = None
    ) -> Groups:
        """The queries with demonstrations; as they are where there is no selector.

        ``turn`` is the epoch of a training, in which conversations take the selector's draws in turn: the first
        conversation of the first epoch has the first, the second the second, and in the next epoch each has the next
        one. ``None`` is an evaluation, for which the first draw serves all.
        """
        if part is None:
            return [list(group) for group in groups]
        chooser, draws = self._chooser(part, where), _selector(part).draws()
        drawn = [0 if turn is None else (number + turn) % draws for number in range(len(groups))]
        # All at once, and what later epochs show too: then they are encoded together, under one line of progress.
        every = [query for group in groups for query in group]
        new = [draw for draw in range(1 if turn is None else draws) if chooser.unknown(every, draw)]
        if new:
            with self.journal.task(f"demonstrations of {where.removesuffix('.demonstrations')}") as progress:
                for number, draw in enumerate(new):
                    chooser.choose(every, draw, within(progress, number, len(new)))
                progress(1.0, "")
        return [
            [replace(q, demonstrations=self._now(s)) for q, s in zip(group, chooser.choose(group, draw), strict=True)]
            for group, draw in zip(groups, drawn, strict=True)
        ]

    def use(self, conversations: Iterable[Conversation], beside: Sequence[Conversation] = ()) -> None:
        """Show these conversations in place of those of the same ids: with cues, say.

        ``beside`` are conversations of somebody else: an utterance of theirs that has the id of one that is shown, and
        is another one, would be taken for it, so that the shown one gets a longer id.
        """
        others = {u.id: u for c in beside for u in c.utterances}

        def apart(u: Utterance) -> Utterance:
            return replace(u, id=f"{u.id} (demonstration)") if others.get(u.id, u) != u else u

        for c in conversations:
            self.conversations[c.id] = replace(c, utterances=tuple(apart(u) for u in c.utterances)) if others else c

    def forget(self) -> None:
        """Forget which queries there were, and what they were shown."""
        self._shown.clear()
        for chooser in self._choosers.values():
            chooser.forget()

    @property
    def shown(self) -> list[Conversation]:
        """The conversations that were chosen from so far."""
        return [self.conversations[name] for name in self._shown]

    def _now(self, chosen: Sequence[Query]) -> tuple[Query, ...]:
        self._shown.update(dict.fromkeys(query.conversation.id for query in chosen))
        return tuple(replace(q, conversation=self.conversations[q.conversation.id]) for q in chosen)

    def _chooser(self, part: ComponentRef, where: str) -> Chooser:
        key = f"{part.name} {sorted(part.params.items())}"
        if key not in self._choosers:
            comparison = _selector(part).comparison()
            with self.journal.task(f"labelled utterances for {where}") as progress:
                self._choosers[key] = Chooser(
                    where, part, self.pool, self.recipe.seed, self._source(comparison), self.journal.say, progress
                )
                progress(1.0, f"{len(self._choosers[key].pool)}")
        return self._choosers[key]

    def _source(self, comparison: Similarity | None) -> IndexSource | None:
        if comparison is None:
            return None
        store = feature_store(self.recipe)
        embeddings = Embeddings(
            comparison, self.recipe.encoders, store, self.recipe.features.seed, self.device, Decoding.of(self.recipe)
        )
        embeddings.words = {name: load_once(part) for name, part in embeddings.words.items()}
        return IndexSource(embeddings, self.folder, self.keep)


def selectors_of(recipe: Recipe) -> dict[str, ComponentRef]:
    """What chooses demonstrations, by its path in the recipe."""
    selectors = {
        f"{task.path}.demonstrations": task.demonstrations for task in recipe.tasks if task.demonstrations is not None
    }
    if recipe.evaluate is not None and recipe.evaluate.demonstrations is not None:
        selectors.setdefault("evaluate.demonstrations", recipe.evaluate.demonstrations)
    return selectors


def last_demonstrations(recipe: Recipe) -> ComponentRef | None:
    """What predictions are made with: the evaluation's own, or the last stage's in a recipe without one."""
    if recipe.evaluate is not None:
        return recipe.evaluate.demonstrations
    return recipe.stages[-1].demonstrations if recipe.stages else None


def draws_of(part: ComponentRef | None) -> int:
    """How many draws a training takes in turn; 1 without demonstrations."""
    return 1 if part is None else _selector(part).draws()


def check_shown(where: str, prompter: Prompter, groups: Sequence[Sequence[Query]]) -> None:
    """Raise MercError for a prompter that does not show the demonstrations that a recipe gives it."""
    query = next((q for group in groups for q in group if q.demonstrations), None)
    if query is not None and prompter.prompt(query) == prompter.prompt(replace(query, demonstrations=())):
        raise MercError(
            f"{where}: the prompter shows no demonstrations ({type(prompter).__name__}); take demonstrations out, or "
            "choose another prompter"
        )


def check_length(where: str, model: EmotionModel, prompter: Prompter, groups: Sequence[Sequence[Query]]) -> None:
    """Raise MercError, naming it, for a demonstration that alone is longer than the model's context."""
    if model.context is None:
        return
    known: set[tuple[str, str]] = set()
    for query in (query for group in groups for query in group):
        for one in query.demonstrations:
            if (one.conversation.id, one.target.id) in known:
                continue
            known.add((one.conversation.id, one.target.id))
            lengths = [
                len(model.prompts.encode(prompter.prompt(q), model.media.slot, q.labels, answers="none").context)
                for q in (replace(query, demonstrations=(one,)), replace(query, demonstrations=()))
            ]
            if lengths[0] - lengths[1] > model.context:
                raise MercError(
                    f"{where}: the demonstration {one.target.id!r} alone has {lengths[0] - lengths[1]} tokens, more "
                    f"than the model's context of {model.context}; demonstrations are not cut: let the prompter show "
                    "less of what was said before one (`history`, `demonstration_history`) or fewer media tokens, "
                    "choose others, or use a model with a longer context"
                )


def record_of(where: str, part: ComponentRef, groups: Sequence[Sequence[Query]]) -> Mapping[str, Any]:
    """What the log keeps of demonstrations: the selector, and the sets that prompts share, with how many share each.

    Sets that only one prompt has are counted alone.
    """
    counts: dict[tuple[str, ...], int] = {}
    for query in (query for group in groups for query in group):
        names = tuple(example.target.id for example in query.demonstrations)
        counts[names] = counts.get(names, 0) + 1
    shared = {names: count for names, count in counts.items() if count > 1}
    most = sorted(shared.items(), key=lambda item: -item[1])[:20]
    return {
        "event": "demonstrations",
        "of": where,
        "selector": part.name,
        "sets": len(counts),
        "shared": [{"prompts": count, "ids": list(names)} for names, count in most],
    }


def _selector(part: ComponentRef) -> Selector:
    assert isinstance(part.component, Selector)
    return part.component
