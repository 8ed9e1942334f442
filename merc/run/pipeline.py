"""A run: data, features, model, stages in order, evaluation, report."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from merc.components import Prediction, Prompter, Trainer, TrainJob
from merc.errors import MercError
from merc.evaluation import compute_metrics, write_metrics, write_predictions, write_report
from merc.features import FeatureStore, FeatureTable, encode
from merc.files import cache_folder, write_text
from merc.model.build import build_model, pick_device
from merc.model.emotion_model import EmotionModel
from merc.model.state import load_stage, save_stage
from merc.model.tuning import select_trainable
from merc.recipe import Evaluate, Part, Recipe, Stage
from merc.run.data import Data, FeatureCache, load_data, missing_streams, queries, used_streams
from merc.run.directory import RunDirectory
from merc.run.predicting import Predictor
from merc.run.provenance import provenance
from merc.run.reporter import Reporter, Silent
from merc.training.checkpoint import remove_checkpoints
from merc.training.engine import Engine
from merc.training.engines import make_engine


def run_recipe(recipe: Recipe, path: Path, reporter: Reporter, resume: bool = False) -> dict[str, Any]:
    """Run a recipe into a directory and give its metrics by split.

    Raises MercError for a user's mistake, and ``merc.training.interrupt.Stopped`` when it was asked to stop: with
    ``resume`` the same call goes on.
    """
    return _Run(recipe, path, reporter, resume).run()


class _Run:
    def __init__(self, recipe: Recipe, path: Path, reporter: Reporter, resume: bool) -> None:
        self.recipe, self.resume = recipe, resume
        self.directory = RunDirectory(path)
        self.engine: Engine = make_engine(recipe.engine)
        self.reporter: Reporter = reporter if self.engine.first else Silent()
        self.device = pick_device(recipe.engine.device)
        self.how = recipe.evaluate or Evaluate()

    def run(self) -> dict[str, Any]:
        recipe, directory = self.recipe, self.directory
        started = time.monotonic()
        if recipe.engine.threads:
            torch.set_num_threads(recipe.engine.threads)
        if not recipe.stages and recipe.evaluate is None:
            raise MercError(f"{recipe.name}: there is nothing to do: give stages to train, or evaluate, or both")
        if self.engine.first:
            directory.open(recipe, self.resume)
        self.engine.barrier()
        data = self._data()
        shown, table = self._features(data)
        model = self._model(table)
        self._stages(model, data, shown, table)
        if recipe.evaluate is None:
            self.reporter.say(f"trained; the stages are in {directory.path / 'stages'}")
            return {}
        predictions: list[Prediction] = []
        for split in self.how.splits:
            predictions += self._predict(model, data, split, self._last_prompter(), shown, table)
        metrics = compute_metrics(predictions, data.labels, self._metrics())
        if self.engine.first:
            write_predictions(directory.predictions, predictions)
            write_metrics(directory.metrics, metrics)
            self._note_seconds(time.monotonic() - started)
            with self.reporter.task("report"):
                write_report(directory.path, data.conversations, data.labels)
        self.engine.barrier()
        return metrics

    def _data(self) -> Data:
        with self.reporter.task("conversations") as progress:
            if not self.engine.first:
                self.engine.barrier()  # the first process makes what a corpus makes; the others find it made
            data = load_data(self.recipe)
            if self.engine.first:
                self.engine.barrier()
            progress(1.0, f"{len(data.conversations)}")
        for stage in self.recipe.stages:
            data.split(stage.data.split)
        for split in self.how.splits if self.recipe.evaluate else ():
            data.split(split)
        if self.engine.first:
            self.directory.write_labels(data.labels)
            write_text(self.directory.provenance, json.dumps(provenance(self.recipe, data.conversations), indent=1))
            for note in data.notes:
                self._say(note)
        return data

    def _features(self, data: Data) -> tuple[set[str], FeatureTable]:
        recipe = self.recipe
        shown, needed = used_streams(recipe)
        unused = [name for name in recipe.encoders if name not in needed]
        if unused and self.engine.first:
            self._say(f"no prompt shows {', '.join(unused)}: not encoded")
        encoders = {name: part for name, part in recipe.encoders.items() if name in needed}
        wanted = {s.data.split for s in recipe.stages} | set(self.how.splits)
        conversations = [c for c in data.conversations if c.split in wanted]
        store = FeatureStore(Path(recipe.features.store) if recipe.features.store else cache_folder("features"))
        if not self.engine.first:
            self.engine.barrier()
        with self.reporter.task("features") as progress:
            table = encode(
                store, encoders, conversations, recipe.seed, progress, self.device, max(1, recipe.features.workers)
            )
        if self.engine.first:
            for name in encoders:
                missing = [{"utterance": u, "reason": r} for (s, u), r in table.missing.items() if s == name]
                self.directory.log(
                    {"event": "encode", "stream": name, "encoded": table.encoded.get(name, 0), "missing": missing}
                )
                if missing:
                    self._say(f"{name}: {len(missing)} utterances have no features; the report lists the reasons")
            for note in table.notes:
                self._say(note)
            self.engine.barrier()
        return shown, table

    def _model(self, table: FeatureTable) -> EmotionModel:
        with self.reporter.task("model") as progress:
            model = build_model(self.recipe, self.device, self.recipe.seed)
            model.media.source = FeatureCache(table)
            progress(1.0, "loaded")
        for note in [model.note, *model.prompts.notes]:
            if note and self.engine.first:
                self._say(note)
        return model

    def _stages(self, model: EmotionModel, data: Data, shown: set[str], table: FeatureTable) -> None:
        for number, stage in enumerate(self.recipe.stages):
            folder = self.directory.stage(stage.id)
            done = folder / "done.json"
            if done.exists():
                load_stage(model, folder)
                self.reporter.say(f"stage {stage.id}: done before")
                continue
            select_trainable(model, stage.trainable)
            if number == 0:
                ids = [u.id for c in data.split(stage.data.split) for u in c.utterances]
                model.media.fit(ids)
            with self.reporter.task(f"stage {stage.id}") as progress:
                assert isinstance(stage.trainer.component, Trainer)
                report = stage.trainer.component.train(self._job(stage, model, data, shown, table, progress))
            for note in model.prompts.notes:
                if self.engine.first:
                    self._say(note)
            if self.engine.first:
                save_stage(model, folder)
                write_text(done, json.dumps(asdict(report), indent=1))
                self.directory.log(
                    {"event": "stage", "stage": stage.id, "seconds": report.seconds, "steps": report.steps}
                )
                remove_checkpoints(folder)
                if report.best:
                    best = report.best
                    self.reporter.say(
                        f"stage {stage.id}: best dev {best['metric']} {best['value']:.4f} at epoch {best['epoch']:g}"
                    )
            self.engine.barrier()

    def _job(
        self, stage: Stage, model: EmotionModel, data: Data, shown: set[str], table: FeatureTable, progress: Any
    ) -> TrainJob:
        conversations = data.split(stage.data.split)[: stage.data.limit]
        groups = queries(conversations, data.labels, labelled_only=True)
        prompter = stage.prompter.component
        assert isinstance(prompter, Prompter)

        def evaluate() -> Mapping[str, Any]:
            predictions = self._predict(model, data, "dev", prompter, shown, table)
            return compute_metrics(predictions, data.labels, self._metrics())["dev"]

        folder = self.directory.stage(stage.id)
        if self.engine.first:
            folder.mkdir(parents=True, exist_ok=True)
        self.engine.barrier()
        first = self.engine.first
        return TrainJob(
            stage=stage.id,
            model=model,
            labels=data.labels,
            prompter=prompter,
            queries=lambda epoch: groups,
            evaluate=evaluate if "dev" in data.by_split and self._asks_for_label(prompter, groups) else None,
            engine=self.engine,
            folder=folder,
            seed=self.recipe.seed,
            resume=self.resume,
            log=self.directory.log if first else lambda record: None,
            rewind=(lambda step: self.directory.rewind(stage.id, step)) if first else lambda step: None,
            progress=progress,
        )

    @staticmethod
    def _asks_for_label(prompter: Prompter, groups: Sequence[Sequence[Any]]) -> bool:
        """Whether a stage can be judged by the labels that it predicts."""
        return bool(groups) and prompter.prompt(groups[0][0]).answer.text is None

    def _predict(
        self, model: EmotionModel, data: Data, split: str, prompter: Prompter, shown: set[str], table: FeatureTable
    ) -> list[Prediction]:
        seen = shown & set(prompter.streams())
        predictor = Predictor(
            model, prompter, data.labels, self.how, self.recipe.engine.batch_tokens,
            lambda utterance: missing_streams(self.recipe, table, utterance, seen), self.engine,
        )  # fmt: skip
        with self.reporter.task(f"predict {split}") as progress:
            return predictor.predict(queries(data.split(split), data.labels, labelled_only=False), progress)

    def _last_prompter(self) -> Prompter:
        return last_prompter(self.recipe)

    def _metrics(self) -> Mapping[str, Part]:
        return self.how.metrics

    def _say(self, sentence: str) -> None:
        self.reporter.say(sentence)
        self.directory.log({"event": "note", "text": sentence})

    def _note_seconds(self, seconds: float) -> None:
        record = json.loads(self.directory.provenance.read_text(encoding="utf-8"))
        write_text(self.directory.provenance, json.dumps({**record, "seconds": round(seconds, 1)}, indent=1))


def last_prompter(recipe: Recipe) -> Prompter:
    """The prompter that predictions are made with: the evaluation's own, or the last stage's."""
    part = recipe.evaluate.prompter if recipe.evaluate and recipe.evaluate.prompter else None
    if part is None:
        if not recipe.stages:
            raise MercError(f"{recipe.name}: evaluate.prompter is needed, since there is no stage to take one from")
        part = recipe.stages[-1].prompter
    assert isinstance(part.component, Prompter)
    return part.component
