"""The stages of a run, in order: each is trained, or read back if it was trained before."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import asdict
from typing import Any

from merc.components import Frozen, Prediction, Prompter, Query, Trainer, TrainReport
from merc.consent import require
from merc.errors import MercError, naming
from merc.evaluation import compute_metrics
from merc.files import write_text
from merc.memory import enough_memory
from merc.model.emotion_model import EmotionModel
from merc.model.past import InPast
from merc.model.precision import computes_bfloat16
from merc.model.state import load_stage, save_stage
from merc.model.tuning import select_trainable
from merc.prompting import is_label_prompt
from merc.recipe import ComponentRef, Recipe, Stage
from merc.recipe.heads import heads_of
from merc.session.data import Data, used_streams
from merc.session.demonstrations import Demonstrations
from merc.session.directory import RunDirectory
from merc.session.examples import epoch_groups, examples, task_queries, without_partner
from merc.session.heads import known_counts, teaches
from merc.session.journal import Journal
from merc.session.reporter import Progress, Silent
from merc.session.segmentation import chosen_conversations
from merc.session.shared_model import SharedModel
from merc.training.checkpoint import remove_checkpoints
from merc.training.context import StageContext
from merc.training.probe import StepProbe
from merc.training.strategy import Strategy

Predict = Callable[[str, Prompter, ComponentRef | None], list[Prediction]]
"""Predictions of the model as it is, for a split, with a prompter and what chooses its demonstrations."""


class Stages:
    """What trains a recipe's stages. ``inherited`` are the parts of the model that another run trained. With a
    ``probe`` a few steps of each are taken in place of all."""

    probe: StepProbe | None = None

    def __init__(
        self,
        recipe: Recipe,
        directory: RunDirectory,
        strategy: Strategy,
        journal: Journal,
        resume: bool,
        demonstrations: Demonstrations | None = None,
        inherited: Collection[str] = (),
    ) -> None:
        self.recipe, self.directory, self.strategy = recipe, directory, strategy
        self.demonstrations, self.inherited = demonstrations, inherited
        self.journal, self.resume = journal, resume

    def run(self, model: EmotionModel, data: Data, metrics: Mapping[str, ComponentRef], predict: Predict) -> None:
        """Bring the model to the end of the last stage."""
        self._check(model, data, metrics, predict)
        for number, stage in enumerate(self.recipe.stages):
            if self.directory.is_done(stage.id):
                load_stage(model, self.directory.stage(stage.id))
                self.journal.reporter.say(f"stage {stage.id}: done before")
            else:
                if number == 0:
                    splits = dict.fromkeys(task.data.split for task in stage.tasks)
                    talks = [c for name in splits for c in data.split(name)]
                    utterances = [InPast.of(c, index) for c in talks for index in range(len(c.utterances))]
                    # Streams that no prompt shows are not encoded, so there is nothing to fit their connectors to.
                    idle = {f"connectors.{s}" for s in self.recipe.connectors if s not in used_streams(self.recipe)[0]}
                    model.media.fit(utterances, but={*self.inherited, *idle})
                self._train(stage, model, data, metrics, predict)
            if self.strategy.first:
                remove_checkpoints(self.directory.stage(stage.id))
            self.strategy.barrier()

    def _check(self, model: EmotionModel, data: Data, metrics: Mapping[str, ComponentRef], predict: Predict) -> None:
        """See that the stages after the next one can be trained, before hours go into that one, which sees to itself.
        Raises MercError, naming the stage."""
        quiet = copy(self)
        quiet.journal = Journal(Silent())  # each stage says what it has to say when it begins
        later = [stage for stage in self.recipe.stages if not self.directory.is_done(stage.id)][1:]
        for stage in later:
            quiet._select(stage, model)
            trainer = stage.trainer.component
            assert isinstance(trainer, Trainer)
            require(trainer, f"trainer {stage.trainer.name!r}")
            context = quiet._context(stage, model, data, metrics, predict, lambda share, line: None)
            with naming(f"stage {stage.id}", f"stages.{stage.id}"):
                trainer.check(context)

    @staticmethod
    def _select(stage: Stage, model: EmotionModel) -> None:
        with naming(f"stage {stage.id}"):  # an encoder's network: check_backbone looked at all other names
            select_trainable(model, stage.trainable, heads_of(stage.trainer))

    def _train(
        self, stage: Stage, model: EmotionModel, data: Data, metrics: Mapping[str, ComponentRef], predict: Predict
    ) -> None:
        self._select(stage, model)
        assert isinstance(stage.trainer.component, Trainer)
        if self.strategy.first:
            self.directory.stage(stage.id).mkdir(parents=True, exist_ok=True)
        self.strategy.barrier()
        with self.journal.task(f"stage {stage.id}") as progress:
            context = self._context(stage, model, data, metrics, predict, progress)
            require(stage.trainer.component, f"trainer {stage.trainer.name!r}")
            with enough_memory(f"stages.{stage.id}", _smaller_steps(stage, self.recipe, model.device.type)):
                report = checked_report(stage.trainer.name, stage.trainer.component.train(context))
        with self.strategy.gathered():
            if self.strategy.first:
                self._keep(stage, model, report)
        best = report.best
        if best:
            at = f"at epoch {best['epoch']:g}"
            self.journal.reporter.say(f"stage {stage.id}: best dev {best['metric']} {best['value']:.4f} {at}")

    def _keep(self, stage: Stage, model: EmotionModel, report: TrainReport) -> None:
        """Save what was learned; ``done.json`` comes last and says that all else is there."""
        folder = self.directory.stage(stage.id)
        checksums = save_stage(model, folder)
        self.journal.log({"event": "stage", "stage": stage.id, "seconds": report.seconds, "steps": report.steps})
        done = {**asdict(report), "files": checksums}
        write_text(folder / "done.json", json.dumps(done, indent=1))

    def _context(
        self,
        stage: Stage,
        model: EmotionModel,
        data: Data,
        metrics: Mapping[str, ComponentRef],
        predict: Predict,
        progress: Progress,
    ) -> StageContext:
        prompter = stage.prompter.component
        assert isinstance(prompter, Prompter)
        only = teaches(stage, self.recipe.heads)
        every = [task_queries(task, data, self.demonstrations, only=only) for task in stage.tasks]
        known = known_counts(stage, self.recipe, [q for groups in every for group in groups for q in group])
        for note in [self._why_left_out(stage, data, every), _shares(stage, every, data.seed), known]:
            if note:
                self.journal.say(f"stage {stage.id}: {note}")

        def evaluate() -> Mapping[str, Any]:
            predictions = predict("dev", prompter, stage.demonstrations)
            return compute_metrics(predictions, data.labels, metrics)["dev"]

        reason = self._why_no_evaluation(stage, prompter, every[0], data)
        if reason:
            self.journal.say(f"stage {stage.id}: {reason}, so its last state is kept, not its best")
        folder, first = self.directory.stage(stage.id), self.strategy.first
        return StageContext(
            stage=stage.id,
            model=SharedModel(
                model=model,
                prompter=prompter,
                labels=data.labels,
                batch_tokens=self.recipe.strategy.batch_tokens,
                strategy=self.strategy,
            ),
            network=model,
            labels=data.labels,
            examples=lambda epoch: examples(stage, data, self.demonstrations, epoch, only),
            evaluate=None if reason else evaluate,
            strategy=self.strategy,
            folder=folder,
            seed=self.recipe.seed,
            resume=self.resume,
            log=self.journal.log,
            rewind=(lambda step: self.directory.rewind(stage.id, step)) if first else lambda step: None,
            progress=progress,
            say=lambda sentence: self.journal.say(f"stage {stage.id}: {sentence}"),
            probe=self.probe,
        )

    @staticmethod
    def _why_left_out(stage: Stage, data: Data, every: Sequence[list[list[Query]]]) -> str:
        """How many labelled utterances of its data a stage does not learn from; of those without a label the data
        tell themselves."""
        learned = {query.target.id for groups in every for group in groups for query in group}
        left = []
        for task in stage.tasks:
            first = -1 if task.data.targets == "last" else 0
            talks = chosen_conversations(task.data, data)
            candidates = [u for c in talks for u in c.utterances[first:] if u.id not in learned]
            learned |= {u.id for u in candidates}
            left += [u for u in candidates if u.label is not None]
        if not left:
            return ""
        have = "utterance has" if len(left) == 1 else "utterances have"
        return f"{len(left)} labelled {have} nothing that its prompts could teach: left out ({left[0].id}, ...)"

    def _why_no_evaluation(self, stage: Stage, prompter: Prompter, groups: list[list[Query]], data: Data) -> str:
        """Why a stage cannot be judged on dev by the labels that it predicts; empty if it can."""
        if "dev" not in data.by_split:
            return "the corpus has no dev split"
        fields = [f for part in self.recipe.heads.values() for f in part.component.fields()]  # type: ignore[attr-defined]
        dev = [u for c in data.split("dev") for u in c.utterances]
        if not any(u.label is not None or any(u.true(f) is not None for f in fields) for u in dev):
            return "the dev split has no labels"
        if groups and not is_label_prompt(prompter.prompt(groups[0][0])):
            return "its prompts ask for texts, not for labels"
        if any(task.data.split == "dev" for task in stage.tasks):
            return "it learns from the dev split"
        return ""


def checked_report(trainer: str, report: Any) -> TrainReport:
    """What ``train()`` of a trainer gave. Raises MercError, naming the trainer, for what is no report."""
    if not isinstance(report, TrainReport):
        raise MercError(
            f"trainer {trainer!r}: train() gives {type(report).__name__}; it must give the merc.TrainReport of "
            "merc.training.fit"
        )
    return report


def _smaller_steps(stage: Stage, recipe: Recipe, device: str) -> str:
    """What to change where a training step does not fit into memory."""
    trainer = stage.trainer.component
    ways = []
    if (tokens := getattr(trainer, "batch_tokens", None)) is not None:
        ways.append(f"lower trainer.batch_tokens (now {tokens})")
    if getattr(trainer, "activation_checkpointing", None) is False:
        ways.append("set trainer.activation_checkpointing=true")
    if not isinstance(recipe.tuning, Frozen):
        ways.append("give a backbone.tuning that learns fewer weights")
    held = getattr(recipe.backbone.component, "dtype", None) if recipe.backbone is not None else None
    if held == "float32" and computes_bfloat16(device):
        ways.append("set backbone.dtype=bfloat16")
    return ", or ".join([*ways, "give a smaller backbone"])


def _shares(stage: Stage, every: Sequence[list[list[Query]]], seed: int) -> str:
    """How much of each task an epoch has, where there are several, and what of one beside the first has no place."""
    if len(stage.tasks) == 1:
        return ""
    alone = without_partner(stage, every)
    parts = [
        f"{len(some)} of {task.path} (it has {len(groups)}"
        + (f", {alone[task.path]} of them none of the first task's)" if task.path in alone else ")")
        for task, groups, some in zip(stage.tasks, every, epoch_groups(stage, every, seed), strict=True)
    ]
    return f"an epoch has, in conversations, {', '.join(parts)}"
