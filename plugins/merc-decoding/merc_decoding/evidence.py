"""The prompter ``evidence``: what is said, heard and seen as words with role tags, and rationales in demonstrations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import merc

TAGS = {"prosody": "Audio-Prosody", "face": "Visual-AU"}


@dataclass(frozen=True, kw_only=True)
class Evidence(merc.Prompter):
    """The conversation up to the target, one line per utterance, each with its evidence as words after role tags:
    ``Ann: <Text> We won! <Audio-Prosody> fast and loud <Visual-AU> a broad smile``. Then a question that names the
    target's speaker.

    With a ``rationale``, demonstrations are context, rationale, label, and the prompt itself ends with ``explain``, so
    that a decoder such as ``rationale-then-verbalizer``, with the same ``conclude``, goes on from there. A
    demonstration without that cue is an error.
    """

    tags: Mapping[str, str] = field(default_factory=lambda: dict(TAGS))
    """The cues that are shown, and the tag of each, in their order. A cue that was not written is left out, with its
    tag."""
    text_tag: str = "Text"
    """The tag of the words."""
    cues_of: Literal["target", "all"] = "all"
    """Whose cues are shown: those of the ``target`` alone or of ``all`` utterances."""
    instruction: str = "Infer the speaker's emotion from the evidence. The emotions are: {labels}.\n"
    """The text that stands first, with the labels in the place of ``{labels}``."""
    question: str = "The emotion of {speaker}?"
    """The text that stands last, with the target's speaker in the place of ``{speaker}``."""
    history: int | None = None
    """How many utterances before the target are shown; null shows all."""
    end: bool = True
    """Whether the tokenizer's end token follows the answer."""
    rationale: str | None = None
    """The cue that holds the rationale of an utterance that is shown as a demonstration; null shows none."""
    explain: str = "\nReasoning:"
    """What stands before a rationale."""
    conclude: str = "\nSo the emotion is"
    """What stands between a rationale and the label."""

    def __post_init__(self) -> None:
        if self.history is not None and self.history < 0:
            raise ValueError(f"history counts utterances from 0, not {self.history}")
        for tag in (self.text_tag, *self.tags.values()):
            if not tag or set(tag) & set("<>\n"):
                raise ValueError(f"a tag is a name without < and >, which are put around it, not {tag!r}")
        if self.rationale is not None and self.rationale in self.tags:
            raise ValueError(f"rationale: {self.rationale!r} is among tags too, which would show the target's own")
        merc.check_placeholder("instruction", self.instruction, "labels")
        merc.check_placeholder("question", self.question, "speaker")

    def cue_fields(self) -> tuple[str, ...]:
        """The cues of ``tags``."""
        return tuple(self.tags)

    def answer_fields(self) -> tuple[str, ...]:
        """``rationale``, of what is shown as a demonstration."""
        return () if self.rationale is None else (self.rationale,)

    def prompt(self, query: merc.Query) -> merc.Prompt:
        """Instruction, demonstrations, conversation, question, answer."""
        segments: list[merc.Segment] = [merc.Text(self.instruction.format(labels=", ".join(query.labels.labels)))]
        for example in query.demonstrations:
            segments += [*self._talk(example), merc.Text(f"{self._explained(example)} {self._word(example)}\n\n")]
        segments += self._talk(query)
        if self.rationale is not None:
            segments.append(merc.Text(self.explain))
        return merc.Prompt((*segments, merc.Answer(end=self.end)), query.target.id)

    def _talk(self, query: merc.Query) -> list[merc.Text]:
        first = 0 if self.history is None else max(0, query.index - self.history)
        utterances = [(i, query.conversation.utterances[i]) for i in range(first, query.index + 1)]
        lines = [merc.Text(self._line(one, self.cues_of == "all" or at == query.index)) for at, one in utterances]
        return [*lines, merc.Text(self.question.format(speaker=query.target.speaker or "Speaker"))]

    def _line(self, utterance: merc.Utterance, shows_cues: bool) -> str:
        parts = [(self.text_tag, utterance.text.strip())]
        if shows_cues:
            parts += [(tag, utterance.cues[cue].strip()) for cue, tag in self.tags.items() if cue in utterance.cues]
        return f"{utterance.speaker or 'Speaker'}: {' '.join(f'<{tag}> {text}' for tag, text in parts)}\n"

    def _explained(self, example: merc.Query) -> str:
        """What stands between the question of a demonstration and its label."""
        if self.rationale is None:
            return ""
        written = example.target.cues.get(self.rationale, "").strip()
        if not written:
            raise merc.MercError(
                f"prompter evidence: demonstration {example.target.id!r} has no cue {self.rationale!r}, which is its "
                "rationale; write one for each utterance of the train split (an annotator, or the corpus), or set "
                "rationale: null"
            )
        return f"{self.explain} {written}{self.conclude}"

    @staticmethod
    def _word(example: merc.Query) -> str:
        if example.target.label is None:
            raise merc.MercError(f"demonstration {example.target.id!r} has no label to show")
        return example.labels.words_of(example.target.label)[0]
