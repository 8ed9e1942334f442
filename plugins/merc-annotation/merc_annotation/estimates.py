"""What asking costs before anybody is asked: requests, tokens and hours, by teacher."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from merc_bemerc import OpenAICompatible, ServerTeacher

import merc
from merc_annotation.clue_teachers import AudioToneTeacher, VisualObjective

CLUE_TOKENS, WORD_TOKENS, SECONDS_OF_SOUND = 60, 1.4, 4.0
"""Assumed: tokens of a clue that is not written yet, tokens of a word, and seconds of an utterance whose times are not
known."""
SECONDS = 3.0
"""Assumed: how long one request takes."""
PATCH, SOUND_TOKENS = 28, 25
"""Pixels of a side of what becomes a token of a picture, and tokens of a second of sound, as in Qwen's models."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one annotator will cost."""

    annotator: str
    """Its name in the recipe."""
    model: str | None
    """The model that it asks; None where it asks no server."""
    open: int
    """Utterances without a final answer."""
    requests: int
    """Requests to a server, without those for answers that do not fit."""
    tokens_in: int
    """Tokens that are sent."""
    tokens_out: int
    """The most tokens that are answered."""
    hours: float | None
    """Hours that asking takes; None where that is not known, since nobody is asked."""


def estimates(annotated: merc.Annotated, seconds: float = SECONDS) -> list[Estimate]:
    """The cost of what is not answered yet, by annotator. ``seconds`` is how long one request takes."""
    texts = {u.id: u for talk in annotated.conversations for u in talk.utterances}
    rows = []
    for name, part in annotated.annotators.items():
        waiting = [*annotated.table.unasked.get(name, ()), *annotated.table.to_retry(name)]
        teacher = part.component
        if not isinstance(teacher, ServerTeacher):
            rows.append(Estimate(
                annotator=name, model=None, open=len(waiting), requests=0, tokens_in=0, tokens_out=0, hours=None
            ))  # fmt: skip
            continue
        sent = sum(_tokens(teacher, texts[one]) for one in waiting)
        answered = len(waiting) * (teacher.max_tokens or 0)
        hours = len(waiting) * seconds / teacher.concurrency / 3600
        rows.append(Estimate(
            annotator=name, model=teacher.model, open=len(waiting), requests=len(waiting), tokens_in=sent,
            tokens_out=answered, hours=hours,
        ))  # fmt: skip
    return rows


def _tokens(teacher: ServerTeacher, one: Any) -> int:
    """Tokens of one request."""
    words = len(str(teacher.identity()).split()) + 3 * len(one.text.split())
    tokens = words * WORD_TOKENS + CLUE_TOKENS * len(teacher.reads())
    if isinstance(teacher, VisualObjective | OpenAICompatible):
        tokens += teacher.frames * math.ceil(teacher.longest / PATCH) * math.ceil(0.75 * teacher.longest / PATCH)
    if isinstance(teacher, AudioToneTeacher):
        known = one.start is not None and one.end is not None
        tokens += SOUND_TOKENS * (one.end - one.start if known else SECONDS_OF_SOUND)
    return round(tokens)
