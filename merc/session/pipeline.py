"""A run: data, features, model, stages in order, evaluation, report."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from merc.components import Prediction, Prompter, Query
from merc.consent import hide
from merc.conversation import Conversation
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
from merc.evaluation.corruption import with_corruptions
from merc.evaluation.projection import FILE as STATES_FILE
from merc.evaluation.projection import StatesById, write_states
from merc.features import FeatureTable
from merc.model.build import check_backbone, pick_device
from merc.model.emotion_model import EmotionModel
from merc.recipe import ComponentRef, Evaluate, Recipe
from merc.registry.faults import note_fault
from merc.session.backbone import check_same, pinned, recorded_backbone
from merc.session.corruption import CorruptedEvaluation
from merc.session.cues import cue_record, known_cues, note_cues, prompters_of, wanted_conversations
from merc.session.data import Data, load_data, used_streams
from merc.session.demonstrations import Demonstrations, last_demonstrations, selectors_of
from merc.session.directory import RunDirectory
from merc.session.encoding import note_features
from merc.session.fitted import fitted_on, keep_fitted
from merc.session.heads import check_values
from merc.session.journal import Journal
from merc.session.last_evaluation import LastEvaluation
from merc.session.media_check import check_files, check_media
from merc.session.media_hash import media_hashes
from merc.session.own_media import check_corrupted
from merc.session.provenance import record_provenance, record_seconds
from merc.session.read_files import check_decoder, file_hashes
from merc.session.reporter import Reporter, Silent
from merc.session.run_prompts import RunPrompts, fitted_splits
from merc.session.segmentation import check_datasets, measured
from merc.session.splitting import write_parts
from merc.session.stages import Stages
from merc.session.start import Start, start_of
from merc.session.wiring import Material, Request, Setup, Wiring, last_prompter, metrics_of
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
        run = Run(recipe, path, reporter, resume)
        try:
            return run.run()
        except Exception as error:
            run.keep_fault(error)
            raise
        finally:
            run.directory.release()


class Run:
    """A run: the steps of ``merc.session.wiring``, and training between the model and the predictions."""

    def __init__(self, recipe: Recipe, path: Path, reporter: Reporter, resume: bool) -> None:
        self.recipe, self.resume = recipe, resume
        self.directory = RunDirectory(path)
        self.strategy: Strategy = make_strategy(recipe.strategy)
        self.reporter: Reporter = reporter if self.strategy.first else Silent()
        self.journal = Journal(self.reporter, self.directory if self.strategy.first else None, recipe.trackers)
        self.device = pick_device(recipe.strategy.device)
        self.how = recipe.evaluate or Evaluate()
        self.prompters = prompters_of(recipe)
        self.metrics = metrics_of(recipe)

    def keep_fault(self, error: Exception) -> None:
        """Keep the traceback of a fault in a component's code in the run's log, and note in the exception that it is
        there: what took hours need not be done again to see it."""
        if note_fault(error) is None or not self.strategy.first or not self.directory.log_file.exists():
            return
        trace = hide("".join(traceback.format_exception(error)))
        with contextlib.suppress(OSError):
            self.journal.log({"event": "fault", "traceback": trace})
            error.add_note(f"the whole traceback is the last line of {self.directory.log_file}")

    def run(self) -> dict[str, Any]:
        """Do all of it, and give the metrics by split."""
        recipe, directory = self.recipe, self.directory
        started = time.monotonic()
        if not recipe.stages and recipe.evaluate is None:
            raise MercError(f"{recipe.name}: there is nothing to do: give stages to train, or evaluate, or both")
        if recipe.stages and recipe.strategy.shard == "auto":
            raise MercError(
                "strategy.shard=auto is for inference, and this recipe trains; train without it (with several GPUs by "
                "strategy={name: deepspeed, zero: 3}), then: merc evaluate RUN strategy.shard=auto"
            )
        if self.strategy.first:
            if directory.recipe_file.exists():
                directory.hold()
            directory.check(recipe, self.resume)
        self.strategy.barrier()
        if directory.is_finished(recipe):
            return self._as_it_is()
        record = recorded_backbone(directory.provenance)
        self.recipe = recipe = pinned(recipe, record)
        self.wiring = Wiring(recipe, directory, self.device, self.journal, self.strategy)
        first = recipe.stages[0].id if recipe.stages else None
        start = start_of(recipe) if first is not None and not directory.is_done(first) else None
        data, cues = self._data()
        notes = self._check_backbone(record, start)
        new = self.strategy.first and directory.open(recipe, self.resume)
        for note in notes:
            self.journal.say(note)
        metrics: dict[str, Any] = {}
        try:
            if self.strategy.first:
                self.journal.trackers.of(recipe, directory, resumed=not new)
            metrics = self._work(data, cues, start, started)
            return metrics
        except MercError:
            if new:
                directory.abandon()
            raise
        finally:
            self.journal.trackers.end(metrics)

    def _work(self, data: Data, cues: CueTable, start: Start | None, started: float) -> dict[str, Any]:
        recipe, directory = self.recipe, self.directory
        if recipe.evaluate is not None:
            self.corrupted = CorruptedEvaluation(recipe, last_prompter(recipe), directory.path, self.journal)
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
            metrics = with_corruptions(metrics, self.corrupted.read(), data.labels, self.metrics)
            if self.strategy.first:
                record_seconds(directory.provenance, time.monotonic() - started)
                write_metrics(directory.metrics, metrics)
                self._report(data)
        except MercError as error:
            hint = f"the predictions are kept in {directory.path}: with --resume the run goes on from them"
            raise MercError(f"{error}\n{hint}") from error
        self.strategy.barrier()
        return metrics

    def _predicted_before(self, data: Data) -> list[Prediction] | None:
        """The predictions that were made before the run ended without its metrics; ``None`` where there are none."""
        directory = self.directory
        if self.recipe.evaluate is None or not directory.predictions.exists() or not directory.is_trained(self.recipe):
            return None
        if self.how.states and not (directory.path / STATES_FILE).exists():
            return None
        if not self.corrupted.is_there:
            return None
        try:
            predictions = read_predictions(directory.predictions)
        except MercError as error:
            self.journal.say(f"{error}: predicted anew")
            return None
        talks = [c for split in self.how.splits for c in measured(data.split(split), self.how)]
        expected = [(c.split, c.id, u.id) for c in talks for u in c.utterances]
        if [(p.split, p.conversation, p.id) for p in predictions] != expected:
            self.journal.say(f"{directory.predictions} holds predictions of other utterances: predicted anew")
            return None
        self.reporter.say("predicted before: the predictions are read, not made again")
        return predictions

    def _predicted_now(self, data: Data, cues: CueTable, start: Start | None) -> list[Prediction]:
        """Train what is not trained yet, predict, and write the predictions, before anything is made of them that may
        fail."""
        recipe, directory = self.recipe, self.directory
        demonstrations = self.wiring.demonstrations(data) if selectors_of(recipe) else None
        run_prompts = RunPrompts(recipe, directory, self.journal, data, demonstrations)
        with self.wiring.in_turn():  # the first process embeds and builds what the others read
            prompts = run_prompts.every()
        untrained = not any(directory.is_done(stage.id) for stage in recipe.stages)
        if untrained and start is None:
            check_files(recipe, prompts)
        material = Material(cues=cues, table=self._features(data, demonstrations))
        model, inherited = self._model(material, start)
        if untrained:
            check_media(recipe, model.parts(), prompts, material.table.missing, inherited)
        run_prompts.check(model, prompts)

        def predict(
            split: str, prompter: Prompter, selector: ComponentRef | None, states: StatesById | None
        ) -> list[Prediction]:
            groups = run_prompts.queries(split, selector)
            setup = Setup(prompter=prompter, labels=data.labels, how=self.how)
            request = Request(groups=groups, title=f"predict {split}", states=states)
            return self.wiring.predictions(model, setup, material, request)

        last = LastEvaluation(predict, model, self.strategy)
        Stages(recipe, directory, self.strategy, self.journal, self.resume, demonstrations, inherited).run(
            model, data, self.metrics, last.evaluate
        )
        if recipe.evaluate is None:
            return []
        if (fits_on := self.how.decoder.fits_on()) is not None:
            setup = Setup(prompter=last_prompter(recipe), labels=data.labels, how=self.how)
            groups = run_prompts.queries(fits_on, last_demonstrations(recipe))
            fitted = self.wiring.fitted(model, setup, material, groups)
            if self.strategy.first:
                self.journal.say(keep_fitted(directory.path, recipe, fitted))
            self.how = replace(self.how, decoder=fitted)
            last.forget()
        states: StatesById | None = {} if self.how.states else None
        chooses = last_demonstrations(recipe)
        prompter = last_prompter(recipe)
        predictions = [p for split in self.how.splits for p in last.predict(split, prompter, chooses, states)]

        def predict_again(groups: list[list[Query]], changed: Material, title: str) -> list[Prediction]:
            model.media.source = changed.source
            setup = Setup(prompter=last_prompter(recipe), labels=data.labels, how=self.how)
            return self.wiring.predictions(model, setup, changed, Request(groups=groups, title=title))

        every = [g for split in self.how.splits for g in run_prompts.queries(split, chooses)]
        self.corrupted.predict(every, material, self.wiring, predict_again)
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
            data = load_data(self.recipe, parts=self.directory.split)
            self._report(replace(data, conversations=tuple(known_cues(self.recipe, data.conversations))))
        return {split: dict(numbers) for split, numbers in read_metrics(self.directory.metrics).items()}

    def _data(self) -> tuple[Data, CueTable]:
        """Conversations, and the cues that their prompts read."""
        data = self.wiring.data()
        if self.recipe.evaluate is not None:
            check_decoder(self.how.decoder, data.labels)
            check_corrupted(self.recipe, Setup.of(self.recipe, data.labels))
        for task in self.recipe.tasks:
            data.split(task.data.split, f"{task.path}.data.split")
            check_datasets(f"{task.path}.data", task.data, data)
        for split in self.how.splits if self.recipe.evaluate else ():
            data.split(split, "evaluate.splits")
        if self.recipe.evaluate is not None:
            fitted_on(self.how.decoder, data)
        judged = {*(self.how.splits if self.recipe.evaluate else ()), *(["dev"] if self.recipe.stages else [])}
        check_metrics([c for c in data.conversations if c.split in judged], data.labels, self.metrics)
        check_values(self.recipe.heads, data.conversations, data.labels)
        conversations_of = partial(wanted_conversations, self.recipe, data.conversations)
        return data, self.wiring.cues(self.prompters, conversations_of, data.conversations)

    def _check_backbone(self, record: Mapping[str, Any], start: Start | None) -> list[str]:
        """See that the backbone can be loaded, before hours go into features, and that it is the one that the run, and
        the run that it starts from, were made with. A hub model is fetched now. Gives sentences for the user."""
        notes = []
        with self.wiring.in_turn():
            check_backbone(self.recipe)
            if self.strategy.first:
                if self.directory.provenance.exists():
                    notes.append(check_same(self.recipe, record, self.directory.path))
                if start is not None:
                    notes.append(check_same(self.recipe, start.backbone(), start.run, "init_from: "))
        return [note for note in notes if note]

    def _record(self, data: Data, cues: CueTable, start: Start | None) -> None:
        conversations_of = partial(wanted_conversations, self.recipe, data.conversations)
        if self.strategy.first:
            done = [stage.id for stage in self.recipe.stages if self.directory.is_done(stage.id)]
            media = media_hashes(self.recipe, used_streams(self.recipe)[0], conversations_of(), self.reporter)
            record_provenance(
                self.directory.provenance, self.recipe, data.conversations, cue_record(self.recipe, cues),
                start.record() if start else None, media, file_hashes(self.recipe, done),
            )  # fmt: skip
            self.directory.write_labels(data.labels)
            if self.recipe.split is not None:
                write_parts(self.directory.split, data.whole)
        for note in (*self.recipe.notes, *data.notes):
            self.journal.say(note)
        note_cues(self.recipe, self.prompters, cues, conversations_of, self.journal)

    def _features(self, data: Data, demonstrations: Demonstrations | None) -> FeatureTable:
        """The features of every conversation that is learned, predicted or shown."""
        streams, _ = used_streams(self.recipe)
        table = self.wiring.features(streams, self._encoded_conversations(data, demonstrations))
        note_features(self.recipe, streams, table, self.journal)
        return table

    def _encoded_conversations(self, data: Data, demonstrations: Demonstrations | None) -> list[Conversation]:
        recipe = self.recipe
        splits = {task.data.split for task in recipe.tasks} | set(self.how.splits if recipe.evaluate else ())
        splits |= set(fitted_splits(recipe))
        if recipe.stages:
            splits.add("dev")  # training looks at it, whether or not the evaluation does
        chosen = {c.id for c in demonstrations.shown} if demonstrations is not None else set()
        return [c for c in data.conversations if c.split in splits or c.id in chosen]

    def _model(self, material: Material, start: Start | None) -> tuple[EmotionModel, Collection[str]]:
        """The model, and the parts of it that come from another run."""
        with self.reporter.task("model") as progress:
            model = self.wiring.model()
            model.media.source = material.source
            progress(1.0, "loaded")
        inherited, note_of_start = start.load(model) if start else ((), "")
        for note in [model.note, note_of_start]:
            if note:
                self.journal.say(note)
        return model, inherited

    def _report(self, data: Data) -> None:
        with self.reporter.task("report"):
            write_report(self.directory.path, data.conversations, data.labels)
