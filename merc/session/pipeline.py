"""A run: data, features, model, stages in order, evaluation, report."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from merc.components import Metric, Prediction, Prompter, Query
from merc.cues import CueTable
from merc.errors import MercError
from merc.evaluation import (
    check_metrics,
    compute_metrics,
    read_metrics,
    read_predictions,
    write_metrics,
    write_predictions,
    write_report,
)
from merc.evaluation.projection import FILE as STATES_FILE
from merc.evaluation.projection import StatesById, write_states
from merc.features import FeatureTable
from merc.model.build import build_model, check_backbone, pick_device
from merc.model.emotion_model import EmotionModel
from merc.recipe import ComponentRef, Evaluate, Recipe
from merc.registry import get_registry
from merc.session.backbone import check_same, pinned, recorded_backbone, recorded_date
from merc.session.cues import (
    cue_record,
    known_cues,
    missing_cues,
    note_cues,
    prompters_of,
    read_cues,
    wanted_conversations,
)
from merc.session.data import Data, FeatureCache, load_data, missing_streams, queries, used_streams
from merc.session.demonstrations import (
    Demonstrations,
    check_length,
    check_shown,
    last_demonstrations,
    record_of,
    selectors_of,
)
from merc.session.directory import RunDirectory
from merc.session.encoding import encode_streams, note_features
from merc.session.examples import all_queries
from merc.session.heads import check_values, known_counts, teaches
from merc.session.label_history import check_told, gold_note, with_gold
from merc.session.media_check import Asked, check_files, check_media
from merc.session.media_hash import media_hashes
from merc.session.predicting import Predictor, check_prompts, check_room
from merc.session.provenance import record_provenance, record_seconds
from merc.session.reporter import Reporter, Silent
from merc.session.segmentation import check_datasets, measured
from merc.session.stages import Stages
from merc.session.start import Start, start_of
from merc.training.interrupt import stops_at_once
from merc.training.strategies import make_strategy
from merc.training.strategy import Strategy


def run_recipe(recipe: Recipe, path: Path, reporter: Reporter, resume: bool = False) -> dict[str, Any]:
    """Run a recipe into a directory and give its metrics by split.

    Raises MercError for a user's mistake and for a directory in which another process is running, and
    ``merc.training.interrupt.Stopped`` when it was asked to stop: with ``resume`` the same call goes on. A run that is
    finished is left as it is.
    """
    with stops_at_once("stopped; --resume goes on"):
        run = _Run(recipe, path, reporter, resume)
        try:
            return run.run()
        finally:
            run.directory.release()


class _Run:
    def __init__(self, recipe: Recipe, path: Path, reporter: Reporter, resume: bool) -> None:
        self.recipe, self.resume = recipe, resume
        self.directory = RunDirectory(path)
        self.strategy: Strategy = make_strategy(recipe.strategy)
        self.reporter: Reporter = reporter if self.strategy.first else Silent()
        self.device = pick_device(recipe.strategy.device)
        self.how = recipe.evaluate or Evaluate()
        self.prompters = prompters_of(recipe)
        self.metrics = metrics_of(recipe)

    def run(self) -> dict[str, Any]:
        recipe, directory = self.recipe, self.directory
        started = time.monotonic()
        if recipe.strategy.threads:
            torch.set_num_threads(recipe.strategy.threads)
        if not recipe.stages and recipe.evaluate is None:
            raise MercError(f"{recipe.name}: there is nothing to do: give stages to train, or evaluate, or both")
        if self.strategy.first:
            if directory.recipe_file.exists():
                directory.hold()
            directory.check(recipe, self.resume)
        self.strategy.barrier()
        if directory.is_finished(recipe):
            return self._as_it_is()
        record = recorded_backbone(directory.provenance)
        self.recipe = recipe = pinned(recipe, record)
        first = recipe.stages[0].id if recipe.stages else None
        start = start_of(recipe) if first is not None and not directory.is_done(first) else None
        data, cues = self._data()
        notes = self._look_after_backbone(record, start)
        new = self.strategy.first and directory.open(recipe, self.resume)
        for note in notes:
            self._say(note)
        try:
            return self._work(data, cues, start, started)
        except MercError:
            if new:
                directory.abandon()
            raise

    def _work(self, data: Data, cues: CueTable, start: Start | None, started: float) -> dict[str, Any]:
        recipe, directory = self.recipe, self.directory
        self._record(data, cues, start)
        data = data.with_cues(cues)
        predictions = self._predicted_before(data)
        if predictions is None:
            predictions = self._predicted_now(data, cues, start)
        if recipe.evaluate is None:
            self.reporter.say(f"trained; the stages are in {directory.path / 'stages'}")
            return {}
        try:
            metrics = compute_metrics(predictions, data.labels, self.metrics)
            if self.strategy.first:
                record_seconds(directory.provenance, time.monotonic() - started)
                write_metrics(directory.metrics, metrics)
                self._report(data)
        except MercError as error:
            kept = f"the predictions are kept in {directory.path}: with --resume the run goes on from them"
            raise MercError(f"{error}\n{kept}") from error
        self.strategy.barrier()
        return metrics

    def _predicted_before(self, data: Data) -> list[Prediction] | None:
        """The predictions that were made before the run ended without its metrics; ``None`` where there are none."""
        directory = self.directory
        if self.recipe.evaluate is None or not directory.predictions.exists() or not directory.is_trained(self.recipe):
            return None
        if self.how.states and not (directory.path / STATES_FILE).exists():
            return None
        try:
            found = read_predictions(directory.predictions)
        except MercError as error:
            self._say(f"{error}: predicted anew")
            return None
        talks = [c for split in self.how.splits for c in measured(data.split(split), self.how)]
        wanted = [(c.split, c.id, u.id) for c in talks for u in c.utterances]
        if [(p.split, p.conversation, p.id) for p in found] != wanted:
            self._say(f"{directory.predictions} holds predictions of other utterances: predicted anew")
            return None
        self.reporter.say("predicted before: the predictions are read, not made again")
        return found

    def _predicted_now(self, data: Data, cues: CueTable, start: Start | None) -> list[Prediction]:
        """Train what is not trained yet, predict, and write the predictions, before anything is made of them that may
        fail."""
        recipe, directory = self.recipe, self.directory
        demonstrations = self._demonstrations(data)
        asked = self._asked(data, demonstrations)
        untrained = not any(directory.is_done(stage.id) for stage in recipe.stages)
        if untrained and start is None:
            check_files(recipe, asked)
        shown, table = self._features(data, demonstrations)
        model, begun = self._model(table, start)
        if untrained:
            check_media(recipe, model.parts(), asked, table.missing, begun)
        self._check_prompts(model, asked)

        def predict(
            split: str, prompter: Prompter, selector: ComponentRef | None, states: StatesById | None = None
        ) -> list[Prediction]:
            groups = self._queries(data, split, selector, demonstrations)
            return self._predict(model, data, split, groups, prompter, shown & set(prompter.streams()), table, cues,
                                 states)  # fmt: skip

        Stages(recipe, directory, self.strategy, self.reporter, self._say, self.resume, demonstrations, begun).run(
            model, data, self.metrics, predict
        )
        if recipe.evaluate is None:
            return []
        states: StatesById | None = {} if self.how.states else None
        chooses = last_demonstrations(recipe)
        predictions = [p for split in self.how.splits for p in predict(split, last_prompter(recipe), chooses, states)]
        if self.strategy.first:
            if states is not None:
                write_states(directory.path, predictions, states)
            write_predictions(directory.predictions, predictions)
        return predictions

    def _as_it_is(self) -> dict[str, Any]:
        self.reporter.say(f"{self.directory.path} holds this run, finished: there is nothing to go on with")
        if self.strategy.first:
            self.directory.mend()
        if self.recipe.evaluate is None:
            return {}
        if self.strategy.first and not self.directory.report.exists():
            data = load_data(self.recipe)
            self._report(replace(data, conversations=tuple(known_cues(self.recipe, data.conversations))))
        return {split: dict(numbers) for split, numbers in read_metrics(self.directory.metrics).items()}

    def _data(self) -> tuple[Data, CueTable]:
        """Conversations, and the cues that their prompts read. Teachers are not asked, so whoever waits for one knows
        it before anything is made."""
        with self.reporter.task("conversations") as progress:
            if not self.strategy.first:
                self.strategy.barrier()  # the first process makes what a corpus makes; the others find it made
            data = load_data(self.recipe)
            if self.strategy.first:
                self.strategy.barrier()
            progress(1.0, f"{len(data.conversations)}")
        for task in self.recipe.tasks:
            data.split(task.data.split, f"{task.path}.data.split")
            check_datasets(f"{task.path}.data", task.data, data)
        for split in self.how.splits if self.recipe.evaluate else ():
            data.split(split, "evaluate.splits")
        judged = {*(self.how.splits if self.recipe.evaluate else ()), *(["dev"] if self.recipe.stages else [])}
        check_metrics([c for c in data.conversations if c.split in judged], data.labels, self.metrics)
        check_values(self.recipe.heads, data.conversations, data.labels)
        wanted = partial(wanted_conversations, self.recipe, data.conversations)
        return data, read_cues(self.recipe, self.prompters, wanted, data.conversations, self.reporter)

    def _look_after_backbone(self, record: Mapping[str, Any], start: Start | None) -> list[str]:
        """See that the backbone can be loaded, before hours go into features, and that it is the one that the run, and
        the run that it starts from, were made with. A hub model is fetched now. Gives sentences for the user."""
        if not self.strategy.first:
            self.strategy.barrier()  # the first process fetches; the others find it fetched
        check_backbone(self.recipe)
        notes = []
        if self.strategy.first:
            if self.directory.provenance.exists():
                notes.append(check_same(self.recipe, record, self.directory.path))
            if start is not None:
                notes.append(check_same(self.recipe, start.backbone(), start.run, "init_from: "))
            self.strategy.barrier()
        return [note for note in notes if note]

    def _record(self, data: Data, cues: CueTable, start: Start | None) -> None:
        if self.strategy.first:
            record_provenance(
                self.directory.provenance, self.recipe, data.conversations, cue_record(self.recipe, cues),
                start.record() if start else None, self._media(data),
            )  # fmt: skip
            self.directory.write_labels(data.labels)
        for note in (*self.recipe.notes, *data.notes):
            self._say(note)
        wanted = partial(wanted_conversations, self.recipe, data.conversations)
        log = self.directory.log if self.strategy.first else lambda record: None
        note_cues(self.recipe, self.prompters, cues, wanted, self._say, log)

    def _media(self, data: Data) -> dict[str, Any]:
        wanted = wanted_conversations(self.recipe, data.conversations)
        return media_hashes(self.recipe, used_streams(self.recipe)[0], wanted, self.reporter)

    def _demonstrations(self, data: Data) -> Demonstrations | None:
        """What fills the run's queries with demonstrations, if anything does."""
        if not selectors_of(self.recipe):
            return None
        return Demonstrations(
            self.recipe, data.labels, data.by_split.get("train", ()), self.directory.retrieval, self.device,
            self.reporter, self._say, keep=self.strategy.first, spaces=data.spaces,
        )  # fmt: skip

    def _queries(
        self, data: Data, split: str, selector: ComponentRef | None, demonstrations: Demonstrations | None
    ) -> list[list[Query]]:
        groups = queries(measured(data.split(split), self.how), data.labels, spaces=data.spaces)
        groups = groups if demonstrations is None else demonstrations.fill(selector, "evaluate.demonstrations", groups)
        # Whoever predicts tells the labels that are wanted; these show how long a prompt with them is.
        return groups if self.how.label_history is None else with_gold(groups)

    def _asked(self, data: Data, demonstrations: Demonstrations | None) -> Asked:
        """All that the run will ask the model, by what asks for it."""
        if not self.strategy.first:
            self.strategy.barrier()  # the first process embeds and builds what the others read
        asked: list[tuple[str, Prompter, list[list[Query]]]] = []
        for stage in self.recipe.stages:
            if self.directory.is_done(stage.id):
                continue
            for task in stage.tasks:
                assert isinstance(task.prompter.component, Prompter)
                groups = all_queries(task, data, demonstrations, teaches(stage, self.recipe.heads))
                if task.data.label_history:
                    self._note_gold(f"{task.path}.data.label_history", groups)
                asked.append((f"{task.path}.prompter", task.prompter.component, groups))
            first = stage.tasks[0]
            if first.demonstrations is not None and "dev" in data.by_split:
                groups = self._queries(data, "dev", first.demonstrations, demonstrations)
                asked.append((f"{first.path}, a look at dev", asked[-len(stage.tasks)][1], groups))
        if self.recipe.evaluate is not None:
            for name in self.how.splits:
                groups = self._queries(data, name, last_demonstrations(self.recipe), demonstrations)
                if self.how.label_history == "gold":
                    self._note_gold(f"evaluate.label_history: gold, split {name},", groups)
                asked.append((f"evaluate, split {name}", last_prompter(self.recipe), groups))
        for stage in self.recipe.stages:
            paths = {f"{task.path}.prompter" for task in stage.tasks}
            learned = [q for where, _, some in asked if where in paths for group in some for q in group]
            if learned:
                known_counts(stage, self.recipe, learned)
        if self.strategy.first:
            for path, part in selectors_of(self.recipe).items():
                where = path.removesuffix(".demonstrations")
                groups = [group for name, _, some in asked if name.startswith(where) for group in some]
                if groups:
                    self.directory.log(record_of(where, part, groups))
            self.strategy.barrier()
        return asked

    def _note_gold(self, where: str, groups: Sequence[Sequence[Query]]) -> None:
        if note := gold_note(where, groups):
            self._say(note)

    def _features(self, data: Data, demonstrations: Demonstrations | None) -> tuple[set[str], FeatureTable]:
        """The streams that prompts may show, and the features of every conversation that is learned, predicted or
        shown."""
        recipe = self.recipe
        shown, _ = used_streams(recipe)
        wanted = {task.data.split for task in recipe.tasks} | set(self.how.splits if recipe.evaluate else ())
        if recipe.stages:
            wanted.add("dev")  # training looks at it, whether or not the evaluation does
        chosen = {c.id for c in demonstrations.shown} if demonstrations is not None else set()
        conversations = [c for c in data.conversations if c.split in wanted or c.id in chosen]
        if not self.strategy.first:
            self.strategy.barrier()  # the first process encodes; the others find it encoded
        table = encode_streams(recipe, shown, conversations, self.reporter, self.device)
        if self.strategy.first:
            note_features(recipe, shown, table, self._say, self.directory.log)
            self.strategy.barrier()
        return shown, table

    def _model(self, table: FeatureTable, start: Start | None) -> tuple[EmotionModel, Collection[str]]:
        """The model, and the parts of it that come from another run."""
        with self.reporter.task("model") as progress:
            model = build_model(self.recipe, self.device, self.recipe.seed)
            model.media.source = FeatureCache(table)
            model.today = recorded_date(self.directory.provenance)
            progress(1.0, "loaded")
        begun, told = start.load(model) if start else ((), "")
        for note in [model.note, told]:
            if note:
                self._say(note)
        return model, begun

    def _check_prompts(self, model: EmotionModel, asked: Asked) -> None:
        """See that every prompt of the run fits the model, before hours go into the first of its stages."""
        with self.reporter.task("prompts") as progress:
            for number, (where, prompter, groups) in enumerate(asked, start=1):
                check_shown(where, prompter, groups)
                if any(query.label_history is not None for group in groups for query in group):
                    check_told(where, prompter, groups)
                try:
                    check_prompts(model, prompter, groups)
                except MercError as error:
                    check_length(where, model, prompter, groups)
                    raise MercError(f"{where}: {error}") from None
                if where.startswith("evaluate"):
                    check_room(model, prompter, self.how, groups)
                progress(number / len(asked), "")
        for note in model.prompts.notes:  # a prompt that is written tells what its tokenizer lacks
            self._say(note)

    def _predict(
        self,
        model: EmotionModel,
        data: Data,
        split: str,
        groups: Sequence[Sequence[Query]],
        prompter: Prompter,
        seen: set[str],
        table: FeatureTable,
        cues: CueTable,
        states: StatesById | None,
    ) -> list[Prediction]:
        def missing(utterance: str) -> dict[str, str]:
            unread = missing_cues(cues, prompter, self.recipe, utterance)
            return {**missing_streams(self.recipe, table, utterance, seen), **unread}

        predictor = Predictor(
            model, prompter, data.labels, self.how, self.recipe.strategy.batch_tokens,
            missing, self.strategy, states=states,
        )  # fmt: skip
        with self.reporter.task(f"predict {split}") as progress:
            return predictor.predict(groups, progress)

    def _report(self, data: Data) -> None:
        with self.reporter.task("report"):
            write_report(self.directory.path, data.conversations, data.labels)

    def _say(self, sentence: str) -> None:
        self.reporter.say(sentence)
        if self.strategy.first:
            self.directory.note(sentence)


def last_prompter(recipe: Recipe) -> Prompter:
    """The prompter that predictions are made with: the evaluation's own, or the last stage's."""
    part = recipe.evaluate.prompter if recipe.evaluate and recipe.evaluate.prompter else None
    if part is None:
        if not recipe.stages:
            raise MercError(f"{recipe.name}: evaluate.prompter is needed, since there is no stage to take one from")
        part = recipe.stages[-1].prompter
    assert isinstance(part.component, Prompter)
    return part.component


def metrics_of(recipe: Recipe) -> Mapping[str, ComponentRef]:
    """The metrics of the evaluation; where a recipe has none, training still chooses by ``classification``."""
    if recipe.evaluate is not None and recipe.evaluate.metrics:
        return recipe.evaluate.metrics
    found = get_registry().resolve("metric", "classification")
    assert issubclass(found, Metric)
    return {"classification": ComponentRef(name="classification", params={}, component=found())}
