"""The contract of trackers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import ClassVar

from merc.components import TrackedRun, Tracker
from merc.testing.contract import ComponentContract, require

_RECIPE = {"title": "a run", "seed": 0, "backbone": {"name": "smollm2"}, "stages": [{"id": "learn"}]}
_NUMBERS = {"learn/loss": 1.5, "learn/losses/token-nll": 1.5, "learn/lr": 1e-4}


class TrackerContract(ComponentContract):
    """What a tracker must keep: it takes what a run tells it, in files of its own folder or elsewhere."""

    kind = "tracker"
    component: ClassVar[Tracker]

    def _tracked(self, folder: Path, resumed: bool = False) -> None:
        """A short run, from its first number to its last."""
        run = TrackedRun(name="one", folder=folder / "mine", title="a run", recipe=_RECIPE, resumed=resumed)
        tracking = self.component.start(run)
        for step in (1, 2):
            tracking.numbers(_NUMBERS, step)
        tracking.note("1 of 3 utterances has no voice: ‘so’ <b>")
        tracking.numbers({"learn/dev/weighted_f1": 0.5}, 2)
        tracking.end({"test/weighted_f1": 0.25, "dev/weighted_f1": 0.5})

    def test_takes_a_run_and_one_that_goes_on(self) -> None:
        """Steps, notes, an evaluation on dev, the end; and steps that it knows already, after a checkpoint."""
        with tempfile.TemporaryDirectory() as folder:
            self._tracked(Path(folder))
            self._tracked(Path(folder), resumed=True)

    def test_ends_without_numbers(self) -> None:
        """A run that is stopped ends with none."""
        with tempfile.TemporaryDirectory() as folder:
            run = TrackedRun(name="one", folder=Path(folder) / "mine", title="a run", recipe=_RECIPE)
            tracking = self.component.start(run)
            tracking.numbers(_NUMBERS, 1)
            tracking.end({})

    def test_writes_in_its_own_folder(self) -> None:
        """What else stands in the run directory stays as it is."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "log.jsonl").write_text("{}\n", encoding="utf-8")
            self._tracked(folder)
            there = sorted(path.name for path in folder.iterdir())
            require(set(there) <= {"log.jsonl", "mine"}, f"it wrote {there} into the run directory; use run.folder")
            require((folder / "log.jsonl").read_text(encoding="utf-8") == "{}\n", "it changed log.jsonl")
