"""A trained run, used again: its recipe, its labels, and the model as its last stage left it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from merc.components import Prediction, Prompter, Query
from merc.conversation import Conversation, LabelSpace
from merc.cues import CueTable
from merc.errors import MercError
from merc.evaluation.projection import StatesById
from merc.features import FeatureTable
from merc.model.build import build_model, check_backbone, pick_device
from merc.model.emotion_model import EmotionModel
from merc.model.state import load_stage
from merc.recipe import Evaluate, Recipe, Use, load_recipe
from merc.session.backbone import check_same, pinned, recorded_backbone, recorded_date
from merc.session.cues import SHOWN, missing_cues, read_cues
from merc.session.data import FeatureCache, Spaces, load_data, missing_streams, queries
from merc.session.demonstrations import Demonstrations, check_length, last_demonstrations
from merc.session.directory import RunDirectory, recipe_name
from merc.session.encoding import encode_streams
from merc.session.label_history import check_told, gold_note
from merc.session.pipeline import last_prompter
from merc.session.predicting import Predictor, check_room
from merc.session.reporter import Reporter


@dataclass(frozen=True)
class TrainedRun:
    """A run whose stages are trained. ``recipe`` is the run's own, with what was changed for this use."""

    directory: RunDirectory
    recipe: Recipe
    labels: LabelSpace
    device: str

    @property
    def prompter(self) -> Prompter:
        """What asks for the label: the evaluation's prompter, or the last stage's."""
        return last_prompter(self.recipe)

    @property
    def how(self) -> Evaluate:
        """How labels are decoded."""
        return self.recipe.evaluate or Evaluate()


@dataclass(frozen=True)
class Asked:
    """What a run is asked: queries by conversation, and the conversations of the train split that they show.

    Where ``unanswered`` is a dictionary, prompts that are longer than the model's context get no answer and are kept
    there, their lengths by the ids of their utterances; else they are an error.
    """

    groups: list[list[Query]]
    shown: Sequence[Conversation] = ()
    unanswered: dict[str, int] | None = None

    def of(self, split: str) -> Asked:
        """The queries of one split."""
        return Asked([group for group in self.groups if group[0].conversation.split == split], self.shown)


def check_changes(overrides: Sequence[str], may_change: Sequence[str]) -> None:
    """Raise MercError for a ``key=value`` that is not in one of the sections ``may_change``.

    >>> check_changes(["strategy.device=cpu", "seed=1"], ["strategy", "features"])
    Traceback (most recent call last):
    merc.errors.MercError: 'seed=1': a trained run keeps what it is; what can be changed here is strategy.*, features.*
    """
    for override in overrides:
        if re.split(r"[.=]", override, maxsplit=1)[0] not in may_change:
            allowed = ", ".join(f"{name}.*" for name in may_change)
            raise MercError(f"{override!r}: a trained run keeps what it is; what can be changed here is {allowed}")


def open_run(path: Path, overrides: Sequence[str] = (), use: Use = "predict") -> TrainedRun:
    """The trained run of a directory, with ``key=value`` changes to its recipe.

    Only what its use needs is looked up: a plugin that brought the trainer or, to predict, a metric may be gone.
    Nothing heavy is loaded yet. Raises MercError for a folder that holds no run or one that was not trained to its
    end, and for a device that is not there.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise MercError("a trained run is used in one process; start merc without a launcher")
    directory = RunDirectory(path)
    recipe = pinned(directory.trained(overrides, use), recorded_backbone(directory.provenance))
    return TrainedRun(directory, recipe, directory.read_labels(), pick_device(recipe.strategy.device))


def check_run(run: TrainedRun, say: Callable[[str], None]) -> None:
    """See, before anything is encoded, that the run's backbone can be loaded and is the one that the run was made with.
    Raises MercError where it is not. A run that does not record its weights is used, and ``say`` is given a sentence.
    """
    check_backbone(run.recipe)
    path = run.directory.path
    if note := check_same(run.recipe, recorded_backbone(run.directory.provenance), path):
        say(note)


def ask(
    run: TrainedRun,
    conversations: Sequence[Conversation],
    reporter: Reporter,
    say: Callable[[str], None],
    spaces: Spaces | None = None,
) -> Asked:
    """The queries for conversations as they are given, with demonstrations where the run has some. Those of a dataset
    in ``spaces`` have its labels, others all that the run knows.

    These come from the run's own train split, whatever is predicted, so its corpus is read then. Raises MercError where
    it cannot be.
    """
    groups = queries(conversations, run.labels, spaces=spaces)
    if run.how.label_history:
        check_told("evaluate.label_history", run.prompter, groups)
    if run.how.label_history == "gold" and (note := gold_note("evaluate.label_history: gold", groups)):
        say(note)
    part = last_demonstrations(run.recipe)
    if part is None:
        return Asked(groups)
    own = load_recipe(recipe_name(run.directory.path), use="predict")
    with reporter.task("the run's train split") as progress:
        try:
            data = load_data(own, run.labels)
        except MercError as error:
            raise MercError(
                "this run shows demonstrations from its own train split, which cannot be read: "
                f"{str(error).rstrip('.')}; bring it back to where it was, or ask without, by "
                "evaluate.demonstrations=null"
            ) from None
        train = data.split("train")
        progress(1.0, f"{len(train)}")
    recipe = replace(own, features=run.recipe.features)
    where = "evaluate.demonstrations"
    chooses = Demonstrations(
        recipe, run.labels, train, run.directory.retrieval, run.device, reporter, say, spaces=data.spaces
    )
    chooses.fill(part, where, groups)
    shown = chooses.shown
    cues = read_cues(recipe, [(SHOWN, run.prompter)], lambda fields: shown, data.conversations, reporter)
    chooses.use(cues.beside(shown), conversations)
    return Asked(chooses.fill(part, where, groups), chooses.shown)


def encode_for(
    run: TrainedRun, conversations: Sequence[Conversation], reporter: Reporter, shown: Sequence[Conversation] = ()
) -> FeatureTable:
    """The features that the run's prompts show, of the conversations and of those shown as demonstrations."""
    return encode_streams(run.recipe, run.prompter.streams(), [*conversations, *shown], reporter, run.device)


