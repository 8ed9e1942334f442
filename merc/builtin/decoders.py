"""The decoder ``generate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from merc.components import Decoded, Decoder, Model, Query
from merc.prompting import Policy, parse_label


@dataclass(frozen=True, kw_only=True)
class Generate(Decoder):
    """Lets the model write, always the likeliest token, and reads the label out of the text. A text in which no label
    can be read is counted."""

    answers: ClassVar[Literal["labels", "none"]] = "none"
    gives: ClassVar[frozenset[str]] = frozenset({"text"})
    parser: Policy = "exact"
    """How the text is read: ``exact`` as a word of a label but for case, space and punctuation, ``strict`` letter for
    letter, ``first-label`` by the word of a label that stands first, ``answer-tag`` and ``answer-tag-strict`` between
    tags, ``lowercase`` as a word of a label in small letters, with nothing around it but space."""
    max_new_tokens: int = 32
    """The most tokens that it may write."""

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens counts from 1, not {self.max_new_tokens}")

    def new_tokens(self) -> int:
        """``max_new_tokens``."""
        return self.max_new_tokens

    def needs_end(self) -> bool:
        """Of the parsers ``exact`` and ``strict``, which read nothing after the label."""
        return self.parser in ("exact", "strict")

    def decode(self, model: Model, queries: Sequence[Query]) -> Sequence[Decoded]:
        """What the model wrote, and the label in it, of the query's own labels."""
        written = model.generate(queries, max_new_tokens=self.max_new_tokens)
        return [
            Decoded(label=parse_label(one.text, query.labels, self.parser), text=one.text)
            for query, (one,) in zip(queries, written, strict=True)
        ]
