"""What all components share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Component:
    """A component is a frozen dataclass: its fields are the parameters that a recipe may set, its methods build the
    working part.

    The module of a component imports without torch: heavy imports stand inside the methods that need them. So a
    recipe is checked, with types and defaults, before anything heavy is loaded. Parameters are plain values (numbers,
    strings, booleans, lists, mappings, ``Literal``); ``__post_init__`` may raise ``ValueError`` with one sentence.
    """

    kind: ClassVar[str]
