"""What ``folds.json`` of a run of several folds holds, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merc.evaluation.shapes import is_number
from merc.files import damaged, read_json

FILE = "folds.json"
"""By split and number the mean, the deviation and the values by fold; and what is tested in each fold."""


@dataclass(frozen=True)
class FoldTable:
    """The numbers of each fold on one split, and their means with the standard deviation."""

    split: str
    numbers: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]
    means: tuple[tuple[float, float | None], ...]


def read_folds(folder: Path) -> dict[str, Any]:
    """What ``folds.json`` holds; nothing for a folder without one. Raises MercError for one that is damaged."""
    path = folder / FILE
    if not path.exists():
        return {}
    remedy = "take it away, and merc run ... --folds works it out again"
    held = read_json(path, remedy)
    if not isinstance(held.get("folds"), dict) or not all(_is_block(block) for block in held.values()):
        raise damaged(path, "numbers by split and fold were expected", remedy)
    return held


def _is_block(block: object) -> bool:
    if not isinstance(block, Mapping):
        return False
    numbers = [one for one in block.values() if isinstance(one, Mapping) and "by_fold" in one]
    return all(
        is_number(one.get("mean"))
        and isinstance(one["by_fold"], Mapping)
        and all(is_number(value) for value in one["by_fold"].values())
        and (one.get("std") is None or is_number(one["std"]))
        for one in numbers
    )


def fold_tables(held: Mapping[str, Any], numbers: tuple[str, ...]) -> list[FoldTable]:
    """A table for each split, test first, of those of the ``numbers`` that all folds have.

    >>> accuracy = {"mean": 0.5, "std": 0.1, "by_fold": {"1": 0.4, "2": 0.6}}
    >>> (table,) = fold_tables({"folds": {"1": "Session1", "2": ""}, "test": {"accuracy": accuracy}}, ("accuracy",))
    >>> table.rows
    (('1: Session1', (0.4,)), ('2', (0.6,)))
    """
    names = held.get("folds", {})
    tables = []
    for split in sorted((key for key in held if key != "folds"), key=lambda key: (key != "test", key != "dev")):
        block = {name: held[split][name] for name in numbers if name in held[split]}
        if block:
            rows = tuple(
                (f"{fold}: {name}" if name else fold, tuple(one["by_fold"][fold] for one in block.values()))
                for fold, name in names.items()
                if all(fold in one["by_fold"] for one in block.values())
            )
            means = tuple((one["mean"], one.get("std")) for one in block.values())
            tables.append(FoldTable(split, tuple(block), rows, means))
    return tables
