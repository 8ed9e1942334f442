"""The run directory: what stands where, and to which recipe it belongs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.files import write_text
from merc.recipe import Recipe, load_recipe, write_recipe

# What may differ between two runs of the same work: words about it, and how fast it is done.
_NOT_THE_WORK = ("title", "description", "extends", "engine", "features")


class RunDirectory:
    """A folder with ``recipe.yaml``, ``provenance.json``, ``labels.json``, ``stages/<id>/``, ``predictions.jsonl``,
    ``metrics.json``, ``report.html`` and ``log.jsonl``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe_file = path / "recipe.yaml"
        self.metrics = path / "metrics.json"
        self.predictions = path / "predictions.jsonl"
        self.log_file = path / "log.jsonl"
        self.provenance = path / "provenance.json"

    def stage(self, name: str) -> Path:
        """The folder of a stage."""
        return self.path / "stages" / name

    def open(self, recipe: Recipe, resume: bool) -> None:
        """Take the folder for a recipe. Raises MercError if it is another recipe's, or has a run that nobody asked to
        resume."""
        if self.path.exists() and not self.path.is_dir():
            raise MercError(f"{self.path} is a file, not a folder for a run; give another --run-dir")
        if self.recipe_file.exists():
            different = _differences(load_recipe(str(self.recipe_file)).resolved, recipe.resolved)
            if different:
                raise MercError(
                    f"{self.path} belongs to another recipe: {', '.join(different[:5])} differ"
                    f"{'s' if len(different) == 1 else ''}; give another --run-dir, or the values of "
                    f"{self.recipe_file}"
                )
            if not resume:
                state = "finished" if self.metrics.exists() else "unfinished"
                raise MercError(
                    f"{self.path} already holds a {state} run of this recipe; add --resume to go on, or give another "
                    "--run-dir"
                )
            return
        if self.path.exists() and any(self.path.iterdir()):
            raise MercError(f"{self.path} is not empty and holds no run; give another --run-dir")
        self.path.mkdir(parents=True, exist_ok=True)
        write_recipe(self.recipe_file, recipe)

    def log(self, record: Mapping[str, Any]) -> None:
        """Append a record to ``log.jsonl``."""
        stamped = {**record, "time": datetime.now(UTC).isoformat(timespec="seconds")}
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(stamped, ensure_ascii=False) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """The log's records; a last line that was torn by a sudden end is left out."""
        if not self.log_file.exists():
            return []
        records = []
        for line in self.log_file.read_text(encoding="utf-8").splitlines():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return records

    def rewind(self, stage: str, step: int) -> None:
        """Drop a stage's records of steps behind ``step``: training goes on from there."""
        kept = [
            r
            for r in self.records()
            if not (r.get("stage") == stage and r.get("event") in ("step", "dev") and r["step"] > step)
        ]
        write_text(self.log_file, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in kept))

    def write_labels(self, labels: LabelSpace) -> None:
        """Keep the label space that the run was trained with."""
        words = {label: list(labels.words_of(label)) for label in labels.labels}
        write_text(self.path / "labels.json", json.dumps(words, ensure_ascii=False, indent=1))

    def read_labels(self) -> LabelSpace:
        """The label space that the run was trained with."""
        path = self.path / "labels.json"
        if not path.exists():
            raise MercError(f"{self.path} holds no run: {path.name} is not there; give a folder that merc run has made")
        words: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
        return LabelSpace(tuple(words), {label: tuple(w) for label, w in words.items()})


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Dotted paths whose values differ, but for what is not the work itself."""
    return sorted(
        path
        for path in _paths(before, now)
        if path.split(".")[0] not in _NOT_THE_WORK and _at(before, path) != _at(now, path)
    )


def _paths(*trees: Mapping[str, Any]) -> Iterable[str]:
    found: dict[str, None] = {}
    for tree in trees:
        for key, value in tree.items():
            if isinstance(value, Mapping) and value:
                others = [t[key] for t in trees if isinstance(t.get(key), Mapping)]
                found.update((f"{key}.{p}", None) for p in _paths(*others))
            else:
                found[key] = None
    return found


def _at(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree
