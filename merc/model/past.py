"""Which past a slot is seen with: a fuser that looks at it gives an utterance other tokens in another conversation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from merc.components import Query
from merc.conversation import Conversation
from merc.errors import MercError
from merc.prompting import BlockItem, EncodedPrompt, Item, SeenItem, SlotItem

_FROM = "\x1f"  # no id holds a control character


class InPast(str):
    """An utterance with the conversation, or the segment of one, in which it is seen.

    As a text it is the utterance's id and that of the conversation's first utterance. Where these are the same all
    that was said between is, so prompts share a slot exactly where it has the same past.
    """

    conversation: Conversation
    place: int

    @classmethod
    def of(cls, conversation: Conversation, index: int) -> InPast:
        """Utterance ``index`` of a conversation."""
        utterances = conversation.utterances
        name = cls(f"{utterances[index].id}{_FROM}{utterances[0].id}")
        name.conversation, name.place = conversation, index
        return name

    @property
    def start(self) -> str:
        """The id of the conversation's first utterance."""
        return self.partition(_FROM)[2]


def utterance_id(utterance: str) -> str:
    """The id of an utterance that may be given with its past."""
    return utterance.partition(_FROM)[0]


def speaker_numbers(conversation: Conversation, count: int) -> list[int]:
    """Who says each of the first ``count`` utterances: a number from 0 in the order in which the speakers first speak;
    -1 where the speaker is not known.

    >>> from merc.conversation import Utterance
    >>> said = [Utterance(id=f"u{i}", text="Hm.", speaker=who) for i, who in enumerate(("Bo", None, "Ann", "Bo"))]
    >>> speaker_numbers(Conversation(id="c", utterances=tuple(said)), 4)
    [0, -1, 1, 0]
    """
    known: dict[str, int] = {}
    speakers = [utterance.speaker for utterance in conversation.utterances[:count]]
    return [-1 if name is None else known.setdefault(name, len(known)) for name in speakers]


def with_past(prompt: EncodedPrompt, query: Query, streams: Collection[str]) -> EncodedPrompt:
    """A query's prompt in which the slots of these streams say in which conversation the query shows their utterances.

    Raises MercError for a slot of an utterance that the query does not show.
    """
    if not streams or all(isinstance(item, int) for item in prompt.context):
        return prompt
    places: dict[str, InPast] = {}
    for conversation in _conversations(query):
        for index, utterance in enumerate(conversation.utterances):
            places.setdefault(utterance.id, InPast.of(conversation, index))

    def placed(stream: str, utterance: str) -> str:
        if stream not in streams:
            return utterance
        if utterance not in places:
            raise MercError(
                f"the prompt for {prompt.target!r} has a slot of {stream!r} for the utterance {utterance!r}, which no "
                "conversation of its query has, so its past is not known; correct the prompter"
            )
        return places[utterance]

    def token(item: int | SlotItem) -> int | SlotItem:
        return item if isinstance(item, int) else (item[0], placed(item[0], item[1]), item[2])

    def every(item: int | SlotItem | SeenItem) -> int | SlotItem | SeenItem:
        if not isinstance(item, SeenItem):
            return token(item)
        return SeenItem(token(item.item), tuple((stream, placed(stream, one)) for stream, one in item.media))

    def with_block(item: Item) -> Item:
        if not isinstance(item, BlockItem):
            return every(item)
        return BlockItem(every(item.item), item.place, tuple(map(every, item.block)))

    return replace(prompt, context=tuple(map(with_block, prompt.context)))


def _conversations(query: Query) -> list[Conversation]:
    """What a query shows: its own conversation, and those of its demonstrations."""
    examples: Sequence[Query] = query.demonstrations
    return [query.conversation, *(conversation for one in examples for conversation in _conversations(one))]
