"""Emotions while people speak: sound and pictures in, provisional and final labels out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merc_live.engine import HISTORY, Engine, Event

__all__ = ["HISTORY", "Engine", "Event"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in __all__:  # imported when asked for: every command of merc imports this package, to see what it brings
        from merc_live import engine

        return getattr(engine, name)
    raise AttributeError(f"module 'merc_live' has no attribute {name!r}")
