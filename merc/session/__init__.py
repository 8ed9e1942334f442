"""Stages in order, the run directory, provenance."""
