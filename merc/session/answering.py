"""What becomes of inputs that somebody gave: conversation by conversation, or a few in one pass of the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from merc.components import Prediction, Query
from merc.errors import MercError
from merc.features import FeatureTable
from merc.session.data import encoders_of
from merc.session.inputs import Given, media_encoders
from merc.session.own_media import check_arrays
from merc.session.recording import answer_recordings
from merc.session.wiring import Request
from merc.training.groups import shots_of

if TYPE_CHECKING:
    from merc.session.session import Prepared, Session

_Block = list[tuple[Given, list[Query]]]

_TOGETHER = 8
"""At most so many conversations are answered at once, where they show the same demonstrations."""


_PACKED = 64
"""And so many where they are packed into one pass."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The predictions of one conversation, and the lengths of prompts that were too long, by utterance."""

    source: Given
    predictions: list[Prediction]
    too_long: Mapping[str, int] = field(default_factory=dict)


def answer(session: Session, block: Sequence[Given], alone: bool, packed: bool, before: int) -> Iterator[Answered]:
    """What ``Session.answers`` gives, for the arguments that it has."""
    if any(one.listener for one in block):
        yield from answer_recordings(session, block, alone, packed)
        return
    usable = [one for one in block if not one.fault]
    if not usable:
        yield from (_faulty(session, one) for one in block)
        return
    arrays = {name: media for one in usable for name, media in one.arrays.items()}
    check_arrays(session.setup.how.decoder, arrays)
    conversations = [one.conversation for one in usable]
    cues = session.annotated(conversations, arrays)
    prepared = session.prepared(cues.beside(conversations), cues, arrays)
    block = [_checked(session, one, prepared.material.table, alone) for one in block]
    _say_missing(session, block, prepared.material.table)
    session.load()
    groups = {group[0].conversation.id: group[before:] for group in prepared.groups}
    done = 0
    with session.journal.task("predict") as progress:
        for together in _shared([(one, groups.get(one.conversation.id, [])) for one in block], packed):
            if together[0][0].fault:
                yield _faulty(session, together[0][0])
            else:
                yield from _answered(session, together, prepared)
            done += len(together)
            progress(done / len(block), f"{done}/{len(block)}")


def _shared(block: _Block, packed: bool) -> Iterator[_Block]:
    """The conversations one by one, or a few together that show the same demonstrations, which are computed once
    for all of them; ``packed``, many together."""
    most = _PACKED if packed else _TOGETHER
    waiting: _Block = []
    before: tuple[str, ...] = ()
    for one_input, group in block:
        shots = () if one_input.fault else shots_of(group)
        if waiting and (not (shots or packed) or shots != before or len(waiting) == most):
            yield waiting
            waiting = []
        waiting.append((one_input, group))
        before = shots
    if waiting:
        yield waiting


def _answered(session: Session, together: _Block, prepared: Prepared) -> Iterator[Answered]:
    request = Request(groups=[group for _, group in together], title="", unanswered={})
    predictions = iter(session.predictions(prepared, request))
    for one_input, group in together:
        own = [prediction for _, prediction in zip(group, predictions, strict=False)]
        ids = {one.id for one in own}
        lengths = {name: length for name, length in (request.unanswered or {}).items() if name in ids}
        yield Answered(source=one_input, predictions=own, too_long=lengths)


def _faulty(session: Session, one_input: Given) -> Answered:
    """What is said of a clip of which nothing can be used."""
    session.journal.say(one_input.fault)
    name, utterance = one_input.conversation.id, one_input.conversation.utterances[0]
    nothing = Prediction(
        id=utterance.id,
        conversation=name,
        speaker=utterance.speaker,
        text=utterance.text or None,
        unanswered=one_input.fault,
    )
    return Answered(source=one_input, predictions=[nothing])


def _checked(session: Session, one_input: Given, table: FeatureTable, alone: bool) -> Given:
    """A clip with a fault where nothing of it can be used. Raises MercError where it is alone."""
    of_media = one_input.clip is not None or any(one_input.arrays.values())
    if one_input.fault or not of_media or len(one_input.conversation.utterances) > 1:
        return one_input
    name = one_input.conversation.utterances[0].id
    reasons = {stream: reason for (stream, utterance), reason in table.missing.items() if utterance == name}
    media = media_encoders(encoders_of(session.recipe, session.setup.prompter.streams()))
    if not media or not all(stream in reasons for stream in media):
        return one_input
    what = one_input.clip or one_input.conversation.id
    fault = f"nothing of {what} can be used: {'; '.join(f'{s}: {reason}' for s, reason in reasons.items())}"
    if alone:
        raise MercError(fault)
    return replace(one_input, fault=fault)


def _say_missing(session: Session, block: Sequence[Given], table: FeatureTable) -> None:
    clips = {one.conversation.id for one in block if one.clip is not None}
    for (stream, utterance), reason in table.missing.items():
        session.journal.say(f"{stream}: {reason}" if utterance in clips else f"{stream}: {utterance}: {reason}")
    for note in table.notes:
        session.journal.say(note)
