"""Prompts as tokens: segments through a tokenizer, slots counted, answers hung behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from merc.components import Answer, Prompt, Segment, Slot, Text, Turn
from merc.conversation import LabelSpace
from merc.errors import MercError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SlotItem = tuple[str, str, int]
"""One token of a slot: the stream, the utterance, and which of the utterance's tokens it is."""

Item = int | SlotItem
SlotLength = Callable[[str, str], int]
"""How many tokens a stream gives for an utterance; 0 when it is missing."""


@dataclass(frozen=True)
class AnswerPath:
    """One answer as tokens. ``label`` and ``word`` are indices into the label space, -1 for a free text; ``gold`` is
    true for what the target is labelled with."""

    tokens: tuple[int, ...]
    label: int = -1
    word: int = -1
    gold: bool = False


@dataclass(frozen=True)
class EncodedPrompt:
    """A prompt as items: everything before the answer, and the answers that may follow it."""

    target: str
    context: tuple[Item, ...]
    answers: tuple[AnswerPath, ...]

    @property
    def depth(self) -> int:
        """The length of the longest path from the first token to an answer's last but one (which predicts the last)."""
        return len(self.context) + max((len(a.tokens) - 1 for a in self.answers), default=0)


class PromptEncoder:
    """Turns prompts into items with one tokenizer.

    Each Text is tokenized on its own, and words of a corpus never become control tokens: "<|im_end|>" in an utterance
    stays text. A prompt with turns is rendered by the tokenizer's own chat template; a tokenizer that has none gets
    "Role: words" lines, and ``notes`` says so.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.notes: list[str] = []
        self._pieces: dict[tuple[str, bool], tuple[int, ...]] = {}
        self._frames: dict[tuple[str, ...], list[str]] = {}
        self._start = self._begin_tokens()
        self._anchor = self._anchor_tokens()

    def encode(
        self,
        prompt: Prompt,
        lengths: SlotLength,
        labels: LabelSpace | None = None,
        gold: str | None = None,
        answers: Literal["gold", "labels", "none"] = "gold",
    ) -> EncodedPrompt:
        """The items of a prompt.

        ``answers``: ``gold`` hangs the one right answer behind it (the prompt's own text, or the first word of the
        label ``gold``), ``labels`` every word of every label, ``none`` nothing.
        """
        context: list[Item] = []
        for piece in self._flatten(prompt):
            if isinstance(piece, Slot):
                count = lengths(piece.stream, piece.utterance)
                if count:
                    context.extend(self.piece(piece.before))
                    context.extend((piece.stream, piece.utterance, i) for i in range(count))
                    context.extend(self.piece(piece.after))
            else:
                context.extend(self.piece(piece[0], special=piece[1]))
        return EncodedPrompt(prompt.target, tuple(context), self._answers(prompt, labels, gold, answers))

    def piece(self, text: str, special: bool = False) -> tuple[int, ...]:
        """The tokens of one piece of text, without begin and end tokens. ``special``: control tokens may appear."""
        if not text:
            return ()
        key = (text, special)
        if key not in self._pieces:
            anchored = ("\n" + text) if self._anchor else text
            ids = self.tokenizer(anchored, add_special_tokens=False, split_special_tokens=not special)["input_ids"]
            self._pieces[key] = tuple(ids[len(self._anchor) :])
        return self._pieces[key]

    def end_tokens(self) -> tuple[int, ...]:
        """What stands behind a finished answer; empty for a tokenizer without an end token."""
        end = self.tokenizer.eos_token_id
        return () if end is None else (int(end),)

    def _answers(
        self, prompt: Prompt, labels: LabelSpace | None, gold: str | None, which: Literal["gold", "labels", "none"]
    ) -> tuple[AnswerPath, ...]:
        answer = prompt.answer
        end = self.end_tokens() if answer.end else ()
        if which == "none":
            return ()
        if answer.text is not None:
            if which == "labels":
                raise MercError(
                    f"the prompt for {prompt.target!r} asks for a text, not for a label: labels can't be scored; "
                    "use evaluate.decode=generate or a prompter that asks for the label"
                )
            return (AnswerPath(self.piece(answer.prefix + answer.text) + end, gold=True),)
        if labels is None:
            raise MercError(f"the prompt for {prompt.target!r} asks for a label, and there is no label space")
        if which == "gold":
            if gold is None:
                raise MercError(f"utterance {prompt.target!r} has no label to learn; leave it out of the training data")
            index = labels.index(gold)
            word = labels.words_of(gold)[0]
            return (AnswerPath(self.piece(answer.prefix + word) + end, index, 0, True),)
        return tuple(
            AnswerPath(self.piece(answer.prefix + word) + end, i, j, label == gold)
            for i, label in enumerate(labels.labels)
            for j, word in enumerate(labels.words_of(label))
        )

    def _flatten(self, prompt: Prompt) -> list[Slot | tuple[str, bool]]:
        """Segments as slots and (text, may hold control tokens) pairs, chat turns rendered, the answer left out."""
        segments = prompt.segments[:-1]
        if not any(isinstance(s, Turn) for s in segments):
            start: list[Slot | tuple[str, bool]] = [(self._start, True)] if self._start else []
            plain = (s for s in segments if isinstance(s, (Slot, Text)))
            return start + [s if isinstance(s, Slot) else (s.text, False) for s in plain]
        if not isinstance(segments[0], Turn):
            raise MercError("a prompt with turns begins with one; this one has words before its first Turn")
        turns: list[tuple[str, list[Segment]]] = []
        for segment in segments:
            if isinstance(segment, Turn):
                turns.append((segment.role, []))
            else:
                turns[-1][1].append(segment)
        if turns[-1][0] != "assistant":
            turns.append(("assistant", []))
        flat: list[Slot | tuple[str, bool]] = []
        for written, (_, parts) in zip(self._chat_frame(tuple(role for role, _ in turns)), turns, strict=True):
            flat.append((written, True))
            flat.extend(p if isinstance(p, Slot) else (p.text, False) for p in parts if isinstance(p, (Slot, Text)))
        return [p for p in flat if isinstance(p, Slot) or p[0]]

    def _chat_frame(self, roles: tuple[str, ...]) -> list[str]:
        """What the chat template writes before the words of each turn; the last one is where the answer stands.

        A mark stands for the words of a turn while the template renders, and the rendering is cut at the marks.
        """
        if roles not in self._frames:
            marks = [f"\ue000{i}\ue001" for i in range(len(roles))]
            rest = self._render([{"role": r, "content": m} for r, m in zip(roles, marks, strict=True)])
            frame = []
            for mark in marks:
                before, found, rest = rest.partition(mark)
                if not found:
                    raise MercError(
                        "the tokenizer's chat template drops or reorders the words of a message, so merc cannot place "
                        "media in it; use a prompter without turns, or another tokenizer"
                    )
                frame.append(before)
            self._frames[roles] = frame
        return self._frames[roles]

    def _render(self, messages: Sequence[dict[str, str]]) -> str:
        if getattr(self.tokenizer, "chat_template", None):
            return str(self.tokenizer.apply_chat_template(list(messages), tokenize=False))
        note = "the tokenizer has no chat template: turns are written plainly, as 'User: …' lines"
        if note not in self.notes:
            self.notes.append(note)
        lines = [f"{m['role'].capitalize()}: {m['content']}\n" for m in messages]
        return self._start + "".join(lines)

    def _begin_tokens(self) -> str:
        """The text of the token that this tokenizer puts before everything (a begin token), or nothing."""
        with_start = self.tokenizer("a")["input_ids"]
        begin = self.tokenizer.bos_token_id
        return str(self.tokenizer.bos_token) if begin is not None and with_start and with_start[0] == begin else ""

    def _anchor_tokens(self) -> tuple[int, ...]:
        """A tokenizer of the SentencePiece kind puts a space before whatever it is given; a line break before each
        piece takes that space, and is cut off again. Others need no such anchor."""
        ids = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        if len(ids) == 1 and not str(self.tokenizer.convert_ids_to_tokens(ids)[0]).startswith("\u2581"):
            return ()
        anchor = tuple(self.tokenizer("\n", add_special_tokens=False)["input_ids"])
        probe = tuple(self.tokenizer("\n a", add_special_tokens=False)["input_ids"])
        return anchor if probe[: len(anchor)] == anchor else ()


def is_label_prompt(prompt: Prompt) -> bool:
    """Whether a prompt asks for a label (rather than for a text of its own)."""
    return isinstance(prompt.answer, Answer) and prompt.answer.text is None
