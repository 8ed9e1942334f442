"""The cue store, and the pass that fills it."""

from merc.cues.annotate import PassOptions, annotate
from merc.cues.plan import blind, look
from merc.cues.store import CueStore
from merc.cues.table import CueTable

__all__ = ["CueStore", "CueTable", "PassOptions", "annotate", "blind", "look"]
