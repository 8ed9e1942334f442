"""Metrics over predictions, the report, the plots."""
