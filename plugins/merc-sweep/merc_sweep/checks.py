"""What is wrong with a sweep, before its first run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import merc
from merc_sweep.settings import Setting


def checked(recipe: str, shared: Sequence[str], every: Sequence[Setting], by: str, lowest: bool) -> list[Any]:
    """The recipe of each setting. Raises merc.MercError for the first setting that is no valid recipe, is not measured
    on dev or has no number ``by`` there, and for two settings that are the same recipe."""
    recipes = []
    known: dict[str, str] = {}
    for setting in every:
        changes = [f"{key}={value}" for key, value in setting.items()]
        words = " ".join(changes)
        try:
            loaded = merc.load_recipe(recipe, [*shared, *changes])
        except merc.MercError as error:
            raise merc.MercError(f"{words}: {error}") from None
        if loaded.evaluate is None or "dev" not in loaded.evaluate.splits:
            raise merc.MercError(f"{recipe}: a sweep chooses by dev; let evaluate.splits name dev")
        _check_number(loaded, by, lowest)
        content = hash_of(loaded.resolved)
        if content in known:
            raise merc.MercError(
                f"{known[content]} and {words} are the same recipe, whose numbers would count twice; leave one of "
                "them out"
            )
        known[content] = words
        recipes.append(loaded)
    return recipes


def hash_of(values: Mapping[str, Any]) -> str:
    """A hash of the values of a recipe, but for words about it."""
    content = {name: value for name, value in values.items() if name not in ("title", "description")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_number(recipe: Any, by: str, lowest: bool) -> None:
    """Raise merc.MercError for a number that the evaluation's metrics do not give.

    Metrics list numbers of which the highest is the best. Where the lowest is, any number of a metric is taken.
    """
    choices = recipe.evaluate.choices()
    of_labels = by.startswith("per_class.") and "weighted_f1" in choices.known
    of_metric = by == "unparsed_rate" or by.partition(".")[0] in recipe.evaluate.metrics
    if not (choices.has(by) or of_labels or (lowest and of_metric)):
        raise merc.MercError(f"--by {by}: the evaluation's metrics have {choices.unknown(by)}")


def has_folds(recipe: Any) -> bool:
    """Whether a setting is a run for each fold."""
    return recipe.split is not None and recipe.split.folds is not None and recipe.split.fold is None
