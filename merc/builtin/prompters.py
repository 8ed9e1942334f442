"""The prompter that needs no paper: who said what, media beside the words, and a short question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from merc.components import Answer, Prompt, Prompter, Query, Segment, Slot, Text, check_placeholder
from merc.conversation import Utterance
from merc.errors import MercError


@dataclass(frozen=True, kw_only=True)
class ConversationPrompter(Prompter):
    """The conversation up to the target, one line per utterance, and a question that names the target's speaker.

    Where a recipe shows labels of past utterances, the first word of each stands after its utterance, in square
    brackets. What all prompts of a conversation share stands first, and the question is short, so that the prompt tree
    has little to compute twice.
    """

    instruction: str = "Recognise the emotion of what is said. The emotions are: {labels}.\n"
    """The text that stands first, with the labels in the place of ``{labels}``."""
    question: str = "{speaker} feels"
    """The text that stands last, with the target's speaker in the place of ``{speaker}``."""
    media: tuple[str, ...] = ()
    """The streams whose tokens stand before the words of an utterance."""
    media_of: Literal["target", "all"] = "all"
    """Of which utterances the streams are shown: the ``target`` alone, or ``all`` up to it."""
    cues: tuple[str, ...] = ()
    """The names of cues that are written after the words."""
    history: int | None = None
    """How many utterances before the target are shown; null shows all."""
    end: bool = True
    """Whether the tokenizer's end token follows the answer."""

    def __post_init__(self) -> None:
        if self.history is not None and self.history < 0:
            raise ValueError(f"history counts utterances from 0, not {self.history}")
        check_placeholder("instruction", self.instruction, "labels")
        check_placeholder("question", self.question, "speaker")

    def streams(self) -> tuple[str, ...]:
        """The streams of ``media``."""
        return self.media

    def cue_fields(self) -> tuple[str, ...]:
        """The names in ``cues``."""
        return self.cues

    def prompt(self, query: Query) -> Prompt:
        """Instruction, demonstrations, conversation, question, answer."""
        segments: list[Segment] = [Text(self.instruction.format(labels=", ".join(query.labels.labels)))]
        for example in query.demonstrations:
            label = example.target.label
            if label is None:
                raise MercError(f"demonstration {example.target.id!r} has no label to show")
            word = query.labels.words_of(label)[0]
            segments += [*self._talk(example), self._ask(example.target), Text(f" {word}\n\n")]
        segments += [*self._talk(query), self._ask(query.target), Answer(end=self.end)]
        return Prompt(tuple(segments), query.target.id)

    def _talk(self, query: Query) -> list[Segment]:
        first = 0 if self.history is None else max(0, query.index - self.history)
        lines: list[Segment] = []
        for index in range(first, query.index + 1):
            utterance = query.conversation.utterances[index]
            lines.append(Text(f"{utterance.speaker or 'Speaker'}:"))
            if self.media_of == "all" or index == query.index:
                lines.extend(Slot(stream, utterance.id) for stream in self.media)
            past = query.label_history[index] if query.label_history and index < query.index else None
            felt = f" [{query.labels.words_of(past)[0]}]" if past else ""
            lines.append(Text(f" {utterance.text.strip()}{self._beside(utterance)}{felt}\n"))
        return lines

    def _beside(self, utterance: Utterance) -> str:
        cues = [utterance.cues[name] for name in self.cues if name in utterance.cues]
        return f" ({'; '.join(cues)})" if cues else ""

    def _ask(self, utterance: Utterance) -> Text:
        return Text(self.question.format(speaker=utterance.speaker or "Speaker"))
