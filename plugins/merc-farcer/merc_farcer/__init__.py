"""FARCER: pictures and words in the order in which they happened (Nonaka and Valles, 2024)."""

__version__ = "0.1.0"
