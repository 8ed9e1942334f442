"""Predictions of a model for queries, by the decoder of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from merc.components import Decoded, Decoder, Prediction, Prompter, Query
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.evaluation.metrics import known_truths, truths_of
from merc.evaluation.projection import StatesById
from merc.memory import enough_memory
from merc.model.emotion_model import EmotionModel
from merc.prompting import EncodedPrompt, LongPrompts, check_depth, depth_with, is_label_prompt
from merc.recipe import Evaluate
from merc.registry import get_registry
from merc.session.label_history import with_all_predicted, with_gold, with_predicted
from merc.session.reporter import Progress, within
from merc.session.shared_model import KeptBetween, SharedModel
from merc.training.strategy import Strategy

_GROWING = 16
"""After so many prompts that are too long, each longer than the one before, the next are taken to be so as well."""

Missing = Callable[[str], dict[str, str]]
"""Why the model does not see an utterance's streams."""


class Predictor:
    """Predicts with one model, prompter and decoder, sharing the work among the processes of a strategy.

    Where ``states`` is set to a dictionary, it is filled with the hidden state ``[hidden]`` at the place where the
    answer begins, for each utterance that is predicted, by a decoder that gives states.

    A prompt longer than the model's context is an error. Where ``unanswered`` is set to a dictionary, as for a user's
    own recording, it is filled in place of that: the length of each such prompt, by the id of its utterance, whose
    prediction has no label then.
    """

    unanswered: dict[str, int] | None = None
    states: StatesById | None = None
    between: KeptBetween | None = None
    """What is kept from one prediction to the next, if anything."""

    def __init__(
        self,
        model: EmotionModel,
        prompter: Prompter,
        labels: LabelSpace,
        how: Evaluate,
        budget: int,
        missing: Missing = lambda utterance: {},
        strategy: Strategy | None = None,
    ) -> None:
        self.model, self.prompter, self.labels, self.how, self.budget = model, prompter, labels, how, budget
        self.missing, self.strategy = missing, strategy

    def predict(
        self, groups: Sequence[Sequence[Query]], progress: Progress = lambda share, text: None
    ) -> list[Prediction]:
        """A prediction for each query, in their order; each group shares the beginning of its prompts, and groups that
        show the same demonstrations share these."""
        with enough_memory("predicting", f"lower strategy.batch_tokens (now {self.budget})"):
            if self.how.label_history == "predicted":
                return self._turn_by_turn(groups, progress)
            return self._at_once(with_gold(groups) if self.how.label_history == "gold" else groups, progress)

    def fitted(self, groups: Sequence[Sequence[Query]], progress: Progress) -> Decoder:
        """The decoder as it is fitted to queries, which show the labels of before as the evaluation does: of its own,
        those that the decoder predicts as it is now. Raises MercError for one that gives something else."""
        self.model.eval()
        decoder = self.how.decoder
        with enough_memory("fitting the decoder", f"lower strategy.batch_tokens (now {self.budget})"):
            if self.how.label_history == "gold":
                groups = with_gold(groups)
            elif self.how.label_history == "predicted":
                predictions = self._turn_by_turn(groups, within(progress, 0, 2))
                groups = with_all_predicted(groups, [prediction.label for prediction in predictions])
                progress = within(progress, 1, 2)
            fitted = decoder.fit(self._shared(progress), [query for group in groups for query in group])
        if type(fitted) is not type(decoder):
            name = get_registry().name_of(decoder)
            raise MercError(
                f"decoder {name!r}: fit() gives {type(fitted).__name__}; it must give a decoder of its kind"
            )
        return fitted

    def _turn_by_turn(self, groups: Sequence[Sequence[Query]], progress: Progress) -> list[Prediction]:
        """Predictions that are shown those before them: the first query of every group at once, then the second."""
        turns = max((len(group) for group in groups), default=0)
        labels: list[dict[int, str | None]] = [{} for _ in groups]
        by_place: dict[tuple[int, int], Prediction] = {}
        for turn in range(turns):
            now = [number for number, group in enumerate(groups) if turn < len(group)]
            queries = [[with_predicted(groups[number][turn], labels[number])] for number in now]
            predictions = self._at_once(queries, within(progress, turn, turns))
            for number, prediction in zip(now, predictions, strict=True):
                labels[number][groups[number][turn].index] = prediction.label
                by_place[number, turn] = prediction
        return [by_place[number, turn] for number, group in enumerate(groups) for turn in range(len(group))]

    def _at_once(self, groups: Sequence[Sequence[Query]], progress: Progress) -> list[Prediction]:
        self.model.eval()
        decoder, limit = self.how.decoder, self.model.context
        room = decoder.new_tokens()
        model = self._shared(progress)
        encoded = [(q, p) for g in groups for q, p in zip(g, encode_group(g, model.encode, limit), strict=True)]
        others = [
            prompt
            for prompter in decoder.prompters()
            for group in groups
            for prompt in encode_group(group, partial(self._encode_by, model, prompter), limit)
        ]
        every = [*(prompt for _, prompt in encoded), *others]
        if self.unanswered is None or limit is None:
            check_depth(every, limit, room)
        else:
            long = {prompt.target: depth_with(prompt, room) for prompt in every}
            self.unanswered |= {target: depth for target, depth in long.items() if depth > limit}
            encoded = [(query, prompt) for query, prompt in encoded if prompt.target not in self.unanswered]
        model.encoded = {id(query): prompt for query, prompt in encoded}
        queries, decoded = self._decoded(model, [query for query, _ in encoded])
        check_decoded(decoder, queries, decoded, model.keeps_states)
        by_id = {query.target.id: one for query, one in zip(queries, decoded, strict=True)}
        values = {query.target.id: one for query, one in zip(queries, model.values(queries), strict=True)}
        if self.states is not None:
            self.states.update((name, one.state) for name, one in by_id.items() if one.state is not None)
        nothing = Decoded(label=None)
        fields = [field for head in self.model.heads.components.values() for field in head.fields()]
        truths = list(dict.fromkeys([*truths_of(self.how.metrics), *fields]))
        following = self.how.looks_ahead(self.prompter)
        return [
            self._prediction(
                query, by_id.get(query.target.id, nothing), values.get(query.target.id, {}), truths, following
            )
            for group in groups
            for query in group
        ]

    def _decoded(self, model: SharedModel, queries: list[Query]) -> tuple[list[Query], Sequence[Decoded]]:
        """The queries that can be answered, and their answers. What a decoder asks after what was written may be longer
        than the context as well."""
        while queries:
            try:
                return queries, self.how.decoder.decode(model, queries)
            except LongPrompts as error:
                if self.unanswered is None:
                    raise
                self.unanswered |= error.depths
                queries = [query for query in queries if query.target.id not in error.depths]
        return [], []

    @staticmethod
    def _encode_by(model: SharedModel, prompter: Prompter, query: Query) -> EncodedPrompt:
        return model.encode(query, prompter.prompt(query))

    def _shared(self, progress: Progress = lambda share, text: None) -> SharedModel:
        """The model as the decoder asks it."""
        return SharedModel(
            model=self.model, prompter=self.prompter, labels=self.labels, answers=self.how.decoder.answers,
            batch_tokens=self.budget, strategy=self.strategy, keeps_states=self.states is not None, progress=progress,
            between=self.between,
        )  # fmt: skip

    def _prediction(
        self, query: Query, decoded: Decoded, values: Mapping[str, Any], truths: Sequence[str], following: int
    ) -> Prediction:
        return Prediction(
            id=query.target.id,
            conversation=query.conversation.id,
            split=query.conversation.split,
            truth=query.target.label,
            missing={**_why_without_words(query), **self.missing(query.target.id), **decoded.missing},
            label_history=self.how.label_history,
            following=following,
            truths=known_truths(query.target, truths, query.is_last),
            label=decoded.label,
            probabilities=decoded.probabilities,
            answer=decoded.text,
            details=decoded.details,
            speaker=query.target.speaker,
            text=query.target.text or None,
            start=query.target.start,
            end=query.target.end,
            unanswered=self._why_unanswered(query),
            values=values,
        )

    def _why_unanswered(self, query: Query) -> str | None:
        length = (self.unanswered or {}).get(query.target.id)
        return None if length is None else f"its prompt of {length} tokens is longer than the model's context"


