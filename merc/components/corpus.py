"""Corpus: where conversations come from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from merc.components.base import Component
from merc.conversation import Conversation, LabelSpace


@dataclass(frozen=True, kw_only=True)
class CorpusData:
    """What a corpus gave: conversations of all splits, the label space (``None``: what the train split holds), and
    notes, each a sentence for the user about something that was left out, mended or counted."""

    conversations: Sequence[Conversation]
    labels: LabelSpace | None = None
    notes: Sequence[str] = field(default_factory=tuple)

    def split(self, name: str) -> list[Conversation]:
        """The conversations of one split, in order."""
        return [c for c in self.conversations if c.split == name]


@dataclass(frozen=True, kw_only=True)
class Corpus(Component):
    """Yields conversations. A media file that is not there is no error: the utterance says why in ``missing``.

    The smallest complete corpus:

    >>> from merc.conversation import Utterance
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Two(Corpus):
    ...     def load(self):
    ...         said = (Utterance(id="u0", text="Great!", label="joy"), Utterance(id="u1", text="No!", label="anger"))
    ...         return CorpusData(conversations=[Conversation(id="c", split="train", utterances=said)])
    >>> len(Two().load().split("train"))
    1
    """

    kind: ClassVar[str] = "corpus"

    @abstractmethod
    def load(self) -> CorpusData:
        """Read the conversations. Raises MercError, naming the file and the line, for what cannot be read."""
