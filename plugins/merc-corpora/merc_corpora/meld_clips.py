"""MELD's clips: where each is, why it is not, and whether it lasts as long as its row says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import merc
from merc_corpora.mp4 import look_at_mp4

CLIPS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
_SHOWN = 10
_NAMED = 5


class Clips:
    """The clips of one split. Those whose length contradicts their row are counted and, with ``leave_out``, missing."""

    def __init__(self, split: str, root: Path, folder: Path | None, leave_out: bool = False) -> None:
        self.split = split
        self.folder = folder
        self.leave_out = leave_out
        self.expected = 0
        self.faults: list[str] = []
        self.compared = 0
        self.differing: list[str] = []
        self.there = {path.name for path in folder.iterdir()} if folder else set()
        reason = f"the clip folder {CLIPS[split]} is not in {root}"
        self.nothing = {"video": reason, "audio": reason}

    def of(self, dialogue: int, utterance: int, seconds: float | None) -> tuple[Path | None, Mapping[str, str]]:
        """The clip of an utterance that lasts ``seconds`` by its row, and what is missing."""
        if self.folder is None:
            return None, self.nothing
        self.expected += 1
        path = self.folder / f"dia{dialogue}_utt{utterance}.mp4"
        reason = "is not there"
        if path.name in self.there:
            mp4 = look_at_mp4(path)
            reason = mp4.fault or self._contradiction(path, mp4.seconds, seconds)
            if not reason:
                return path, {}
        if mp4_fault := reason if not reason.startswith("lasts") else "":
            self.faults.append(f"{path.name} {mp4_fault}")
        why = f"the clip {path} {reason}"
        return None, {"video": why, "audio": why}

    def notes(self) -> list[str]:
        """Sentences about the split's clips, if there is something to say."""
        if self.folder is None:
            return [f"{self.split}: {self.nothing['video']}, so this split has only text"]
        notes = []
        if self.faults:
            are = "are" if len(self.faults) > 1 else "is"
            notes.append(
                f"{self.split}: {len(self.faults)} of {self.expected} clips {are} missing or broken in {self.folder}: "
                f"{merc.first_names(self.faults, _SHOWN)}"
            )
        if self.differing:
            last = "last" if len(self.differing) > 1 else "lasts"
            what = "left out" if self.leave_out else "used all the same; wrong_length: leave-out leaves them out"
            notes.append(
                f"{self.split}: {len(self.differing)} of {self.compared} clips {last} far longer or shorter than the "
                f"table says ({what}): {merc.first_names(self.differing, _NAMED)}"
            )
        return notes

    def _contradiction(self, path: Path, reported: float | None, row: float | None) -> str:
        """What contradicts the row, where the clip is to be left out for it; else empty."""
        if reported is None or row is None:
            return ""
        self.compared += 1
        if not _far(reported, row):
            return ""
        # The index alone was read, which is cheap; a clip that is named was opened.
        try:
            reported = merc.probe_media(path).seconds
        except merc.MercError:
            reported = None
        if reported is None or not _far(reported, row):
            return ""
        lengths = f"{reported:.1f} s, its row {row:.1f} s"
        self.differing.append(f"{path.stem} ({lengths})")
        return f"lasts {lengths}" if self.leave_out else ""


def _far(clip: float, row: float) -> bool:
    """Whether a clip cannot be its row's: clips were cut with some room around them."""
    return clip > 2 * row + 2 or clip < row / 2 - 1
