"""Several requests answered in one pass of the model, each as if it were alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from merc.components import Prediction
from merc.errors import MercError
from merc.session.inputs import Given
from merc.session.python_inputs import read_given

if TYPE_CHECKING:
    from merc.session.session import Session

Reply = list[Prediction] | Exception


def predict_together(session: Session, requests: Sequence[Any]) -> list[Reply]:
    """What ``Session.predict_together`` gives."""
    replies: list[Reply] = [[] for _ in requests]
    read: dict[int, list[Given]] = {}
    for number, request in enumerate(requests):
        try:
            read[number] = [one for block in read_given(request, session.reader()) for one in block]
        except MercError as error:
            replies[number] = error
    for numbers in _passes(read):
        try:
            _answer(session, {number: read[number] for number in numbers}, replies)
        except Exception as error:
            if len(numbers) == 1:
                replies[numbers[0]] = error
                continue
            for number in numbers:  # one of them is at fault, and keeps none of the others from its answer
                try:
                    _answer(session, {number: read[number]}, replies)
                except Exception as own:
                    replies[number] = own
    return replies


def _passes(read: dict[int, list[Given]]) -> list[list[int]]:
    """Requests that can be answered in one pass: no id of a conversation or an utterance is there twice."""
    passes: list[tuple[list[int], set[str]]] = []
    for number, conversations in read.items():
        own = set(_names(conversations))
        for numbers, names in passes:
            if names.isdisjoint(own):
                numbers.append(number)
                names |= own
                break
        else:
            passes.append(([number], own))
    return [numbers for numbers, _ in passes]


def _names(conversations: Iterable[Given]) -> Iterable[str]:
    for one in conversations:
        yield f"conversation {one.conversation.id}"
        yield from (f"utterance {utterance.id}" for utterance in one.conversation.utterances)


def _answer(session: Session, read: dict[int, list[Given]], replies: list[Reply]) -> None:
    owner = {one.conversation.id: number for number, conversations in read.items() for one in conversations}
    answers: dict[int, list[Prediction]] = {number: [] for number in read}
    for answered in session.answers([one for own in read.values() for one in own], packed=True):
        answers[owner[answered.source.conversation.id]] += answered.predictions
    for number, predictions in answers.items():
        replies[number] = predictions
