"""A corpus into one file: its clips looked at, counted, and written in merc's own form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from merc.builtin.jsonl import write_jsonl
from merc.builtin.parquet import write_parquet
from merc.components.corpus import CorpusData, check_spelling
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import ManyErrors, MercError, first_lines, first_names
from merc.media import probe_media
from merc.media.container import Unreadable

WRITERS = {".jsonl": write_jsonl, ".parquet": write_parquet}
MODALITIES = ("video", "audio")
_NAMED = 5


def writer_of(path: Path) -> Callable[[Path, Sequence[Conversation], Mapping[str | None, LabelSpace]], None]:
    """What writes a file with such a name. Raises MercError for a name that is none of theirs."""
    if path.suffix not in WRITERS:
        raise MercError(f"{path}: the name of the file to write ends in {' or '.join(WRITERS)}")
    return WRITERS[path.suffix]


@dataclass
class MediaCheck:
    """MediaCheck into media files, each once, for whether they hold pictures and sound."""

    faults: dict[Path, dict[str, str]] = field(default_factory=dict)
    looked_at: int = 0
    lacking: dict[str, list[str]] = field(default_factory=lambda: {"video": [], "audio": [], "text": []})

    def at(self, utterance: Utterance) -> Utterance:
        """The utterance, with why it lacks pictures or sound where it does; what it lacks is counted."""
        self.looked_at += 1
        missing = dict(utterance.missing)
        for modality in MODALITIES:
            path = utterance.media(modality)
            if modality not in missing:
                reason = "the corpus names no file" if path is None else self._tracks(path).get(modality)
                if path is not None and reason is not None:
                    missing[modality] = reason
                if reason is None:
                    continue
            self.lacking[modality].append(utterance.id)
        if not utterance.text.strip():
            self.lacking["text"].append(utterance.id)
        return replace(utterance, missing=missing)

    def notes(self) -> list[str]:
        """A sentence for each of pictures, sound and words that some utterances lack."""
        notes = []
        for what, ids in zip(("video", "audio", "subtitle"), self.lacking.values(), strict=True):
            if ids:
                notes.append(f"no {what}: {len(ids)} of {self.looked_at} ({first_names(ids, _NAMED)})")
        return notes

    def _tracks(self, path: Path) -> dict[str, str]:
        """Why a file has no pictures or no sound, by modality."""
        if path not in self.faults:
            try:
                info = probe_media(path)
                self.faults[path] = {
                    modality: f"{path.name} has no {modality} track"
                    for modality, there in (("video", info.video), ("audio", info.audio))
                    if not there
                }
            except Unreadable as error:
                self.faults[path] = dict.fromkeys(MODALITIES, str(error))
        return self.faults[path]


def check(data: CorpusData) -> None:
    """Raise MercError for a corpus that is empty, uses an id twice, or has labels outside its own label
    space, or that differ by capitals alone."""
    if not any(talk.utterances for talk in data.conversations):
        raise MercError("the corpus holds no utterance, so nothing is written")
    for what, ids in (
        ("conversation", [talk.id for talk in data.conversations]),
        ("utterance", [utterance.id for talk in data.conversations for utterance in talk.utterances]),
    ):
        twice = [one for one, count in Counter(ids).items() if count > 1]
        if twice:
            count = f"{len(twice)} of {len(set(ids))}"
            raise ManyErrors(first_lines(twice, _NAMED), f"{count} {what} ids occur more than once")
    check_spelling(data.conversations, ())
    if data.labels is not None or data.spaces:
        data.label_space()


def spaces_of(data: CorpusData) -> dict[str | None, LabelSpace]:
    """The label space of each dataset that has conversations and declares one."""
    spaces = {name: data.space_of(name) for name in dict.fromkeys(talk.dataset for talk in data.conversations)}
    return {name: space for name, space in spaces.items() if space is not None}
