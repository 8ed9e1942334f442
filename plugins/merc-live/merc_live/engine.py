"""One conversation while it is spoken: speech is found, written down and answered, and told in events."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

import merc
from merc_live.pictures import Pictures, Pixels, clip_of

Event = dict[str, Any]
"""A JSON object with a ``type``: ready, provisional, final, note, error or end."""

HISTORY = 60
"""So many utterances at most are kept before the one that is asked about."""

INTERVAL = 0.5
"""Seconds of speech from one provisional event to the next."""

_WAITING = 4
"""Whoever gives sound waits while more utterances than these are to be written down."""
_EDGE = 0.002
"""Times of utterances are rounded to a millisecond, so a little more sound than the span's is taken along."""
_FEW = 16
"""A provisional answer looks at so many pictures at most."""
_NO_WORDS_YET = "the words are not known yet"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Stretch:
    """A span of speech with its sound and pictures, as they were when it was taken. ``pause`` are the seconds without
    speech that it was known after, ``activity`` what finding that took, and ``clock`` when its last sound came."""

    span: merc.SpeechSpan
    first: int
    clip: merc.AudioClip
    pictures: list[tuple[float, Pixels | bytes]]
    clock: float
    pause: float = 0.0
    activity: float = 0.0

    def sound(self, start: float, end: float) -> merc.AudioClip:
        """The sound between two times of the conversation."""
        first, last = (max(round(at * self.clip.rate) - self.first, 0) for at in (start, end))
        return merc.AudioClip(samples=self.clip.samples[first:last], rate=self.clip.rate)

    def seen(self, start: float, end: float) -> merc.VideoClip | None:
        """The pictures between two times."""
        within = [one for one in self.pictures if start <= one[0] < end]
        return clip_of(within or [one for one in self.pictures if one[0] < start][-1:], start)


@dataclass(kw_only=True, eq=False)
class _Written:
    """What is said in a span: the utterances to be, how long it took, and the answer, where it was given already."""

    span: merc.SpeechSpan
    said: list[Any]
    seconds: float
    prediction: merc.Prediction | None = None
    latency: Mapping[str, float] = field(default_factory=dict)


