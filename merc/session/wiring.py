"""The order of all work with a model, in one place: data, cues, demonstrations, features, model, predictions.

``merc run`` trains between the model and the predictions (``merc.session.pipeline``); whatever else is done with a run
goes through ``merc.session.session``. Both take each step from here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from merc.components import Decoder, Metric, Prediction, Prompter, Query
from merc.consent import require
from merc.conversation import Conversation, LabelSpace
from merc.cues import CueTable
from merc.errors import MercError
from merc.features import FeatureTable
from merc.model.build import build_model
from merc.model.emotion_model import EmotionModel
from merc.model.precision import other_precision
from merc.recipe import ComponentRef, Evaluate, Recipe
from merc.registry import get_registry
from merc.session.backbone import recorded_date
from merc.session.cues import Prompting, Wanted, annotate_input, missing_cues, note_cues, read_cues
from merc.session.data import Data, FeatureCache, Spaces, load_data, missing_streams, queries
from merc.session.demonstrations import Demonstrations, check_length, last_demonstrations
from merc.session.directory import RunDirectory
from merc.session.encoding import encode_streams, encode_with
from merc.session.journal import Journal
from merc.session.predicting import Predictor
from merc.session.reporter import Progress
from merc.session.shared_model import KeptBetween
from merc.training.strategy import Strategy

if TYPE_CHECKING:
    from merc.evaluation.projection import StatesById


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How emotions are predicted: what asks for a label (``prompter``) and what chooses its demonstrations, among which
    labels, and how the answer is decoded (``how``). ``spaces`` are the labels of datasets that have their own."""

    prompter: Prompter
    labels: LabelSpace
    how: Evaluate
    selector: ComponentRef | None = None
    spaces: Spaces = field(default_factory=dict)

    @staticmethod
    def of(recipe: Recipe, labels: LabelSpace, spaces: Spaces | None = None) -> Setup:
        """That of a recipe's evaluation, or of its last stage where it has none."""
        return Setup(
            prompter=last_prompter(recipe), labels=labels, how=recipe.evaluate or Evaluate(),
            selector=last_demonstrations(recipe), spaces=spaces or {},
        )  # fmt: skip

    def queries(self, conversations: Sequence[Conversation]) -> list[list[Query]]:
        """A query for each utterance, grouped by conversation."""
        return queries(conversations, self.labels, spaces=self.spaces)


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """What prompts are made of beside words: the cues that annotators wrote, and the features of media."""

    cues: CueTable
    table: FeatureTable

    @cached_property
    def source(self) -> FeatureCache:
        """What gives the model the features."""
        return FeatureCache(self.table)

    def missing(self, recipe: Recipe, prompter: Prompter, utterance: str) -> dict[str, str]:
        """Why the model does not see some of an utterance, by encoder and annotator."""
        return {
            **missing_streams(recipe, self.table, utterance, set(prompter.streams())),
            **missing_cues(self.cues, prompter, recipe, utterance),
        }


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a model is asked. ``title`` is shown beside the progress; where it is empty, no progress is shown.

    Where ``unanswered`` is a dictionary, prompts that are longer than the model's context get no answer and are kept
    there, their lengths by the ids of their utterances; else they are an error. ``states``, where it is a dictionary,
    is filled with the hidden states at which labels were scored. ``between`` is what the prediction before left.
    """

    groups: Sequence[Sequence[Query]]
    title: str = "predict"
    unanswered: dict[str, int] | None = None
    states: StatesById | None = None
    between: KeptBetween | None = None


class Wiring:
    """The steps of a recipe's work, in their order. ``directory`` is where the run lies or will lie.

    Where several processes work, the first one makes what is kept in files, and the others find it made.
    """

    def __init__(
        self, recipe: Recipe, directory: RunDirectory, device: str, journal: Journal, strategy: Strategy | None = None
    ) -> None:
        self.recipe, self.directory, self.device, self.journal = recipe, directory, device, journal
        self.strategy = strategy
        self.first = strategy is None or strategy.first
        if recipe.strategy.threads:
            torch.set_num_threads(recipe.strategy.threads)

    def data(self, labels: LabelSpace | None = None) -> Data:
        """Step 1: the conversations of the recipe's corpus, with ``labels`` or those of the recipe or the corpus."""
        with self.journal.task("conversations") as progress, self.in_turn():
            data = load_data(self.recipe, labels, self.directory.split)
            progress(1.0, f"{len(data.conversations)}")
        return data

    def cues(self, prompters: Prompting, conversations_of: Wanted, corpus: Sequence[Conversation]) -> CueTable:
        """Step 2: the cues that prompts read. Teachers are not asked, so whoever waits for one knows it before anything
        is made."""
        return read_cues(self.recipe, prompters, conversations_of, corpus, self.journal)

    def annotated(self, prompter: Prompter, conversations: Sequence[Conversation]) -> CueTable:
        """Step 2 for conversations that somebody gave: teachers are asked now about what they have not answered."""
        asking = [("", prompter)]
        cues = annotate_input(self.recipe, asking, conversations, self.journal, self.device)
        note_cues(self.recipe, asking, cues, lambda fields: conversations, self.journal)
        for name in self.recipe.annotators:
            for utterance, reason in cues.missing(name).items():
                self.journal.say(f"annotators.{name}: {utterance}: {reason}")
        return cues

    def demonstrations(self, data: Data, keep: bool = True) -> Demonstrations:
        """Step 3: what chooses from the train split of ``data``; with ``keep`` it keeps its index in the directory."""
        pool = queries(data.by_split.get("train", ()), data.labels, spaces=data.spaces)
        return Demonstrations(
            self.recipe, pool, self.directory.retrieval, self.device, self.journal, keep and self.first
        )

    def features(self, streams: Collection[str], conversations: Sequence[Conversation]) -> FeatureTable:
        """Step 4: the features that prompts with these streams show of conversations."""
        with self.in_turn():
            return encode_streams(self.recipe, streams, conversations, self.journal, self.device)

    def features_with(
        self, encoders: Mapping[str, ComponentRef], conversations: Sequence[Conversation]
    ) -> FeatureTable:
        """Step 4 with other encoders than the recipe's."""
        with self.in_turn():
            return encode_with(self.recipe, encoders, conversations, self.journal, self.device)

    def model(self, load: Callable[[EmotionModel], None] | None = None) -> EmotionModel:
        """Step 5: the model as it is before anything was trained, or as ``load`` leaves it, with the date that the
        run's prompts state. Raises MercError where the decoder would reach what the user does not let it."""
        if self.recipe.evaluate is not None:
            decoder = self.recipe.evaluate.decoder
            require(decoder, f"decoder {get_registry().name_of(decoder)!r}")
        model = build_model(self.recipe, self.device, self.recipe.seed, load)
        if self.recipe.backbone is not None and model.backbone is not None:
            dtype, held = self.recipe.backbone.component.dtype, model.backbone.dtype  # type: ignore[attr-defined]
            if dtype != held:
                self.journal.say(other_precision("backbone.dtype", dtype, held))
        model.today = recorded_date(self.directory.provenance)
        return model

    def predictions(self, model: EmotionModel, setup: Setup, material: Material, request: Request) -> list[Prediction]:
        """Step 6: a prediction for every query, in order.

        Raises MercError for prompts longer than the model's context, unless ``request.unanswered`` keeps them.
        """
        predictor = self._predictor(model, setup, material)
        predictor.unanswered, predictor.states, predictor.between = request.unanswered, request.states, request.between
        known = len(model.prompts.notes)
        silent: AbstractContextManager[Progress] = nullcontext(lambda share, text: None)
        with self.journal.task(request.title) if request.title else silent as progress:
            try:
                predictions = predictor.predict(request.groups, progress)
            except MercError:
                check_length("evaluate.demonstrations", model, setup.prompter, request.groups)
                raise
        for note in model.prompts.notes[known:]:  # a prompt that is written tells what its tokenizer lacks
            self.journal.say(note)
        return predictions

    def fitted(
        self, model: EmotionModel, setup: Setup, material: Material, groups: Sequence[Sequence[Query]]
    ) -> Decoder:
        """The decoder of ``setup`` as it is fitted to the queries of the split that it wants, before step 6."""
        with self.journal.task("fit the decoder") as progress:
            return self._predictor(model, setup, material).fitted(groups, progress)

    def _predictor(self, model: EmotionModel, setup: Setup, material: Material) -> Predictor:
        return Predictor(
            model, setup.prompter, setup.labels, setup.how, self.recipe.strategy.batch_tokens,
            lambda utterance: material.missing(self.recipe, setup.prompter, utterance), self.strategy,
        )  # fmt: skip

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """A block that the first process goes through before the others."""
        if self.strategy is not None and not self.first:
            self.strategy.barrier()
        yield
        if self.strategy is not None and self.first:
            self.strategy.barrier()


def last_prompter(recipe: Recipe) -> Prompter:
    """The prompter that predictions are made with: the evaluation's own, or the last stage's."""
    part = recipe.last_prompter
    if part is None:
        raise MercError(f"{recipe.name}: evaluate.prompter is needed, since there is no stage to take one from")
    assert isinstance(part.component, Prompter)
    return part.component


def metrics_of(recipe: Recipe) -> Mapping[str, ComponentRef]:
    """The metrics of the evaluation; where a recipe has none, training still chooses by ``classification``."""
    if recipe.evaluate is not None and recipe.evaluate.metrics:
        return recipe.evaluate.metrics
    metric = get_registry().resolve("metric", "classification")
    assert issubclass(metric, Metric)
    return {"classification": ComponentRef(name="classification", params={}, component=metric())}
