"""What predictions say, read by merc's one reader of answers; whatever is odd is counted under its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from merc import Prediction
from merc.answers import NOTES, Block, Read, Sentences, Vocabulary, read_answer, read_lowercase


def answer_of(prediction: Prediction, known: Vocabulary, block: Block, sentences: Sentences) -> Read:
    """What a prediction says: its text where it has one, else its label."""
    if prediction.answer is not None:
        return read_answer(prediction.answer, known, block, sentences)
    return _label_of(prediction, known)


def published_answer_of(prediction: Prediction, known: Vocabulary, separators: str = "") -> Read:
    """The same as AffectGPT's and MMEVerse's programs read it (``merc.answers.read_lowercase``)."""
    if prediction.answer is not None:
        return read_lowercase(prediction.answer, known, separators)
    return _label_of(prediction, known)


def count_notes(answers: Iterable[Read]) -> dict[str, int]:
    """How many answers have each note; every note is named, those that none has with 0."""
    counts: Counter[str] = Counter(note for answer in answers for note in answer.notes)
    return {name: counts[name] for name in NOTES}


def most_frequent(words: Iterable[str], most: int = 20) -> dict[str, int]:
    """The most frequent of some words with their counts, ties by the alphabet."""
    ranked = sorted(Counter(words).items(), key=lambda pair: (-pair[1], pair[0]))
    return dict(ranked[:most])


def _label_of(prediction: Prediction, known: Vocabulary) -> Read:
    if prediction.label is None:
        return Read((), (), ("empty", "unparsed"))
    label = known.folded.get(prediction.label.casefold())
    return Read((label,)) if label is not None else Read((), (prediction.label,), ("outside", "unparsed"))
