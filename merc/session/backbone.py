"""The backbone that a run was made with, whether it is still the same when the run is used again, and its date."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from merc.components import Backbone
from merc.consent import hide_in
from merc.errors import MercError, first_names
from merc.files import damaged, read_json
from merc.prompting import CHAT_DATE
from merc.recipe import Recipe

_SHOWN = 3


def backbone_record(recipe: Recipe) -> dict[str, Any] | None:
    """What provenance.json holds of a recipe's backbone: which it is, and what its weights are."""
    if (backbone := _of(recipe)) is None:
        return None
    weights = backbone.weights()
    identity = dict(backbone.identity())
    if recipe.backbone is not None and recipe.backbone.from_environment:
        identity = hide_in(identity)
    return {**identity, **({"weights": weights} if weights else {})}


def recorded_backbone(provenance: Path) -> dict[str, Any]:
    """What a run's provenance.json says of its backbone; nothing where it is not there or says nothing. Raises
    MercError for a file that is damaged."""
    recorded = _read(provenance).get("backbone") or {}
    if not isinstance(recorded, dict) or not isinstance(recorded.get("weights") or {}, dict):
        raise _damaged(provenance)
    return recorded


def recorded_date(provenance: Path) -> date:
    """The date that a run's chat template was given. A run that was made before merc recorded it had the clock's, so
    the day on which it started stands for it."""
    recorded = _read(provenance)
    try:
        if "chat_date" in recorded:
            return date.fromisoformat(recorded["chat_date"])
        return datetime.fromisoformat(recorded["started"]).date() if "started" in recorded else CHAT_DATE
    except (TypeError, ValueError):
        raise _damaged(provenance) from None


_REMEDY = "bring it back, or remove it to use the run without knowing which backbone it was made with, and when"


def _read(provenance: Path) -> dict[str, Any]:
    return read_json(provenance, _REMEDY) if provenance.exists() else {}


def _damaged(provenance: Path) -> MercError:
    return damaged(provenance, "it does not say which backbone the run was made with, and when", _REMEDY)


def pinned(recipe: Recipe, record: Mapping[str, Any]) -> Recipe:
    """A recipe whose backbone has the version that the run recorded, where its name can come to mean another."""
    if (backbone := _of(recipe)) is None or recipe.backbone is None:
        return recipe
    return replace(recipe, backbone=replace(recipe.backbone, component=backbone.pinned(record)))


def check_same(recipe: Recipe, record: Mapping[str, Any], run: Path, where: str = "") -> str:
    """Raise MercError if the recipe's backbone has other weights than the run recorded. Gives a sentence for the user
    where that cannot be known, as of a run that was made before merc recorded weights."""
    if (backbone := _of(recipe)) is None:
        return ""
    before, now = record.get("weights"), json.loads(json.dumps(backbone.weights()))
    if not before or not now:
        return (
            f"{where}the run {run} does not record the weights of its backbone, so whether they are the same now is "
            "not known"
        )
    every = sorted({*before, *now})
    if differing := [name for name in every if before.get(name) != now.get(name)]:
        version = f", commit {record['commit']}" if record.get("commit") else ""
        named = f" ({record['path']}{version})" if record.get("path") else ""
        path = backbone.identity().get("path")
        at = f" of {path}" if path and path != record.get("path") else ""
        raise MercError(
            f"{where}the backbone is not the one that the run {run} was made with{named}: {len(differing)} of "
            f"{len(every)} files{at} differ: {first_names(differing, _SHOWN)}; what was learned there means "
            "nothing to another model, so bring that one back, or train a new run"
        )
    return ""


def _of(recipe: Recipe) -> Backbone | None:
    component = recipe.backbone.component if recipe.backbone else None
    assert component is None or isinstance(component, Backbone)
    return component
