"""Metrics over predictions, the files that hold them, and the report."""

from merc.evaluation.metrics import compute_metrics, read_metrics, write_metrics
from merc.evaluation.predictions import read_predictions, write_predictions
from merc.evaluation.report import write_report

__all__ = [
    "compute_metrics",
    "read_metrics",
    "read_predictions",
    "write_metrics",
    "write_predictions",
    "write_report",
]
