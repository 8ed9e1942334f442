"""Benchmarks of emotional intelligence for merc: EmoBench-M, MME-Emotion, MOSABench and EmoBench."""

__version__ = "0.1.0"
