"""The numbers of a sweep's runs, by setting, sorted by dev."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import merc
from merc_sweep.settings import Setting

OTHERS = ("weighted_f1", "accuracy", "macro_f1", "uar")
"""Numbers that the table has beside the one that it is sorted by."""
_BESIDE = ("label_history", "following")


@dataclass(frozen=True)
class Row:
    """A setting but for its seed, the runs of it, and the values of each number over them by split.

    ``beside`` is what the model was shown beside the conversation so far, as metrics.json has it: ``label_history``,
    and how many ``following`` utterances.
    """

    setting: Setting
    runs: Sequence[str]
    dev: Mapping[str, Sequence[float]]
    test: Mapping[str, Sequence[float]]
    beside: Mapping[str, Any]

    @property
    def finished(self) -> int:
        """How many of its runs have the number that counts."""
        return len(next(iter(self.dev.values())))


def rows(folders: Mapping[str, tuple[Setting, Path]], by: str, lowest: bool) -> list[Row]:
    """A row for each setting, the best on dev first; one of which no run is finished stands last.

    Raises merc.MercError where a run is finished and has no such number on dev.
    """
    together: dict[str, tuple[Setting, list[str]]] = {}
    for name, (setting, _) in folders.items():
        own = {key: value for key, value in setting.items() if key != "seed"}
        together.setdefault(json.dumps(own), (own, []))[1].append(name)
    made = [
        _row(setting, names, {name: folders[name][1] for name in names}, by) for setting, names in together.values()
    ]
    sign = 1 if lowest else -1
    return sorted(made, key=lambda row: sign * mean(row.dev[by]) if row.dev[by] else math.inf)


def _row(setting: Setting, names: Sequence[str], folders: Mapping[str, Path], by: str) -> Row:
    numbers = dict.fromkeys([by, *OTHERS])
    values: dict[str, dict[str, list[float]]] = {split: {name: [] for name in numbers} for split in ("dev", "test")}
    beside: dict[str, Any] = {}
    for folder in folders.values():
        held = numbers_of(folder)
        beside |= {key: held["dev"][key] for key in _BESIDE if key in held.get("dev", {})}
        for split, by_name in values.items():
            for name, some in by_name.items():
                value = _at(held.get(split, {}), name)
                if value is not None:
                    some.append(value)
                elif split == "dev" and name == by and held:
                    known = ", ".join(_names(held.get("dev", {})))
                    raise merc.MercError(
                        f"{folder} has no number {by!r} on dev; --by names one of: {known or 'none (no dev split)'}"
                    )
    return Row(setting, names, values["dev"], values["test"], beside)


def is_finished(folder: Path, recipe: Any) -> bool:
    """Whether a run is done. Several folds of a recipe that does not measure test have nothing but ``folds.json``."""
    return (folder / "metrics.json").exists() or (
        (folder / "folds.json").exists() and "test" not in recipe.evaluate.splits
    )


def beside_in_words(table: Sequence[Row]) -> list[str]:
    """A sentence for each kind of what models were shown beside the conversation so far.

    >>> beside_in_words([Row({}, ["001"], {}, {}, {"following": 2}), Row({}, ["002"], {}, {}, {})])
    ['Offline, since prompts show up to 2 following utterances: 001.']
    """
    runs: dict[str, list[str]] = {}
    for row in table:
        if following := row.beside.get("following"):
            more = "s" if following > 1 else ""
            words = f"Offline, since prompts show up to {following} following utterance{more}"
            runs.setdefault(words, []).extend(row.runs)
        if history := row.beside.get("label_history"):
            runs.setdefault(f"Prompts show {history} labels of earlier utterances", []).extend(row.runs)
    every = sum(len(row.runs) for row in table)
    return [
        f"{words}: {'all runs' if len(names) == every > 1 else ', '.join(sorted(names))}."
        for words, names in runs.items()
    ]


def numbers_of(folder: Path) -> dict[str, Any]:
    """The numbers of a run by split, none where it is not finished; of one with several folds, dev's means over folds
    and those of all test predictions together."""
    held = _read(folder / "metrics.json")
    over = _read(folder / "folds.json")
    if over:
        held = {**held, "dev": _means(over.get("dev", {}))}
    return held


def _means(block: Mapping[str, Any]) -> dict[str, Any]:
    """The means of numbers over folds, where the numbers of one fold stand: further metrics have theirs in a block."""
    return {
        name: (one["mean"] if "mean" in one else _means(one)) if isinstance(one, Mapping) else one
        for name, one in block.items()
    }


def _names(block: Mapping[str, Any], before: str = "") -> list[str]:
    """The numbers of a split that are fractions, those of a further metric behind its name."""
    names = []
    for name, one in block.items():
        if isinstance(one, float):
            names.append(before + name)
        elif isinstance(one, Mapping) and name not in ("per_class", "confusion"):
            names += _names(one, f"{before}{name}.")
    return names


def mean(values: Sequence[float]) -> float:
    """The mean."""
    return statistics.fmean(values)


def shown(values: Sequence[float]) -> str:
    """The mean in four digits, with the sample standard deviation where there are several; nothing for none."""
    if not values:
        return ""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{mean(values):.4f}{deviation}"


def _at(block: Any, name: str) -> float | None:
    value: Any = block
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise merc.MercError(
            f"{path} is damaged ({error}); take it away, and the same command makes it again"
        ) from None
    return held if isinstance(held, dict) else {}
