"""Corpora of clips, each from the layout in which it is published: MMEVerse's sets, and its further test sets."""