class Engine:
    """Answers one conversation while it is spoken.

    Sound and pictures are given from one thread; a thread of its own writes down, predicts, and gives events. What is
    said is written down as soon as nobody speaks, before the pause is over that ends an utterance, and is used if the
    pause lasts. So words are known early, and events carry them: ``provisional`` twice a second while somebody speaks,
    ``final`` when an utterance has ended. Finals are what ``Session.predict`` says of the conversation so far.

    Args:
        session: The run in memory.
        say: Takes events, one at a time, from either thread.
        listener: What finds speech and writes it down; the session's own by default.
        rate: Samples a second of the sound to come.
        speaker: Who speaks, where that is one person or nothing tells voices apart.
        history: How many utterances are kept before the one that is asked about; 0 keeps all.
        name: The conversation's id.

    Raises:
        MercError: The run or the segmenter cannot be used live, or nothing is installed that hears.
    """

    def __init__(
        self,
        session: merc.Session,
        say: Callable[[Event], None],
        *,
        listener: merc.Listener | None = None,
        rate: int = 16_000,
        speaker: str | None = None,
        history: int = HISTORY,
        name: str = "live",
    ) -> None:
        listener = listener or session.listener()
        if listener is None:
            raise merc.MercError("nothing is installed that hears what people say; install merc-speech")
        self.session, self.speaker = session, speaker
        self._say_now = say
        self._hearing = listener.live(name, rate)
        self._listener, self._name = listener, name
        self._live = session.live(name, history or None)
        self._modalities = {str(part.component.modality) for part in session.recipe.encoders.values()}
        self._pictures = Pictures()
        self._clocks: deque[tuple[float, float]] = deque(maxlen=1000)
        self._next = 0.0
        self._guess_of: merc.SpeechSpan | None = None
        self._saying, self._work = threading.Lock(), threading.Condition()
        self._ended: deque[_Stretch] = deque()
        self._guess: _Stretch | None = None
        self._now: _Stretch | None = None
        self._written: _Written | None = None
        self._shown: tuple[str, str, merc.Prediction] | None = None
        self._closed = self._stopped = self._failed = False
        self.fault: Exception | None = None
        """What failed, where it is no MercError."""
        self._thread = threading.Thread(target=self._answer, name=f"merc-live-{name}", daemon=True)
        self._thread.start()

    @property
    def heard(self) -> float:
        """Seconds of sound so far."""
        return self._hearing.heard

    @property
    def waiting(self) -> int:
        """How many utterances are to be answered."""
        return len(self._ended)

    def load(self) -> None:
        """Load all that is needed, so that the first utterance does not wait for it."""
        self._listener.load()
        self.session.load()

    def ready(self, run: str) -> None:
        """Say that sound may come: the event ``ready``."""
        streams = list(self.session.setup.prompter.streams())
        self._say({"type": "ready", "run": run, "labels": list(self.session.labels.labels), "streams": streams})

    def sound(self, samples: npt.NDArray[np.float32]) -> bool:
        """The next sound, mono, from -1 to 1. It waits while several utterances are still to be answered; False where
        nothing is answered any more, since something failed, which an event has said."""
        if self._failed or self._stopped or self._closed:
            return False
        started = time.perf_counter()
        spans = self._hearing.add(samples)
        came = time.perf_counter()
        self._clocks.append((self._hearing.heard, came))
        self._take(spans, came - started)
        with self._work:
            while len(self._ended) > _WAITING and not self._failed and not self._stopped:
                self._work.wait()
        return not (self._failed or self._stopped)

    def picture(self, at: float, picture: Pixels | bytes) -> None:
        """A picture, shown from ``at`` seconds on: RGB ``[height, width, 3]``, or a JPEG. Raises MercError for
        another."""
        if "video" not in self._modalities:
            return
        self._pictures.add(at, picture)
        still = self._hearing.open
        self._pictures.forget(min(still.start if still else at, self._hearing.heard))

    def end(self) -> None:
        """Take the sound for ended, answer what is left, and say the notes and ``end``."""
        if not (self._failed or self._stopped or self._closed):
            self._take(self._hearing.close(), 0.0)
        with self._work:
            self._closed = True
            self._guess = self._now = None
            self._work.notify_all()
        self._thread.join()
        if not self._failed and not self._stopped:
            if self._pictures.thinned:
                self._say_note("there were more pictures than are kept, so every second one was left out")
            for note in self._hearing.notes():
                self._say_note(note)
            self._say({"type": "end"})

    def stop(self) -> None:
        """Answer nothing more."""
        with self._work:
            self._stopped = True
            self._work.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _take(self, spans: list[merc.SpeechSpan], activity: float) -> None:
        """What was heard becomes work: ended spans, the span that may have ended, and the one that goes on."""
        heard, still = self._hearing.heard, self._hearing.open
        ended = [self._stretch(span, heard - self._hearing.spoken, activity) for span in spans]
        guess = now = None
        if spans or still is None:
            self._next = 0.0
        if still is not None:
            self._next = self._next or still.start + INTERVAL
            if still.end < self._hearing.account.sound:
                guess = None if still == self._guess_of else still
            elif heard >= self._next:
                now = merc.SpeechSpan(start=still.start, end=heard)
                self._next = max(self._next + INTERVAL, heard)
        if not (ended or guess or now):
            return
        with self._work:
            self._ended.extend(ended)
            if ended:
                self._guess = self._now = None
            if guess is not None:
                self._guess_of, self._guess, self._now = guess, self._stretch(guess), None
            if now is not None:
                self._guess, self._now = None, self._stretch(now, few=True)
            self._work.notify_all()

    def _stretch(self, span: merc.SpeechSpan, pause: float = 0.0, activity: float = 0.0, few: bool = False) -> _Stretch:
        start, end = max(span.start - _EDGE, 0.0), span.end + _EDGE
        pictures = self._pictures.between(start, end)
        step = -(-len(pictures) // _FEW) if few else 1
        spoken = min(self._hearing.spoken or span.end, span.end)
        return _Stretch(
            span=span, first=round(start * self._hearing.rate), clip=self._hearing.clip(start, end),
            pictures=pictures[:: step or 1], clock=self._clock(spoken), pause=pause, activity=activity,
        )  # fmt: skip

    def _clock(self, at: float) -> float:
        """When the sound of a moment came, which is earlier than the piece that it came in was whole."""
        if not self._clocks:
            return time.perf_counter()
        place = bisect_left(self._clocks, at, key=lambda one: one[0])
        heard, clock = self._clocks[min(place, len(self._clocks) - 1)]
        return clock - max(heard - at, 0.0)

    def _answer(self) -> None:
        try:
            while (job := self._job()) is not None:
                job()
        except merc.MercError as error:
            self._fail(str(error))
        except Exception as error:
            notes = getattr(error, "__notes__", ())
            self._fail(notes[0] if notes else f"{type(error).__name__}: {error}", error)

    def _fail(self, sentence: str, error: Exception | None = None) -> None:
        self.fault = error
        with self._work:
            self._failed = True
            self._work.notify_all()
        self._say({"type": "error", "error": sentence})

    def _job(self) -> Callable[[], None] | None:
        """The next thing to do: ended utterances in their order, before what may change."""
        with self._work:
            while True:
                if self._stopped:
                    return None
                if self._ended:
                    ended = self._ended.popleft()
                    self._work.notify_all()
                    return lambda: self._finish(ended)
                if (guess := self._guess) is not None:
                    self._guess = None
                    return lambda: self._foresee(guess)
                if (now := self._now) is not None:
                    self._now = None
                    return lambda: self._show(now)
                if self._closed:
                    return None
                self._work.wait()

    def _finish(self, ended: _Stretch) -> None:
        """An utterance that ended, or several where the span holds several sentences."""
        written, self._written = self._written, None
        if written is None or written.span != ended.span:
            written = self._write(ended)
        for said in written.said:
            utterance, shown = self._hearing.utterance(said), self._kept
            if written.prediction is not None:
                self._live.keep()
                prediction, latency = written.prediction, written.latency
            else:
                prediction = self._live.predict(self._fields(ended, utterance.id, said), final=True)
                latency = self._live.seconds
            self._say_prediction(
                "final", prediction, utterance.missing.get("text"), shown,
                {
                    "voice_activity": ended.activity, "pause": ended.pause, "transcription": written.seconds, **latency,
                    "total": time.perf_counter() - ended.clock,
                },
            )  # fmt: skip

    def _foresee(self, guess: _Stretch) -> None:
        """What is said so far, while it is not known whether somebody goes on to speak."""
        self._written = self._write(guess)
        with self._work:
            if self._ended and self._ended[0].span != guess.span:
                return
        if len(self._written.said) == 1:
            (said,) = self._written.said
            self._written.prediction = self._live.predict(self._fields(guess, self._name_of_next, said), final=False)
            self._written.latency = self._live.seconds
            self._show_written(guess, said.reason)

    def _show_written(self, guess: _Stretch, reason: str | None) -> None:
        written = self._written
        assert written is not None and written.prediction is not None
        latency = {"transcription": written.seconds, **written.latency, "total": time.perf_counter() - guess.clock}
        self._say_prediction("provisional", written.prediction, reason, self._kept, latency)

    @property
    def _kept(self) -> int:
        """How many utterances are shown before the next one."""
        return len(self._live.conversation.utterances)

    def _show(self, now: _Stretch) -> None:
        """A provisional answer, from the face, the voice, and the words that are known."""
        before = self._written if self._written is not None and self._written.span.start == now.span.start else None
        name, text = self._name_of_next, ""
        if before is not None:
            before.prediction = None  # which another one takes the place of
            text = " ".join(one.text for one in before.said)
        start, end = round(now.span.start, 3), round(now.span.end, 3)
        media = self._media(now, start, end)
        fields = {"id": name, "text": text, "speaker": now.span.speaker or self.speaker, "start": start, "end": end}
        latency: dict[str, float] = {}
        if not media and self._shown is not None and self._shown[:2] == (name, text):
            prediction = replace(self._shown[2], end=end)  # nothing else is known of it
        else:
            prediction = self._live.predict({**fields, **media}, final=False)
            latency = dict(self._live.seconds)
        self._shown = (name, text, prediction)
        reason = f"the words after {before.span.end:.1f} s are not known yet" if before is not None else _NO_WORDS_YET
        latency["total"] = time.perf_counter() - now.clock
        self._say_prediction("provisional", prediction, reason, self._kept, latency)

    def _write(self, stretch: _Stretch) -> _Written:
        started = time.perf_counter()
        said = self._hearing.said(stretch.span, stretch.sound(stretch.span.start, stretch.span.end))
        return _Written(span=stretch.span, said=said, seconds=time.perf_counter() - started)

    @property
    def _name_of_next(self) -> str:
        return f"{self._name}_u{self._hearing.account.count}"

    def _fields(self, stretch: _Stretch, name: str, said: Any) -> dict[str, Any]:
        start, end = round(said.span.start, 3), round(said.span.end, 3)
        return {
            **self._media(stretch, start, end), "id": name, "text": said.text,
            "speaker": said.span.speaker or self.speaker, "start": start, "end": end,
        }  # fmt: skip

    def _media(self, stretch: _Stretch, start: float, end: float) -> dict[str, Any]:
        """The sound and pictures of an utterance, where the run looks at them."""
        media: dict[str, Any] = {}
        if "audio" in self._modalities and len((sound := stretch.sound(start, end)).samples):
            media["audio"] = sound
        if "video" in self._modalities and (seen := stretch.seen(start, end)) is not None:
            media["video"] = seen
        return media

    def _say_prediction(
        self,
        kind: str,
        prediction: merc.Prediction,
        no_words: str | None,
        shown: int,
        latency: Mapping[str, float],
    ) -> None:
        record = {"speaker": None, "text": "", **self.session.record(prediction)}
        if no_words:
            record["missing"] = {"text": no_words, **record["missing"]}
        rounded = {name: round(value, 4) for name, value in latency.items()}
        self._say({"type": kind, **record, "context": shown, "latency": rounded})

    def _say_note(self, text: str) -> None:
        self._say({"type": "note", "text": text})

    def _say(self, event: Event) -> None:
        with self._saying:
            self._say_now(event)
