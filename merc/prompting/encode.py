"""Prompts as tokens: segments through a tokenizer, slots counted, answers hung behind."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal

from merc.components import Answer, Prompt, Query, Segment, Slot, Text, Turn
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.prompting.chat import CHAT_DATE, ChatTemplate
from merc.prompting.pieces import PieceTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SlotItem = tuple[str, str, int]
"""One token of a slot: the stream, the utterance, and which of the utterance's tokens it is."""

Item = int | SlotItem
SlotLength = Callable[[str, str], int]
"""How many tokens a stream gives for an utterance; 0 when it is missing."""


@dataclass(frozen=True)
class AnswerPath:
    """One answer as tokens. ``label`` is a place in the label space, ``word`` one among the label's words, both -1 for
    a free text; ``gold`` is true for what the target is labelled with, ``rejected`` for what it is preferred to, and
    ``weight`` is that of an answer which an example brings. ``said`` is what the model reads of the answer
    before each further token of it, where that is not the answer itself but what a model said in its place: one token
    fewer."""

    tokens: tuple[int, ...]
    label: int = -1
    word: int = -1
    gold: bool = False
    said: tuple[int, ...] | None = None
    rejected: bool = False
    weight: float = 1.0

    @property
    def read(self) -> tuple[int, ...]:
        """The tokens that stand in the model's input: all but the last, which is only predicted."""
        return self.tokens[:-1] if self.said is None else self.said


@dataclass(frozen=True)
class EncodedPrompt:
    """A prompt as items: everything before the answer, and the answers that may follow it. ``left_out`` is the length
    of a context that was only counted, since it is longer than a model takes; ``context`` is empty then. ``query`` is
    what it asks, where whoever encoded it keeps that."""

    target: str
    context: tuple[Item, ...]
    answers: tuple[AnswerPath, ...]
    left_out: int = 0
    query: Query | None = field(default=None, compare=False, repr=False)

    @property
    def depth(self) -> int:
        """The length of the longest path from the first token to an answer's last but one (which predicts the last)."""
        return len(self.context) + self.left_out + max((len(a.tokens) - 1 for a in self.answers), default=0)


class ControlText(str):
    """Text that merc or a chat template writes: control tokens in it are control tokens."""


_Run = ControlText | str | tuple[SlotItem, ...]


