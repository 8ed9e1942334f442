"""A recording that is answered while it is heard: its utterances in growing blocks, each with all before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import groupby, islice
from typing import TYPE_CHECKING, TypeVar

from merc.components import Annotator
from merc.conversation import Conversation, Utterance
from merc.media.container import Unreadable
from merc.recipe import ComponentRef
from merc.session.cues import annotators_of
from merc.session.inputs import Given
from merc.session.journal import Journal
from merc.session.reporter import Progress

if TYPE_CHECKING:
    from merc.session.answering import Answered
    from merc.session.session import Session

_MOST = 64
"""A block has at most so many utterances: what stands before it is looked up once for each block."""

Thing = TypeVar("Thing")


def blocks(things: Iterable[Thing], most: int = _MOST) -> Iterator[list[Thing]]:
    """Things as they come, in blocks that double: the first comes early, and few blocks are made of many.

    >>> [len(block) for block in blocks(range(20), most=8)]
    [1, 2, 4, 8, 5]
    """
    things, size = iter(things), 1
    while block := list(islice(things, size)):
        yield block
        size = min(2 * size, most)


def answer_recordings(session: Session, block: Sequence[Given], alone: bool, packed: bool) -> Iterator[Answered]:
    """The predictions of conversations among which are recordings: of these, a block of utterances at a time. Raises
    MercError where a recording is ``alone`` and cannot be heard."""
    for is_recording, inputs in groupby(block, lambda one: one.listener is not None):
        if not is_recording:
            yield from session.answers(list(inputs), alone, packed)
            continue
        for one_input in inputs:
            yield from _answer(session, one_input, alone)


def _answer(session: Session, one_input: Given, alone: bool) -> Iterator[Answered]:
    once = session.changed(session.setup, Once(session.journal))
    asking = annotators_of(session.recipe, [("", session.setup.prompter)])
    whole = bool(session.looks_ahead) or must_be_whole(session.setup.how.label_history, asking.values())
    try:
        for talk, before in heard_conversations(one_input, session.journal, whole):
            yield from once.answers([Given(conversation=talk)], before=before)
    except Unreadable as error:
        if alone:
            raise
        yield from session.answers([replace(one_input, listener=None, fault=str(error))])


def must_be_whole(label_history: str | None, annotators: Iterable[ComponentRef]) -> bool:
    """Whether a recording is heard to its end before it is answered: where answers are shown to later ones, or a
    teacher compares an utterance with all others."""
    parts = [part.component for part in annotators]
    return bool(label_history) or any(isinstance(one, Annotator) and one.needs_all for one in parts)


def heard_conversations(one_input: Given, journal: Journal, whole: bool) -> Iterator[tuple[Conversation, int]]:
    """The conversation of a recording so far, as its utterances are heard, and how many of these were there before. One
    in which nobody speaks is one utterance without words. Where the segmenter finds no speakers, every utterance gets
    the speaker that the input names. What there is to say of the recording is said at its end.

    Raises Unreadable for one that cannot be heard.
    """
    assert one_input.listener is not None and one_input.clip is not None
    speaker = one_input.conversation.utterances[0].speaker
    heard: list[Utterance] = []
    with journal.task(f"listening to {one_input.clip.name}") as progress:
        hearing = one_input.listener.hear(one_input.clip, name=one_input.conversation.id, progress=progress)
        for block in [list(hearing)] if whole else blocks(hearing):
            before = len(heard)
            heard += [replace(one, speaker=one.speaker or speaker) for one in block]
            if heard:
                yield Conversation(id=one_input.conversation.id, utterances=tuple(heard)), before
    for note in hearing.notes():
        journal.say(note)
    if not heard:
        yield one_input.conversation, 0


class Once(Journal):
    """What is said while a recording is answered in blocks: each sentence once, and no bars beside that of listening,
    since each block says what it finds of all utterances so far."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal.reporter, journal.directory)
        self._said: set[str] = set()

    def task(self, title: str) -> AbstractContextManager[Progress]:
        """No bar."""
        return nullcontext(lambda share, text: None)

    def say(self, sentence: str) -> None:
        """One sentence, if it is new."""
        if sentence not in self._said:
            self._said.add(sentence)
            super().say(sentence)
