"""Prompts as tokens: segments through a tokenizer, slots counted, answers at the end."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal

from merc.components import Answer, Backbone, Prompt, Query, Segment, Slot, Turn
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.prompting.chat import CHAT_DATE, ChatTemplate
from merc.prompting.pieces import PieceTokenizer
from merc.prompting.runs import (
    ControlText,
    Edge,
    Item,
    MediaItems,
    Presenter,
    Run,
    SeenFrom,
    SlotItem,
    SlotLength,
    in_blocks,
    joined,
    marked,
    trimmed,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class AnswerPath:
    """One answer as tokens. ``label`` is a place in the label space, ``word`` one among the label's words, both -1 for
    a free text; ``gold`` is true for what the target is labelled with, ``rejected`` for what it is preferred to, and
    ``weight`` is that of an answer which an example brings. ``inputs`` are the tokens that the model reads before
    each further token of the answer, where these are not the answer's own but what a model wrote in its place: one
    token fewer."""

    tokens: tuple[int, ...]
    label: int = -1
    word: int = -1
    gold: bool = False
    inputs: tuple[int, ...] | None = None
    rejected: bool = False
    weight: float = 1.0
    numbers: Mapping[str, float | Sequence[float]] = field(default_factory=dict, compare=False)

    @property
    def read(self) -> tuple[int, ...]:
        """The tokens that stand in the model's input: all but the last, which is only predicted."""
        return self.tokens[:-1] if self.inputs is None else self.inputs


@dataclass(frozen=True)
class EncodedPrompt:
    """A prompt as items: everything before the answer, and the answers that may follow it. ``left_out`` is the length
    of a context that was only counted, since it is longer than a model takes; ``context`` is empty then. ``query`` is
    what it asks, where whoever encoded it keeps that.

    ``positions`` are those of each item, on every axis that the backbone's positions have, and, last, where the answer
    begins. Without any, an item's position is its place.
    """

    target: str
    context: tuple[Item, ...]
    answers: tuple[AnswerPath, ...]
    left_out: int = 0
    positions: tuple[tuple[int, ...], ...] = ()
    query: Query | None = field(default=None, compare=False, repr=False)

    @property
    def depth(self) -> int:
        """The length of the longest path from the first token to an answer's last but one (which predicts the last)."""
        return len(self.context) + self.left_out + max((len(a.tokens) - 1 for a in self.answers), default=0)


