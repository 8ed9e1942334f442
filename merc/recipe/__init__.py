"""Recipes: schema, load, resolve, validate."""

from __future__ import annotations

from merc.recipe.annotator_graph import annotator_of, in_order, label_guided, leads_to, needed_for
from merc.recipe.copying import copy_recipe
from merc.recipe.dump import dump_recipe, write_recipe
from merc.recipe.find import locate, shipped_folder, shipped_recipes
from merc.recipe.load import load_recipe
from merc.recipe.needed import Use
from merc.recipe.needs import Summary, summarize
from merc.recipe.schema import ComponentRef, Evaluate, Features, Recipe, Splitting, Stage, StageData, Strategy, Task
from merc.recipe.sections import leaves

__all__ = [
    "ComponentRef",
    "Evaluate",
    "Features",
    "Recipe",
    "Splitting",
    "Stage",
    "StageData",
    "Strategy",
    "Summary",
    "Task",
    "Use",
    "annotator_of",
    "copy_recipe",
    "dump_recipe",
    "in_order",
    "label_guided",
    "leads_to",
    "leaves",
    "load_recipe",
    "locate",
    "needed_for",
    "shipped_folder",
    "shipped_recipes",
    "summarize",
    "write_recipe",
]  # fmt: skip
