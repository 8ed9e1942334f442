"""Corpus: where conversations come from."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from merc.components.base import Component
from merc.conversation import Conversation, LabelSpace
from merc.errors import ManyErrors, MercError, did_you_mean, first_lines

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class ReportedCount:
    """How many there are of something beside how many a publication states.

    >>> print(ReportedCount(what="clips of the test split", found=2608, reported=2610, source="its paper"))
    clips of the test split: 2,608; its paper states 2,610
    """

    what: str
    """What is counted, in the plural."""
    found: int
    """How many there are here."""
    reported: int
    """How many the publication states."""
    source: str
    """The publication, as the subject of a sentence: "its paper"."""

    def __str__(self) -> str:
        return f"{self.what}: {self.found:,}; {self.source} states {self.reported:,}"


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """A file or folder that a corpus reads, as it seems by its form."""

    what: str
    """What it is, as in "a table of 7 rows between semicolons, in utf-8"."""
    parameters: Mapping[str, Any]
    """What a recipe's section has beside ``name``, guesses included, so that the section reads it."""
    details: Sequence[str] = field(default_factory=tuple)
    """Lines that show what was looked at and guessed."""
    general: bool = False
    """Whether the corpus also reads what others read in a way that is their own; theirs come first."""


@dataclass(frozen=True, kw_only=True)
class CorpusData:
    """What a corpus gave."""

    conversations: Sequence[Conversation]
    """Those of all splits."""
    labels: LabelSpace | None = None
    """The label space; ``None`` stands for the labels that the train split holds."""
    spaces: Mapping[str, LabelSpace] = field(default_factory=dict)
    """The label spaces of datasets that have one of their own, by ``Conversation.dataset``."""
    notes: Sequence[str] = field(default_factory=tuple)
    """Sentences for the user, each about something that was left out, mended or counted."""
    counts: Sequence[ReportedCount] = field(default_factory=tuple)
    """The counts that publications state; ``merc corpus import`` names the ones that differ."""

    def split(self, name: str) -> list[Conversation]:
        """The conversations of one split, in order."""
        return [c for c in self.conversations if c.split == name]

    def space_of(self, dataset: str | None) -> LabelSpace | None:
        """The label space of a dataset: its own, else the corpus's; ``None`` where neither is declared."""
        return self.labels if dataset is None else self.spaces.get(dataset, self.labels)

    def spaces_of_all(self) -> dict[str | None, LabelSpace]:
        """The label space of every dataset that is there, by its name; of one that declares none, what the train split
        holds of all that declare none."""
        of_rest = LabelSpace.found_in([c for c in self.split("train") if self.space_of(c.dataset) is None])
        names = dict.fromkeys(c.dataset for c in self.conversations)
        return {name: self.space_of(name) or of_rest for name in names}

    def label_space(self, declared: LabelSpace | None = None) -> LabelSpace:
        """The label space of a run; a run calls this before anything else looks at a label.

        Args:
            declared: The labels that the recipe declares.

        Returns:
            ``declared``, else the corpus's own (with ``spaces``, the labels of all of them), else what the train split
            holds.

        Raises:
            MercError: A label is outside it, or outside that of its dataset (each place is named); labels differ by
                capitals alone; or no labels are known.

        >>> from merc.conversation import Utterance
        >>> utterances = (Utterance(id="u0", text="No!", label="angre", origin="talk.jsonl, line 3"),)
        >>> data = CorpusData(conversations=[Conversation(id="c", utterances=utterances)])
        >>> data.label_space(LabelSpace(("anger", "joy")))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        merc.errors.ManyErrors: 1 of 1 labels outside the label space (anger, joy); ...
          talk.jsonl, line 3: utterance 'u0' has the label 'angre'. Did you mean 'anger'?
        """
        stated = (declared,) if declared else (*([self.labels] if self.labels else []), *self.spaces.values())
        check_spelling(self.conversations, [label for one in stated for label in one.labels])
        spaces = {name: declared or space for name, space in self.spaces_of_all().items()}
        space = declared or LabelSpace.joined([*([self.labels] if self.labels else []), *spaces.values()])
        if not space.labels:
            raise MercError(
                "no labels are known: the recipe has no 'labels:', and the corpus has no labelled utterance in a train "
                "split; list the labels in the recipe, as in labels: [joy, anger]"
            )
        errors, total = [], 0
        for conversation in self.conversations:
            for utterance in conversation.utterances:
                known = spaces[conversation.dataset].labels
                total += utterance.label is not None
                if utterance.label is not None and utterance.label not in known:
                    where = utterance.origin or f"conversation {conversation.id!r}"
                    hint = did_you_mean(utterance.label, known)
                    whose = (
                        "" if known == space.labels else f", which {conversation.dataset or 'the rest'} does not have"
                    )
                    errors.append(
                        f"{where}: utterance {utterance.id!r} has the label {utterance.label!r}{whose}.{hint}"
                    )
        if errors:
            outside = f"{len(errors)} of {total} labels outside the label space ({', '.join(space.labels)})"
            raise ManyErrors(first_lines(errors, _SHOWN), f"{outside}; correct them, or let the recipe list others")
        return space


