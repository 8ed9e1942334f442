"""Utterances on which two runs differ, with what was said before, cues and frames."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merc.components import Frames, Missing, Prediction, VideoClip
from merc.conversation import Conversation, Utterance
from merc.evaluation.comparison import Comparison, Key

_FRAMES = Frames(count=3)
_HEIGHT = 180
_BEFORE = 2


@dataclass(frozen=True, kw_only=True)
class Case:
    """One utterance, as the page shows it. ``frames`` are JPEG pictures as data URIs; ``sides`` are the name, the
    label and whether it is right, of each of the two."""

    utterance: str
    conversation: str
    text: str
    before: Sequence[str]
    truth: str
    sides: Sequence[tuple[str, str, bool]]
    cues: Mapping[str, str]
    frames: Sequence[str]
    no_frames: str


@dataclass(frozen=True)
class Cases:
    """The cases shown, and a sentence that says out of how many."""

    examples: Sequence[Case]
    note: str


def find_cases(comparison: Comparison, conversations: Sequence[Conversation], most: int) -> Cases:
    """Where the first two entries differ: one right, the other wrong, in the first run of each.

    Of more than ``most`` cases it takes them evenly, half of each kind where there are enough, in the corpus' order.
    """
    one, two = (next(iter(entry.runs.values())) for entry in comparison.entries[:2])
    names = [entry.name for entry in comparison.entries[:2]]
    won: list[Key] = []
    lost: list[Key] = []
    for key, p in one.items():
        if p.truth is not None and (p.label == p.truth) != (two[key].label == p.truth):
            (won if two[key].label == p.truth else lost).append(key)
    half = most // 2
    share = max(half, most - len(lost)), max(most - half, most - len(won))
    keys = {*_evenly(won, share[0]), *_evenly(lost, share[1])}
    talks = {c.id: c for c in conversations}
    cases = [_case(key, one[key], two[key], names, talks.get(key[0])) for key in one if key in keys]
    note = "There is no utterance on which one of them is right and the other wrong."
    if won or lost:
        note = (
            f"Only {names[1]} is right on {len(won):,} utterances, only {names[0]} on {len(lost):,}; {len(cases):,} of "
            "these are shown."
        )
    if any(len(entry.runs) > 1 for entry in comparison.entries[:2]):
        note += " Of runs with several seeds, the first is taken."
    return Cases(cases, note)


def _evenly(keys: Sequence[Key], count: int) -> list[Key]:
    if len(keys) <= count:
        return list(keys)
    return [keys[int(i * len(keys) / count)] for i in range(count)]


def _case(key: Key, one: Prediction, two: Prediction, names: Sequence[str], talk: Conversation | None) -> Case:
    turns = list(talk.utterances) if talk else []
    at = next((i for i, u in enumerate(turns) if u.id == key[1]), None)
    utterance = turns[at] if at is not None else None
    frames, why = _film(utterance) if utterance else ([], "")
    return Case(
        utterance=key[1],
        conversation=key[0],
        text=_line(utterance) if utterance else "(its text is not in the corpus as it was read)",
        before=[_line(u) for u in turns[max(0, at - _BEFORE) : at]] if at is not None else [],
        truth=str(one.truth),
        sides=[
            (name, p.label if p.label is not None else "an answer that could not be parsed", p.label == p.truth)
            for name, p in zip(names, (one, two), strict=True)
        ],
        cues=utterance.cues if utterance else {},
        frames=frames,
        no_frames=why,
    )


def _line(utterance: Utterance) -> str:
    return f"{utterance.speaker}: {utterance.text}" if utterance.speaker else utterance.text


def _film(utterance: Utterance) -> tuple[list[str], str]:
    if utterance.media("video") is None:
        return [], utterance.missing.get("video", "")
    from merc.media import decode

    clip = decode(utterance, {"video": _FRAMES}, seed=0)["video"]
    if isinstance(clip, Missing):
        return [], clip.reason
    assert isinstance(clip, VideoClip)
    return [_picture(frame) for frame in clip.frames], ""


def _picture(frame: object) -> str:
    from PIL import Image

    picture = Image.fromarray(frame)  # type: ignore[arg-type]
    picture.thumbnail((4 * _HEIGHT, _HEIGHT))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
