"""The corpus ``subtitles``: a conversation a file of subtitles or of tiers, beside its film or sound."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import merc
from merc import first_names
from merc_corpora.own_files import Paths, check_paths, files_below, listed_files
from merc_corpora.subtitles.reading import CUES, SUFFIXES, TIERS, Tiers, read_subtitles
from merc_corpora.text_files import check_encoding, fitting, read_bytes

_LABELS = re.compile("emo|label|feel|mood|affect|情", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class SubtitlesCorpus(merc.Corpus):
    """Subtitles (SRT, WebVTT, ASS) and transcripts in tiers (ELAN, Praat): a conversation a file, an utterance a
    subtitle or interval.

    The film or sound of a conversation is the file of its name; an utterance has its times in it. Files without one are
    text alone, and counted. Without tiers of labels no utterance has one, which is enough to predict.

    Raises MercError for times that cannot be read, subtitles that count in frames, and a file of which all is beyond
    the end of its film, naming file and line.
    """

    path: Paths
    """A file, a folder (all such files in it and below), a list of these, or a mapping from a split to any of them."""
    media: Path | None = None
    """The folder that holds films and sounds, or the film itself of a single file; null is the folder of each file."""
    encoding: str = "utf-8"
    """The encoding of subtitles (``utf-8``, ``utf-16``, ``gbk``, ``cp1252``, ...); one that does not fit is an error
    that names those that do."""
    speakers: tuple[str, ...] | None = None
    """The names that stand before words, as in ``Ana: Hi.``; null takes all that look like names, and a note lists
    them."""
    text_tiers: tuple[str, ...] = ()
    """The tiers that hold words; by default all but those of labels."""
    label_tiers: tuple[str, ...] = ()
    """The tiers whose texts are labels: each that of the utterance that it shares most time with."""

    def __post_init__(self) -> None:
        check_paths(self.path)
        check_encoding(self.encoding)
        if both := set(self.text_tiers) & set(self.label_tiers):
            raise ValueError(f"the tier {min(both)!r} is in text_tiers and in label_tiers; leave it in one of them")

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A file of subtitles or tiers by its name, or a folder with some."""
        folder = path.is_dir()
        files = [one for one in (files_below(path) if folder else [path]) if one.suffix.lower() in SUFFIXES]
        if not files:
            return None
        counts = Counter(one.suffix.lower() for one in files)
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items()))
        what = f"a folder with subtitles or tiers ({kinds})" if folder else f"subtitles or tiers ({files[0].suffix})"
        labels, details = _tiers(files)
        parameters = {"path": str(path), **_encoding(files), **({"label_tiers": labels} if labels else {})}
        return merc.Recognised(
            what=f"{what}, each a conversation", parameters=parameters, details=details, general=folder
        )

    def load(self) -> merc.CorpusData:
        """Read every file. Raises MercError, naming file and line."""
        files, notes = listed_files(self.path, SUFFIXES, "subtitles or tiers", merc.MEDIA_ENDINGS)
        talks: list[merc.Conversation] = []
        alone: list[str] = []
        names = _names([file for file, _ in files])
        if len(files) > 1 and self.media is not None and merc.user_path(self.media).is_file():
            raise merc.MercError(f"'media' is the film {self.media}, and there are {len(files)} files; give a folder")
        tiers = Tiers(text=self.text_tiers, label=self.label_tiers)
        for name, (file, split) in zip(names, files, strict=True):
            media = self._media(file)
            if media is None:
                alone.append(name)
            read = read_subtitles(
                file, media, encoding=self.encoding, speakers=self.speakers,
                tiers=None if file.suffix.lower() in CUES else tiers, name=name,
            )  # fmt: skip
            notes += read.notes
            talks.append(merc.Conversation(id=name, split=split, utterances=read.utterances))  # type: ignore[arg-type]
        if alone and len(alone) < len(talks):
            count = f"{len(alone)} of {len(talks)} files"
            notes.append(f"{count} have no film or sound of their name, so there is only text: {first_names(alone)}")
        elif alone:
            notes.append("no film or sound of their name is beside the files, so there is only text")
        return merc.CorpusData(conversations=talks, notes=tuple(_together(notes)))

    def _media(self, file: Path) -> Path | None:
        """The film or sound of a file's name; a film comes before a sound."""
        folder = file.parent if self.media is None else merc.user_path(self.media)
        if folder.is_file():
            return folder
        if not folder.is_dir():
            raise merc.MercError(
                f"the folder {folder} is not there; 'media' of the corpus subtitles names the films' one"
            )
        near = [path for path in folder.glob(f"{_escaped(file.stem)}.*") if path.suffix.lower() in merc.MEDIA_ENDINGS]
        return min(near, key=lambda path: merc.MEDIA_ENDINGS.index(path.suffix.lower()), default=None)


def _tiers(files: Sequence[Path]) -> tuple[list[str], list[str]]:
    """The tiers of the first file with some that seem to hold labels, and a line that names all of them."""
    for file in files:
        if read := TIERS.get(file.suffix.lower()):
            try:
                tiers = read(file, read_bytes(file))
            except merc.MercError:
                continue  # reading it says why
            labels = [tier.name for tier in tiers if _LABELS.search(tier.name)]
            counts = ", ".join(f"{tier.name} ({len(tier.intervals)})" for tier in tiers)
            return labels, [f"tiers of {file.name}: {counts}; labels seem to be in: {', '.join(labels) or 'none'}"]
    return [], []


def _encoding(files: Sequence[Path]) -> dict[str, str]:
    """The encoding that the first file of subtitles that is not in UTF-8 seems to be in."""
    for file in files:
        content = file.read_bytes() if file.suffix.lower() in CUES else b""
        names = [name for name, _ in fitting(content)]
        if names and names[0] != "utf-8":
            return {"encoding": names[0]}
    return {}


def _escaped(name: str) -> str:
    return "".join(f"[{one}]" if one in "*?[" else one for one in name)


def _names(files: Sequence[Path]) -> list[str]:
    """The conversations' names: those of the files, or with as much of their folders as tells them apart."""
    names = [file.stem for file in files]
    for depth in range(1, 8):
        counts = Counter(names)
        names = [
            name if counts[name] == 1 else "/".join((*file.parts[-1 - depth : -1], file.stem))
            for name, file in zip(names, files, strict=True)
        ]
    counts = Counter(names)
    return [name if counts[name] == 1 else file.name for name, file in zip(names, files, strict=True)]


def _together(notes: Sequence[str]) -> list[str]:
    """Notes of many files: of each kind the first ones, and how many more there are."""
    kinds: dict[str, list[str]] = {}
    for note in notes:
        kinds.setdefault(note.partition(": ")[2][:12].lstrip("0123456789 "), []).append(note)
    lines = []
    for those in kinds.values():
        lines += those[:3]
        if len(those) > 3:
            lines.append(f"and so in {len(those) - 3} more files")
    return lines
