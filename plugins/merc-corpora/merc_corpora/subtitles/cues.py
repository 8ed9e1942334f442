"""Subtitles as they stand in their files: SubRip, WebVTT and Advanced SubStation, a cue each with its line.

Read here and not by a library: those at hand join to the words before it whatever they do not understand (a note, the
name of a cue, a time with a slip of the pen), and know no line.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import merc

_TIME = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?")
_ARROW = re.compile(r"^\s*(\S+?)\s*-+>\s*(\S+)(?:\s.*)?$")
_TIMES = re.compile(r"-->|^\s*\d[\d:.,]*\s*-+>")
_FRAMES = re.compile(r"^\s*\{\d+\}\{\d*\}", re.MULTILINE)
_FRAME_TIME = re.compile(r"\d:\d\d:\d\d[:;]\d")
_BLOCKS = ("WEBVTT", "NOTE", "STYLE", "REGION", "X-TIMESTAMP-MAP")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[\d:.]*>|</?>")
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9]")


@dataclass(frozen=True)
class Cue:
    """What is shown, or said, at a time. ``text`` may have several lines. ``speaker`` is who the file says it is,
    where it says so apart from the words; ``where`` names file and line."""

    start: float
    end: float
    text: str
    where: str
    speaker: str | None = None
    label: str | None = None


def seconds(text: str) -> float | None:
    """A time of hours, minutes and seconds, with a comma or a point; ``None`` for what is none.

    >>> seconds("00:01:02,500"), seconds("1:02.5"), seconds("1:0x")
    (62.5, 62.5, None)
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, whole, part = match.groups()
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(whole) + float(f"0.{part or 0}")


def read_cues(path: Path, text: str) -> tuple[list[Cue], list[str]]:
    """The cues of a file of subtitles, in its order, and notes on what is none. Raises MercError, naming the line, for
    a time that cannot be read, for subtitles that count frames, and for a file without a cue."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if _FRAMES.match(text.lstrip()):
        raise merc.MercError(
            f"{path} counts in frames (MicroDVD), and merc in seconds; convert it with the film's frame rate, as in: "
            f"ffmpeg -subfps 25 -i {path.name} {path.stem}.srt"
        )
    if re.search(r"^\[events\]\s*$", text, re.IGNORECASE | re.MULTILINE):
        cues, notes = _substation(path, lines)
    else:
        cues, notes = _blocks(path, lines)
    if not cues:
        raise merc.MercError(f"{path} holds no subtitle: no line has times such as 00:00:01,000 --> 00:00:02,500")
    return cues, notes


def _blocks(path: Path, lines: list[str]) -> tuple[list[Cue], list[str]]:
    """SubRip and WebVTT: a line with an arrow between two times, and words up to a blank line.

    A number or a name may stand above the times. A blank line within the words, which some programs write, ends them
    only where the next block begins."""
    vtt = lines[0].lstrip("\ufeff").startswith("WEBVTT")
    cues: list[Cue] = []
    passed: list[str] = []
    block: list[tuple[int, str]] = []
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            block.append((number, line))
            continue
        if block:
            _block(path, block, cues, passed, vtt)
        block = []
    notes = []
    if passed:
        notes.append(
            f"{path.name}: lines that belong to no subtitle, left out: {len(passed)} ({merc.first_names(passed, 3)})"
        )
    return cues, notes


def _block(path: Path, block: list[tuple[int, str]], cues: list[Cue], passed: list[str], vtt: bool) -> None:
    at = [index for index, (_, line) in enumerate(block) if _TIMES.search(line)]
    first = block[0][1].strip()
    if vtt and not at and first.split()[0].split("\ufeff")[-1] in _BLOCKS:
        return
    # Above its times a cue has a number or, in WebVTT, a name, in one line.
    above = block[: at[0]] if at else block
    if at and above and (vtt or above[-1][1].strip().isdecimal()):
        above = above[:-1]
    if above and cues and not vtt:  # words of the last cue, after a blank line within it
        last = cues[-1]
        cues[-1] = replace(last, text="\n".join([last.text, *(line for _, line in above)]))
    else:
        passed += [f"line {number}" for number, _ in above]
    for index, stop in zip(at, [*at[1:], len(block)][: len(at)], strict=True):
        number, line = block[index]
        match = _ARROW.match(line)
        start, end = (seconds(part) for part in match.groups()) if match else (None, None)
        where = f"{path}, line {number}"
        if start is None or end is None:
            if _FRAME_TIME.search(line):
                raise merc.MercError(
                    f"{where}: {line.strip()[:60]!r} counts frames after the seconds, and merc thousandths, as in "
                    "00:00:01,000; convert it with the film's frame rate (frame 12 of 25 a second is ,480)"
                )
            raise merc.MercError(
                f"{where}: {line.strip()[:60]!r} is no pair of times such as 00:00:01,000 --> 00:00:02,500; correct it"
            )
        words = [text for _, text in block[index + 1 : stop]]
        if (
            stop < len(block) and words and words[-1].strip().isdecimal()
        ):  # the number of the next, without a blank line
            words.pop()
        cues.append(Cue(start, end, "\n".join(words), where))


def _substation(path: Path, lines: list[str]) -> tuple[list[Cue], list[str]]:
    """Advanced SubStation: one line per event, whose fields the line ``Format:`` names."""
    cues, comments, drawings = [], 0, 0
    names: list[str] = []
    for number, line in _events(lines):
        kind, _, rest = line.partition(":")
        kind, where = kind.strip().lower(), f"{path}, line {number}"
        if kind == "format":
            names = [name.strip().lower() for name in rest.split(",")]
        elif kind == "comment":
            comments += 1
        elif kind == "dialogue":
            cells = rest.split(",", len(names) - 1) if names else []
            event = dict(zip(names, cells, strict=False))
            start, end = seconds(event.get("start", "")), seconds(event.get("end", ""))
            if start is None or end is None or "text" not in event:
                fields = ", ".join(names) or "named by a line 'Format:' before the first event"
                raise merc.MercError(f"{where}: no event with times and a text; its fields are {fields}")
            if _DRAWING.search(event["text"]):
                drawings += 1
                continue
            speaker = event.get("name", event.get("actor", "")).strip() or None
            words = event["text"].replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
            cues.append(Cue(start, end, words.strip(), where, speaker))
    counts = (("comments", comments), ("drawings", drawings))
    notes = [f"{path.name}: {what}, left out: {count}" for what, count in counts if count]
    return cues, notes


def _events(lines: list[str]) -> Iterator[tuple[int, str]]:
    inside = False
    for number, line in enumerate(lines, start=1):
        if re.match(r"^\s*\[.+\]\s*$", line):
            inside = line.strip().lower() == "[events]"
        elif inside and line.strip():
            yield number, line


def voices(text: str) -> list[tuple[str, str | None]]:
    """Words without marks for their looks, each line stripped, and who a ``<v NAME>`` before them says is speaking.

    >>> voices("<v Ana><i>You</i> came!\\n<v Ben>Yes."), voices("{\\\\an8}Hi &amp; bye\\n there")
    ([('You came!', 'Ana'), ('Yes.', 'Ben')], [('Hi & bye\\nthere', None)])
    """
    first, *pairs = _VOICE.split(text)
    spoken = [(first, None), *zip(pairs[1::2], pairs[::2], strict=True)]
    return [(_plain(words), who and html.unescape(who).strip()) for words, who in spoken if words.strip() or not pairs]


def _plain(text: str) -> str:
    text = html.unescape(_TAG.sub("", _OVERRIDE.sub("", text)))
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.split("\n")]
    return "\n".join(line for line in lines if line)
