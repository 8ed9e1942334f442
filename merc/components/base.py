"""What all components share."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

FOLDER_OR_NAME = "a folder, or a name on the model hub"

_PLACE = "_place_in_recipe"

FolderOrName = Annotated[str, FOLDER_OR_NAME]
"""The type of a parameter that is a folder of this machine or a name on the model hub.

What begins with ``/``, ``.`` or ``~`` is a folder: merc makes it absolute from where it was written, as it does with
every ``Path``, so that a recipe means the same wherever it is run from. Anything else, ``lmsys/vicuna-7b-v1.5`` say, is
a name and stays as it is, whatever folders there happen to be.
"""


def at_least(least: int, component: object, *names: str) -> None:
    """Check counts among a component's parameters, for its ``__post_init__``.

    Args:
        least: The smallest value that is fine; so is None.
        component: The component.
        *names: Its fields to look at.

    Raises:
        ValueError: A value is below ``least``.

    >>> from types import SimpleNamespace
    >>> at_least(1, SimpleNamespace(width=0), "width")
    Traceback (most recent call last):
    ValueError: width counts from 1, not 0
    """
    for name in names:
        value = getattr(component, name)
        if value is not None and value < least:
            raise ValueError(f"{name.rstrip('_')} counts from {least}, not {value}")


def put_in_recipe(component: Component, path: str) -> None:
    """Remember where in a recipe a component stands."""
    with contextlib.suppress(AttributeError):  # of a class that takes no attributes
        object.__setattr__(component, _PLACE, path)


def place_of(component: Component) -> str:
    """Where in a recipe a component stands, such as ``encoders.face``; empty for one that was made elsewhere."""
    return str(getattr(component, _PLACE, ""))


def below_one(component: object, *names: str) -> None:
    """Check shares among a component's parameters, such as a dropout, for its ``__post_init__``.

    Args:
        component: The component.
        *names: Its fields to look at.

    Raises:
        ValueError: A value is not from 0 to below 1.

    >>> from types import SimpleNamespace
    >>> below_one(SimpleNamespace(dropout=1.0), "dropout")
    Traceback (most recent call last):
    ValueError: dropout is from 0 to below 1, not 1
    """
    for name in names:
        value = getattr(component, name)
        if not 0 <= value < 1:
            raise ValueError(f"{name.rstrip('_')} is from 0 to below 1, not {value:g}")


@dataclass(frozen=True, kw_only=True)
class Component:
    """A component is a frozen dataclass: its fields are the parameters that a recipe may set, its methods build the
    working part.

    The module of a component imports without torch: heavy imports stand inside the methods that need them. So a
    recipe is checked, with types and defaults, before anything heavy is loaded. Parameters are plain values (numbers,
    strings, booleans, lists, mappings, ``Literal``, ``Path``); ``__post_init__`` may raise ``ValueError`` with one
    sentence. A parameter that has the name of a method is a field with an underscore after it: an encoder's field
    ``sampling_`` is ``sampling`` in a recipe.
    """

    kind: ClassVar[str]

    def servers(self) -> Sequence[str]:
        """The addresses that it sends to, such as ``https://example.org/v1``, as its parameters say. merc sees that the
        user allows each, and says it, before the component is put to work. Downloads of a model that the recipe names
        are not among them."""
        return ()

    def reads_files(self) -> Sequence[Path]:
        """The files that its parameters name and that its work depends on, beside the corpus, its media and networks: a
        teacher's predictions, say. A trained run (``RunFolder``) stands for its recipe, labels and weights. A run
        records a hash of each, and is not resumed with others."""
        return ()

    def variables(self) -> Sequence[str]:
        """The names of the variables of the environment that it reads because its parameters say so (a ``key``). merc
        sees that the user allows each; ``merc.read_variable`` gives the value."""
        return ()
