"""The stages of a run, in order: each is trained, or read back if it was trained before."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from merc.components import Prediction, Prompter, Query, Trainer, TrainJob, TrainReport
from merc.conversation import Conversation
from merc.evaluation import compute_metrics
from merc.files import write_text
from merc.model.emotion_model import EmotionModel
from merc.model.state import load_stage, save_stage
from merc.model.tuning import select_trainable
from merc.prompting import is_label_prompt
from merc.recipe import Part, Recipe, Stage
from merc.run.data import Data
from merc.run.demonstrating import Demonstrations, draws_of
from merc.run.directory import RunDirectory
from merc.run.parts import chosen_conversations, chosen_queries
from merc.run.past import with_gold
from merc.run.reporter import Progress, Reporter
from merc.training.checkpoint import remove_checkpoints
from merc.training.engine import Engine

Predict = Callable[[str, Prompter, Part | None], list[Prediction]]
"""Predictions of the model as it is, for a split, with a prompter and what chooses its demonstrations."""


class Stages:
    """What trains a recipe's stages. ``say`` tells the user a sentence and keeps it in the log."""

    def __init__(
        self,
        recipe: Recipe,
        directory: RunDirectory,
        engine: Engine,
        reporter: Reporter,
        say: Callable[[str], None],
        resume: bool,
        demonstrations: Demonstrations | None = None,
    ) -> None:
        self.recipe, self.directory, self.engine = recipe, directory, engine
        self.demonstrations = demonstrations
        self.reporter, self.say, self.resume = reporter, say, resume

    def run(self, model: EmotionModel, data: Data, metrics: Mapping[str, Part], predict: Predict) -> None:
        """Bring the model to the end of the last stage."""
        for number, stage in enumerate(self.recipe.stages):
            if self.directory.is_done(stage.id):
                load_stage(model, self.directory.stage(stage.id))
                self.reporter.say(f"stage {stage.id}: done before")
            else:
                if number == 0:
                    model.media.fit([u.id for c in data.split(stage.data.split) for u in c.utterances])
                self._train(stage, model, data, metrics, predict)
            if self.engine.first:
                remove_checkpoints(self.directory.stage(stage.id))
            self.engine.barrier()

    def _train(
        self, stage: Stage, model: EmotionModel, data: Data, metrics: Mapping[str, Part], predict: Predict
    ) -> None:
        select_trainable(model, stage.trainable)
        assert isinstance(stage.trainer.component, Trainer)
        with self.reporter.task(f"stage {stage.id}") as progress:
            job = self._job(stage, model, data, metrics, predict, progress)
            report = stage.trainer.component.train(job)
        for note in model.prompts.notes:
            self.say(note)
        with self.engine.gathered():
            if self.engine.first:
                self._keep(stage, model, report)
        best = report.best
        if best:
            at = f"at epoch {best['epoch']:g}"
            self.reporter.say(f"stage {stage.id}: best dev {best['metric']} {best['value']:.4f} {at}")

    def _keep(self, stage: Stage, model: EmotionModel, report: TrainReport) -> None:
        """Save what was learned; ``done.json`` comes last and says that all else is there."""
        folder = self.directory.stage(stage.id)
        save_stage(model, folder)
        self.directory.log({"event": "stage", "stage": stage.id, "seconds": report.seconds, "steps": report.steps})
        write_text(folder / "done.json", json.dumps(asdict(report), indent=1))

    def _job(
        self,
        stage: Stage,
        model: EmotionModel,
        data: Data,
        metrics: Mapping[str, Part],
        predict: Predict,
        progress: Progress,
    ) -> TrainJob:
        prompter = stage.prompter.component
        assert isinstance(prompter, Prompter)
        groups = lessons(stage, data, self.demonstrations)
        if left_out := self._why_left_out(stage, data, groups):
            self.say(f"stage {stage.id}: {left_out}")

        def evaluate() -> Mapping[str, Any]:
            found = predict("dev", prompter, stage.demonstrations)
            return compute_metrics(found, data.labels, metrics)["dev"]

        reason = self._why_no_look(stage, prompter, groups, data)
        if reason:
            self.say(f"stage {stage.id}: {reason}, so its last state is kept, not its best")
        folder, first = self.directory.stage(stage.id), self.engine.first
        if first:
            folder.mkdir(parents=True, exist_ok=True)
        self.engine.barrier()
        return TrainJob(
            stage=stage.id,
            model=model,
            labels=data.labels,
            prompter=prompter,
            queries=lambda epoch: groups if epoch == 0 else lessons(stage, data, self.demonstrations, epoch),
            evaluate=None if reason else evaluate,
            engine=self.engine,
            folder=folder,
            seed=self.recipe.seed,
            resume=self.resume,
            log=self.directory.log if first else lambda record: None,
            rewind=(lambda step: self.directory.rewind(stage.id, step)) if first else lambda step: None,
            progress=progress,
        )

    @staticmethod
    def _why_left_out(stage: Stage, data: Data, groups: list[list[Query]]) -> str:
        """How many labelled utterances of its split a stage does not learn from; of those without a label the data
        tell themselves."""
        learned = {query.target.id for group in groups for query in group}
        first = -1 if stage.data.targets == "last" else 0
        asked = [u for c in _given(stage, data) for u in c.utterances[first:]]
        left = [u for u in asked if u.label is not None and u.id not in learned]
        if not left:
            return ""
        have = "utterance has" if len(left) == 1 else "utterances have"
        return f"{len(left)} labelled {have} nothing that its prompts could teach: left out ({left[0].id}, ...)"

    @staticmethod
    def _why_no_look(stage: Stage, prompter: Prompter, groups: list[list[Query]], data: Data) -> str:
        """Why a stage cannot be judged on dev by the labels that it predicts; empty if it can."""
        if "dev" not in data.by_split:
            return "the corpus has no dev split"
        if not any(u.label is not None for c in data.split("dev") for u in c.utterances):
            return "the dev split has no labels"
        if groups and not is_label_prompt(prompter.prompt(groups[0][0])):
            return "its prompts ask for texts, not for labels"
        if stage.data.split == "dev":
            return "it learns from the dev split"
        return ""


def lessons(
    stage: Stage, data: Data, demonstrations: Demonstrations | None = None, epoch: int = 0
) -> list[list[Query]]:
    """What a stage learns from in an epoch: the queries of its split that its prompter can teach, grouped by
    conversation, with the demonstrations whose turn it is."""
    prompter = stage.prompter.component
    assert isinstance(prompter, Prompter)
    groups = chosen_queries(stage.data, data, prompter.teaches)
    if demonstrations is not None:
        groups = demonstrations.fill(stage.demonstrations, f"stage {stage.id}", groups, turn=epoch)
    return with_gold(groups) if stage.data.past_labels else groups


def all_lessons(stage: Stage, data: Data, demonstrations: Demonstrations | None) -> list[list[Query]]:
    """The same with every demonstration that it will come to see, however many epochs there are."""
    epochs = range(draws_of(stage.demonstrations))
    return [group for epoch in epochs for group in lessons(stage, data, demonstrations, epoch)]


def _given(stage: Stage, data: Data) -> Sequence[Conversation]:
    return chosen_conversations(stage.data, data)
