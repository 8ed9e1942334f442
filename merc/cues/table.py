"""What is known of cues: the answers for every utterance, and who was never asked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from merc.components.annotator import Annotation
from merc.conversation import Conversation, Utterance


@dataclass(frozen=True, eq=False)
class CueTable:
    """Answers by annotator (its name in the recipe) and utterance id.

    ``unasked`` lists by annotator the utterances without any answer; ``asked`` counts what this pass asked;
    ``notes`` are sentences for the user; ``fields`` are the cues that each annotator writes, and
    ``label_guided`` the annotators whose cues were made with the gold label in sight.
    """

    answers: Mapping[tuple[str, str], Annotation] = field(default_factory=dict)
    unasked: Mapping[str, Sequence[str]] = field(default_factory=dict)
    asked: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    label_guided: Sequence[str] = ()

    @staticmethod
    def joined(tables: Iterable[CueTable]) -> CueTable:
        """The tables of several annotators as one."""
        every = list(tables)
        return CueTable(
            {key: answer for one in every for key, answer in one.answers.items()},
            {name: ids for one in every for name, ids in one.unasked.items()},
            {name: count for one in every for name, count in one.asked.items()},
            [note for one in every for note in one.notes],
            {name: fields for one in every for name, fields in one.fields.items()},
            list(dict.fromkeys(name for one in every for name in one.label_guided)),
        )

    def writer(self, cue: str) -> str | None:
        """The annotator that writes a field; None where nobody here does."""
        return next((name for name, fields in self.fields.items() if cue in fields), None)

    def guided(self, cues: Iterable[str]) -> bool:
        """Whether one of these cues was made with the gold label in sight."""
        return any(self.writer(cue) in self.label_guided for cue in cues)

    def missing(self, annotator: str) -> dict[str, str]:
        """Why an annotator gave nothing, by utterance; what was never asked is not among it."""
        return {
            utterance: annotation.reason
            for (name, utterance), annotation in self.answers.items()
            if name == annotator and annotation.reason is not None
        }

    def to_retry(self, annotator: str) -> list[str]:
        """The utterances that will be asked about again, for the fault may pass."""
        return [u for (name, u), annotation in self.answers.items() if name == annotator and annotation.retry]

    def written(self, annotator: str) -> Counter[str]:
        """How many utterances have a cue of an annotator, by field."""
        return Counter(
            cue for (name, _), annotation in self.answers.items() if name == annotator for cue in annotation.cues
        )

    def beside(self, conversations: Iterable[Conversation]) -> list[Conversation]:
        """The conversations with the cues beside their utterances; a cue of the corpus of the same name gives way."""
        cues: dict[str, dict[str, str]] = {}
        for (_, utterance), annotation in self.answers.items():
            cues.setdefault(utterance, {}).update(annotation.cues)

        def one(utterance: Utterance) -> Utterance:
            return utterance.with_cues(cues[utterance.id]) if cues.get(utterance.id) else utterance

        return [replace(c, utterances=tuple(one(u) for u in c.utterances)) for c in conversations]