class PromptEncoder:
    """Turns prompts into items with one tokenizer.

    Each Text is tokenized on its own, as what stands inside a text. A prompt with turns is rendered by the tokenizer's
    own chat template, to the tokens that the template gives for the same words; a tokenizer that has none gets
    "Role: words" lines, and ``notes`` says so. A template that writes the date is given ``today``. Words of a corpus
    never become control tokens. ``backbone`` says what stands around a slot's media, and where they lie. ``opening``
    are the streams of no utterance, with their numbers of tokens, that stand at the beginning of every prompt, after
    the tokenizer's begin token, unless a slot of the prompt places them.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        today: date = CHAT_DATE,
        backbone: Backbone | None = None,
        opening: Mapping[str, int] | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self._opening = dict(opening or {})
        self._pieces = PieceTokenizer(tokenizer)
        self._presenter = Presenter(self._pieces, backbone)
        self._axes = 1 if backbone is None else backbone.axes
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

        ``answers``: ``gold`` hangs the one right answer after it (the prompt's own text, or the first word of the
        label ``gold``), ``labels`` every word of every label, ``rejected`` what the right one is preferred to, ``none``
        nothing. ``within`` is the label space whose
        places ``AnswerPath.label`` counts, where prompts of several label spaces meet; by default ``labels``. A context
        of more items than ``longest`` is only counted: many prompts may share a text of a million letters.
        """
        runs, write = self._runs(prompt, lengths)
        opening = self._unplaced(prompt)
        run_items: list[tuple[int | SlotItem, ...]] = []
        seen: list[tuple[int, SeenFrom]] = []
        edges: list[tuple[int, Edge]] = []
        before: str | None = None  # the frame that a run follows, None at the start, empty after other items
        for run in runs:
            if isinstance(run, SeenFrom | Edge):
                place = len(opening) + sum(map(len, run_items))
                if isinstance(run, Edge):
                    edges.append((place, run))
                else:
                    seen.append((place, run))
                run_items.append(())
            elif isinstance(run, MediaItems):
                run_items.append(run.items)
                before = ""
            else:
                written = isinstance(run, ControlText)
                run_items.append(
                    self._pieces.frame(run, before is None) if written else self._pieces.words(run, before)
                )
                # A begin token alone is no text: what follows it stands at the start.
                before = None if written and run == self._begin else run if written else ""

        def words(text: str) -> tuple[int, ...]:
            return self._pieces.words(write(text), before)

        paths = self._answers(prompt, labels, gold, answers, words, within or labels)
        length = sum(map(len, run_items)) + len(opening)
        if longest is not None and length > longest:
            return EncodedPrompt(prompt.target, (), paths, length)
        positions = _positions(runs, list(map(len, run_items)), self._axes)
        items = tuple(itertools.chain.from_iterable(run_items))
        begins = bool(opening and self._begin and items[:1] == (self.tokenizer.bos_token_id,))
        items, positions = _opened(items, positions, opening, int(begins))
        context = in_blocks(marked(items, seen), edges)
        return EncodedPrompt(prompt.target, context, paths, positions=positions)

    def _unplaced(self, prompt: Prompt) -> list[SlotItem]:
        """The tokens that stand at the beginning, of streams that no slot of the prompt places."""
        placed = {segment.stream for segment in prompt.segments if isinstance(segment, Slot)} if self._opening else ()
        return [(name, "", i) for name, count in self._opening.items() if name not in placed for i in range(count)]

    def end_tokens(self) -> tuple[int, ...]:
        """What stands after a finished answer; empty for a tokenizer without an end token."""
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
            ids = words(text) + end
            if not ids:
                raise MercError(
                    f"an answer to the prompt for {prompt.target!r} is empty: {text!r} has no tokens, so there is "
                    "nothing to learn or to score; give it a word, or an end token (end: true)"
                )
            return ids

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

    def _runs(self, prompt: Prompt, lengths: SlotLength) -> tuple[list[Run], Callable[[str], str]]:
        """The prompt without its answer as texts and slots, chat turns rendered, and how an answer's words are written
        after it."""
        segments, prefix = prompt.segments[:-1], prompt.answer.prefix
        numbers: Counter[str] = Counter()
        if not any(isinstance(s, Turn) for s in segments):
            begin: list[Run] = [ControlText(self._begin)] if self._begin else []
            return begin + self._presenter.present(segments, lengths, numbers), lambda text: prefix + text
        by_turn: list[tuple[str, list[Segment]]] = []
        for segment in segments:
            if isinstance(segment, Turn):
                by_turn.append((segment.role, []))
            elif not by_turn:
                raise MercError("a prompt with turns begins with one; this one has words before its first Turn")
            else:
                by_turn[-1][1].append(segment)
        turns = [(role, self._presenter.present(own, lengths, numbers)) for role, own in by_turn]
        if turns[-1][0] != "assistant":
            turns.append(("assistant", []))
        fold, frames = self._chat.frames(tuple(role for role, _ in turns))
        if fold:
            (_, system), (role, first), *others = turns
            turns = [(role, [*system, "\n\n", *first] if system else first), *others]
        runs: list[Run] = []
        for number, (frame, (_, words)) in enumerate(zip(frames, turns, strict=True), start=1):
            last = number == len(turns)
            words = trimmed(words, frame.cuts_left, frame.cuts_right and not last)
            runs.extend([ControlText(frame.before), *words])
        cut = frames[-1].cuts_left and all(isinstance(run, SeenFrom | Edge) for run in words)
        runs, spaces = joined(runs)

        def write(text: str) -> str:
            joined = (prefix + text).lstrip() if cut else prefix + text
            return joined if joined[:1].isspace() else spaces + joined

        return runs, write

    def _begin_token(self) -> str:
        """The text of the token that this tokenizer puts before everything (a begin token), or nothing."""
        with_start = self.tokenizer("a")["input_ids"]
        begin = self.tokenizer.bos_token_id
        return str(self.tokenizer.bos_token) if begin is not None and with_start and with_start[0] == begin else ""


def _positions(runs: Sequence[Run], counts: Sequence[int], axes: int) -> tuple[tuple[int, ...], ...]:
    """The position of each item and of what follows, from the number of items of each run; none where every item's is
    its place."""
    if not any(isinstance(run, MediaItems) and run.positions is not None for run in runs):
        return ()
    positions: list[tuple[int, ...]] = []
    begin = 0
    for run, count in zip(runs, counts, strict=True):
        if isinstance(run, MediaItems) and run.positions is not None:
            positions.extend(tuple(begin + offset for offset in offsets) for offsets in run.positions)
            begin += run.advance
        else:
            positions.extend((begin + i,) * axes for i in range(count))
            begin += count
    return (*positions, (begin,) * axes)


def _opened(
    items: tuple[int | SlotItem, ...],
    positions: tuple[tuple[int, ...], ...],
    opening: Sequence[SlotItem],
    first: int,
) -> tuple[tuple[int | SlotItem, ...], tuple[tuple[int, ...], ...]]:
    """Items and their positions with an opening put before item ``first``, which moves what follows.

    >>> _opened((7, 8), ((0, 0), (1, 1), (5, 5)), [("prompt", "", 0)], 1)
    ((7, ('prompt', '', 0), 8), ((0, 0), (1, 1), (2, 2), (6, 6)))
    """
    if positions and opening:
        placed = tuple((first + i,) * len(positions[0]) for i in range(len(opening)))
        moved = (tuple(at + len(opening) for at in own) for own in positions[first:])
        positions = (*positions[:first], *placed, *moved)
    return (*items[:first], *opening, *items[first:]), positions


def is_label_prompt(prompt: Prompt) -> bool:
    """Whether a prompt asks for a label (rather than for a text of its own)."""
    return isinstance(prompt.answer, Answer) and prompt.answer.text is None
