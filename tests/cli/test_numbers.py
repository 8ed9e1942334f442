"""The table that ``merc run`` and ``merc evaluate`` end with."""

from __future__ import annotations

import io
from typing import Any

import pytest

from merc.builtin.metrics import Classification, LastUtterance, MicroF1
from merc.cli.numbers import show_numbers, show_seeds
from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.evaluation import compute_metrics
from merc.recipe import ComponentRef
from merc.session.seeds import over_runs

METRICS = {
    "classification": ComponentRef(name="classification", params={}, component=Classification()),
    "last-utterance": ComponentRef(name="last-utterance", params={}, component=LastUtterance()),
}
SAID = [("joy", "joy", False), ("joy", "anger", False), ("anger", "joy", True), ("joy", "joy", True)]


def numbers(label_history: str | None = None, last: bool = True) -> dict[str, dict[str, Any]]:
    """Of four utterances two are right; of the two that are the last ones, one."""
    predictions = [
        Prediction(id=f"u{i}", conversation="c", split="test", truth=truth, label=label,
                   truths={"last": last and at_end}, label_history=label_history)
        for i, (truth, label, at_end) in enumerate(SAID)
    ]  # fmt: skip
    return compute_metrics(predictions, LabelSpace(("joy", "anger")), METRICS)


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def shown(metrics: dict[str, dict[str, Any]]) -> list[str]:
    out = io.StringIO()
    show_numbers(metrics, out)
    return out.getvalue().splitlines()


def rows(lines: list[str]) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]


def test_a_metric_of_other_utterances_has_a_row_below_its_split() -> None:
    lines = shown(numbers())
    assert rows(lines) == [
        ["test", "4", "0.5000", "0.5000", "0.3333", "0.0000"],
        ["last-utterance", "2", "0.5000", "0.3333", "0.3333", "0.0000"],
    ]
    assert lines[-1] == "last-utterance: the last utterance of each dialogue"
    assert max(map(len, lines)) <= 80


def test_numbers_of_conversations_that_are_over_say_so() -> None:
    told = {split: {**its, "following": 1} for split, its in numbers().items()}
    words = " ".join(" ".join(shown(told)).split())
    assert words.startswith("Offline: 1 following utterance (test). The model was shown what is said after")


def test_utterances_that_were_not_measured_are_counted() -> None:
    predictions = [
        Prediction(id=f"u{i}", conversation="c", split="test", truth=truth, label="joy", truths={"last": i > 2})
        for i, truth in enumerate(["joy", None, "joy", None, "joy", None])
    ]
    found = rows(shown(compute_metrics(predictions, LabelSpace(("joy", "anger")), METRICS)))
    assert [row[:2] for row in found] == [["test", "3 of 6"], ["last-utterance", "1 of 3"]]


def test_a_metric_that_had_nothing_to_count_says_so() -> None:
    assert rows(shown(numbers(last=False)))[1] == ["last-utterance", "0", "", "", "", ""]


def test_a_metric_whose_numbers_are_others_has_a_line() -> None:
    block = {"n": 4, "unparsed_rate": 0.0}
    mine = {"kappa": 0.25, "top_2": None, "samples": 3, "exact": True, "by_label": {"joy": 0.5}}
    lines = shown({"dev": {**block, "[mine]": mine}, "test": {**block, "[mine]": mine, "texts": {"said": "much"}}})
    assert rows(lines) == [["dev", "4", "", "", "", "0.0000"], ["test", "4", "", "", "", "0.0000"]]
    assert lines[-2:] == ["dev, [mine]: kappa 0.2500, samples 3", "test, [mine]: kappa 0.2500, samples 3"]


def test_a_metric_of_others_with_numbers_of_the_table_has_a_row() -> None:
    found = rows(shown({"test": {"n": 4, "unparsed_rate": 0.0, "moods": {"n": 3, "weighted_f1": 0.75}}}))
    assert found[1] == ["moods", "3", "", "0.7500", "", ""]


def test_a_metric_twice_has_a_line_each_that_says_what_it_is_of() -> None:
    every, few = MicroF1(), MicroF1(exclude=("joy",))
    metrics = {
        name: ComponentRef(name="micro-f1", params={}, component=one)
        for name, one in {"micro-f1": every, "micro-f1-exclude-joy": few}.items()
    }
    predictions = [
        Prediction(id=f"u{i}", conversation="c", split="test", truth=truth, label=label)
        for i, (truth, label, _) in enumerate(SAID)
    ]
    found = compute_metrics(predictions, LabelSpace(("joy", "anger")), {**METRICS, **metrics})
    lines = shown(found)
    start = lines.index("test, micro-f1: micro f1 0.5000, precision 0.5000, recall 0.5000, support 4")
    assert lines[start + 1] == "micro-f1: all labels"
    assert lines[start + 2].startswith("test, micro-f1-exclude-joy: micro f1 0.0000")
    assert lines[-1] == "micro-f1-exclude-joy: all labels but joy"


@pytest.mark.parametrize("kind", ["gold", "predicted"])
def test_whose_past_labels_were_told_stands_above(kind: str) -> None:
    lines = shown(numbers(kind))
    assert lines[0].startswith(f"{kind.capitalize()} label history (test). The model was shown ")
    assert "label history" not in " ".join(shown(numbers()))


def test_over_seeds() -> None:
    mine = [{"kappa": 0.25, "samples": 3}, {"kappa": 0.75, "samples": 3}]
    metrics = {seed: {"test": {**numbers("gold")["test"], "mine": mine[seed]}} for seed in (0, 1)}
    out = io.StringIO()
    show_seeds(over_runs(metrics), 2, out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("Gold label history (test). ")
    # At 80 columns a name stays whole and a deviation stands below its mean.
    found = rows(lines)
    assert found[0] == ["test", "0.5000 ±", "0.5000 ±", "0.3333 ±", "0.0000 ±"]
    assert found[2] == ["last-utterance", "0.5000 ±", "0.3333 ±", "0.3333 ±", "0.0000 ±"]
    assert "last-utterance: the last utterance of each dialogue" in lines
    assert lines[-1] == "test, mine: kappa 0.5000 ± 0.3536"
    assert max(map(len, lines)) <= 80
