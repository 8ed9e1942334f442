"""A recipe from a file or a name, with the command line over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc.errors import MercError
from merc.recipe.build import Builder
from merc.recipe.document import Node, read_text
from merc.recipe.find import Place, locate
from merc.recipe.inherit import apply_overrides, read_with_parents
from merc.recipe.needed import Use, not_needed, set_aside
from merc.recipe.problems import Problems, join
from merc.recipe.references import References
from merc.recipe.schema import Recipe
from merc.recipe.yaml_text import first_line, write_yaml
from merc.registry.isolation import Fault, isolated

if TYPE_CHECKING:
    from omegaconf import DictConfig

TO_FILL_IN = "???"


def load_recipe(
    path_or_name: str | Path | Mapping[str, Any] | DictConfig, overrides: Sequence[str] = (), use: Use = "train"
) -> Recipe:
    """Read, resolve and check a recipe. Nothing heavy is imported for it.

    Args:
        path_or_name: A path, the name of a shipped recipe, or the recipe itself as a mapping or an OmegaConf
            ``DictConfig``.
        overrides: ``key=value`` texts, which go over the recipe's own values.
        use: What it is loaded for. A trained run's recipe, which is not trained with any more, may measure other
            numbers than those that its stages chose their best state by, and what only training needed (for
            ``predict``, the metrics too) may be gone: a ``NotNeeded`` stands for it then.

    Raises:
        MercError: The file is not there or is no YAML, or its values are wrong: a ``ManyErrors`` with all of them.
    """
    if isinstance(path_or_name, str | Path):
        place, root = locate(str(path_or_name)), None
    else:
        place, root = _from_python(path_or_name)
    problems = Problems()
    tree, wrong = apply_overrides(read_with_parents(place, root), overrides)
    problems.errors += wrong
    with problems.collected(place.title):
        tree = set_aside(tree, not_needed(tree, use))
        tree = References(_ask(tree, "", problems), problems).resolved()
        try:
            recipe = isolated(lambda: Builder(tree, problems, use).build(place.name))
        except Fault as fault:
            text = f"{place.title}: a component ended the check with {fault}; this is a fault of its plugin"
            raise MercError(text) from fault
    assert recipe is not None
    return replace(recipe, arguments=(place.title if root else str(path_or_name), *overrides))


def _from_python(recipe: Mapping[str, Any] | DictConfig) -> tuple[Place, Node]:
    """The tree of a recipe that was composed in Python. References stay as they are: merc fills them in."""
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if not isinstance(recipe, Mapping | DictConfig):
        raise MercError(
            f"{type(recipe).__name__} is no recipe; give a file, the name of one that comes with merc, or a mapping"
        )
    title = "the recipe given in Python"
    try:
        config: Any = OmegaConf.create(recipe)  # type: ignore[arg-type]
        plain = OmegaConf.to_container(config, resolve=False)
    except (OmegaConfBaseException, ValueError, RecursionError) as error:
        raise MercError(f"{title} is no mapping of plain values: {first_line(error)}") from None
    base = Path.cwd()
    name = str(recipe.get("title") or "recipe")
    return Place(base / "recipe.yaml", name, title, base), read_text(write_yaml(plain), title, base)


def _ask(node: Node, path: str, problems: Problems) -> Node:
    """Report the values that the recipe leaves to its user, written ``???``."""
    if isinstance(node.value, dict):
        return node.with_children({key: _ask(child, join(path, key), problems) for key, child in node.value.items()})
    if isinstance(node.value, list):
        return node.with_children([_ask(child, join(path, i), problems) for i, child in enumerate(node.value)])
    if node.value == TO_FILL_IN:
        problems.add(path, node, f"is left to you; give it on the command line: {path}=...")
        return replace(node, broken=True)
    return node
