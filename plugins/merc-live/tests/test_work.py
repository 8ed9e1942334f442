"""What waits while a conversation is spoken: what comes first, and what waits for what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from merc_live.work import Stretch, Work, Written

import merc


def stretch(start: float, end: float) -> Stretch:
    clip = merc.AudioClip(samples=np.zeros(1, np.float32), rate=16_000)
    return Stretch(span=merc.SpeechSpan(start=start, end=end), clip=clip, first=0, pictures=(), clock=0.0)


def test_who_speaks_next_is_not_answered_before_what_was_said() -> None:
    work, before, after = Work(), stretch(0.5, 1.7), stretch(2.7, 3.2)
    work.add([before], None, after)
    assert work.to_write() == (before, True)
    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(work.to_answer)
        with pytest.raises(TimeoutError):
            task.result(0.3)
        work.wrote(Written(stretch=before, sentences=(), seconds=0.1), final=True)
        first, second = task.result(30), work.to_answer()
    assert first is not None and first.final and second is not None and second.now is after


def test_what_is_no_speech_is_dropped_after_what_was_said() -> None:
    work, before = Work(), stretch(0.5, 1.7)
    work.add([before], None, stretch(2.7, 3.2))
    assert work.to_write() == (before, True)
    work.drop()
    work.wrote(Written(stretch=before, sentences=(), seconds=0.1), final=True)
    first, second = work.to_answer(), work.to_answer()
    assert first is not None and first.final and second is not None and second.dropped
