"""Metrics over predictions, the files that hold them, and the report."""

from merc.evaluation.metrics import check_metrics, compute_metrics, known_truths, read_metrics, truths_of, write_metrics
from merc.evaluation.predictions import read_predictions, write_predictions
from merc.evaluation.report import write_report

__all__ = [
    "check_metrics",
    "compute_metrics",
    "known_truths",
    "read_metrics",
    "read_predictions",
    "truths_of",
    "write_metrics",
    "write_predictions",
    "write_report",
]
