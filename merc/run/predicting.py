"""Predictions of a model for queries: labels scored on the tree, or answers written and read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch

from merc.components import Prediction, Prompter, Query
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.evaluation.metrics import known_truths, truths_of
from merc.evaluation.projection import StatesById
from merc.memory import enough_memory
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.model.precision import autocast
from merc.prompting import EncodedPrompt, check_depth, is_label_prompt, parse_label
from merc.recipe import Evaluate
from merc.run.past import with_gold, with_predicted
from merc.run.reporter import Progress, within
from merc.training.engine import Engine
from merc.training.groups import Group, joined, shots_of

_GROWING = 16
"""After so many prompts that are too long, each longer than the one before, the next are taken to be so as well."""

Missing = Callable[[str], dict[str, str]]
"""Why the model does not see an utterance's streams."""


class Predictor:
    """Predicts with one model, prompter and way of decoding, sharing the work among the processes of an engine.

    Where labels are scored, ``states`` (if given) is filled with the hidden state ``[hidden]`` at the place where the
    answer begins, for each utterance that is predicted.

    A prompt longer than the model's context is an error. Where ``unanswered`` is set to a dictionary, as for a user's
    own recording, it is filled in place of that: the length of each such prompt, by the id of its utterance, whose
    prediction has no label then.
    """

    unanswered: dict[str, int] | None = None

    def __init__(
        self,
        model: EmotionModel,
        prompter: Prompter,
        labels: LabelSpace,
        how: Evaluate,
        budget: int,
        missing: Missing = lambda utterance: {},
        engine: Engine | None = None,
        precision: str = "model",
        states: StatesById | None = None,
    ) -> None:
        self.model, self.prompter, self.labels, self.how, self.budget = model, prompter, labels, how, budget
        self.missing, self.engine, self.precision = missing, engine, precision
        self.states = states

    def predict(
        self, groups: Sequence[Sequence[Query]], progress: Progress = lambda share, text: None
    ) -> list[Prediction]:
        """A prediction for each query, in their order; each group shares the beginning of its prompts, and groups that
        show the same demonstrations share these."""
        with enough_memory("predicting", f"lower engine.batch_tokens (now {self.budget})"):
            if self.how.past_labels == "predicted":
                return self._turn_by_turn(groups, progress)
            return self._at_once(with_gold(groups) if self.how.past_labels == "gold" else groups, progress)

    def _turn_by_turn(self, groups: Sequence[Sequence[Query]], progress: Progress) -> list[Prediction]:
        """Predictions that are told those before them: the first query of every group at once, then the second."""
        turns = max((len(group) for group in groups), default=0)
        said: list[dict[int, str | None]] = [{} for _ in groups]
        found: dict[tuple[int, int], Prediction] = {}
        for turn in range(turns):
            now = [number for number, group in enumerate(groups) if turn < len(group)]
            asked = [[with_predicted(groups[number][turn], said[number])] for number in now]
            predictions = self._at_once(asked, within(progress, turn, turns))
            for number, prediction in zip(now, predictions, strict=True):
                said[number][groups[number][turn].index] = prediction.label
                found[number, turn] = prediction
        return [found[number, turn] for number, group in enumerate(groups) for turn in range(len(group))]

    def _at_once(self, groups: Sequence[Sequence[Query]], progress: Progress) -> list[Prediction]:
        self.model.eval()
        encoded = [encode_group(group, self._encode, self.model.context) for group in groups]
        if self.unanswered is None or self.model.context is None:
            check_depth((p for g in encoded for p in g), self.model.context)
        else:
            limit = self.model.context
            self.unanswered |= {p.target: p.depth for g in encoded for p in g if p.depth > limit}
            encoded = [[p for p in g if p.depth <= limit] for g in encoded]
        decode = self._generate if self.how.decode == "generate" else self._score
        alike = [Group(tuple(p), shots_of(g)) for p, g in zip(encoded, groups, strict=True) if p]
        found = decode(joined(alike), progress) if alike else {}
        return [self._prediction(query, self._answer(query, found)) for group in groups for query in group]

    def _answer(self, query: Query, found: Mapping[str, Any]) -> dict[str, Any]:
        if self.unanswered is not None and query.target.id in self.unanswered:
            return {"label": None}
        return self._read(found[query.target.id], query.labels)

    def _encode(self, query: Query) -> EncodedPrompt:
        prompt = self.prompter.prompt(query)
        if self.how.decode == "verbalizer" and not is_label_prompt(prompt):
            raise MercError(
                "evaluate: the prompter asks for a text, not for a label, so labels can't be scored; "
                "set evaluate.decode=generate, or evaluate.prompter to one that asks for the label"
            )
        answers: Literal["labels", "none"] = "labels" if self.how.decode == "verbalizer" else "none"
        return self.model.prompts.encode(
            prompt, self.model.media.length, query.labels, None, answers, self.labels, self.model.context
        )

    # Not in inference mode: weights that ZeRO-3 fetched in it could not be trained with afterwards.
    @torch.no_grad()
    def _score(self, groups: Sequence[Sequence[EncodedPrompt]], progress: Progress) -> dict[str, Any]:
        """The probabilities of all labels by target; a label that a prompt's own space lacks has 0."""
        rank, world = (self.engine.rank, self.engine.world) if self.engine else (0, 1)
        micro = self.model.trees(groups, self.budget)
        found: list[Any] = []
        # Every process computes as many passes as the others, since ZeRO-3 gathers weights in all of them at once.
        for index in range(math.ceil(len(micro) / world)):
            at = index * world + rank
            batch = make_batch(*micro[at if at < len(micro) else 0]).to(self.model.device)
            with autocast(self.model.device.type, self.precision):
                scores, states = self.model.score_with_states(batch, len(self.labels), self.how.normalize)
            if at < len(micro):
                rows = torch.softmax(scores.double(), dim=-1).tolist()
                kept = states.float().cpu().numpy() if self.states is not None else [None] * len(rows)
                found.extend((p.target, row, state) for p, row, state in zip(batch.prompts, rows, kept, strict=True))
            progress(
                (index + 1) * world / max(len(micro), world), f"{min(len(micro), (index + 1) * world)}/{len(micro)}"
            )
        if self.engine:
            found = self.engine.collect(found)
        _check_finite(found, self._computed_in)
        if self.states is not None:
            self.states.update((target, state) for target, _, state in found)
        return {target: row for target, row, _ in found}

    def _generate(self, groups: Sequence[Sequence[EncodedPrompt]], progress: Progress) -> dict[str, Any]:
        """What the model writes, by target."""
        # Texts differ in length, so processes in lockstep can't each write their own: each writes them all.
        shared = self.engine if self.engine and not self.engine.lockstep else None
        rank, world = (shared.rank, shared.world) if shared else (0, 1)
        prompts = sorted((p for g in groups for p in g), key=lambda p: len(p.context), reverse=True)
        size = max(1, self.budget // max(1, len(prompts[0].context) + self.how.max_new_tokens))
        chunks = [prompts[i : i + size] for i in range(0, len(prompts), size)]
        found: list[Any] = []
        for index in range(math.ceil(len(chunks) / world)):
            at = index * world + rank
            chunk = chunks[at if at < len(chunks) else 0]
            with autocast(self.model.device.type, self.precision):
                texts = self.model.generate(chunk, self.how.max_new_tokens)
            if at < len(chunks):
                found.extend((p.target, text) for p, text in zip(chunk, texts, strict=True))
            progress((index + 1) / max(1, math.ceil(len(chunks) / world)), f"{len(found)}/{len(prompts)}")
        if shared:
            found = shared.collect(found)
        return dict(found)

    @property
    def _computed_in(self) -> str:
        """The type of numbers that scores are computed in."""
        return str(self.model.base.dtype).rpartition(".")[2] if self.precision == "model" else self.precision

    def _read(self, found: Any, space: LabelSpace) -> dict[str, Any]:
        """The label that was scored or written, among those of the query's own label space."""
        if self.how.decode == "generate":
            return {"text": found, "label": parse_label(found, space, self.how.parser)}
        row = {label: found[self.labels.index(label)] for label in space.labels}
        return {"label": max(row, key=row.__getitem__), "probabilities": row}

    def _prediction(self, query: Query, found: dict[str, Any]) -> Prediction:
        return Prediction(
            id=query.target.id,
            conversation=query.conversation.id,
            split=query.conversation.split,
            truth=query.target.label,
            missing=self.missing(query.target.id),
            past_labels=self.how.past_labels,
            truths=known_truths(query.target, truths_of(self.how.metrics), query.is_last),
            **found,
        )


def _check_finite(found: Sequence[tuple[str, Sequence[float], Any]], computed_in: str) -> None:
    """Raise MercError for probabilities that are no numbers."""
    if not (wrong := [target for target, row, _ in found if not all(map(math.isfinite, row))]):
        return
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    why = "look at the features of these utterances, and lower trainer.lr if the model was trained"
    if computed_in == "float16":
        why = "float16 overflows: compute in bfloat16 or float32 (backbone.dtype, or the trainer's precision)"
    raise MercError(
        f"the scores of {len(wrong)} of {len(found)} utterances are no numbers, computed in {computed_in}: "
        f"{', '.join(wrong[:3])}{more}; {why}"
    )


def check_room(model: EmotionModel, prompter: Prompter, how: Evaluate, groups: Iterable[Sequence[Query]]) -> None:
    """Raise MercError where the model is to write labels and ``max_new_tokens`` is less than one of them has."""
    query = next((query for group in groups for query in group), None)
    if how.decode != "generate" or query is None:
        return
    prompt = prompter.prompt(query)
    if not is_label_prompt(prompt):
        return
    answers = model.prompts.encode(prompt, model.media.length, query.labels, None, "labels").answers
    longest = max(answers, key=lambda answer: len(answer.tokens))
    needed = len(longest.tokens) - int(prompt.answer.end)
    if needed > how.max_new_tokens:
        label = query.labels.labels[longest.label]
        raise MercError(
            f"evaluate.max_new_tokens: {how.max_new_tokens} is too small: the label {label!r} has {needed} tokens and "
            f"could never be written whole; set evaluate.max_new_tokens={needed} or more"
        )


def check_prompts(model: EmotionModel, prompter: Prompter, groups: Iterable[Sequence[Query]]) -> None:
    """Raise MercError for prompts that are longer than the model's context, answers included. Nothing is computed."""

    def encode(query: Query) -> EncodedPrompt:
        prompt = prompter.prompt(query)
        answers: Literal["labels", "gold"] = "labels" if is_label_prompt(prompt) else "gold"
        return model.prompts.encode(
            prompt, model.media.length, query.labels, query.target.label, answers, longest=model.context
        )

    check_depth((p for group in groups for p in encode_group(group, encode, model.context)), model.context)


def encode_group(
    group: Sequence[Query], encode: Callable[[Query], EncodedPrompt], context: int | None
) -> list[EncodedPrompt]:
    """The prompts of a group, in order, in a time that does not grow with the square of a very long conversation.

    Prompts that show all that was said grow from one to the next. Where several in a row are longer than the context
    and the last of the group is longer still, those between are not put together: each counts as long as the one
    before them.
    """
    found: list[EncodedPrompt] = []
    growing = 0
    for place, query in enumerate(group, start=1):
        found.append(encode(query))
        grows = len(found) == 1 or found[-1].depth > found[-2].depth
        growing = growing + 1 if context is not None and found[-1].depth > context and grows else 0
        if growing == _GROWING and len(group) - place > 1:
            last = encode(group[-1])
            if last.depth > found[-1].depth:
                between = [replace(found[-1], target=q.target.id) for q in group[place:-1]]
                return [*found, *between, last]
    return found
