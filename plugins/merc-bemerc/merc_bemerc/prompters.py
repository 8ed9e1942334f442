"""The prompts of BeMERC's two tuning stages: T_b with placeholders (section 3.3), T_e with tokens (section 3.4)."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from merc import Answer, MercError, Prompt, Prompter, Query, Segment, Slot, Text, Turn, Utterance
from merc_bemerc.behaviour import FIELDS, line, said_before, speaker

_MEANING = {
    "face": "the facial expression, slight ones too",
    "body": "body language: gestures, movements of head, hands and shoulders",
    "posture": "how the body is held and turned",
    "prosody": "how the voice sounds",
}


@dataclass(frozen=True, kw_only=True)
class Structured(Prompter):
    """A prompt of four parts, as appendix A.1 describes them: title, context, objective, constraint.

    ``order``: ``paper`` has the parts in the paper's order, which puts what differs from utterance to utterance (the
    context) before what is the same for all; ``shared-first`` puts the context last, so that the prompt tree computes
    the rest once for all utterances of a conversation. ``structured: false`` runs the parts together without headings,
    the flat prompt that the structured one is compared with. ``history`` is how many utterances before the target are
    told (``null``: all). ``media`` names the streams that stand beside the target's words. ``chat`` asks in a user's
    turn of the tokenizer's own chat template.

    The figures that print the paper's wording can't be read in its text; the words are merc's own.
    """

    media: tuple[str, ...] = ("video", "audio")
    history: int | None = None
    order: Literal["paper", "shared-first"] = "paper"
    structured: bool = True
    chat: bool = False

    def __post_init__(self) -> None:
        if self.history is not None and self.history < 0:
            raise ValueError(f"history counts utterances from 0, not {self.history}")

    @abstractmethod
    def parts(self, query: Query) -> tuple[str, str, str]:
        """Title, objective and constraint."""

    @abstractmethod
    def beside(self, utterance: Utterance, is_target: bool) -> Sequence[Segment]:
        """What stands behind the words of an utterance."""

    def write(self, query: Query, asks: str, answer: Answer) -> Prompt:
        """The four parts in their order, the words that the answer follows, and the answer."""
        title, objective, constraint = self.parts(query)
        parts: dict[str, list[Segment]] = {
            "Title": [Text(title)],
            "Context": self._context(query),
            "Objective": [Text(objective)],
            "Constraint": [Text(constraint)],
        }
        order = ("Title", "Context", "Objective", "Constraint")
        if self.order == "shared-first":
            order = ("Title", "Objective", "Constraint", "Context")
        segments: list[Segment] = [Turn("user")] if self.chat else []
        for name in order:
            segments += [Text(f"# {name}\n")] if self.structured else []
            segments += [*parts[name], Text("\n\n" if self.structured else "\n")]
        segments.append(Text(asks))
        return Prompt((*segments, answer), query.target.id)

    def _context(self, query: Query) -> list[Segment]:
        between = "\n" if self.structured else " "
        segments: list[Segment] = []
        for number, utterance in enumerate([*said_before(query, self.history), query.target]):
            last = utterance is query.target
            segments.append(Text(f"{between if number else ''}{speaker(utterance)}: {line(utterance)}"))
            segments += self.beside(utterance, last)
        return segments


@dataclass(frozen=True, kw_only=True)
class BehaviourPrompter(Structured):
    """Alignment tuning: from words alone, with placeholders where tokens will stand, to the teacher's description.

    The answer is the JSON object that the teacher was asked for, with the ``fields`` that an annotator wrote for the
    utterance; an utterance of which none was written teaches nothing.

    >>> from merc import Conversation, LabelSpace
    >>> said = Utterance(id="u", text="Go away!", speaker="Ann", cues={"face": "She frowns."})
    >>> talk = Conversation(id="c", utterances=(said,))
    >>> asked = BehaviourPrompter(fields=("face",)).prompt(Query(conversation=talk, index=0, labels=LabelSpace(())))
    >>> asked.answer.text
    '{"face": "She frowns."}'
    """

    fields: tuple[str, ...] = FIELDS

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.fields or len(set(self.fields)) != len(self.fields):
            raise ValueError(f"fields names at least one cue, each once, not {list(self.fields)}")

    def cue_fields(self) -> tuple[str, ...]:
        """``fields``: what is learned."""
        return self.fields

    def teaches(self, query: Query) -> bool:
        """Whether any of the ``fields`` was written for the target."""
        return any(field in query.target.cues for field in self.fields)

    def parts(self, query: Query) -> tuple[str, str, str]:
        """The parts of T_b, of which the objective names the ``fields``."""
        told = "; ".join(f"{field}: {_MEANING[field]}" if field in _MEANING else field for field in self.fields)
        wanted = ", ".join(f'"{field}": "..."' for field in self.fields)
        return (
            "You are an expert who reads, in conversations between people, the small signs of how somebody feels.",
            f"Describe how the last speaker behaves while saying this ({told}).",
            f"Answer with one JSON object, {{{wanted}}}, and leave out what cannot be told.",
        )

    def beside(self, utterance: Utterance, is_target: bool) -> Sequence[Segment]:
        """Placeholders beside the target's words."""
        return [Text(f" {stream}: <{stream}>") for stream in self.media] if is_target else []

    def prompt(self, query: Query) -> Prompt:
        """T_b with placeholders; the answer is the description."""
        cues = {field: query.target.cues[field] for field in self.fields if field in query.target.cues}
        if not cues:
            raise MercError(
                f"utterance {query.target.id!r} has none of the cues {', '.join(self.fields)} to learn; "
                "annotate it, or leave it out"
            )
        said = json.dumps(cues, ensure_ascii=False)
        return self.write(query, "Behaviour:", Answer(text=said, prefix=" "))


