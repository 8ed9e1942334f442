"""Annotator ``lexical``: what is said and how it is put, without a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from merc import Annotation, Annotator, Observation, Query

if TYPE_CHECKING:
    from merc import AnnotateFunction

_FILLERS = {"uh", "um", "er", "erm", "hmm", "mm", "ah", "eh", "äh", "ähm", "euh", "呃", "嗯"}
_REPEATED = re.compile(r"\b(\w+)[\s,.…!?-]+\1\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Lexical(Annotator):
    """Writes ``lexical``: the words of the utterance as they were said, those before it, and what stands in them that
    anybody can check: questions, exclamations, hesitations, repeated words. It names no emotion."""

    before: int = 1
    """How many utterances before it are quoted."""

    history = True

    def __post_init__(self) -> None:
        if self.before < 0:
            raise ValueError(f"before counts from 0, not {self.before}")

    def fields(self) -> tuple[str, ...]:
        """``lexical``."""
        return ("lexical",)

    def context(self, query: Query) -> Any:
        """The utterances before it that are quoted."""
        return [[one.speaker, one.text] for one in _before(query, self.before)]

    def load(self, device: str) -> AnnotateFunction:
        """Nothing is loaded."""

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            for one in observations:
                yield one.query.target.id, describe(one.query, self.before)

        return annotate


def describe(query: Query, before: int) -> Annotation:
    """The cue of an utterance, or the reason that it has no words."""
    target = query.target
    if not target.text.strip():
        return Annotation(reason=target.missing.get("text", "the utterance has no words"))
    quotes = [f"{one.speaker or 'Somebody'} said before it: {quoted(one.text)}" for one in _before(query, before)]
    line = f"{target.speaker or 'The speaker'} says: {quoted(target.text)}"
    return Annotation(cues={"lexical": " ".join([*quotes, line, *marks(target.text)])})


def quoted(text: str) -> str:
    """Words in quotation marks, as the end of a sentence.

    >>> quoted("We won"), quoted("We won!")
    ('“We won”.', '“We won!”')
    """
    words = text.strip()
    return f"“{words}”" if words[-1:] in ".!?…。！？" else f"“{words}”."


def marks(text: str) -> list[str]:
    """Sentences about how words are put.

    >>> marks("Uh, no, no! You?!")
    ['It asks.', 'It exclaims.', 'It hesitates (“uh”).', 'It repeats “no”.']
    """
    sentences = []
    if re.search("[?？]", text):
        sentences.append("It asks.")
    if re.search("[!！]", text):
        sentences.append("It exclaims.")
    words = re.findall(r"\w+", text.lower())
    if fillers := [word for word in dict.fromkeys(words) if word in _FILLERS]:
        sentences.append("It hesitates (" + ", ".join(f"“{word}”" for word in fillers) + ").")
    if "…" in text or "..." in text:
        sentences.append("It trails off.")
    if repeated := _REPEATED.search(text):
        sentences.append(f"It repeats “{repeated[1].lower()}”.")
    return sentences


def _before(query: Query, count: int) -> list[Any]:
    """The utterances before the target that have words, at most ``count``."""
    earlier = query.conversation.utterances[max(0, query.index - count) : query.index] if count else ()
    return [one for one in earlier if one.text.strip()]
