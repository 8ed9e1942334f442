"""What is wrong with a recipe, collected so that it can be mended in one go."""

from __future__ import annotations

from merc.errors import ManyErrors
from merc.recipe.document import Node


def join(path: str, key: object) -> str:
    """A dotted path one key longer.

    >>> join("", "corpus"), join("stages", 0)
    ('corpus', 'stages.0')
    """
    return f"{path}.{key}" if path else str(key)


class Problems:
    """Every mistake with its dotted path and where it was written."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def add(self, path: str, node: Node | None, text: str) -> None:
        """Note one mistake; the same one twice counts once."""
        where = f" ({node.origin.where})" if node is not None else ""
        # Lines that follow, such as notes about plugins, stand below their error.
        error = f"{path}{where}: {text}".replace("\n", "\n    ")
        if error not in self.errors:
            self.errors.append(error)

    def raise_any(self, shown: str) -> None:
        """Raise ManyErrors if there was any."""
        if self.errors:
            count = len(self.errors)
            raise ManyErrors(self.errors, f"{count} error{'s' if count > 1 else ''} in {shown}")
