"""One conversation while it is spoken: speech is found, written down and answered, and told in events."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

import merc
from merc_live.pictures import Pictures, Pixels
from merc_live.work import Stretch, Work, Written

Event = dict[str, Any]
"""A JSON object with a ``type``: ready, provisional, final, note, error or end."""

HISTORY = 60
"""So many utterances at most are kept before the one that is asked about."""

INTERVAL = 0.5
"""Seconds of speech from one provisional event to the next."""

_EDGE = 0.002
"""Times of utterances are rounded to a millisecond, so a little more sound than the span's is taken along."""
_SETTLED = 0.2
"""After so many seconds without speech it is written down: shorter pauses are mostly within a sentence."""
_FEW = 16
"""A provisional answer looks at so many pictures at most."""
_NO_WORDS_YET = "the words are not known yet"


class Engine:
    """Answers one conversation while it is spoken.

    Sound and pictures are given from one thread; two of its own write down, and answer. What is said is written down as
    soon as nobody speaks, before the pause is over that ends an utterance, and is used if the
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
        self._paused: merc.SpeechSpan | None = None
        self._still: merc.SpeechSpan | None = None
        self._provisional: str | None = None
        self._shown: tuple[str, str, merc.Prediction] | None = None
        self._saying, self._work = threading.Lock(), Work()
        self._closed = False
        self.fault: Exception | None = None
        """What failed, where it is no MercError."""
        self._threads = [
            threading.Thread(target=self._careful, args=(work,), name=f"merc-live-{name}", daemon=True)
            for work in (self._write, self._answer)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def heard(self) -> float:
        """Seconds of sound so far."""
        return self._hearing.heard

    @property
    def waiting(self) -> int:
        """How many utterances are to be answered."""
        return self._work.waiting

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
        if self._closed or self._work.over:
            return False
        started = time.perf_counter()
        spans = self._hearing.add(samples)
        came = time.perf_counter()
        self._clocks.append((self._hearing.heard, came))
        self._take(spans, came - started)
        return self._work.wait()

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
        if not self._closed and not self._work.over:
            self._take(self._hearing.close(), 0.0)
        self._closed = True
        self._work.close()
        for thread in self._threads:
            thread.join()
        if not self._work.over:
            if self._pictures.thinned:
                self._say_note("there were more pictures than are kept, so every second one was left out")
            for note in self._hearing.notes():
                self._say_note(note)
            self._say({"type": "end"})
            self._work.stop()

    def stop(self) -> None:
        """Answer nothing more."""
        self._work.stop()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _take(self, spans: list[merc.SpeechSpan], activity: float) -> None:
        """What was heard becomes work: spans that ended, one that may have, one that goes on."""
        heard, still, spoken = self._hearing.heard, self._hearing.open, self._hearing.spoken
        ended = [self._stretch(span, heard - spoken, activity) for span in spans]
        pause = now = None
        if spans or still is None:
            self._next = 0.0
        if self._still is not None and still is None and not spans:
            self._work.drop()
        self._still = still
        if still is not None:
            self._next = self._next or still.start + INTERVAL
            sound = self._hearing.account.sound
            if still.end < sound and sound - spoken >= _SETTLED - 1e-6:
                if still != self._paused:
                    self._paused, pause = still, self._stretch(still)
            elif heard >= self._next:
                now = self._stretch(merc.SpeechSpan(start=still.start, end=heard), few=True)
                self._next = max(self._next + INTERVAL, heard)
        self._work.add(ended, pause, now)

    def _stretch(self, span: merc.SpeechSpan, pause: float = 0.0, activity: float = 0.0, few: bool = False) -> Stretch:
        start, end = max(span.start - _EDGE, 0.0), span.end + _EDGE
        pictures = self._pictures.between(start, end)
        step = -(-len(pictures) // _FEW) if few else 1
        spoken = min(self._hearing.spoken or span.end, span.end)
        return Stretch(
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

    def _careful(self, work: Callable[[], None]) -> None:
        """A thread's work; what it raises is said, and ends all."""
        try:
            work()
        except merc.MercError as error:
            self._fail(str(error), None)
        except Exception as error:
            notes = getattr(error, "__notes__", ())
            self._fail(notes[0] if notes else f"{type(error).__name__}: {error}", error)

    def _fail(self, sentence: str, error: Exception | None) -> None:
        if not self._work.over:
            self.fault = error
            self._work.stop()
            self._say({"type": "error", "error": sentence})

    def _write(self) -> None:
        """Write down what is said."""
        while (job := self._work.to_write()) is not None:
            stretch, final = job
            started = time.perf_counter()
            sentences = self._hearing.said(stretch.span, stretch.sound(stretch.span.start, stretch.span.end))
            self._work.wrote(
                Written(stretch=stretch, sentences=sentences, seconds=time.perf_counter() - started), final
            )

    def _answer(self) -> None:
        """Say how people feel."""
        while (task := self._work.to_answer()) is not None:
            if task.dropped:
                self._drop()
            elif task.now is not None:
                self._show(task.now, task.written)
            elif task.written is not None and task.final:
                self._finish(task.written)
            elif task.written is not None:
                self._foresee(task.written)

    def _finish(self, written: Written) -> None:
        """An utterance that ended, or several where the span holds several sentences."""
        ended = written.stretch
        for sentence in written.sentences:
            utterance = self._hearing.utterance(sentence)
            if written.prediction is not None:
                self._live.keep()
                prediction, latency, context = written.prediction, written.latency, written.context
            else:
                prediction = self._live.predict(self._fields(ended, utterance.id, sentence), final=True)
                latency, context = self._live.seconds, self._live.context
            self._say_prediction(
                "final", prediction, utterance.missing.get("text"), context,
                {
                    "voice_activity": ended.activity, "pause": ended.pause, "transcription": written.seconds, **latency,
                    "total": time.perf_counter() - ended.clock,
                },
            )  # fmt: skip

    def _foresee(self, written: Written) -> None:
        """What is said so far, while it is not known whether somebody goes on to speak. Where that is one utterance,
        this is its answer, if the pause lasts."""
        if len(written.sentences) > 1:
            return
        (sentence,) = written.sentences
        prediction = self._live.predict(self._fields(written.stretch, self._name_of_next, sentence), final=False)
        written.prediction, written.latency, written.context = prediction, self._live.seconds, self._live.context
        total = time.perf_counter() - written.stretch.clock
        latency = {"transcription": written.seconds, **written.latency, "total": total}
        self._say_prediction("provisional", prediction, sentence.reason, written.context, latency)

    def _show(self, now: Stretch, known: Written | None) -> None:
        """A provisional answer, from the face, the voice, and the words that are known."""
        name, text, reason = self._name_of_next, "", _NO_WORDS_YET
        if known is not None:
            text = " ".join(one.text for one in known.sentences)
            reason = f"the words after {known.stretch.span.end:.1f} s are not known yet"
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
        latency["total"] = time.perf_counter() - now.clock
        self._say_prediction("provisional", prediction, reason, self._live.context, latency)

    def _drop(self) -> None:
        """What was answered provisionally comes to no utterance."""
        if self._provisional is not None:
            self._say({"type": "dropped", "id": self._provisional})
            self._provisional = self._shown = None

    @property
    def _name_of_next(self) -> str:
        return f"{self._name}_u{self._hearing.account.count}"

    def _fields(self, stretch: Stretch, name: str, sentence: Any) -> dict[str, Any]:
        start, end = round(sentence.span.start, 3), round(sentence.span.end, 3)
        return {
            **self._media(stretch, start, end), "id": name, "text": sentence.text,
            "speaker": sentence.span.speaker or self.speaker, "start": start, "end": end,
        }  # fmt: skip

    def _media(self, stretch: Stretch, start: float, end: float) -> dict[str, Any]:
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
        context: int,
        latency: Mapping[str, float],
    ) -> None:
        record = {"speaker": None, "text": "", **self.session.record(prediction)}
        if no_words:
            record["missing"] = {"text": no_words, **record["missing"]}
        self._provisional = prediction.id if kind == "provisional" else None
        rounded = {name: round(value, 4) for name, value in latency.items()}
        self._say({"type": kind, **record, "context": context, "latency": rounded})

    def _say_note(self, text: str) -> None:
        self._say({"type": "note", "text": text})

    def _say(self, event: Event) -> None:
        with self._saying:
            self._say_now(event)
