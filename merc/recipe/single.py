"""One component by its name and parameters, without a recipe around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from merc.recipe.document import Node, Origin
from merc.recipe.inherit import apply_overrides
from merc.recipe.problems import Problems
from merc.recipe.schema import ComponentRef
from merc.recipe.sections import Sections


def load_part(kind: str, name: str, parameters: Mapping[str, str], overrides: Sequence[str] = ()) -> ComponentRef:
    """The component of a kind that ``name`` names, with ``parameters`` and changes (``key=value``), as a
    recipe's section would have it.

    Raises ManyErrors with everything that is wrong with them.
    """
    origin = Origin("command line", Path.cwd(), "command line")
    problems = Problems()
    tree = Node({key: Node(value, origin) for key, value in {"name": name, **parameters}.items()}, origin)
    tree, wrong = apply_overrides(tree, overrides)
    problems.errors += wrong
    with problems.collected(f"{kind} {name}"):
        part, _ = Sections(problems).part(kind, tree, "")
    assert part is not None
    return part
