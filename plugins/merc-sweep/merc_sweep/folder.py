"""The folder of a sweep: what it runs, and when its numbers of test were first read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import merc
from merc_sweep.settings import Setting

FILE = "sweep.json"
READ = "test-read.json"


class SweepFolder:
    """``sweep.json`` with the recipe and every run's setting, a folder and a log for each run, ``results.json``, and
    ``test-read.json`` once somebody has looked at test."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, about: Mapping[str, Any], settings: Sequence[Setting]) -> dict[str, tuple[Setting, Path]]:
        """The runs by name, with their settings and folders. A folder that is there must be of the same sweep, which
        may be given more settings after those that it has; else it is a merc.MercError."""
        if self.path.exists() and not self.path.is_dir():
            raise merc.MercError(f"{self.path} is a file; give another --sweep-dir")
        names = {f"{number:03d}": dict(setting) for number, setting in enumerate(settings, 1)}
        file = self.path / FILE
        if file.exists():
            held = _read(file)
            before = held.get("runs")
            other = sorted(key for key in {*about, *held} - {"runs"} if about.get(key) != held.get(key))
            if not isinstance(before, dict):
                other.append("the values")
            elif changed := next((name for name, setting in before.items() if names.get(name) != setting), None):
                other.append(f"the values (run {changed} has {before[changed]}, now {names.get(changed, 'nothing')})")
            if other:
                raise merc.MercError(
                    f"{self.path} holds another sweep: {', '.join(other)} differ; give another --sweep-dir, or the "
                    f"same as in {file}"
                )
        elif self.path.exists() and any(self.path.iterdir()):
            raise merc.MercError(f"{self.path} is not empty and holds no sweep; give another --sweep-dir")
        _write(file, {**about, "runs": names})
        return {name: (setting, self.path / name) for name, setting in names.items()}

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Keep the table."""
        _write(self.path / "results.json", results)

    def test_read(self) -> str:
        """When the numbers of test were first read, and of how many runs; empty where they were not."""
        file = self.path / READ
        if not file.exists():
            return ""
        held = _read(file)
        finished = f"{held.get('finished')} of {held.get('of')} runs were finished"
        return f"Test was first read at {held.get('first')}, when {finished}"

    def record_reading(self, finished: int, of: int) -> None:
        """Record that test is read now, unless it was before."""
        if not (self.path / READ).exists():
            now = datetime.now(UTC).isoformat(timespec="seconds")
            _write(self.path / READ, {"first": now, "finished": finished, "of": of})


def _read(file: Path) -> dict[str, Any]:
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise merc.MercError(f"{file} cannot be read ({error}); bring it back, or give another --sweep-dir") from None
    if not isinstance(held, dict):
        raise merc.MercError(f"{file} holds no sweep; bring it back, or give another --sweep-dir")
    return held


def _write(file: Path, value: Mapping[str, Any]) -> None:
    with merc.whole_file(file) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
