"""Spans of speech to passages that are heard at once, and what was heard back to utterances."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from merc.components import Missing, SpeechSpan, Transcriber, Transcript, Word
from merc.errors import MercError

Passage = list[SpeechSpan]

LONGEST_PAUSE = 2.0
"""Spans that lie further apart, in seconds, are not heard together: in a long silence a model makes words up."""
_SHORTEST_SENTENCE = 1.0
"""A sentence that took fewer seconds stays with the next one: "No. I said no." """
_ENDS = (".", "?", "!", "…", "。", "？", "！")
_TITLES = {"mr.", "mrs.", "ms.", "dr.", "st.", "prof."}
_NO_WORDS = "no words were heard in it"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What will be an utterance: its span, its words (times are seconds of the recording), or the ``reason`` why it has
    none; ``refused`` is the text that was not used for that reason."""

    span: SpeechSpan
    text: str = ""
    words: tuple[Word, ...] = ()
    language: str | None = None
    reason: str | None = None
    refused: str | None = None

    @property
    def confidence(self) -> float | None:
        """How probable a word of it is: the geometric mean, from 0 to 1; ``None`` where no word has a probability."""
        known = [word.probability for word in self.words if word.probability is not None]
        return math.exp(sum(math.log(max(one, 1e-6)) for one in known) / len(known)) if known else None


def passages(spans: Iterable[SpeechSpan], longest: float) -> Iterator[Passage]:
    """Neighbouring spans that are heard at once: at most ``longest`` seconds, with short pauses between them. Spans
    that overlap are heard apart.

    >>> spans = [SpeechSpan(start=a, end=b) for a, b in ((0, 4), (5, 9), (13, 14), (14, 30))]
    >>> [[(one.start, one.end) for one in passage] for passage in passages(spans, 15)]
    [[(0, 4), (5, 9)], [(13, 14)], [(14, 30)]]
    """
    waiting: Passage = []
    for span in spans:
        if waiting:
            pause, whole = span.start - waiting[-1].end, span.end - waiting[0].start
            if not 0 <= pause <= LONGEST_PAUSE or whole > longest:
                yield waiting
                waiting = []
        waiting.append(span)
    if waiting:
        yield waiting


def utterances_of(passage: Passage, heard: Transcript | Missing, transcriber: Transcriber) -> list[Said]:
    """What was said in each span of a passage, a sentence an utterance where the words have times."""
    if isinstance(heard, Missing):
        return [Said(span=span, reason=heard.reason) for span in passage]
    if not heard.words and heard.text.strip():
        if len(passage) > 1:
            raise MercError(
                f"{type(transcriber).__name__} hears {len(passage)} spans of speech at once and gives words without "
                "times, so nobody can say which span they are of; its passage() must be 0"
            )
        return [Said(span=passage[0], text=heard.text.strip(), language=heard.language)]
    pieces = []
    for span, words in zip(passage, _by_span(passage, heard.words), strict=True):
        whole = Said(span=span, text=_text(words), words=words, language=heard.language)
        if not whole.text:
            pieces.append(Said(span=span, reason=_NO_WORDS))
        elif reason := transcriber.doubt(words, whole.confidence):
            pieces.append(Said(span=span, reason=reason, refused=whole.text))
        else:
            pieces += _sentences(whole)
    return pieces


def _by_span(passage: Passage, words: Sequence[Word]) -> list[tuple[Word, ...]]:
    """The words of each span: a word is of the span that its middle lies in, or nearest to. Their times become seconds
    of the recording."""
    start = passage[0].start
    spoken: list[list[Word]] = [[] for _ in passage]
    for word in words:
        if word.text.strip():
            moved = replace(word, text=word.text.strip(), start=start + word.start, end=start + word.end)
            middle = (moved.start + moved.end) / 2
            nearest = min(
                range(len(passage)), key=lambda at: max(passage[at].start - middle, middle - passage[at].end, 0.0)
            )
            spoken[nearest].append(moved)
    return [tuple(one) for one in spoken]


def _sentences(whole: Said) -> list[Said]:
    """The sentences of a span. They share its time: the first begins where the span does, the last ends where it does,
    and between them one begins with its first word."""
    sentences: list[list[Word]] = [[]]
    for word in whole.words:
        before = sentences[-1]
        if before and _ends(before[-1]) and word.text[:1].isupper() | (not word.text[:1].isalpha()):
            lasted = word.start - (before[0].start if len(sentences) > 1 else whole.span.start)
            if lasted >= _SHORTEST_SENTENCE and whole.span.end - word.start >= _SHORTEST_SENTENCE:
                sentences.append([])
        sentences[-1].append(word)
    starts = [whole.span.start, *(one[0].start for one in sentences[1:]), whole.span.end]
    pieces = []
    for at, words in enumerate(sentences):
        last = at == len(sentences) - 1
        # A pause after a sentence belongs to nobody.
        end = whole.span.end if last else min(max(words[-1].end, starts[at] + 0.1), starts[at + 1])
        span = replace(whole.span, start=starts[at], end=end)
        pieces.append(replace(whole, span=span, words=tuple(words), text=_text(words)))
    return pieces


def _ends(word: Word) -> bool:
    text = word.text.rstrip("\"'”’)")
    return text.endswith(_ENDS) and text.lower() not in _TITLES


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)