def check_spelling(conversations: Iterable[Conversation], known: Iterable[str], only_known: bool = False) -> None:
    """Raise MercError for labels that differ by capitals alone, with each spelling and how many utterances have it.

    ``known`` are labels that somebody declares, which count though no utterance has them; with ``only_known`` labels
    that none of them is like are passed over.
    """
    declared = list(known)
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for utterance in (utterance for talk in conversations for utterance in talk.utterances):
        if utterance.label is not None:
            counts[utterance.label] += 1
            first.setdefault(utterance.label, utterance.origin or f"utterance {utterance.id!r}")
    spellings: dict[str, list[str]] = {}
    for label in dict.fromkeys([*declared, *counts]):
        spellings.setdefault(label.casefold(), []).append(label)
    meant = {label.casefold() for label in declared}
    several = {key: those for key, those in spellings.items() if len(those) > 1 and (key in meant or not only_known)}
    if several:
        lines = [", ".join(_counted(label, counts[label], first.get(label)) for label in those)
                 for those in several.values()]  # fmt: skip
        raise ManyErrors(
            first_lines(lines, _SHOWN),
            f"{len(several)} of {len(spellings)} labels are spelled in ways that differ by capitals alone; write each "
            "in one way",
        )


def _counted(label: str, count: int, first: str | None) -> str:
    """A spelling, with how many utterances have it and which is the first; ``None`` where it is only declared."""
    if first is None:
        return f"{label!r} (declared)"
    return f"{label!r} ({count} utterance{'' if count == 1 else 's'}; the first: {first})"


@dataclass(frozen=True, kw_only=True)
class Corpus(Component):
    """Yields conversations. A media file that is not there is no error: the utterance says why in ``missing``.

    The smallest complete corpus:

    >>> from merc.conversation import Utterance
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Two(Corpus):
    ...     def load(self):
    ...         joy = Utterance(id="u0", text="Great!", label="joy")
    ...         anger = Utterance(id="u1", text="No!", label="anger")
    ...         return CorpusData(conversations=[Conversation(id="c", split="train", utterances=(joy, anger))])
    >>> len(Two().load().split("train"))
    1
    """

    kind: ClassVar[str] = "corpus"
    limit: int | None = None
    """How many conversations of the train split are kept, for quick looks; dev and test stay whole. null keeps all."""
    limit_seed: int | None = None
    """Which ones ``limit`` keeps: null the first, a number so many that are drawn by it."""

    @classmethod
    def recognise(cls, path: Path) -> Recognised | None:
        """What a file or folder is, where it seems to be of this corpus's form; ``None`` where it does not. It looks at
        names and beginnings, and never raises for a file of another form: ``merc corpus look`` asks every corpus."""
        return None

    @abstractmethod
    def load(self) -> CorpusData:
        """Read the conversations.

        Raises:
            MercError: Something cannot be read; the message names the file and the line.
        """
