"""What a prompt is made of before it is tokens: words, what merc or a chat template writes, and media."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from merc.components import Backbone, Control, MediaRun, Segment, Slot, SlotTokens, Text
from merc.errors import MercError
from merc.prompting.pieces import PieceTokenizer

SlotItem = tuple[str, str, int]
"""One token of a slot: the stream, the utterance, and which of the utterance's tokens it is."""

SlotLength = Callable[[str, str], int | SlotTokens]
"""How many tokens a stream gives for an utterance, or what else is known of them; 0 when it is missing."""


class SeenItem(NamedTuple):
    """A token from which on layers look at media. ``media`` are the streams and utterances of the slots without a place
    that stand before it; where a prompt ends with such a slot, its last token is this."""

    item: int | SlotItem
    media: tuple[tuple[str, str], ...]


class BlockItem(NamedTuple):
    """A token of an utterance that is read in both directions. ``place`` is which of the utterance's tokens it is, and
    ``block`` are all of these: prompts share an utterance whole or not at all, since each of its tokens sees all."""

    item: int | SlotItem | SeenItem
    place: int
    block: tuple[int | SlotItem | SeenItem, ...]


Item = int | SlotItem | SeenItem | BlockItem


class ControlText(str):
    """Text that merc or a chat template writes: control tokens in it are control tokens."""


@dataclass(frozen=True)
class MediaItems:
    """Tokens of a slot, side by side. ``positions`` are counted from where they begin, and what follows lies
    ``advance`` further; without positions they lie one after the other, as words do."""

    items: tuple[SlotItem, ...]
    positions: tuple[tuple[int, ...], ...] | None = None
    advance: int = 0


@dataclass(frozen=True)
class SeenFrom:
    """A slot that takes no place: from here on layers look at its media."""

    stream: str
    utterance: str


@dataclass(frozen=True)
class Edge:
    """Takes no place: what stands from here on belongs to this utterance; to none where it is empty."""

    utterance: str


Run = ControlText | str | MediaItems | SeenFrom | Edge


class Presenter:
    """Turns segments into runs, with what a backbone puts around its media."""

    def __init__(self, pieces: PieceTokenizer, backbone: Backbone | None) -> None:
        self._pieces, self._backbone = pieces, backbone
        self._blocks = backbone is not None and backbone.attention == "utterance"

    def present(self, segments: Iterable[Segment], lengths: SlotLength, numbers: Counter[str]) -> list[Run]:
        """Texts, control tokens, and the slots whose utterance has the modality, with the words that stand only with
        them. ``numbers`` counts the slots of a prompt by modality."""
        runs: list[Run] = []
        waiting: list[tuple[Slot, SlotTokens]] = []  # slots of one utterance that follow each other
        for segment in segments:
            if isinstance(segment, Slot):
                length = lengths(segment.stream, segment.utterance)
                slot = SlotTokens(stream=segment.stream, count=length) if isinstance(length, int) else length
                if waiting and (waiting[0][0].utterance != segment.utterance or slot.seen):
                    runs += self._side_by_side(waiting)
                if slot.seen and not slot.count:
                    seen: list[Run] = [segment.before, SeenFrom(segment.stream, segment.utterance), segment.after]
                    runs += self._of(segment.utterance, seen)
                elif slot.count:
                    modality = slot.encoder.modality if slot.encoder is not None else ""
                    numbers[modality] += 1
                    waiting.append((segment, replace(slot, number=numbers[modality])))
                continue
            runs += self._side_by_side(waiting)
            if isinstance(segment, Text):
                runs += self._of(segment.utterance, [segment.text])
            elif isinstance(segment, Control):
                runs.append(self._control(segment))
        return [run for run in (*runs, *self._side_by_side(waiting)) if run]

    def _of(self, utterance: str, runs: list[Run]) -> list[Run]:
        """Runs that belong to an utterance, between its edges where the backbone computes by utterances."""
        return [Edge(utterance), *runs, Edge("")] if self._blocks and utterance else runs

    def _side_by_side(self, waiting: list[tuple[Slot, SlotTokens]]) -> list[Run]:
        """Slots of one utterance, together where the backbone has them so; the list is empty afterwards."""
        pairs = [*waiting]
        waiting.clear()
        slots = [slot for _, slot in pairs]
        bare = all(not segment.before and not segment.after for segment, _ in pairs)
        pieces = self._backbone.together(slots) if len(pairs) > 1 and bare and self._backbone is not None else None
        if pieces is not None:
            utterance = pairs[0][0].utterance
            return self._of(utterance, self._placed(pieces, slots, utterance, "together"))
        runs: list[Run] = []
        for segment, slot in pairs:
            laid_out = [segment.before, *self.lay_out(slot, segment.utterance), segment.after]
            runs += self._of(segment.utterance, laid_out)
        return runs

    def lay_out(self, slot: SlotTokens, utterance: str) -> list[Run]:
        """A slot as its backbone has it."""
        backbone = self._backbone
        pieces = (MediaRun(slot.count),) if backbone is None else backbone.slot(slot)
        return self._placed(pieces, [slot], utterance, "slot")

    def _placed(
        self, pieces: Sequence[Control | Text | MediaRun], slots: Sequence[SlotTokens], utterance: str, method: str
    ) -> list[Run]:
        """What a backbone's method gives for slots, as runs. Raises MercError where a token is missing or twice."""
        runs: list[Run] = []
        counts = {slot.stream: slot.count for slot in slots}
        placed = dict.fromkeys(counts, 0)
        for piece in pieces:
            if isinstance(piece, MediaRun):
                stream = piece.stream or slots[0].stream
                first = placed.setdefault(stream, 0)
                items = tuple((stream, utterance, first + i) for i in range(piece.count))
                runs.append(MediaItems(items, *_positions(piece, self._backbone)))
                placed[stream] += piece.count
            else:
                runs.append(self._control(piece) if isinstance(piece, Control) else piece.text)
        for stream, count in placed.items():
            if count != counts.get(stream, 0):
                raise MercError(
                    f"backbone: {method}() of {type(self._backbone).__name__} lays out {count} tokens of the stream "
                    f"{stream!r}, which has {counts.get(stream, 0)} for utterance {utterance!r}; its MediaRuns must "
                    "hold each token once"
                )
        return runs

    def _control(self, control: Control) -> ControlText:
        self._pieces.check_control(control.text)
        return ControlText(control.text)


