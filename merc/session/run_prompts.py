"""All prompts of a run: what its stages and its evaluation will ask the model, made and looked at before either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from merc.components import Prompter, Query
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.recipe import ComponentRef, Evaluate, Recipe, Stage
from merc.session.data import Data, queries
from merc.session.demonstrations import (
    Demonstrations,
    check_length,
    check_shown,
    last_demonstrations,
    record_of,
    selectors_of,
)
from merc.session.directory import RunDirectory
from merc.session.examples import all_queries, without_partner
from merc.session.heads import known_counts, teaches
from merc.session.journal import Journal
from merc.session.label_history import check_label_history_shown, gold_note, with_gold
from merc.session.media_check import StagePrompts
from merc.session.predicting import check_prompts, check_room
from merc.session.read_files import check_losses, check_rewards
from merc.session.segmentation import measured
from merc.session.wiring import last_prompter

EVALUATION = ", evaluation on dev"
"""The end of the name of what a stage's own demonstrations make of dev's prompts."""


def fitted_splits(recipe: Recipe) -> tuple[Literal["train", "dev"], ...]:
    """The split that the evaluation's decoder is fitted on, if it is."""
    split = recipe.evaluate.decoder.fits_on() if recipe.evaluate else None
    return () if split is None else (split,)


@dataclass(frozen=True)
class RunPrompts:
    """What makes the prompts of a run's data and looks at them."""

    recipe: Recipe
    directory: RunDirectory
    journal: Journal
    data: Data
    demonstrations: Demonstrations | None

    @property
    def how(self) -> Evaluate:
        """The recipe's evaluation, or what stands for one."""
        return self.recipe.evaluate or Evaluate()

    def queries(self, split: str, selector: ComponentRef | None) -> list[list[Query]]:
        """What is asked when a split is predicted, with the demonstrations that a selector chooses."""
        groups = queries(measured(self.data.split(split), self.how), self.data.labels, spaces=self.data.spaces)
        if self.demonstrations is not None:
            groups = self.demonstrations.fill(selector, "evaluate.demonstrations", groups)
        # Whoever predicts tells the labels that are wanted; these show how long a prompt with them is.
        return groups if self.how.label_history is None else with_gold(groups)

    def every(self) -> StagePrompts:
        """All that the run will still ask the model, by what asks for it. Raises MercError where there is nothing to
        learn, and for what losses and rewards lack."""
        prompts: list[tuple[str, Prompter, list[list[Query]]]] = []
        for stage in self.recipe.stages:
            if not self.directory.is_done(stage.id):
                prompts += self._of_stage(stage)
        if self.recipe.evaluate is not None:
            for name in dict.fromkeys([*self.how.splits, *fitted_splits(self.recipe)]):
                groups = self.queries(name, last_demonstrations(self.recipe))
                if self.how.label_history == "gold":
                    self._note_gold(f"evaluate.label_history: gold, split {name},", groups)
                if name in self.how.splits:
                    check_rewards(self.how.decoder, self.data.labels, [q for group in groups for q in group])
                prompts.append((f"evaluate, split {name}", last_prompter(self.recipe), groups))
                for number, prompter in enumerate(self.how.decoder.prompters()):
                    prompts.append((f"evaluate.decoder, split {name}, its prompter {number}", prompter, groups))
        for stage in self.recipe.stages:
            paths = {f"{task.path}.prompter" for task in stage.tasks}
            learned = [q for where, _, some in prompts if where in paths for group in some for q in group]
            if learned:
                known_counts(stage, self.recipe, learned)
                check_losses(stage, self.data.labels, prompts)
                check_rewards(stage, self.data.labels, learned)
        for path, part in selectors_of(self.recipe).items():
            where = path.removesuffix(".demonstrations")
            groups = [group for name, _, some in prompts if name.startswith(where) for group in some]
            if groups:
                self.journal.log(record_of(where, part, groups))
        return prompts

    def check(self, model: EmotionModel, prompts: StagePrompts) -> None:
        """See that every prompt of the run fits the model, before hours go into the first of its stages."""
        with self.journal.reporter.task("prompts") as progress:
            for number, (where, prompter, groups) in enumerate(prompts, start=1):
                check_shown(where, prompter, groups)
                if any(query.label_history is not None for group in groups for query in group):
                    check_label_history_shown(where, prompter, groups)
                evaluates = where.startswith("evaluate") or where.endswith(EVALUATION)
                try:
                    check_prompts(model, prompter, groups, self.how.decoder.new_tokens() if evaluates else 0)
                except MercError as error:
                    check_length(where, model, prompter, groups)
                    raise MercError(f"{where}: {error}") from None
                if evaluates:
                    check_room(model, prompter, self.how, groups)
                progress(number / len(prompts), "")
        for note in model.prompts.notes:  # a prompt that is written tells what its tokenizer lacks
            self.journal.say(note)

    def _of_stage(self, stage: Stage) -> StagePrompts:
        """What a stage will ask the model."""
        prompts: list[tuple[str, Prompter, list[list[Query]]]] = []
        for task in stage.tasks:
            assert isinstance(task.prompter.component, Prompter)
            groups = all_queries(task, self.data, self.demonstrations, teaches(stage, self.recipe.heads))
            if not any(groups):
                raise MercError(
                    f"{task.path}: there is nothing to learn: no utterance of its data has a label, or what else its "
                    "prompter asks for; look at the spelling in the prompter, and at the data"
                )
            if task.data.label_history:
                self._note_gold(f"{task.path}.data.label_history", groups)
            prompts.append((f"{task.path}.prompter", task.prompter.component, groups))
        without_partner(stage, [groups for _, _, groups in prompts])
        first = stage.tasks[0]
        if first.demonstrations is not None and "dev" in self.data.by_split:
            groups = self.queries("dev", first.demonstrations)
            prompts.append((f"{first.path}{EVALUATION}", prompts[0][1], groups))
        return prompts

    def _note_gold(self, where: str, groups: Sequence[Sequence[Query]]) -> None:
        if note := gold_note(where, groups):
            self.journal.say(note)
