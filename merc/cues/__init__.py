"""The cue store, and the pass that fills it."""

from merc.cues.annotate import annotate, unanswered
from merc.cues.plan import NOTHING_KNOWN, PassOptions, blind, look, reading, shown
from merc.cues.store import CueStore
from merc.cues.table import CueTable

__all__ = [
    "NOTHING_KNOWN",
    "CueStore",
    "CueTable",
    "PassOptions",
    "annotate",
    "blind",
    "look",
    "reading",
    "shown",
    "unanswered",
]
