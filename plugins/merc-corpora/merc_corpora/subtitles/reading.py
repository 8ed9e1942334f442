"""A file of subtitles or of tiers as utterances: who speaks, what is said, and when."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import merc
from merc import first_names
from merc_corpora.own_files import close_to
from merc_corpora.subtitles.cues import Cue, read_cues, voices
from merc_corpora.subtitles.tiers import Tier, read_elan, read_textgrid
from merc_corpora.text_files import check_encoding, read_bytes, read_text

CUES = (".srt", ".vtt", ".ass", ".ssa", ".sub")
TIERS: dict[str, Callable[[Path, bytes], list[Tier]]] = {".eaf": read_elan, ".textgrid": read_textgrid}
SUFFIXES = (*CUES, *TIERS)
_NAME = re.compile(
    r"^(?:\[([^\[\]:]{1,40})\]|([^\s:\[\]()<>?!,;\"][^:\[\]()<>?!,;\"]{0,39})(?::|：))\s*(?!/)(.*)$", re.DOTALL
)


@dataclass(frozen=True, kw_only=True)
class Subtitles:
    """What a file of subtitles or of tiers holds: its utterances in the order in which they begin, and ``notes``, each
    a sentence for the user about what was left out or counted.

    ``start`` and ``end`` of an utterance are seconds within the media file, which ``video`` or ``audio`` names where
    one was given. ``label`` is set where tiers of labels were named.
    """

    utterances: tuple[merc.Utterance, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tiers:
    """Which tiers of an ELAN or Praat file hold words (``text``; all that hold no labels where it is empty) and which
    hold labels (``label``). A label is that of the utterance that it shares most time with; of several tiers with
    words, those of the same speaker, or with the name that a tier of labels has after ``@``, come first."""

    text: tuple[str, ...] = ()
    label: tuple[str, ...] = ()


def read_subtitles(
    path: Path | str,
    media: Path | str | None = None,
    *,
    encoding: str = "utf-8",
    speakers: Sequence[str] | None = None,
    tiers: Tiers | None = None,
    name: str | None = None,
) -> Subtitles:
    """The utterances of subtitles (``.srt``, ``.vtt``, ``.ass``, ``.ssa``) or tiers (``.eaf``, ``.TextGrid``), with
    their times in the file ``media``.

    A speaker is whom the file names apart from the words (``<v Ana>``, the field Name of ASS, a tier), or who stands
    before them, as in ``Ana: Hi.`` and ``[Ana] Hi.``. ``speakers`` lists the names that count so, in any capitals;
    without it all that look like names do, and a note counts them. A subtitle that holds what two people say gives an
    utterance for each, with the same times. Ids are ``<name>_u0``, ...; ``name`` is the file's without its ending where
    none is given.

    Raises MercError for a file that cannot be read, naming the line, for an encoding that does not fit, with those
    that do, and where all begins after the end of ``media``; where some does, a note counts it.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "talk.srt"
    >>> _ = file.write_text("1\\n00:00:01,000 --> 00:00:02,500\\nAna: You came!\\n")
    >>> [said] = read_subtitles(file).utterances
    >>> said.id, said.speaker, said.text, said.start, said.end
    ('talk_u0', 'Ana', 'You came!', 1.0, 2.5)
    """
    path = merc.user_path(path)
    try:
        check_encoding(encoding)
    except ValueError as error:
        raise merc.MercError(str(error)) from None
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise merc.MercError(f"{path} is none of {' '.join(SUFFIXES)}, by its name; subtitles and tiers end so")
    if kind in TIERS:
        cues, notes = _cues_of(path, TIERS[kind](path, read_bytes(path)), tiers or Tiers())
    else:
        cues, notes = read_cues(path, read_text(path, encoding))
    listed = None if speakers is None else {one.casefold(): one for one in speakers}
    turns, more = _turns(path, cues, listed)
    if kind not in TIERS:
        more += _overlaps(path, cues)
    film, beyond = _film(path, media, [cue.start for cue in turns])
    stem = name or path.stem
    utterances = [_utterance(f"{stem}_u{index}", cue, film) for index, cue in enumerate(turns)]
    return Subtitles(utterances=tuple(utterances), notes=(*notes, *more, *beyond))


def _turns(path: Path, cues: Sequence[Cue], listed: dict[str, str] | None) -> tuple[list[Cue], list[str]]:
    """What each speaker says, in the order in which it begins, and notes."""
    turns: list[Cue] = []
    empty: list[str] = []
    several = 0
    names: Counter[str] = Counter()
    for cue in cues:
        own: list[Cue] = []
        for text, voice in voices(cue.text):
            speaker = cue.speaker or voice
            speeches = [(" ".join(text.split("\n")), speaker)] if speaker else _speeches(text, listed)
            own += [replace(cue, text=words, speaker=who) for words, who in speeches if words]
            names.update(who for words, who in speeches if words and who and not speaker)
        several += len(own) > 1
        turns += own
        if not own:
            empty.append(cue.where.rpartition(", ")[2])
    notes = []
    if empty:
        notes.append(
            f"{path.name}: {len(empty)} of {len(cues)} subtitles are empty and left out ({first_names(empty)})"
        )
    if several:
        what = "holds" if several == 1 else "hold"
        count = f"{several} of {len(cues)} subtitles {what}"
        notes.append(f"{path.name}: {count} what several people say; each is an utterance, with the same times")
    if names and listed is None:
        counts = [f"{name} ({count})" for name, count in names.most_common()]
        notes.append(
            f"{path.name}: speakers by names before the words: {first_names(counts)}; where some of them are none, "
            "'speakers' lists those who are"
        )
    backwards = [cue.where.rpartition(", ")[2] for cue in turns if cue.end <= cue.start]
    if backwards:
        notes.append(
            f"{path.name}: {len(backwards)} of {len(turns)} utterances end before they begin, so that no film or sound "
            f"of them is known ({first_names(backwards)})"
        )
    if not turns:
        raise merc.MercError(f"{path} holds no words; all of its subtitles are empty")
    return sorted(turns, key=lambda cue: cue.start), notes


def _speeches(text: str, listed: dict[str, str] | None) -> list[tuple[str, str | None]]:
    """What is said and by whom: a line that begins with a name or, where several do, with a dash begins another's."""
    lines = text.split("\n")
    dashes = sum(line.startswith(("-", "–", "—")) for line in lines) > 1
    speeches: list[tuple[list[str], str | None]] = []
    for line in lines:
        dashed = dashes and line.startswith(("-", "–", "—"))
        words, who = named(line.lstrip("-–— ") if dashed else line, listed)
        if dashed or who is not None or not speeches:
            speeches.append(([words], who))
        else:
            speeches[-1][0].append(words)
    if text and not any(word for words, _ in speeches for word in words):  # a name, and nobody's words
        return [(" ".join(lines), None)]
    return [(" ".join(word for word in words if word), who) for words, who in speeches]


