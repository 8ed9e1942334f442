"""The arguments that several commands take, and what a shell completes them with."""

from __future__ import annotations

from typing import Annotated

import typer

from merc.errors import MercError


def recipe_names(incomplete: str) -> list[str]:
    """The recipes that come with merc whose names begin so; the shell itself completes files.

    >>> recipe_names("quickstart-t")
    ['quickstart-text']
    """
    from merc.recipe.find import shipped_recipes

    return [name for name in shipped_recipes() if name.startswith(incomplete)]


def component_names(incomplete: str) -> list[str]:
    """The components of all plugins whose names begin so.

    >>> component_names("verbal")
    ['verbalizer']
    """
    from merc.registry import get_registry
    from merc.registry.hooks import KINDS

    try:
        registry = get_registry()
    except MercError:
        return []
    names = {name for kind in KINDS if kind != "command" for name in registry.names(kind)}
    return sorted(name for name in names if name.startswith(incomplete))


def kind_names(incomplete: str) -> list[str]:
    """The kinds of components whose names begin so.

    >>> kind_names("co")
    ['connector', 'corpus', 'corruption', 'command']
    """
    from merc.registry.hooks import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete)]


RecipeName = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE", help="A recipe file, or the name of one that comes with merc.", autocompletion=recipe_names
    ),
]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Values to change.")]
ComponentName = Annotated[
    str,
    typer.Argument(
        help="NAME of a component; KIND/NAME or PLUGIN/NAME where several have it.", autocompletion=component_names
    ),
]
