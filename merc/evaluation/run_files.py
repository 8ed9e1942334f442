"""What a run directory holds, read for the report; what is not there is listed, not guessed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merc.components import Prediction
from merc.errors import MercError
from merc.evaluation.folds import read_folds
from merc.evaluation.metrics import read_metrics
from merc.evaluation.predictions import read_predictions
from merc.evaluation.shapes import is_number, is_record
from merc.files import check_name, damaged, parse_json, read_json, read_text


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """The files of a run directory. ``absent`` says, a sentence each, what could not be read and what the report
    lacks for it."""

    folder: Path
    metrics: Mapping[str, Mapping[str, Any]]
    predictions: Sequence[Prediction]
    log: Sequence[Mapping[str, Any]]
    provenance: Mapping[str, Any]
    recipe_text: str | None
    recipe: Mapping[str, Any]
    absent: Sequence[str]
    folds: Mapping[str, Any]

    def events(self, kind: str) -> list[Mapping[str, Any]]:
        """The log's records of one kind, in order."""
        return [record for record in self.log if record.get("event") == kind]


def read_run(folder: Path) -> RunFiles:
    """Read a run directory, whatever of it is there.

    Raises MercError for a folder that is not there or holds no file of a run, and for a file that is there but broken.
    A log that ends in half a line, as it does when a run is killed, and a recipe that is no YAML are no errors: they
    are listed in ``absent``.
    """
    check_name(folder)
    if not folder.is_dir():
        raise MercError(f"{folder} is no folder; the directory of a run was expected (`merc run` prints it)")
    names: tuple[str, ...] = ("metrics.json", "predictions.jsonl", "log.jsonl", "provenance.json", "recipe.yaml")
    there = {name for name in names if (folder / name).is_file()}
    if not there:
        raise MercError(f"{folder} is no run directory: it holds none of {', '.join(names)}")
    lacks = {
        "metrics.json": "so there are no numbers",
        "predictions.jsonl": "so there are no predictions to browse",
        "log.jsonl": "so there are no training curves and no notes",
        "provenance.json": "so what the run was made with is unknown",
        "recipe.yaml": "so the recipe is unknown",
    }
    folds = read_folds(folder)
    if folds:  # the log and the provenance are those of each fold
        names = ("metrics.json", "predictions.jsonl", "recipe.yaml")
    absent = [f"{name} is not in the run directory, {lacks[name]}." for name in names if name not in there]
    log: list[Mapping[str, Any]] = []
    if "log.jsonl" in there:
        log, broken = _read_log(folder / "log.jsonl")
        if broken:
            listed = ", ".join(map(str, broken[:5])) + (", …" if len(broken) > 5 else "")
            absent.append(
                f"log.jsonl: {len(broken)} of its lines are no record of a run and were left out (line {listed})."
            )
    recipe_text = read_text(folder / "recipe.yaml", "take it away to do without it") if "recipe.yaml" in there else None
    recipe, fault = _parse_recipe(recipe_text or "")
    if recipe_text is not None and fault:
        absent.append(f"recipe.yaml is no recipe ({fault}); it is shown as it stands.")
    return RunFiles(
        folder=folder,
        metrics=read_metrics(folder / "metrics.json") if "metrics.json" in there else {},
        predictions=read_predictions(folder / "predictions.jsonl") if "predictions.jsonl" in there else [],
        log=log,
        provenance=_read_provenance(folder / "provenance.json") if "provenance.json" in there else {},
        recipe_text=recipe_text,
        recipe=recipe,
        absent=absent,
        folds=folds,
    )


def labels_of(files: RunFiles) -> tuple[str, ...]:
    """The labels of a run: in the order of its confusion matrix, then what its predictions name beside these."""
    named = {label for p in files.predictions for label in (p.truth, p.label, *(p.probabilities or ()))}
    occurring = sorted(label for label in named if label is not None)
    for block in files.metrics.values():
        labels = (block.get("confusion") or {}).get("labels")
        if labels:
            return tuple(dict.fromkeys([*labels, *occurring]))
    return tuple(occurring)


def _read_log(path: Path) -> tuple[list[Mapping[str, Any]], list[int]]:
    records: list[Mapping[str, Any]] = []
    broken: list[int] = []
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MercError(f"{path} cannot be read: {error.strerror}; take it away to do without it") from None
    for number, line in enumerate(content.split(b"\n"), start=1):  # a sudden end may tear a letter
        if not line.strip():
            continue
        try:
            record = parse_json(line.decode())
        except ValueError:
            record = None
        if is_record(record):
            records.append(record)
        else:
            broken.append(number)
    return records, broken


def _read_provenance(path: Path) -> Mapping[str, Any]:
    remedy = "take it away to do without it"
    provenance = read_json(path, remedy)
    for key, kind in (("plugins", list), ("packages", dict)):
        if not isinstance(provenance.get(key) or kind(), kind):
            raise damaged(path, f"{key!r} is not what merc writes there", remedy)
    seconds = provenance.get("seconds")
    if seconds is not None and not (is_number(seconds) and math.isfinite(seconds)):
        raise damaged(path, "'seconds' is no finite number", remedy)
    return provenance


def _parse_recipe(text: str) -> tuple[Mapping[str, Any], str | None]:
    # Read as plain YAML: a report must be possible where the run's plugins are not installed.
    import yaml

    try:
        recipe = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return {}, f"not YAML: {' '.join(str(error).split())}"
    return (recipe, None) if isinstance(recipe, dict) else ({}, "sections were expected")
