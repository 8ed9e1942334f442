"""ROC and precision-recall curves of a report."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.evaluation import compute_metrics, write_metrics, write_predictions, write_report
from merc.evaluation.ranking import ranking

from .conftest import LABELS, Run, classification
from .test_report import page, words


def leaning(count: int, labels: LabelSpace) -> list[Prediction]:
    """Predictions with chances that lean towards the truth."""
    source = random.Random(1)
    predictions = []
    for i in range(count):
        truth = labels.labels[i % len(labels)]
        chances = {label: source.random() + 0.5 * (label == truth) for label in labels.labels}
        best = max(chances, key=lambda label: chances[label])
        predictions.append(
            Prediction(id=f"u{i}", conversation=f"c{i}", split="test", truth=truth, label=best, probabilities=chances)
        )
    return predictions


def test_the_areas_are_those_of_all_points_though_fewer_are_drawn() -> None:
    predictions = leaning(1000, LABELS)
    curves = ranking(predictions, LABELS)
    assert curves is not None
    for one in curves.labels:
        truth = [p.truth == one.label for p in predictions]
        chances = [p.probabilities[one.label] for p in predictions if p.probabilities]
        assert one.auc == pytest.approx(roc_auc_score(truth, chances))
        assert one.average_precision == pytest.approx(average_precision_score(truth, chances))
    assert curves.roc.svg.count("<polyline") == 4  # three labels, and chance
    longest = max(curves.roc.svg.split('points="')[1:], key=len).split('"')[0]
    assert 20 < len(longest.split()) <= 82


def test_predictions_without_probabilities_and_labels_that_do_not_occur_are_counted(run: Run) -> None:
    text = words(page(run))
    assert "Over the 60 of 90 labelled utterances whose prediction has probabilities." in text
    assert "Without curves, since none or all of these utterances have it: neutral." in text
    assert "joy 0.500 0.500 0.500 30" in text


def test_of_many_labels_the_most_frequent_are_drawn_and_all_are_in_the_table() -> None:
    labels = LabelSpace(tuple(f"label {i}" for i in range(11)))
    curves = ranking(leaning(106, labels), labels)
    assert curves is not None
    assert len(curves.labels) == 11
    assert curves.roc.legend == [f"label {i}" for i in range(8)]
    assert curves.not_drawn == ["label 8", "label 9", "label 10"]


def test_a_report_without_any_probability_says_that_it_has_no_curves(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    predictions = [Prediction(id="u", conversation="c", split="test", truth="joy", label="joy")]
    write_predictions(folder / "predictions.jsonl", predictions)
    write_metrics(folder / "metrics.json", compute_metrics(predictions, LABELS, {"classification": classification()}))
    text = words(write_report(folder, [], LABELS).read_text())
    assert "No labelled prediction of this split has probabilities, so there are no ROC" in text
