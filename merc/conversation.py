"""Conversations, utterances and labels: plain frozen data that knows no tensor and no file format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from merc.errors import MercError, did_you_mean

Split = Literal["train", "dev", "test"]
Region = tuple[float, float, float, float]
NO_REGION = "a region is [left, top, right, bottom], fractions of the picture from 0 to 1"
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One turn of a conversation. Raises MercError for a region that is none.

    >>> Utterance(id="d0_u0", text="Why do all you're coffee mugs have numbers on the bottom?", label=" surprise").label
    'surprise'
    """

    id: str
    """Its name, which no other utterance of the corpus has."""
    text: str
    """What is said; empty where no words are known."""
    speaker: str | None = None
    """Who speaks, where it is known."""
    label: str | None = None
    """The emotion, where it is known; the space around it does not count."""
    video: Path | None = None
    """The file with its pictures, and with its sound where ``audio`` is ``None``."""
    audio: Path | None = None
    """The file with its sound, where that is another one."""
    start: float | None = None
    """Where it begins within the media file, in seconds; with ``end`` ``None`` as well it is the whole file."""
    end: float | None = None
    """Where it ends within the media file, in seconds."""
    cut: tuple[str, ...] = ()
    """The modalities ("video", "audio") whose file holds this utterance alone, so that ``start`` and ``end`` are not
    for it: a corpus may come with a sound file an utterance, and a film a conversation."""
    region: Region | None = None
    """The part of the picture that shows the speaker: left, top, right and bottom as fractions of it."""
    valence: float | None = None
    """How pleasant the emotion is, where it is known, on the corpus's scale."""
    open_labels: tuple[str, ...] = ()
    """Words for its emotion from an open vocabulary."""
    values: Mapping[str, float | tuple[str, ...]] = field(default_factory=dict)
    """What is true of it beside its label, by name: numbers (arousal, intensity), or several labels at once."""
    cues: Mapping[str, str] = field(default_factory=dict)
    """Texts that describe how it is said, by field (face, body, posture, prosody, ...)."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why a modality that the corpus should have is not there, by modality ("video", "audio", "text")."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What else a corpus knows."""
    origin: str | None = field(default=None, compare=False)
    """Where it was read ("talk.jsonl, line 3"), for messages."""

    def __post_init__(self) -> None:
        if self.label is not None:
            object.__setattr__(self, "label", self.label.strip())
        if self.region is not None:
            left, top, right, bottom = self.region
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise MercError(f"utterance {self.id!r}: {NO_REGION}, not {list(self.region)}")

    def media(self, modality: str) -> Path | None:
        """The file that holds a modality: audio comes from the video's file when it has none of its own."""
        if modality == "video":
            return None if "video" in self.missing else self.video
        if modality == "audio":
            return None if "audio" in self.missing else (self.audio or self.video)
        return None

    def span(self, modality: str) -> tuple[float | None, float | None]:
        """Where the utterance begins and ends, in seconds, within the file that ``media`` gives.

        >>> files = {"video": Path("talk.avi"), "audio": Path("u.wav")}
        >>> said = Utterance(id="u", text="Hi.", **files, start=5, end=7, cut=("audio",))
        >>> said.span("video"), said.span("audio")
        ((5, 7), (None, None))
        """
        holder = "audio" if modality == "audio" and self.audio is not None else "video"
        return (None, None) if holder in self.cut else (self.start, self.end)

    def true(self, name: str) -> Any:
        """What is true of it under a name: of ``values``, its ``valence``, its ``open_labels`` where it has some, or of
        ``extra``; ``None`` where nothing is.

        >>> said = Utterance(id="u", text="Oh!", values={"arousal": 0.5}, extra={"labels": ["surprise"]})
        >>> said.true("arousal"), said.true("labels"), said.true("open_labels")
        (0.5, ['surprise'], None)
        """
        own = {"valence": self.valence, "open_labels": self.open_labels or None}
        known = own.get(name)
        return self.values.get(name, self.extra.get(name)) if known is None else known

    def with_cues(self, cues: Mapping[str, str]) -> Utterance:
        """The same utterance with more cues; new ones replace old ones of the same name."""
        return replace(self, cues={**self.cues, **cues})


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """Utterances that follow each other.

    >>> talk = Conversation(id="d0", split="test", utterances=(Utterance(id="d0_u0", text="Hi."),))
    >>> [u.id for u in talk.utterances]
    ['d0_u0']
    """

    id: str
    """Its name, which no other conversation of the corpus has."""
    utterances: tuple[Utterance, ...]
    """Its utterances in the order in which they were spoken."""
    split: Split | None = None
    """The split that they all belong to; ``None`` where it is unknown."""
    dataset: str | None = None
    """The published set that it comes from ("meld"), which tells the sets of a mixture apart."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What else a corpus knows."""