def _positions(piece: MediaRun, backbone: Backbone | None) -> tuple[tuple[tuple[int, ...], ...] | None, int]:
    """A run's positions and how far what follows lies. Raises MercError for positions that do not fit."""
    positions, advance = piece.positions, piece.advance
    if positions is None and advance is None:
        return None, piece.count
    axes = 1 if backbone is None else backbone.axes
    if positions is None or advance is None or len(positions) != piece.count or {*map(len, positions)} - {axes}:
        shape = "None" if positions is None else f"{len(positions)} x {sorted({*map(len, positions)})}"
        raise MercError(
            f"backbone: slot() of {type(backbone).__name__} gives a MediaRun of {piece.count} tokens with positions "
            f"{shape} and advance {advance}; give positions [{piece.count}, {axes}] and an advance, or neither"
        )
    return positions, advance


def in_blocks(items: Sequence[int | SlotItem | SeenItem], edges: Sequence[tuple[int, Edge]]) -> tuple[Item, ...]:
    """Items with those of an utterance as its block, from the places where utterances begin and end.

    >>> [getattr(item, "place", None) for item in in_blocks((7, 8, 9, 7), [(1, Edge("u0")), (3, Edge(""))])]
    [None, 0, 1, None]
    """
    marked_items: list[Item] = list(items)
    begins = dict(edges)  # of several at one place the last counts
    places = [place for place in sorted(begins) if place < len(items)]
    # What goes on as the same utterance is one block with what is before.
    own = [p for i, p in enumerate(places) if i == 0 or begins[places[i - 1]] != begins[p]]
    for begin, end in itertools.pairwise([*own, len(items)]):
        if begins[begin].utterance:
            block = tuple(items[begin:end])
            marked_items[begin:end] = [BlockItem(item, place, block) for place, item in enumerate(block)]
    return tuple(marked_items)


def marked(
    items: Sequence[int | SlotItem], seen: Sequence[tuple[int, SeenFrom]]
) -> tuple[int | SlotItem | SeenItem, ...]:
    """Items with what is seen from them on, given by the place that each slot without a place stands before.

    >>> marked((7, 8, 9), [(1, SeenFrom("face", "u0")), (3, SeenFrom("face", "u1"))])
    (7, SeenItem(item=8, media=(('face', 'u0'),)), SeenItem(item=9, media=(('face', 'u1'),)))
    """
    media: dict[int, list[tuple[str, str]]] = {}
    for place, slot in seen:
        media.setdefault(min(place, len(items) - 1), []).append((slot.stream, slot.utterance))
    return tuple(SeenItem(item, tuple(media[i])) if i in media else item for i, item in enumerate(items))


def trimmed(runs: Sequence[Run], left: bool, right: bool) -> list[Run]:
    """Runs without the white space at their ends."""
    pieces = list(runs)
    for trim, end in ((left, 0), (right, -1)):
        while trim and (places := [i for i, run in enumerate(pieces) if not isinstance(run, SeenFrom | Edge)]):
            run = pieces[places[end]]
            if not isinstance(run, str) or isinstance(run, ControlText):
                break
            text = run.lstrip() if end == 0 else run.rstrip()
            if text:
                pieces[places[end]] = text
                break
            pieces.pop(places[end])
    return pieces


def joined(runs: Sequence[Run]) -> tuple[list[Run], str]:
    """Runs in which frames that meet are one, and spaces at the end of a frame go with the words after it, as a
    tokenizer has it; those at the very end, apart, go with the answer unless it begins with one of its own."""
    pieces: list[Run] = []
    spaces = ""
    for run in runs:
        if isinstance(run, ControlText):
            text = spaces + run
            if pieces and isinstance(before := pieces[-1], ControlText):
                pieces.pop()
                text = before + text
            bare = text.rstrip(" ")
            spaces = text[len(bare) :]
            if bare:
                pieces.append(ControlText(bare))
        elif isinstance(run, str):
            pieces.append(spaces + run)
            spaces = ""
        elif isinstance(run, SeenFrom | Edge):
            pieces.append(run)
        else:
            pieces += [ControlText(spaces), run] if spaces else [run]
            spaces = ""
    return pieces, spaces