def load_model(
    run: TrainedRun, table: FeatureTable, reporter: Reporter, say: Callable[[str], None] = lambda sentence: None
) -> EmotionModel:
    """The model with its features, ready to predict. A run without stages gives the backbone as it was loaded."""
    recipe = run.recipe
    if recipe.strategy.threads:
        torch.set_num_threads(recipe.strategy.threads)
    with reporter.task("model") as progress:
        model = build_model(recipe, run.device, recipe.seed)
        if recipe.stages:  # every stage keeps the whole state, what it did not train included
            load_stage(model, run.directory.stage(recipe.stages[-1].id))
        model.media.source = FeatureCache(table)
        model.today = recorded_date(run.directory.provenance)
        progress(1.0, "loaded")
    model.eval()
    if model.note:
        say(model.note)
    return model


def predict(
    run: TrainedRun,
    model: EmotionModel,
    table: FeatureTable,
    asked: Asked,
    reporter: Reporter,
    title: str = "predict",
    cues: CueTable | None = None,
    states: StatesById | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Prediction]:
    """A prediction for every utterance, in order; ``states`` is filled as a Predictor fills it. ``say`` is told what
    the prompts show of the tokenizer: that it has no chat template, for example.

    Raises MercError for labels longer than may be written and, unless ``asked.unanswered`` keeps them, for prompts
    longer than the model's context.
    """
    check_room(model, run.prompter, run.how, asked.groups)
    streams = set(run.prompter.streams())
    known = len(model.prompts.notes)
    predictor = Predictor(
        model, run.prompter, run.labels, run.how, run.recipe.strategy.batch_tokens,
        lambda utterance: {
            **missing_streams(run.recipe, table, utterance, streams),
            **missing_cues(cues or CueTable(), run.prompter, run.recipe, utterance),
        },
        states=states,
    )  # fmt: skip
    predictor.unanswered = asked.unanswered
    with reporter.task(title) as progress:
        try:
            found = predictor.predict(asked.groups, progress)
        except MercError:
            check_length("evaluate.demonstrations", model, run.prompter, asked.groups)
            raise
    for note in model.prompts.notes[known:]:
        (say or reporter.say)(note)
    return found


def too_long(unanswered: Mapping[str, int], total: int, context: int | None) -> str:
    """A sentence about the utterances that got no answer.

    >>> print(too_long({"u3": 812}, 20, 512))
    1 of 20 utterances has no answer, since its prompt is longer than the model's context of 512 tokens: u3 (812 tokens)
    """
    shown = [f"{name} ({length:,} tokens)" for name, length in list(unanswered.items())[:5]]
    more = f" and {len(unanswered) - 5} more" if len(unanswered) > 5 else ""
    have, its = ("has", "its prompt is") if len(unanswered) == 1 else ("have", "their prompts are")
    return (
        f"{len(unanswered)} of {total} utterances {have} no answer, since {its} longer than the model's context of "
        f"{context} tokens: {', '.join(shown)}{more}"
    )


def as_record(prediction: Prediction, how: Evaluate, length: int | None = None) -> dict[str, Any]:
    """What ``merc predict`` writes of a prediction: its id and label, then what the decoder gives. ``length``
    is that of a prompt that was too long to be answered.

    >>> as_record(Prediction(id="u", conversation="c", label="joy", probabilities={"joy": 1.0}), Evaluate())
    {'id': 'u', 'label': 'joy', 'probabilities': {'joy': 1.0}, 'missing': {}}
    """
    given: dict[str, Any] = {}
    if "text" in how.decoder.gives:
        given["text"] = prediction.text
    if "probabilities" in how.decoder.gives:
        given["probabilities"] = dict(prediction.probabilities or {})
    if prediction.values:
        given["values"] = dict(prediction.values)
    if how.label_history:
        given = {**given, "label_history": how.label_history}
    if length is not None:
        given = {**given, "unanswered": f"its prompt of {length} tokens is longer than the model's context"}
    return {"id": prediction.id, "label": prediction.label, **given, "missing": dict(prediction.missing)}
