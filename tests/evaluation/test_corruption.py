"""Rows of worse media and words: their numbers, their drops, their charts, and what commands print of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from merc.builtin.metrics import Classification, LastUtterance
from merc.cli.numbers import show_numbers, show_seeds
from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.evaluation import compute_metrics, read_metrics, write_metrics
from merc.evaluation.corruption import CorruptedRun, charts, headlines, with_corruptions
from merc.evaluation.metrics import further_metrics
from merc.recipe import ComponentRef
from merc.session.seeds import over_runs

LABELS = LabelSpace(("joy", "anger"))
METRICS = {
    "classification": ComponentRef(name="classification", params={}, component=Classification()),
    "last-utterance": ComponentRef(name="last-utterance", params={}, component=LastUtterance()),
}


def predictions(*labels: str) -> list[Prediction]:
    return [
        Prediction(id=f"u{i}", conversation="c", split="test", truth="joy", label=label, truths={"last": i == 3})
        for i, label in enumerate(labels)
    ]


def corrupted(right: int, severity: float, **of: Any) -> CorruptedRun:
    own = {"corruption": "noise", "severity": severity, "unit": "dB", "streams": ["voice"], **of}
    answers = ["joy"] * right + ["anger"] * (4 - right)
    return CorruptedRun(
        predictions=predictions(*answers), of=own,
        splits={"test": {"touched": 3, "utterances": 4, "missing": {"voice": 1}}},
    )  # fmt: skip


def measured(*right: int) -> dict[str, dict[str, Any]]:
    clean = compute_metrics(predictions("joy", "joy", "joy", "joy"), LABELS, METRICS)
    return with_corruptions(clean, [corrupted(n, 10.0 * at) for at, n in enumerate(right)], LABELS, METRICS)


def test_a_row_has_every_number_of_every_metric_and_its_drop() -> None:
    block = measured(1, 3)["test"]
    one, other = block["corrupt"]
    assert (one["numbers"]["accuracy"], one["drop"]["accuracy"]) == (0.25, 0.75)
    assert (other["numbers"]["accuracy"], other["drop"]["accuracy"]) == (0.75, 0.25)
    assert one["numbers"]["last-utterance.accuracy"] == 0.0 and one["drop"]["last-utterance.accuracy"] == 1.0
    assert not any("confusion" in name or "per_class" in name for name in one["numbers"])
    assert (one["touched"], one["utterances"], one["missing"]) == (3, 4, {"voice": 1})
    assert list(further_metrics(block)) == ["last-utterance"]


def test_without_rows_nothing_stands_beside_the_numbers() -> None:
    clean = compute_metrics(predictions("joy"), LABELS, METRICS)
    assert with_corruptions(clean, [], LABELS, METRICS) == clean


def test_the_table_shows_the_classification_and_else_the_first_numbers() -> None:
    assert headlines(measured(1)["test"]["corrupt"]) == ["weighted_f1", "accuracy", "macro_f1", "uar"]
    assert headlines([{"numbers": {"unparsed_rate": 0.0, "mine.a": 0.1, "mine.b": 0.2}}]) == ["mine.a", "mine.b"]


def test_a_chart_has_a_point_a_severity_and_the_clean_number_as_its_background() -> None:
    block = measured(1, 3, 2)["test"]
    (drawn,) = charts(block["corrupt"], block)
    assert drawn.title == "noise (voice)"
    assert "accuracy 0.75 at severity, dB 10" in drawn.svg
    assert str(drawn.svg).count('class="faint"') == 1
    assert charts(block["corrupt"][:1], block) == []


def test_commands_print_a_table_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    shown = io.StringIO()
    show_numbers(measured(1, 3), shown)
    text = shown.getvalue()
    assert "test, corrupted" in text
    (line,) = [line for line in text.splitlines() if "10 dB" in line]
    for cell in ("noise", "voice", "3 of 4, 1 without voice", "0.7500", "0.2500"):
        assert cell in line


@pytest.mark.parametrize("damage", [
    lambda block: block.update(corrupt=5), lambda block: block["corrupt"][0].pop("touched"),
    lambda block: block["corrupt"][0].update(severity="loud"), lambda block: block["corrupt"][0].update(numbers=[1]),
    lambda block: block["corrupt"][0]["drop"].update(accuracy="much"),
])  # fmt: skip
def test_rows_that_merc_did_not_write_are_named_with_their_file(tmp_path: Path, damage: Any) -> None:
    metrics = json.loads(json.dumps(measured(1, 3)))
    write_metrics(tmp_path / "metrics.json", metrics)
    assert read_metrics(tmp_path / "metrics.json") == metrics
    damage(metrics["test"])
    write_metrics(tmp_path / "metrics.json", metrics)
    with pytest.raises(MercError, match=r"metrics\.json is damaged: test\.corrupt is no list of rows"):
        read_metrics(tmp_path / "metrics.json")


def test_over_seeds_rows_have_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    numbers = over_runs({0: measured(1, 3), 1: measured(2, 3)})
    one, other = numbers["test"]["corrupt"]
    assert one["numbers"]["accuracy"]["mean"] == 0.375 and one["drop"]["accuracy"]["mean"] == 0.625
    assert other["numbers"]["accuracy"]["by_seed"] == {"0": 0.75, "1": 0.75} or other["severity"] == 10.0
    shown = io.StringIO()
    show_seeds(numbers, 2, shown)
    assert "0.3750 ± 0.1768" in shown.getvalue()
