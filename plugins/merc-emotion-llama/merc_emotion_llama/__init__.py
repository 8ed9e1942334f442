"""Emotion-LLaMAv2 and MMEVerse for merc: fusion before the language model, and the benchmark's metrics."""

__version__ = "0.1.0"
