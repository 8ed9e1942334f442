"""A copy of a recipe to change, which means the same from where it stands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from merc.errors import MercError
from merc.files import whole_file
from merc.recipe.document import read_document, read_recipe_text
from merc.recipe.find import SUFFIXES, Place, locate, shipped_recipes
from merc.recipe.load import load_recipe
from merc.recipe.references import home
from merc.recipe.schema import Recipe
from merc.recipe.sections import leaves
from merc.recipe.yaml_text import read_yaml


def copy_recipe(name: str, target: Path) -> tuple[Path, list[str]]:
    """Copy a recipe's file, comments and all, to a file or into a folder; gives the new file and notes for the user.

    ``extends`` and relative paths are rewritten so that they mean the same from the new place. Raises MercError when
    the target is there already; nothing is overwritten.
    """
    place = locate(name)
    if target.is_dir():
        target = target / f"{Path(place.name).name}.yaml"
    if target.suffix not in SUFFIXES:
        raise MercError(f"{target} is no name for a recipe; let it end in .yaml, or give a folder that is there")
    if target.exists() or target.is_symlink():
        raise MercError(f"{target} is there already; merc copy overwrites nothing, so give another name")
    node = read_document(place.file, place.title, place.base)
    text = read_recipe_text(place.file, place.title)
    changes: dict[str, str] = {}
    parent = node.get("extends")
    if parent is not None and isinstance(parent.value, str):
        changes["extends"] = _parent_from(locate(parent.value, beside=place.file.parent), target)
    original, notes = _load(place)
    with whole_file(target.absolute()) as temporary:
        temporary.write_text(_changed(text, changes), encoding="utf-8")
        if original is not None:
            changes |= _moved_paths(original, temporary, target)
            temporary.write_text(_changed(text, changes), encoding="utf-8")
            differing = _differences(original, temporary)
            if differing:
                raise MercError(
                    f"{place.title} would not mean the same from {target.parent}: {', '.join(differing)} "
                    "would change; write absolute paths there, or ${data_root}, and copy again"
                )
    return target, notes


def _load(place: Place) -> tuple[Recipe | None, list[str]]:
    """The recipe, to compare its copy with. It may need a data folder, or be incomplete on this machine."""
    fault = ""
    for overrides in ([], ["data_root=."]):
        try:
            return load_recipe(str(place.file), overrides), []
        except MercError as error:
            fault = str(error)
    return None, [
        f"{place.title} is not valid as it stands here, so its relative paths were copied as they are:\n{fault}"
    ]


def _parent_from(parent: Place, target: Path) -> str:
    """How the copy names the recipe that it extends."""
    for name, file in shipped_recipes().items():
        if file.resolve() == parent.file.resolve():
            return name
    return os.path.relpath(parent.file, target.absolute().parent)


def _moved_paths(original: Recipe, copied: Path, target: Path) -> dict[str, str]:
    """The paths that came out differently from the new place, as they must be written there."""
    before = dict(leaves(original.resolved))
    paths: dict[str, str] = {}
    for path in _differences(original, copied):
        base = target.absolute().parent
        value = before.get(path)
        if isinstance(value, str):
            paths[path] = _relative(value, base)
        elif isinstance(value, list):
            paths |= {f"{path}.{i}": _relative(item, base) for i, item in enumerate(value) if isinstance(item, str)}
    return paths


def _relative(path: str, base: Path) -> str:
    return os.path.relpath(path, os.path.realpath(base)) if Path(path).is_absolute() else path


def _differences(original: Recipe, copied: Path) -> list[str]:
    overrides = ["data_root=."] if original.sources.get("data_root") == "command line" else []
    after = dict(leaves(load_recipe(str(copied), overrides).resolved))
    return [path for path, value in leaves(original.resolved) if after.get(path) != value]


def _changed(text: str, changes: dict[str, str]) -> str:
    """The text of a YAML file with other values at some dotted paths; a path that is not in it is left out."""
    root = read_yaml(text, "the recipe")
    spans: dict[tuple[int, int], str] = {}
    for path, value in changes.items():
        node: Any = root
        for key in path.split("."):
            if isinstance(node, yaml.MappingNode):
                node = next((child for name, child in node.value if name.value == key), None)
            elif isinstance(node, yaml.SequenceNode) and key.isdecimal() and int(key) < len(node.value):
                node = node.value[int(key)]
            else:
                node = None
        if not isinstance(node, yaml.ScalarNode) or "${" in node.value or node.value == value:
            continue
        if not Path(home(node.value)).is_absolute():
            # The dot may be what says that it is a folder and no name on the hub.
            value = f"./{value}" if node.value.startswith(".") and not value.startswith(("/", ".")) else value
            spans[(node.start_mark.index, node.end_mark.index)] = "'" + value.replace("'", "''") + "'"
    for (start, end), value in sorted(spans.items(), reverse=True):
        text = text[:start] + value + text[end:]
    return text
