"""Example, a run: put a run that you trained into the folder ``trained``, as ``merc.pack_run`` copies it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Run):
    """A model that was taught nothing says joy, anger or neutral. Say here what yours was trained on, what it can and
    cannot do, and under which licence it is."""

    def folder(self) -> Path:
        """Where the run lies: in the package."""
        return Path(__file__).with_name("trained")
