"""Corpora for merc: people's own tables and subtitles, MELD, IEMOCAP, and other published sets.

What other plugins may use of it is named here: subtitles, read into utterances. It is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merc_corpora.subtitles.reading import Subtitles, Tiers, read_subtitles

_HOME = {
    "Subtitles": "subtitles.reading",
    "Tiers": "subtitles.reading",
    "read_subtitles": "subtitles.reading",
}

__all__ = ["Subtitles", "Tiers", "read_subtitles"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"merc_corpora.{_HOME[name]}"), name)
    raise AttributeError(f"module 'merc_corpora' has no attribute {name!r}")