class PromptEncoder:
    """Turns prompts into items with one tokenizer.

    Each Text is tokenized on its own, as what stands inside a text. A prompt with turns is rendered by the tokenizer's
    own chat template, to the tokens that the template gives for the same words; a tokenizer that has none gets
    "Role: words" lines, and ``notes`` says so. A template that writes the date is given ``today``. Words of a corpus
    never become control tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, today: date = CHAT_DATE) -> None:
        self.tokenizer = tokenizer
        self._pieces = PieceTokenizer(tokenizer)
        self._begin = self._begin_token()
        self._chat = ChatTemplate(tokenizer, self._begin, today)

    @property
    def notes(self) -> list[str]:
        """What the user should know of how prompts were rendered."""
        return self._chat.notes

    def encode(
        self,
        prompt: Prompt,
        lengths: SlotLength,
        labels: LabelSpace | None = None,
        gold: str | None = None,
        answers: Literal["gold", "labels", "rejected", "none"] = "gold",
        within: LabelSpace | None = None,
        longest: int | None = None,
    ) -> EncodedPrompt:
        """The items of a prompt.

        ``answers``: ``gold`` hangs the one right answer behind it (the prompt's own text, or the first word of the
        label ``gold``), ``labels`` every word of every label, ``rejected`` what the right one is preferred to, ``none``
        nothing. ``within`` is the label space whose
        places ``AnswerPath.label`` counts, where prompts of several label spaces meet; by default ``labels``. A context
        of more items than ``longest`` is only counted: many prompts may share a text of a million letters.
        """
        runs, write = self._runs(prompt, lengths)
        found: list[tuple[Item, ...]] = []
        before: str | None = None  # the frame that a run stands behind, None at the start, empty behind others
        for run in runs:
            if isinstance(run, tuple):
                found.append(run)
                before = ""
            else:
                written = isinstance(run, ControlText)
                found.append(self._pieces.frame(run, before is None) if written else self._pieces.words(run, before))
                # A begin token alone is no text: what stands behind it stands at the start.
                before = None if written and run == self._begin else run if written else ""

        def words(text: str) -> tuple[int, ...]:
            return self._pieces.words(write(text), before)

        paths = self._answers(prompt, labels, gold, answers, words, within or labels)
        length = sum(map(len, found))
        if longest is not None and length > longest:
            return EncodedPrompt(prompt.target, (), paths, length)
        return EncodedPrompt(prompt.target, tuple(itertools.chain.from_iterable(found)), paths)

    def end_tokens(self) -> tuple[int, ...]:
        """What stands behind a finished answer; empty for a tokenizer without an end token."""
        end = self.tokenizer.eos_token_id
        return () if end is None else (int(end),)

    def _answers(
        self,
        prompt: Prompt,
        labels: LabelSpace | None,
        gold: str | None,
        which: Literal["gold", "labels", "rejected", "none"],
        words: Callable[[str], tuple[int, ...]],
        within: LabelSpace | None,
    ) -> tuple[AnswerPath, ...]:
        answer = prompt.answer
        end = self.end_tokens() if answer.end else ()

        def tokens(text: str) -> tuple[int, ...]:
            found = words(text) + end
            if not found:
                raise MercError(
                    f"an answer to the prompt for {prompt.target!r} is empty: {text!r} has no tokens, so there is "
                    "nothing to learn or to score; give it a word, or an end token (end: true)"
                )
            return found

        if which == "none":
            return ()
        if which == "rejected":
            texts = answer.rejected
            if answer.text is None and labels is not None:
                texts = tuple(labels.words_of(labels.labels[labels.index(label)])[0] for label in texts)
            return tuple(AnswerPath(tokens(text), rejected=True) for text in texts)
        if answer.text is not None:
            if which == "labels":
                raise MercError(
                    f"the prompt for {prompt.target!r} asks for a text, not for a label: labels can't be scored; "
                    "use evaluate.decoder={name: generate} or a prompter that asks for the label"
                )
            return (AnswerPath(tokens(answer.text), gold=True),)
        if labels is None or within is None:
            raise MercError(f"the prompt for {prompt.target!r} asks for a label, and there is no label space")
        if which == "gold":
            if gold is None:
                raise MercError(f"utterance {prompt.target!r} has no label to learn; leave it out of the training data")
            known = labels.labels[labels.index(gold)]
            return (AnswerPath(tokens(labels.words_of(known)[0]), within.index(known), 0, True),)
        return tuple(
            AnswerPath(tokens(word), within.index(label), j, label == gold)
            for label in labels.labels
            for j, word in enumerate(labels.words_of(label))
        )

    def _runs(self, prompt: Prompt, lengths: SlotLength) -> tuple[list[_Run], Callable[[str], str]]:
        """The prompt without its answer as texts and slots, chat turns rendered, and how an answer's words are written
        behind it."""
        segments, prefix = prompt.segments[:-1], prompt.answer.prefix
        if not any(isinstance(s, Turn) for s in segments):
            begin: list[_Run] = [ControlText(self._begin)] if self._begin else []
            return begin + _present(segments, lengths), lambda text: prefix + text
        turns: list[tuple[str, list[_Run]]] = []
        for segment in segments:
            if isinstance(segment, Turn):
                turns.append((segment.role, []))
            elif not turns:
                raise MercError("a prompt with turns begins with one; this one has words before its first Turn")
            else:
                turns[-1][1].extend(_present([segment], lengths))
        if turns[-1][0] != "assistant":
            turns.append(("assistant", []))
        fold, frames = self._chat.frames(tuple(role for role, _ in turns))
        if fold:
            (_, system), (role, words), *others = turns
            turns = [(role, [*system, "\n\n", *words] if system else words), *others]
        runs: list[_Run] = []
        for number, (frame, (_, words)) in enumerate(zip(frames, turns, strict=True), start=1):
            last = number == len(turns)
            words = _trimmed(words, frame.cuts_left, frame.cuts_right and not last)
            runs.extend([ControlText(frame.before), *words])
        cut = frames[-1].cuts_left and isinstance(runs[-1], ControlText)
        runs, spaces = _joined(runs)

        def write(text: str) -> str:
            said = (prefix + text).lstrip() if cut else prefix + text
            return said if said[:1].isspace() else spaces + said

        return runs, write

    def _begin_token(self) -> str:
        """The text of the token that this tokenizer puts before everything (a begin token), or nothing."""
        with_start = self.tokenizer("a")["input_ids"]
        begin = self.tokenizer.bos_token_id
        return str(self.tokenizer.bos_token) if begin is not None and with_start and with_start[0] == begin else ""


def _present(segments: Sequence[Segment], lengths: SlotLength) -> list[_Run]:
    """Texts, and the slots whose utterance has the modality, with the words that stand only with them."""
    found: list[_Run] = []
    for segment in segments:
        if isinstance(segment, Slot):
            count = lengths(segment.stream, segment.utterance)
            if count:
                slot = tuple((segment.stream, segment.utterance, i) for i in range(count))
                found += [segment.before, slot, segment.after]
        elif isinstance(segment, Text):
            found.append(segment.text)
    return [run for run in found if run]


def _trimmed(runs: Sequence[_Run], left: bool, right: bool) -> list[_Run]:
    """Runs without the white space at their ends."""
    found = list(runs)
    for wanted, end in ((left, 0), (right, -1)):
        while wanted and found and isinstance(found[end], str):
            text = str(found[end])
            text = text.lstrip() if end == 0 else text.rstrip()
            if text:
                found[end] = text
                break
            found.pop(end)
    return found


def _joined(runs: Sequence[_Run]) -> tuple[list[_Run], str]:
    """Runs in which frames that meet are one, and spaces at the end of a frame go with the words behind it, as a
    tokenizer has it; those at the very end, apart, go with the answer unless it begins with one of its own."""
    found: list[_Run] = []
    spaces = ""
    for run in runs:
        if isinstance(run, ControlText):
            text = spaces + run
            if found and isinstance(found[-1], ControlText):
                text = found.pop() + text  # type: ignore[operator]
            kept = text.rstrip(" ")
            spaces = text[len(kept) :]
            if kept:
                found.append(ControlText(kept))
        elif isinstance(run, str):
            found.append(spaces + run)
            spaces = ""
        else:
            found += [ControlText(spaces), run] if spaces else [run]
            spaces = ""
    return found, spaces


def is_label_prompt(prompt: Prompt) -> bool:
    """Whether a prompt asks for a label (rather than for a text of its own)."""
    return isinstance(prompt.answer, Answer) and prompt.answer.text is None
