"""What is to be done for a conversation while it is spoken: for one thread that writes down, and one that answers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import merc
from merc_live.pictures import Pixels, clip_of

_WAITING = 4
"""Whoever gives sound waits while more utterances than these are to be answered."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretch:
    """A span of speech with its sound and pictures, as they were when it was taken."""

    span: merc.SpeechSpan
    clip: merc.AudioClip
    """The sound of the span, and a little more."""
    first: int
    """Which sample of the conversation the clip begins with."""
    pictures: Sequence[tuple[float, Pixels | bytes]]
    clock: float
    """When its last voiced sound came."""
    pause: float = 0.0
    """Seconds without speech that it was known after."""
    activity: float = 0.0
    """Seconds that finding this took."""

    def sound(self, start: float, end: float) -> merc.AudioClip:
        """The sound between two times of the conversation."""
        first, last = (max(round(at * self.clip.rate) - self.first, 0) for at in (start, end))
        return merc.AudioClip(samples=np.ascontiguousarray(self.clip.samples[first:last]), rate=self.clip.rate)

    def seen(self, start: float, end: float) -> merc.VideoClip | None:
        """The pictures between two times; where none begins there, the one on show."""
        within = [one for one in self.pictures if start <= one[0] < end]
        return clip_of(within or [one for one in self.pictures if one[0] < start][-1:], start)


@dataclass(kw_only=True, eq=False)
class Written:
    """What is said in a span: the utterances to be, how long it took, and the answer, where it was given already."""

    stretch: Stretch
    sentences: Sequence[Any]
    seconds: float
    prediction: merc.Prediction | None = None
    latency: Mapping[str, float] = field(default_factory=dict)
    context: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """Something to answer: a ``final`` utterance or a pause that may have ended one (``written``), or speech that goes
    on (``now``); or what seemed to be speech and was none (``dropped``)."""

    written: Written | None = None
    final: bool = False
    now: Stretch | None = None
    dropped: bool = False


class Work:
    """What waits. Ended utterances are never dropped and stay in order; of what may change only the latest counts."""

    def __init__(self) -> None:
        self._there = threading.Condition()
        self._ended: deque[Stretch] = deque()
        self._finals: deque[Written] = deque()
        self._pause: Stretch | None = None
        self._now: Stretch | None = None
        self._guess: Written | None = None
        self._guessed: Stretch | None = None
        self._fresh = self._dropped = False
        self._closed = self._all_written = self.over = False

    @property
    def waiting(self) -> int:
        """How many utterances are to be answered."""
        return len(self._ended) + len(self._finals)

    def add(self, ended: Sequence[Stretch], pause: Stretch | None, now: Stretch | None) -> None:
        """What was heard: utterances that ended, one that may have, one that goes on."""
        with self._there:
            self._ended.extend(ended)
            if ended or pause is not None or now is not None:
                self._pause, self._now = pause, now if pause is None else None
                self._there.notify_all()

    def drop(self) -> None:
        """What goes on is no speech after all: nothing more is said of it."""
        with self._there:
            self._pause = self._now = self._guess = self._guessed = None
            self._fresh, self._dropped = False, True
            self._there.notify_all()

    def wait(self) -> bool:
        """Wait while too much is to be answered; False where nothing is answered any more."""
        with self._there:
            while self.waiting > _WAITING and not self.over:
                self._there.wait()
            return not self.over

    def close(self) -> None:
        """Nothing more is heard: what ended is answered, and then all is done."""
        with self._there:
            self._closed, self._pause, self._now = True, None, None
            self._there.notify_all()

    def stop(self) -> None:
        """Nothing more is answered."""
        with self._there:
            self.over = True
            self._there.notify_all()

    def to_write(self) -> tuple[Stretch, bool] | None:
        """The next stretch to write down, and whether it ended; None where nothing more comes. What was written at the
        pause that ended it is taken as it is."""
        with self._there:
            while not self.over:
                if self._ended and self._guess is not None and self._guess.stretch.span == self._ended[0].span:
                    self._finish(self._guess)
                elif self._ended:
                    return self._ended[0], True
                elif self._pause is not None:
                    stretch, self._pause = self._pause, None
                    self._guessed = stretch
                    return stretch, False
                elif self._closed:
                    break
                else:
                    self._there.wait()
            self._all_written = True
            self._there.notify_all()
            return None

    def wrote(self, written: Written, final: bool) -> None:
        """What was written down of the stretch that ``to_write`` gave."""
        with self._there:
            if final:
                self._finish(written)
            elif written.stretch is self._guessed:  # else it was dropped meanwhile
                self._guess, self._fresh = written, True
            self._there.notify_all()

    def _finish(self, written: Written) -> None:
        """The first ended utterance is written down."""
        written.stretch = self._ended.popleft()
        self._finals.append(written)
        self._guess, self._fresh = None, False
        self._there.notify_all()

    def to_answer(self) -> Task | None:
        """The next thing to answer: ended utterances before what may change. None where nothing more comes."""
        with self._there:
            while not self.over:
                if self._finals:
                    self._there.notify_all()
                    return Task(written=self._finals.popleft(), final=True)
                if self._dropped and not self._ended:
                    self._dropped = False
                    return Task(dropped=True)
                if self._fresh and self._guess is not None:
                    self._fresh = False
                    return Task(written=self._guess)
                # Until the utterances before it are written down, it has no name, and its answer would not see them.
                if self._now is not None and not self._ended:
                    now, self._now = self._now, None
                    return Task(written=self._known(now), now=now)
                if self._all_written:
                    break
                self._there.wait()
            return None

    def _known(self, now: Stretch) -> Written | None:
        """What was written of the utterance that goes on, whose answer from before does not count any more."""
        guess = self._guess
        if guess is None or guess.stretch.span.start != now.span.start:
            return None
        guess.prediction = None
        return guess
