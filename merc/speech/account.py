"""What was heard so far, counted: utterances as they are numbered, and sentences about the whole."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from merc.components import SpeechSpan
from merc.conversation import Utterance
from merc.speech.passages import Said

UNSURE = 0.5
"""A word that is less probable counts as unsure."""


@dataclass(kw_only=True, eq=False)
class Account:
    """What was heard of a conversation. ``name`` is its id, ``title`` what sentences call it; ``sound`` are the seconds
    that could be heard so far, ``speech`` those of them in which somebody speaks, ``several`` those in which several
    people do."""

    name: str
    title: str
    count: int = 0
    sound: float = 0.0
    speech: float = 0.0
    several: float = 0.0
    words: int = 0
    unsure_words: int = 0
    speakers: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    wordless: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)
    _end: float = 0.0

    def count_span(self, span: SpeechSpan) -> None:
        """A span of speech that was found."""
        self.several += max(min(self._end, span.end) - span.start, 0.0)
        self.speech += max(span.end - max(self._end, span.start), 0.0)
        self._end = max(self._end, span.end)

    def utterance(self, spoken: Said) -> Utterance:
        """The next utterance, without its media."""
        span, probabilities = spoken.span, [word.probability for word in spoken.words]
        self.words += len(spoken.words)
        self.unsure_words += sum(one is not None and one < UNSURE for one in probabilities)
        self.speakers.update([span.speaker] if span.speaker else [])
        self.languages.update([spoken.language] if spoken.language and spoken.text else [])
        self.wordless.update([spoken.reason] if spoken.reason else [])
        self.doubts.update([span.unsure] if span.unsure else [])
        known = {
            "language": spoken.language if spoken.text else None,
            "confidence": None if spoken.confidence is None else round(spoken.confidence, 3),
            "words": [
                [w.text, _rounded(w.start), _rounded(w.end), None if w.probability is None else round(w.probability, 3)]
                for w in spoken.words
            ],
            "refused": spoken.refused,
            "speaker_unsure": span.unsure,
        }
        number, self.count = self.count, self.count + 1
        return Utterance(
            id=f"{self.name}_u{number}",
            text=spoken.text,
            speaker=span.speaker,
            start=_rounded(span.start),
            end=_rounded(span.end),
            missing={"text": spoken.reason} if spoken.reason else {},
            extra={"transcription": {key: value for key, value in known.items() if value}},
        )

    def notes(self) -> list[str]:
        """What was heard and what was not, each a sentence."""
        title, notes = self.title, []
        silent = max(self.sound - self.speech, 0.0)
        if not self.count:
            notes.append(f"{title}: no speech was heard in {self.sound:.1f} s of sound")
        else:
            who = f" of {len(self.speakers)} speaker{'s' * (len(self.speakers) > 1)}" if self.speakers else ""
            heard = f"{self.count} utterance{'s' * (self.count > 1)}{who}"
            notes.append(f"{title}: {heard}; {silent:.1f} of {self.sound:.1f} s are without speech")
        if self.several >= UNSURE:
            notes.append(f"{title}: in {self.several:.1f} s several people speak at once")
        notes += [f"{title}: {_of(n, self.count)}: {reason}" for reason, n in self.doubts.most_common(3)]
        if self.wordless:
            reason, _ = self.wordless.most_common(1)[0]
            notes.append(f"{title}: {_of(self.wordless.total(), self.count)} without words, most often since {reason}")
        if self.unsure_words:
            notes.append(f"{title}: {self.unsure_words} of {self.words} words are unsure (less probable than {UNSURE})")
        if len(self.languages) > 1:
            counts = ", ".join(f"{code} ({n})" for code, n in self.languages.most_common())
            notes.append(f"{title}: several languages are spoken: {counts}")
        return notes


def _of(some: int, every: int) -> str:
    return f"{some} of {every} utterances {'is' if some == 1 else 'are'}"


def _rounded(seconds: float) -> float:
    """To a millisecond, as files keep times."""
    return math.floor(seconds * 1000 + 0.5) / 1000
