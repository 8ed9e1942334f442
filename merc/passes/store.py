"""A folder of results on disk."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from merc.errors import MercError
from merc.passes.claims import Claims


class Store:
    """A folder of results, which several processes may fill and read at once. ``what`` is its name in messages."""

    what: ClassVar[str]

    def __init__(self, root: Path) -> None:
        self.root = root
        self.claims = Claims(root / "claims.lock")

    def make(self) -> None:
        """Make the folder. Raises MercError where that cannot be."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MercError(
                f"the {self.what} {self.root} cannot be made: {error.strerror}; set features.store"
            ) from None