def check_decoded(decoder: Decoder, queries: Sequence[Query], decoded: Sequence[Decoded], states: bool = False) -> None:
    """Raise MercError, naming the decoder, for answers that are not what it has to give: one for each query, with a
    label of the query's own or None, and with what the decoder says it gives. ``states`` is whether states were wanted.
    """
    name = f"decoder {get_registry().name_of(decoder)!r}"
    if len(decoded) != len(queries):
        raise MercError(f"{name} gave {len(decoded)} answers to {len(queries)} queries; it must give one for each")
    for query, one in zip(queries, decoded, strict=True):
        labels, where = query.labels.labels, f"{name} gave for {query.target.id!r}"
        if not isinstance(one, Decoded):
            raise MercError(f"{where} {type(one).__name__}; it must give merc.Decoded")
        if one.label is not None and one.label not in labels:
            raise MercError(f"{where} {one.label!r}, which is none of its labels: {', '.join(labels)}")
        has = {"probabilities": one.probabilities, "text": one.text, "states": one.state}
        for what in sorted(decoder.gives):
            if has[what] is None and (what != "states" or states):
                raise MercError(f"{where} no {what}; its 'gives' says that it does")
        if one.probabilities is None:
            continue
        if set(one.probabilities) != set(labels):
            raise MercError(
                f"{where} probabilities of {', '.join(one.probabilities)}; its labels are {', '.join(labels)}"
            )
        values = list(one.probabilities.values())
        if not all(0 <= value <= 1 for value in values) or abs(sum(values) - 1) > 1e-3:
            raise MercError(f"{where} probabilities that are not from 0 to 1 or do not add up to 1: {values}")


