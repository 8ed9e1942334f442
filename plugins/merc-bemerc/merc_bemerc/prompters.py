"""The prompts of BeMERC's two tuning stages: T_b with placeholders (section 3.3), T_e with tokens (section 3.4)."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from merc import Answer, MercError, Prompt, Prompter, Query, Segment, Slot, Text, Turn, Utterance
from merc_bemerc.behaviour import BEHAVIOUR, FIELDS, MEANINGS, PLACES, fields_and_json, line, speaker, utterances_before
from merc_bemerc.template import Order, check_template, render

EMOTION = {
    "title": BEHAVIOUR["title"],
    "context": "{conversation} {media}",
    "objective": "Tell the emotion of the last utterance.",
    "constraint": "Answer with one of these words alone: {labels}.",
}
"""T_e: its parts by name. The figure that prints the paper's words (figure 8) can't be read; these are merc's own."""


@dataclass(frozen=True, kw_only=True)
class Structured(Prompter):
    """A prompt of named parts, as appendix A.1 describes them: title, context, objective, constraint."""

    media: tuple[str, ...] = ("video", "audio")
    """The streams whose tokens ``{media}`` stands for, in this order."""
    history: int | None = None
    """How many utterances before the target are shown; null shows all."""
    order: Order = "paper"
    """``paper`` keeps the template's order, where the context stands before what is the same for all utterances;
    ``shared-first`` puts it last, so that the prompt tree computes the rest once."""
    structured: bool = True
    """Whether the parts have headings; ``false`` runs them together, the flat prompt that the structured one is
    compared with."""
    chat: bool = False
    """Whether the prompt is a user's turn of the tokenizer's own chat template."""
    template: dict[str, str] = field(default_factory=dict)
    """The text of each part, in the order in which they stand. ``{conversation}`` stands for the utterances up to the
    target, ``{media}`` for the target's streams, ``{speaker}`` for who speaks last."""

    places: ClassVar[tuple[str, ...]] = PLACES

    def __post_init__(self) -> None:
        if self.history is not None and self.history < 0:
            raise ValueError(f"history counts utterances from 0, not {self.history}")
        check_template(self.template, self.places, ["conversation", *(["media"] if self.media else [])])

    @abstractmethod
    def values(self, query: Query) -> dict[str, str]:
        """What stands for the placeholders of its own."""

    @abstractmethod
    def beside(self, utterance: Utterance, is_target: bool) -> Sequence[Segment]:
        """What stands after the words of an utterance."""

    @abstractmethod
    def media_of(self, target: Utterance) -> Sequence[Segment]:
        """What stands for the target's streams."""

    def write(self, query: Query, asks: str, answer: Answer) -> Prompt:
        """The parts of the template, the words that the answer follows, and the answer."""
        values = {
            "conversation": self._conversation(query),
            "media": self.media_of(query.target),
            "speaker": speaker(query.target),
            **self.values(query),
        }
        segments: list[Segment] = [Turn("user")] if self.chat else []
        segments += render(self.template, values, self.structured, self.order)
        segments.append(Text(asks))
        return Prompt((*segments, answer), query.target.id)

    def _conversation(self, query: Query) -> list[Segment]:
        between = "\n" if self.structured else " "
        segments: list[Segment] = []
        for number, utterance in enumerate([*utterances_before(query, self.history), query.target]):
            segments.append(Text(f"{between if number else ''}{speaker(utterance)}: {line(utterance)}"))
            segments += self.beside(utterance, utterance is query.target)
        return segments


