"""Whose labels of earlier utterances a model was told, in words: in the report, and where there are several kinds."""

from __future__ import annotations

from dataclasses import replace
from html import unescape

import pytest

from merc.components import Prediction
from merc.evaluation import compute_metrics, read_predictions, write_metrics, write_predictions, write_report
from merc.evaluation.label_history import explained, history_sources, sentences
from tests.evaluation.conftest import LABELS, Run, classification
from tests.evaluation.test_report import words


def test_what_was_told() -> None:
    plain = Prediction(id="u", conversation="c")
    gold, own = (replace(plain, label_history=kind) for kind in ("gold", "predicted"))
    assert history_sources([plain]) is None
    assert history_sources([plain, gold]) == "gold"
    assert history_sources([own, gold, own]) == "gold and predicted"
    assert explained("gold and predicted") == f"{explained('gold')} {explained('predicted')}"


def test_splits_that_were_told_alike_share_a_sentence() -> None:
    found = sentences({"dev": {"label_history": "gold"}, "more": {"n": 2}, "test": {"label_history": "gold"}})
    assert found == [
        "Gold label history (dev, test). The model was shown the corpus's labels of earlier utterances, which a user's "
        "recordings do not have."
    ]
    assert len(sentences({"dev": {"label_history": "gold"}, "test": {"label_history": "predicted"}})) == 2
    assert sentences({"dev": {"n": 1}}) == []


@pytest.mark.parametrize("kind", ["gold", "predicted"])
def test_the_report_says_it_at_its_head(run: Run, kind: str) -> None:
    told = [replace(p, label_history=kind) for p in read_predictions(run.folder / "predictions.jsonl")]
    before = words(write_report(run.folder, run.conversations, run.labels).read_text())
    write_predictions(run.folder / "predictions.jsonl", told)
    write_metrics(run.folder / "metrics.json", compute_metrics(told, LABELS, {"classification": classification()}))
    page = unescape(words(write_report(run.folder, run.conversations, run.labels).read_text()))
    assert f"Numbers {kind.capitalize()} label history. {explained(kind)} Weighted F1" in page
    assert f"test ({kind} label history) 90 of 120 30" in page
    assert "label_history" not in page and "Further metrics" not in page
    assert "label history" not in before
