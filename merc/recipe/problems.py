"""What is wrong with a recipe, collected so that it can be mended in one go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from merc.consent import hide
from merc.errors import ManyErrors, MercError, NotedError
from merc.recipe.document import Node


def join(path: str, key: object) -> str:
    """A dotted path one key longer.

    >>> join("", "corpus"), join("stages", 0)
    ('corpus', 'stages.0')
    """
    return f"{path}.{key}" if path else str(key)


MOST = 50
"""Mistakes that are collected; a recipe with more is no recipe, and looking for more takes time."""
_LINE = 1000
"""Characters of a mistake that are shown."""


class TooMany(Exception):
    """There are more mistakes than are collected."""


class Problems:
    """Every mistake with its dotted path and where it was written, up to ``MOST``; then ``add`` raises TooMany.
    ``notes`` are on what is no mistake but has no effect; ``below`` are lines that stand once below all mistakes."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.notes: list[str] = []
        self.below: list[str] = []

    def add(self, path: str, node: Node | None, text: str) -> None:
        """Keep one mistake; the same one twice counts once."""
        # Lines that follow, such as notes about plugins, stand below their error.
        error = hide(f"{path}{_where(node)}: {text}").replace("\n", "\n    ")
        error = error if len(error) <= _LINE else f"{error[:_LINE]}… ({len(error):,} characters)"
        if error in self.errors:
            return
        if len(self.errors) >= MOST:
            raise TooMany
        self.errors.append(error)

    def add_error(self, path: str, node: Node | None, error: MercError) -> None:
        """Keep one mistake that was raised; its notes stand below all of them."""
        if not isinstance(error, NotedError):
            return self.add(path, node, str(error))
        self.add(path, node, error.sentence)
        self.below += [note for note in error.notes if note not in self.below]

    def note(self, path: str, node: Node | None, text: str) -> None:
        """Keep a sentence for the user, who may go on all the same."""
        note = f"{path}{_where(node)}: {text}"
        if note not in self.notes:
            self.notes.append(note)

    def raise_any(self, title: str) -> None:
        """Raise ManyErrors if there was any."""
        if self.errors:
            count = len(self.errors)
            raise ManyErrors(self.errors, f"{count} error{'s' if count > 1 else ''} in {title}", self.below)

    @contextmanager
    def collected(self, title: str) -> Iterator[None]:
        """Raise ManyErrors, when the block ends, if there was any mistake; the block ends early if there are many."""
        head = f"the first {MOST} errors in {title}"
        try:
            yield
        except TooMany:
            raise ManyErrors(self.errors, head, self.below) from None
        self.raise_any(title)


def _where(node: Node | None) -> str:
    return f" ({node.origin.where})" if node is not None else ""
