"""What two runs must have in common to count as the same run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file


def log_of(run: Path, event: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [record for record in records if record["event"] == event]


def files_of(run: Path) -> set[str]:
    return {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}


def same_numbers(one: Path, two: Path) -> None:
    """The same metrics, predictions, weights and training log, to the last digit, and the same files."""
    assert (one / "metrics.json").read_text() == (two / "metrics.json").read_text()
    assert (one / "predictions.jsonl").read_text() == (two / "predictions.jsonl").read_text()
    assert files_of(one) == files_of(two)
    for file in one.rglob("*.safetensors"):
        mine, other = load_file(file), load_file(two / file.relative_to(one))
        assert mine.keys() == other.keys()
        for name, value in mine.items():
            assert value.equal(other[name]), f"{file}: {name}"
    for event, fields in (
        ("step", ("stage", "step", "epoch", "loss", "lr", "grad_norm", "tokens")),
        ("dev", ("stage", "step", "epoch", "metrics")),
        ("stage", ("stage", "steps")),
        ("note", ("text",)),
    ):
        mine, other = ([[record[f] for f in fields] for record in log_of(run, event)] for run in (one, two))
        if event == "note":  # one that says how long something took is another each time
            mine, other = ([t for (t,) in texts if "computed in every step" not in t] for texts in (mine, other))
        assert mine == other, event
