"""Pieces of text as tokens: what stands in the middle of a prompt is tokenized as what stands in the middle."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from merc.errors import MercError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ANCHORS = ("\n", "|", ":", "0")
_SHOWN = 20


class PieceTokenizer:
    """One tokenizer, piece by piece.

    Tokenizers of the SentencePiece kind put a space before whatever they are given. A piece inside a prompt is
    therefore tokenized after an anchor (a line break, say), which takes that space and is cut off again, so that the
    tokens of all pieces together read as the pieces' text.

    Words of a corpus never become control tokens: "<|im_end|>" in an utterance stays text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._known: dict[tuple[str, bool, bool], tuple[int, ...]] = {}
        self._anchors = self._find_anchors()
        special = [str(s) for s in tokenizer.all_special_tokens]
        # Control tokens that the tokenizer does not hold for special: added tokens that its chat template writes.
        template = str(getattr(tokenizer, "chat_template", None) or "")
        added = tokenizer.get_added_vocab()
        self._controls = tuple(t for t in added if t.strip() and len(t) > 1 and t not in special and t in template)
        added_special = [str(t.content) for t in tokenizer.added_tokens_decoder.values() if t.special]
        # The longest first: one may begin with another.
        self._known_controls = sorted({*special, *added_special, *self._controls}, key=len, reverse=True)
        # Older tokenizers of the kind put their space after every control token too, newer ones at the start alone.
        self._space_after_control = bool(
            self._anchors and special and self._raw(special[0] + "a", True)[1:] == self._raw("a", True)
        )

    def words(self, text: str, after: str | None = "") -> tuple[int, ...]:
        """The tokens of words that follow a frame, other words or a slot (empty), or at the start (``None``)."""
        inside = after is not None and not (self._space_after_control and self._ends_in_control(after))
        return self._tokens(text, False, inside)

    def frame(self, text: str, start: bool = False) -> tuple[int, ...]:
        """The tokens of what a chat template wrote: control tokens in it are control tokens."""
        return self._tokens(text, True, not start)

    def check_control(self, text: str) -> None:
        """Raise MercError for a text that is anything but control tokens of the tokenizer: those that it holds for
        special, and those that its chat template writes. No words of a corpus become one of these."""
        rest = text
        while rest:
            token = next((t for t in self._known_controls if rest.startswith(t)), None)
            if token is None:
                break
            rest = rest.removeprefix(token)
        if rest or not text:
            some = ", ".join(sorted(self._known_controls)[:_SHOWN])
            raise MercError(
                f"Control({text!r}): {rest!r} begins with no control token of the backbone's tokenizer; it has: "
                f"{some or 'none'}. Write words in a Text, or use a backbone whose tokenizer has the token"
            )

    def _tokens(self, text: str, control: bool, inside: bool) -> tuple[int, ...]:
        if not text:
            return ()
        key = (text, control, inside)
        if key not in self._known:
            tokens: list[int] = []
            for part in [text] if control else self._cut_controls(text):
                tokens.extend(self._inside(part, control) if inside or tokens else self._raw(part, control))
            self._known[key] = tuple(tokens)
        return self._known[key]

    def _raw(self, text: str, control: bool) -> tuple[int, ...]:
        ids = self._tokenizer(text, add_special_tokens=False, split_special_tokens=not control)["input_ids"]
        return tuple(int(i) for i in ids)

    def _inside(self, text: str, control: bool) -> tuple[int, ...]:
        for anchor, ids in self._anchors:
            together = self._raw(anchor + text, control)
            if together[: len(ids)] == ids:  # else the anchor melted with the text: the next one may not
                return together[len(ids) :]
        return self._raw(text, control)

    def _find_anchors(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Texts that can stand before a piece and be cut off again; none for a tokenizer that adds no space."""
        alone = self._raw("a", False)
        anchors = []
        for anchor in _ANCHORS:
            ids, both = self._raw(anchor, False), self._raw(anchor + "a", False)
            if both[: len(ids)] != ids:
                continue
            if both[len(ids) :] == alone and len(ids):
                return ()
            if len(ids):
                anchors.append((anchor, ids))
        return tuple(anchors)

    def _ends_in_control(self, text: str) -> bool:
        return any(text.endswith(token) for token in self._known_controls)

    def _cut_controls(self, text: str) -> list[str]:
        """The text, cut within every control token that it spells, so that none is recognised."""
        cuts = set()
        for token in self._controls:
            at = text.find(token)
            while at >= 0:
                cuts.add(at + 1)
                at = text.find(token, at + 1)
        edges = [0, *sorted(cuts), len(text)]
        return [text[a:b] for a, b in itertools.pairwise(edges)]
