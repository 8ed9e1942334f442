"""Corpora for merc: MELD, IEMOCAP, the other sets of MMEVerse, and skits, a corpus that makes itself."""