@dataclass(frozen=True, kw_only=True)
class BehaviourPrompter(Structured):
    """Alignment tuning: from words alone, with placeholders where tokens will stand, to the teacher's description.

    The prompt is the teacher's own, T_b, without the pictures. The answer is the JSON object that the teacher was asked
    for. An utterance of which no field was written teaches nothing. In the template, ``{fields}`` stands for what the
    fields are about, and ``{json}`` for the object.

    >>> from merc import Conversation, LabelSpace
    >>> said = Utterance(id="u", text="Go away!", speaker="Ann", cues={"face": "She frowns."})
    >>> talk = Conversation(id="c", utterances=(said,))
    >>> asked = BehaviourPrompter(fields=("face",)).prompt(Query(conversation=talk, index=0, labels=LabelSpace(())))
    >>> asked.answer.text
    '{"face": "She frowns."}'
    """

    fields: tuple[str, ...] = FIELDS
    """The fields of the answer, each a cue that an annotator wrote."""
    absent: Literal["null", "left-out"] = "null"
    """What a field is that was not written: ``null``, as a teacher says it, or left out."""
    describes: dict[str, str] = field(default_factory=dict)
    """What fields are about, where the teacher's own ``describes`` says it otherwise than merc."""
    template: dict[str, str] = field(default_factory=lambda: dict(BEHAVIOUR))
    """The text of each part of T_b, in the order in which they stand."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.fields or len(set(self.fields)) != len(self.fields):
            raise ValueError(f"fields names at least one cue, each once, not {list(self.fields)}")

    def cue_fields(self) -> tuple[str, ...]:
        """``fields``: what is learned."""
        return self.fields

    def has_target(self, query: Query) -> bool:
        """Whether any of the ``fields`` was written for the target."""
        return any(name in query.target.cues for name in self.fields)

    def values(self, query: Query) -> dict[str, str]:
        """``{fields}`` and ``{json}``."""
        return fields_and_json({name: self.describes.get(name, MEANINGS.get(name, "")) for name in self.fields})

    def beside(self, utterance: Utterance, is_target: bool) -> Sequence[Segment]:
        """Nothing."""
        return []

    def media_of(self, target: Utterance) -> Sequence[Segment]:
        """Placeholders beside the target's words."""
        return [Text(f" {stream}: <{stream}>") for stream in self.media]

    def prompt(self, query: Query) -> Prompt:
        """T_b with placeholders; the answer is the description."""
        cues = {name: query.target.cues[name] for name in self.fields if name in query.target.cues}
        if not cues:
            raise MercError(
                f"utterance {query.target.id!r} has none of the cues {', '.join(self.fields)} to learn; "
                "annotate it, or leave it out"
            )
        written = cues if self.absent == "left-out" else {name: cues.get(name) for name in self.fields}
        description = json.dumps(written, ensure_ascii=False)
        return self.write(query, "Behaviour:", Answer(text=description, prefix=" "))


@dataclass(frozen=True, kw_only=True)
class EmotionPrompter(Structured):
    """MERC instruction tuning: the words, the target's tokens of each stream, and the question for its label.

    Cues are behaviour, as in the zero-shot rows with it (Table 4), or prosody in words, as SpeechCueLLM has it. A slot
    whose utterance lacks the stream is left out, and so is a cue that was not written.
    """

    template: dict[str, str] = field(default_factory=lambda: dict(EMOTION))
    """The text of each part, in the order in which they stand; ``{labels}`` stands for the labels that are asked
    for."""
    cues: tuple[str, ...] = ()
    """Cues that are written as text beside the words."""
    cues_of: Literal["target", "all"] = "target"
    """Whose cues are shown: those of the ``target`` or of ``all`` utterances."""
    end: bool = True
    """Whether the tokenizer's end token follows the answer."""

    places = ("conversation", "media", "speaker", "labels")

    def streams(self) -> tuple[str, ...]:
        """``media``."""
        return self.media

    def cue_fields(self) -> tuple[str, ...]:
        """``cues``."""
        return self.cues

    def values(self, query: Query) -> dict[str, str]:
        """``{labels}``."""
        return {"labels": ", ".join(query.labels.labels)}

    def beside(self, utterance: Utterance, is_target: bool) -> Sequence[Segment]:
        """Cues."""
        if not is_target and self.cues_of == "target":
            return []
        cues = "; ".join(f"{name}: {utterance.cues[name]}" for name in self.cues if name in utterance.cues)
        return [Text(f" ({cues})")] if cues else []

    def media_of(self, target: Utterance) -> Sequence[Segment]:
        """The target's tokens."""
        return [Slot(stream, target.id, before=f" {stream}: ") for stream in self.media]

    def prompt(self, query: Query) -> Prompt:
        """T_e; demonstrations stand before it, each with its label."""
        asks = "Emotion:"
        written = self.write(query, asks, Answer(end=self.end))
        if not query.demonstrations:
            return written
        examples: list[Segment] = []
        for other in query.demonstrations:
            if other.target.label is None:
                raise MercError(f"demonstration {other.target.id!r} has no label to show")
            word = query.labels.words_of(other.target.label)[0]
            turns = [Turn("assistant"), Text(word)] if self.chat else [Text(f" {word}\n\n")]
            examples += [*self.write(other, asks, Answer()).segments[:-1], *turns]
        return Prompt((*examples, *written.segments), written.target)