def check_room(model: EmotionModel, prompter: Prompter, how: Evaluate, groups: Iterable[Sequence[Query]]) -> None:
    """Raise MercError where the model is to write labels and the decoder lets it write less than one of them has."""
    query = next((query for group in groups for query in group), None)
    room = how.decoder.new_tokens()
    if how.decoder.answers != "none" or not room or query is None:
        return
    prompt = prompter.prompt(query)
    if not is_label_prompt(prompt):
        return
    answers = model.prompts.encode(prompt, model.media.slot, query.labels, None, "labels").answers
    longest = max(answers, key=lambda answer: len(answer.tokens))
    needed = len(longest.tokens) - int(prompt.answer.end)
    if needed > room:
        label = query.labels.labels[longest.label]
        raise MercError(
            f"evaluate.decoder.max_new_tokens: {room} is too small: the label {label!r} has {needed} tokens and "
            f"could never be written whole; set evaluate.decoder.max_new_tokens={needed} or more"
        )


def check_prompts(model: EmotionModel, prompter: Prompter, groups: Iterable[Sequence[Query]], room: int = 0) -> None:
    """Raise MercError for prompts that are longer than the model's context, answers included, or ``room`` tokens that
    may be written. Nothing is computed."""

    def encode(query: Query) -> EncodedPrompt:
        prompt = prompter.prompt(query)
        answers: Literal["labels", "gold"] = "labels" if is_label_prompt(prompt) else "gold"
        return model.encode(prompt, query, answers, longest=model.context)

    check_depth((p for group in groups for p in encode_group(group, encode, model.context)), model.context, room)


def encode_group(
    group: Sequence[Query], encode: Callable[[Query], EncodedPrompt], context: int | None
) -> list[EncodedPrompt]:
    """The prompts of a group, in order, in a time that does not grow with the square of a very long conversation.

    Prompts that show all that was said grow from one to the next. Where several in a row are longer than the context
    and the last of the group is longer still, those between are not put together: each counts as long as the one
    before them.
    """
    prompts: list[EncodedPrompt] = []
    growing = 0
    for place, query in enumerate(group, start=1):
        prompts.append(encode(query))
        grows = len(prompts) == 1 or prompts[-1].depth > prompts[-2].depth
        growing = growing + 1 if context is not None and prompts[-1].depth > context and grows else 0
        if growing == _GROWING and len(group) - place > 1:
            last = encode(group[-1])
            if last.depth > prompts[-1].depth:
                between = [replace(prompts[-1], target=q.target.id) for q in group[place:-1]]
                return [*prompts, *between, last]
    return prompts


def _why_without_words(query: Query) -> dict[str, str]:
    """Why there are no words, where somebody listened for them and understood none: what stands beside other media that
    are missing, so that no label of such an utterance looks as if words had been read."""
    why = query.target.missing.get("text")
    return {"text": why} if why and not query.target.text else {}