def named(line: str, listed: dict[str, str] | None) -> tuple[str, str | None]:
    """A line without the name that it begins with, and the name: one of those that are listed, or without a list what
    looks like one.

    >>> named("Ana: Hi.", None), named("[Ben] Hi.", None), named("at 9:30", None)
    (('Hi.', 'Ana'), ('Hi.', 'Ben'), ('at 9:30', None))
    """
    match = _NAME.match(line)
    if match is None:
        return line, None
    name = (match[1] or match[2]).strip()
    if match[1] and not match[3].strip():  # a sound in brackets
        return line, None
    if listed is not None:
        return (match[3], listed[name.casefold()]) if name.casefold() in listed else (line, None)
    # A name begins with a capital, or in a script without capitals, and has few words; what is in brackets and in
    # small letters is a sound.
    letters = [word for word in name.split() if word[:1].isalpha()]
    looks = 0 < len(name.split()) <= 3 and bool(letters) and not name[0].islower() and not name[0].isdecimal()
    return (match[3], name) if looks else (line, None)


def _overlaps(path: Path, cues: Sequence[Cue]) -> list[str]:
    """A note on subtitles that begin before an earlier one ends."""
    ordered, several, end = sorted(cues, key=lambda cue: (cue.start, cue.end)), [], 0.0
    for cue in ordered:
        several += [cue.where.rpartition(", ")[2]] if cue.start < end else []
        end = max(end, cue.end)
    if not several:
        return []
    count = f"{len(several)} of {len(cues)} subtitles begin before the one before them ends"
    return [f"{path.name}: {count}; each keeps its own times ({first_names(several)})"]


