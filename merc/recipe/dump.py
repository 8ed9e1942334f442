"""A resolved recipe as YAML again."""

from __future__ import annotations

from pathlib import Path

from merc.files import write_text
from merc.recipe.schema import Recipe
from merc.recipe.yaml_text import write_yaml
from merc.version import __version__


def dump_recipe(recipe: Recipe) -> str:
    """The resolved recipe as YAML text, which ``load_recipe`` reads back to the same recipe from any folder."""
    return write_yaml(recipe.resolved)


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write the resolved recipe to a file, whole or not at all."""
    head = f"# The recipe {recipe.name!r} with every value resolved, by merc {__version__}.\n"
    write_text(path, head + dump_recipe(recipe))
