"""Connectors and fusers of the field for merc, each from its equations: the survey's sections 2.2 to 2.4 and 7."""

__version__ = "0.1.0"
