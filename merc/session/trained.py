"""A trained run to be used again: its recipe with what was changed for this use, and its labels."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from merc.conversation import LabelSpace
from merc.errors import MercError, first_names
from merc.model.build import check_backbone, pick_device
from merc.recipe import Recipe, Use
from merc.session.backbone import check_same, pinned, recorded_backbone
from merc.session.directory import RunDirectory
from merc.session.fitted import with_fitted
from merc.session.wiring import Setup


@dataclass(frozen=True)
class TrainedRun:
    """A run whose stages are trained. ``recipe`` is the run's own, with what was changed for this use."""

    directory: RunDirectory
    recipe: Recipe
    labels: LabelSpace
    device: str

    @property
    def setup(self) -> Setup:
        """What asks for the labels, and how they are decoded."""
        return Setup.of(self.recipe, self.labels)


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
    """The trained run of a directory, or one that a plugin brings, with ``key=value`` changes to its recipe.

    Only what its use needs is looked up: a plugin that brought the trainer or, to predict, a metric may be gone.
    Nothing heavy is loaded yet. Raises MercError for a folder that holds no run, one that was not trained to its end or
    that another process works in, and for a device that is not there.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise MercError("a trained run is used in one process; start merc without a launcher")
    return trained_run(path, overrides, use)


def trained_run(path: Path, overrides: Sequence[str] = (), use: Use = "predict") -> TrainedRun:
    """The same in one of several processes, which each may read it."""
    directory = RunDirectory.find(path)
    recipe = pinned(directory.trained(overrides, use), recorded_backbone(directory.provenance))
    recipe = with_fitted(recipe, directory.path, use)
    return TrainedRun(directory, recipe, directory.read_labels(), pick_device(recipe.strategy.device))


def check_run(run: TrainedRun, say: Callable[[str], None], loads: bool = False) -> None:
    """See, before anything is encoded, that the run's backbone can be loaded and is the one that the run was made with.
    Raises MercError where it is not. A run that does not record its weights is used, and ``say`` is given a sentence.
    Where it is loaded next, which fails as this would, ``loads`` saves building it twice.
    """
    check_backbone(run.recipe, weights=not loads)
    path = run.directory.path
    if note := check_same(run.recipe, recorded_backbone(run.directory.provenance), path):
        say(note)


def too_long(unanswered: Mapping[str, int], total: int, context: int | None) -> str:
    """A sentence about the utterances that got no answer.

    >>> print(too_long({"u3": 812}, 20, 512))
    1 of 20 utterances has no answer, since its prompt is longer than the model's context of 512 tokens: u3 (812 tokens)
    """
    examples = [f"{name} ({length:,} tokens)" for name, length in unanswered.items()]
    have, its = ("has", "its prompt is") if len(unanswered) == 1 else ("have", "their prompts are")
    return (
        f"{len(unanswered)} of {total} utterances {have} no answer, since {its} longer than the model's context of "
        f"{context} tokens: {first_names(examples)}"
    )
