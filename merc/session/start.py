"""``init_from``: a run whose trained weights another one starts from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merc.components import Frozen, Tuning
from merc.consent import hide
from merc.errors import MercError
from merc.files import hash_file
from merc.model.emotion_model import EmotionModel
from merc.model.start import start_from
from merc.model.state import check_stage
from merc.recipe import Recipe
from merc.session.backbone import recorded_backbone
from merc.session.directory import NO_CORPUS, RunDirectory


@dataclass(frozen=True)
class Start:
    """Where the weights are: those of the last stage of a trained run, with their hash, and what tuned them."""

    run: Path
    stage: str
    sha256: str
    tuning: Tuning

    @property
    def folder(self) -> Path:
        """The folder of the stage."""
        return RunDirectory(self.run).stage(self.stage)

    def backbone(self) -> dict[str, Any]:
        """What the run recorded of its backbone."""
        return recorded_backbone(RunDirectory(self.run).provenance)

    def record(self) -> dict[str, Any]:
        """What provenance.json holds of it."""
        return {"run": hide(str(self.run)), "stage": self.stage, "sha256": self.sha256}

    def load(self, model: EmotionModel) -> tuple[Collection[str], str]:
        """Put the weights into the model; gives the parts that were taken and a sentence about them. Raises MercError
        where they do not fit."""
        try:
            taken, new = start_from(model, self.folder, self.tuning)
        except MercError as error:
            raise MercError(f"init_from: the run {self.run} does not fit: {error}") from None
        beside = f"; new: {', '.join(new)}" if new else ""
        return taken, f"starts from the weights of {self.run}, stage {self.stage}: {', '.join(taken)}{beside}"


def start_of(recipe: Recipe) -> Start | None:
    """What a recipe starts from, if it says. Raises MercError for a run that is not there, is not trained to its end,
    trained nothing, or has another backbone. No weights are loaded."""
    if recipe.init_from is None:
        return None
    path = recipe.init_from
    directory = RunDirectory.find(path)
    seeds = [folder for folder in sorted(path.glob("seed-*")) if (folder / "recipe.yaml").is_file()]
    if seeds and not directory.recipe_file.is_file():
        raise MercError(f"init_from: {path} holds runs of several seeds; give one of them, such as {seeds[0]}")
    try:
        other = directory.trained([NO_CORPUS])
    except MercError as error:
        raise MercError(f"init_from: {error}") from None
    if not other.stages:
        raise MercError(f"init_from: {path} trained nothing, since its recipe has no stages; give a run that has some")
    _check_backbone(recipe, other, path)
    stage = other.stages[-1].id
    try:
        check_stage(directory.stage(stage))
    except MercError as error:
        raise MercError(f"init_from: {error}") from None
    return Start(directory.path, stage, _hash(directory.stage(stage)), other.tuning)


def _check_backbone(recipe: Recipe, other: Recipe, path: Path) -> None:
    def named(one: Recipe) -> Any:
        part = one.backbone
        return None if part is None else {"name": part.name, **part.component.identity()}  # type: ignore[attr-defined]

    if named(recipe) != named(other):
        texts = [json.dumps(named(one), ensure_ascii=False) for one in (other, recipe)]
        raise MercError(
            f"init_from: {path} was trained with another backbone: {texts[0]}, and this recipe has {texts[1]}; its "
            "weights mean nothing to another model, so give both the same"
        )
    if type(other.tuning) is not Frozen and (why := recipe.tuning.fits(other.tuning)):
        raise MercError(f"init_from: the run {path} does not fit: {why}")


def _hash(folder: Path) -> str:
    """A hash of all weights of a stage: the files' names below its folder, and their content."""
    files = sorted(folder.rglob("*.safetensors"))
    whole = "\n".join(f"{file.relative_to(folder)} {hash_file(file)}" for file in files)
    return hashlib.sha256(whole.encode()).hexdigest()