@dataclass(frozen=True, kw_only=True)
class EmotionPrompter(Structured):
    """MERC instruction tuning: the words, the target's tokens of each stream, and the question for its label.

    ``cues`` are fields written as text beside the words, of the ``target`` or of ``all`` utterances (``cues_of``):
    behaviour, as in the zero-shot rows with it (Table 4), or prosody in words, as SpeechCueLLM has it. A slot whose
    utterance lacks the stream is left out, and so is a cue that was not written.
    """

    cues: tuple[str, ...] = ()
    cues_of: Literal["target", "all"] = "target"
    end: bool = True

    def streams(self) -> tuple[str, ...]:
        """``media``."""
        return self.media

    def cue_fields(self) -> tuple[str, ...]:
        """``cues``."""
        return self.cues

    def parts(self, query: Query) -> tuple[str, str, str]:
        """The parts of T_e, of which the constraint lists the labels."""
        return (
            "You are an expert who reads, in conversations between people, the small signs of how somebody feels.",
            "Tell the emotion of the last utterance.",
            f"Answer with one of these words alone: {', '.join(query.labels.labels)}.",
        )

    def beside(self, utterance: Utterance, is_target: bool) -> Sequence[Segment]:
        """Cues, and the target's tokens."""
        segments: list[Segment] = []
        if is_target or self.cues_of == "all":
            told = "; ".join(f"{name}: {utterance.cues[name]}" for name in self.cues if name in utterance.cues)
            segments += [Text(f" ({told})")] if told else []
        if is_target:
            segments += [Slot(stream, utterance.id, before=f" {stream}: ") for stream in self.media]
        return segments

    def prompt(self, query: Query) -> Prompt:
        """T_e; demonstrations stand before it, each with its label."""
        asks = "Emotion:"
        written = self.write(query, asks, Answer(end=self.end))
        if not query.demonstrations:
            return written
        shown: list[Segment] = []
        for other in query.demonstrations:
            if other.target.label is None:
                raise MercError(f"demonstration {other.target.id!r} has no label to show")
            word = query.labels.words_of(other.target.label)[0]
            turns = [Turn("assistant"), Text(word)] if self.chat else [Text(f" {word}\n\n")]
            shown += [*self.write(other, asks, Answer()).segments[:-1], *turns]
        return Prompt((*shown, *written.segments), written.target)