def _film(path: Path, media: str | Path | None, starts: Sequence[float]) -> tuple[dict[str, Path], list[str]]:
    """The media file of utterances, and a note on those that begin after its end."""
    if media is None:
        return {}, []
    media = merc.user_path(media)
    info = merc.probe_media(media)
    notes = []
    late = [start for start in starts if info.seconds is not None and start >= info.seconds]
    if late and info.seconds is not None:
        beyond = (
            f"{len(late)} of {len(starts)} utterances begin after {media.name} ends ({info.seconds:.1f} s; the last "
            f"begins at {max(late):.1f} s)"
        )
        if len(late) == len(starts):
            raise merc.MercError(f"{path}: {beyond}, so these are the words of another film, or of a part of it")
        notes.append(f"{path.name}: {beyond}, so they have words alone; are they of another film, or a longer cut?")
    return {"video" if info.video else "audio": media}, notes


def _utterance(name: str, cue: Cue, film: dict[str, Path]) -> merc.Utterance:
    backwards = cue.end <= cue.start
    reason = f"{cue.where}: it ends at {cue.end:g} s and begins at {cue.start:g} s"
    times = {} if backwards else {"start": cue.start, "end": cue.end}
    return merc.Utterance(
        id=name, text=cue.text, speaker=cue.speaker, label=cue.label, origin=cue.where, **times, **film,
        missing=dict.fromkeys(("video", "audio"), reason) if backwards and film else {},
    )  # fmt: skip


def _cues_of(path: Path, every: Sequence[Tier], chosen: Tiers) -> tuple[list[Cue], list[str]]:
    """What is said in the tiers of words, each with the label that it shares most time with, and notes."""
    names = [tier.name for tier in every]
    for one in (*chosen.text, *chosen.label):
        if one not in names:
            hint = close_to(one, names)
            raise merc.MercError(f"{path} has no tier {one!r}.{hint} Its tiers are: {', '.join(names)}")
    labels = [tier for tier in every if tier.name in chosen.label]
    spoken = [tier for tier in every if (tier.name in chosen.text if chosen.text else tier.name not in chosen.label)]
    cues = [
        Cue(start, end, text, f"{path}, tier {tier.name}", tier.speaker or tier.name)
        for tier in spoken
        for start, end, text in tier.intervals
    ]
    if not cues:
        raise merc.MercError(f"{path} has no words in its tiers {', '.join(tier.name for tier in spoken) or '(none)'}")
    notes = [f"{path.name}: words of the tiers {', '.join(tier.name for tier in spoken)}"] if not chosen.text else []
    if left := sum(len(tier.unaligned) for tier in (*spoken, *labels)):
        notes.append(
            f"{path.name}: {left} annotations have no times of their own; theirs are those of their neighbours"
        )
    lost = []
    for tier in labels:
        for start, end, label in tier.intervals:
            owner = _owner(tier, start, end, cues)
            if owner is None or cues[owner].label not in (None, label):
                lost.append(f"{label} at {start:.1f} s")
            else:
                cues[owner] = replace(cues[owner], label=label)
    if lost:
        total = sum(len(tier.intervals) for tier in labels)
        notes.append(f"{path.name}: {len(lost)} of {total} labels belong to no utterance, or to one that has another: "
                     f"left out ({first_names(lost)})")  # fmt: skip
    return cues, notes


def _owner(tier: Tier, start: float, end: float, cues: Sequence[Cue]) -> int | None:
    """Which utterance an interval of labels shares most time with; the speaker's own come first."""
    whose = {tier.speaker, tier.name.rpartition("@")[2]}
    shared = (
        (min(end, cue.end) - max(start, cue.start), cue.speaker in whose, index) for index, cue in enumerate(cues)
    )
    best = max(((own, time, -index) for time, own, index in shared if time > 0), default=None)
    return None if best is None else -best[2]
