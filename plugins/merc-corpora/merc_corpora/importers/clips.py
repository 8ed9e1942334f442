"""Clips put together: their files found, what they lack counted, their number held against what is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import merc

SPLITS = {"train": "train", "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev", "test": "test"}
TABLE_1, TABLE_2 = "MMEVerse, Table 1", "MMEVerse, Table 2"
_SHOWN, _AGAIN = 10, 3


@dataclass(frozen=True)
class Reported:
    """How many clips of some splits (all without ``splits``) a publication states; ``having`` chooses among them."""

    what: str
    count: int
    source: str
    splits: tuple[str, ...] = ()
    having: Callable[[merc.Utterance], bool] = lambda utterance: True


@dataclass
class Clips:
    """The clips of a dataset. Their files lie in ``folder`` and below it. A clip's id is ``<dataset>/<its name>``, so
    that the clips of several datasets can stand together."""

    dataset: str
    folder: Path
    talks: list[merc.Conversation] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    wordless: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        split: str | None,
        file: str | Sequence[str],
        where: str,
        text: str = "",
        cues: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        **known: Any,
    ) -> None:
        """A clip. ``file`` is its path below ``folder`` without its suffix, in any capitals, or several to look for.

        ``extra`` and ``cues`` may hold ``None`` and empty texts, which are left out; ``known`` are fields of an
        utterance. Of a name that stands twice the first clip is kept, and a note names the other.
        """
        if name in self.places:
            self.again.append(f"{name} in {where}; the first in {self.places[name]}")
            return
        self.places[name] = where
        files = [file] if isinstance(file, str) else list(file)
        video = next((self.files[one.lower()] for one in files if one.lower() in self.files), None)
        missing = {}
        if video is None:
            self.absent.append(name)
            reason = f"no clip {files[0]}{merc.VIDEO_ENDINGS[0]} in {self.folder}"
            missing = {"video": reason, "audio": reason}
        if not text:
            self.wordless.append(name)
        fields = {"video": video, "missing": missing, "cues": _given(cues), "extra": _given(extra), **known}
        utterance = merc.Utterance(id=f"{self.dataset}/{name}", text=text, origin=where, **fields)
        self.talks.append(
            merc.Conversation(id=utterance.id, split=split, dataset=self.dataset, utterances=(utterance,))  # type: ignore[arg-type]
        )

    def data(
        self, labels: Sequence[str] | None, reported: Iterable[Reported] = (), notes: Iterable[str] = ()
    ) -> merc.CorpusData:
        """What was put together, with the notes and counts."""
        lines = list(notes)
        if self.again:
            total = len(self.talks) + len(self.again)
            examples = "; ".join(self.again[:_AGAIN]) + ("; and more" if len(self.again) > _AGAIN else "")
            lines.append(f"rows that repeat a clip, left out: {len(self.again)} of {total} ({examples})")
        unlabelled = [name for name, talk in zip(self.places, self.talks, strict=True) if not _labelled(talk)]
        for what, names in (
            ("clips that are not there", self.absent),
            ("clips without a subtitle", self.wordless),
            ("clips without a label", unlabelled),
        ):
            if names:
                lines.append(f"{what}: {len(names)} of {len(self.places)} ({merc.first_names(names, _SHOWN)})")
        space = merc.LabelSpace(tuple(labels)) if labels is not None else None
        counts = [self._counted(one) for one in reported]
        return merc.CorpusData(conversations=self.talks, labels=space, notes=tuple(lines), counts=tuple(counts))

    def _counted(self, one: Reported) -> merc.ReportedCount:
        some = [talk for talk in self.talks if not one.splits or talk.split in one.splits]
        count = sum(one.having(utterance) for talk in some for utterance in talk.utterances)
        return merc.ReportedCount(what=one.what, found=count, reported=one.count, source=one.source)

    @cached_property
    def files(self) -> dict[str, Path]:
        """Where each media file is, by its path below the folder in small letters and without its suffix."""
        media = [
            path for path in self.folder.rglob("*") if path.suffix.lower() in merc.VIDEO_ENDINGS and path.name[0] != "."
        ]
        # Of two files of one name the later one is kept: the one whose suffix stands first.
        media.sort(key=lambda path: (-merc.VIDEO_ENDINGS.index(path.suffix.lower()), path.as_posix()))
        named = {path.relative_to(self.folder).with_suffix("").as_posix().lower(): path for path in media}
        return {name: path for name, path in named.items() if path.is_file()}


def _labelled(talk: merc.Conversation) -> bool:
    return any(u.label is not None or u.open_labels or "labels" in u.extra for u in talk.utterances)


def _given(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (values or {}).items() if value is not None and value not in ("", [], ())}
