"""Corpora for merc: MELD, and skits, a corpus that makes itself."""