@dataclass(frozen=True)
class LabelSpace:
    """The labels of a task, in a fixed order, and the words that stand for each (the verbalizer).

    The space around labels and words does not count. Raises MercError for labels, and words of two labels, that are the
    same or differ by capitals alone, and for words of no label.

    >>> space = LabelSpace(("joy", "anger"), {"joy": ("joy", "happiness")})
    >>> space.words_of("joy"), space.words_of("anger")
    (('joy', 'happiness'), ('anger',))
    >>> space.index("joyy")
    Traceback (most recent call last):
    merc.errors.MercError: unknown label 'joyy'. Did you mean 'joy'? The labels are: joy, anger
    """

    labels: tuple[str, ...]
    """The labels; the places in this order are what losses and scores count by."""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The words of a label, by label; one that is not named is its own word. A model is trained to answer the first,
    and all count when labels are scored."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(label.strip() for label in self.labels))
        words = {label.strip(): tuple(word.strip() for word in those) for label, those in self.words.items()}
        object.__setattr__(self, "words", words)
        if len(set(self.labels)) != len(self.labels):
            raise MercError(f"a label is listed twice: {', '.join(self.labels)}")
        spelled: dict[str, str] = {}
        for label in self.labels:
            if spelled.setdefault(label.casefold(), label) != label:
                raise MercError(
                    f"the labels {spelled[label.casefold()]!r} and {label!r} differ by capitals alone; list one of them"
                )
        for label in self.words:
            if label not in self.labels:
                raise MercError(f"words given for unknown label {label!r}.{did_you_mean(label, self.labels)}")
        seen: dict[str, str] = {}
        for label in self.labels:
            for word in self.words_of(label):
                if seen.setdefault(word.casefold(), label) != label:
                    raise MercError(f"the word {word!r} stands for two labels: {seen[word.casefold()]!r} and {label!r}")

    def __len__(self) -> int:
        return len(self.labels)

    def words_of(self, label: str) -> tuple[str, ...]:
        """The words of a label; by default the label itself."""
        return tuple(self.words.get(label) or (label,))

    def index(self, label: str) -> int:
        """Where a label stands; raises MercError with the close match for an unknown one."""
        try:
            return self.labels.index(label)
        except ValueError:
            raise MercError(
                f"unknown label {label!r}.{did_you_mean(label, self.labels)} The labels are: {', '.join(self.labels)}"
            ) from None

    @staticmethod
    def joined(spaces: Iterable[LabelSpace]) -> LabelSpace:
        """The labels of several spaces, each once, in the order in which they come, with all words of each.

        >>> LabelSpace.joined([LabelSpace(("joy", "anger")), LabelSpace(("anger", "fear"))]).labels
        ('joy', 'anger', 'fear')
        """
        every = list(spaces)
        if every and all(one == every[0] for one in every):
            return every[0]
        words: dict[str, tuple[str, ...]] = {}
        for space in every:
            for label in space.labels:
                words[label] = tuple(dict.fromkeys((*words.get(label, ()), *space.words_of(label))))
        return LabelSpace(tuple(words), {label: those for label, those in words.items() if those != (label,)})

    @staticmethod
    def found_in(conversations: Sequence[Conversation]) -> LabelSpace:
        """The labels that a split holds, sorted by name so that the order does not depend on the data's."""
        return LabelSpace(tuple(sorted({u.label for c in conversations for u in c.utterances if u.label is not None})))
