"""Spans that are heard at once, and whose words are whose."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merc import MercError, Missing, SpeechSpan, Transcript, Word
from merc.speech.passages import LONGEST_PAUSE, passages, utterances_of
from merc.testing.examples.transcriber import Example


@dataclass(frozen=True, kw_only=True)
class Strict(Example):
    """Refuses what is less sure than ``least``."""

    least: float = 0.5

    def doubt(self, words, confidence):  # type: ignore[no-untyped-def]
        return None if confidence is None or confidence >= self.least else "it is no word"


def span(start: float, end: float, speaker: str | None = None) -> SpeechSpan:
    return SpeechSpan(start=start, end=end, speaker=speaker)


def words(text: str, *, first: float = 0.0, each: float = 0.5, probability: float = 0.9) -> tuple[Word, ...]:
    """The words of a text, one after the other."""
    return tuple(
        Word(text=word, start=first + i * each, end=first + (i + 1) * each, probability=probability)
        for i, word in enumerate(text.split())
    )


@given(
    st.lists(st.tuples(st.floats(-1.0, 4.0), st.floats(0.1, 40.0)), max_size=30),
    st.sampled_from([0.0, 5.0, 28.0]),
)
def test_passages_hold_every_span_once_and_keep_their_limits(gaps: list[tuple[float, float]], longest: float) -> None:
    spans, at = [], 2.0
    for gap, seconds in gaps:
        start = max(at + gap, spans[-1].start if spans else 0.0)
        spans.append(span(start, start + seconds))
        at = start + seconds
    made = list(passages(spans, longest))
    assert [one for passage in made for one in passage] == spans
    for passage in made:
        assert len(passage) == 1 or passage[-1].end - passage[0].start <= longest
        for one, after in pairwise(passage):
            assert 0 <= after.start - one.end <= LONGEST_PAUSE


def test_words_go_to_the_span_that_they_lie_in() -> None:
    passage = [span(10, 12, "A"), span(12.5, 14, "B")]
    heard = Transcript(words=(*words("Did you hear?", each=0.6), *words("Yes we won!", first=2.6)), language="en")
    said = utterances_of(passage, heard, Example())
    assert [(one.span.speaker, one.text, one.language) for one in said] == [
        ("A", "Did you hear?", "en"),
        ("B", "Yes we won!", "en"),
    ]
    assert said[1].words[0].start == pytest.approx(12.6)


def test_a_sentence_that_ends_is_an_utterance() -> None:
    passage = [span(0, 6)]
    said = utterances_of(passage, Transcript(words=words("I was there. Dr. Smith saw me. Then I left")), Example())
    assert [one.text for one in said] == ["I was there.", "Dr. Smith saw me.", "Then I left"]
    times = [(one.span.start, one.span.end) for one in said]
    assert times == [(0, 1.5), (1.5, 3.5), (3.5, 6)]


def test_a_short_sentence_stays_with_the_next() -> None:
    said = utterances_of([span(0, 3)], Transcript(words=words("No. I said no.")), Example())
    assert [one.text for one in said] == ["No. I said no."]


def test_why_there_are_no_words() -> None:
    passage = [span(0, 2), span(2, 4)]
    reasons = [one.reason for one in utterances_of(passage, Missing("the sound is torn"), Example())]
    assert reasons == ["the sound is torn"] * 2
    heard = Transcript(words=words("gra fta", probability=0.2))
    said = utterances_of(passage, heard, Strict())
    assert [(one.text, one.reason, one.refused) for one in said] == [
        ("", "it is no word", "gra fta"),
        ("", "no words were heard in it", None),
    ]


def test_text_without_times_is_of_one_span() -> None:
    (said,) = utterances_of([span(1, 2)], Transcript(text=" Oh, no. "), Example())
    assert (said.text, said.words, said.confidence) == ("Oh, no.", (), None)
    with pytest.raises(MercError, match=r"Example hears 2 spans .* without times.*passage\(\) must be 0"):
        utterances_of([span(1, 2), span(2, 3)], Transcript(text="Oh"), Example())
