"""Building emotion data sets: clues, descriptions, judges, people who check, agreement and release."""

__version__ = "0.1.0"
