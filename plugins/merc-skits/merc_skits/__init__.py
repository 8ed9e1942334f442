"""A corpus that makes itself: drawn faces and synthetic speech, deterministic from a seed."""

from merc_skits.corpus import SkitsCorpus

__all__ = ["SkitsCorpus"]
