"""Segments of a recording by its shots: where one shot ends and the next begins, and what is said in each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from merc_embedded import is_cut, small_grey

import merc
from merc_annotation.fades import GradualTransitions

Segmenting = Literal["speech", "shots", "both"]
"""What makes a segment: what somebody says without a pause, a shot, or what is said within one shot."""
SHORTEST = 0.3
"""A piece of fewer seconds stays with the one beside it."""
_SIZE = (90, 160)
_SILENT = "nobody speaks in it"
Segment = dict[str, Any]
"""An utterance of a file of conversations."""


def find_shots(recording: Path) -> list[float]:
    """The times, in seconds of the recording, at which a shot begins, of which 0 is the first, and at which the last
    one ends. Every picture is held against the one before it, of which a cut changes most at once, and against those of
    up to two seconds before, from which a fade or a dissolve leads to it (``GradualTransitions``).

    Raises MercError where the recording has no pictures, or they cannot be decoded.
    """
    edges, before, end = [0.0], None, 0.0
    gradual = GradualTransitions()
    for stretch in merc.watch(recording, _SIZE):
        for frame, time in zip(stretch.frames, stretch.times.tolist(), strict=True):
            grey = small_grey(frame)
            if before is not None and is_cut(before, grey):
                edges.append(time)
            gradual.see(time, grey)
            before, end = grey, time
    # A quick dissolve may look like a cut from each picture to the next.
    for one in gradual.transitions():
        edges = [*(time for time in edges if not one.start < time <= one.end), one.middle]
    edges.sort()
    seconds = merc.probe_media(recording).seconds or 0.0
    return [*edges, max(end, seconds, edges[-1] + SHORTEST)]


def by_shots(name: str, edges: Sequence[float], utterances: Sequence[Segment]) -> list[Segment]:
    """A segment for each shot between two of the ``edges``, with the words that are said in it.

    >>> words = [["Oh", 0.2, 0.4, 0.9], ["no", 1.4, 1.6, 0.9]]
    >>> utterance = {"id": "t_u0", "speaker": "A", "text": "Oh no", "start": 0.1, "end": 1.7, "words": words}
    >>> [(one["id"], one["start"], one["text"]) for one in by_shots("t", [0.0, 1.0, 2.0, 3.0], [utterance])]
    [('t_s0', 0.0, 'Oh'), ('t_s1', 1.0, 'no'), ('t_s2', 2.0, '')]
    """
    pieces = _pieces(0.0, edges[-1], edges)
    spoken: list[list[tuple[Segment, str]]] = [[] for _ in pieces]
    for utterance in utterances:
        for place, text in enumerate(_by_piece(utterance, pieces)):
            if text:
                spoken[place].append((utterance, text))
    segments = []
    for number, ((start, end), parts) in enumerate(zip(pieces, spoken, strict=True)):
        speakers = [utterance["speaker"] for utterance, text in parts for _ in text.split() if utterance.get("speaker")]
        segments.append({
            "id": f"{name}_s{number}",
            "speaker": max(speakers, key=speakers.count) if speakers else None,
            "text": " ".join(text for _, text in parts),
            "start": round(start, 3), "end": round(end, 3),
            **({} if parts else {"missing": {"text": _reason(utterances, start, end)}}),
        })  # fmt: skip
    return segments


def cut_at_shots(edges: Sequence[float], utterances: Iterable[Segment]) -> list[Segment]:
    """What is said, cut where a shot ends. An utterance within one shot stays as it is; where words have
    no times, the piece in the middle has them all.

    >>> words = [["Oh", 0.2, 0.4, 0.9], ["no", 1.4, 1.6, 0.9]]
    >>> utterance = {"id": "t_u0", "speaker": "A", "text": "Oh no", "start": 0.1, "end": 1.7, "words": words}
    >>> [(one["id"], one["start"], one["end"], one["text"]) for one in cut_at_shots([0.0, 1.0, 2.0], [utterance])]
    [('t_u0_s0', 0.1, 1.0, 'Oh'), ('t_u0_s1', 1.0, 1.7, 'no')]
    """
    segments: list[Segment] = []
    for utterance in utterances:
        pieces = _pieces(utterance["start"], utterance["end"], edges)
        if len(pieces) == 1:
            segments.append(dict(utterance))
            continue
        for number, ((start, end), text) in enumerate(zip(pieces, _by_piece(utterance, pieces), strict=True)):
            piece = {key: value for key, value in utterance.items() if key not in ("words", "missing")}
            piece |= {
                "id": f"{utterance['id']}_s{number}",
                "text": text,
                "start": round(start, 3),
                "end": round(end, 3),
            }
            segments.append(piece if text else {**piece, "missing": {"text": _reason([utterance], start, end)}})
    return segments


def _pieces(start: float, end: float, edges: Sequence[float]) -> list[tuple[float, float]]:
    """The span cut at the edges within it that leave no piece shorter than ``SHORTEST``."""
    cuts = [start]
    for edge in edges:
        if edge - cuts[-1] >= SHORTEST and end - edge >= SHORTEST:
            cuts.append(edge)
    return list(zip(cuts, [*cuts[1:], end], strict=True))


def _by_piece(utterance: Segment, pieces: Sequence[tuple[float, float]]) -> list[str]:
    """What of an utterance is said in each piece: a word is of the piece that its middle lies in. Where words have no
    times, the piece in which the utterance's own middle lies has them all."""
    words = utterance.get("words") or [[utterance["text"], utterance["start"], utterance["end"], None]]
    starts = [start for start, _ in pieces]
    texts: list[list[str]] = [[] for _ in pieces]
    for text, start, end, *_ in words:
        if text:
            texts[max(0, bisect_right(starts, (start + end) / 2) - 1)].append(text)
    return [" ".join(some) for some in texts]


def _reason(utterances: Iterable[Segment], start: float, end: float) -> str:
    """Why a segment has no words."""
    reasons = [
        utterance["missing"]["text"]
        for utterance in utterances
        if utterance["start"] < end and utterance["end"] > start and "text" in utterance.get("missing", {})
    ]
    return reasons[0] if reasons else _SILENT
