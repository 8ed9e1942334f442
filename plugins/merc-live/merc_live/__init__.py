"""Emotions while people speak: sound and pictures in, provisional and final labels out."""

from merc_live.engine import HISTORY, Engine, Event

__all__ = ["HISTORY", "Engine", "Event"]
__version__ = "0.1.0"
