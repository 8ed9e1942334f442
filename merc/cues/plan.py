"""Which answers are wanted, and which of them the store has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from merc.components.annotator import Annotation
from merc.components.encoder import Missing
from merc.components.prompter import Query
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.cues.key import Teacher, key_of, keys_among, teacher_of
from merc.cues.store import CueFile, CueStore
from merc.cues.table import CueTable
from merc.media import Want
from merc.media.decode import locate, want_of
from merc.passes import Hashes, Progress, first_of

if TYPE_CHECKING:
    from merc.recipe import ComponentRef


@dataclass(frozen=True, eq=False)
class Question:
    """One utterance that a teacher may be asked about: the key of the answer, what is shown, the files to decode and
    what is wanted of them by modality, and the reasons for what cannot be had."""

    key: str
    query: Query
    files: Mapping[str, tuple[Path, str, Want]]
    lacking: Mapping[str, Missing]

    @property
    def utterance(self) -> str:
        """The id of the utterance."""
        return self.query.target.id


@dataclass(eq=False)
class CuePlan:
    """What a teacher is wanted for: a question an utterance, and those of them that are wanted beside the rest of
    the corpus, which only a teacher that ``needs_all`` is shown. ``again`` are answers that are asked for once more."""

    teacher: Teacher
    file: CueFile
    questions: list[Question] = field(default_factory=list)
    requested: list[Question] = field(default_factory=list)
    again: dict[str, Annotation] = field(default_factory=dict)

    def answered(self, key: str) -> bool:
        """Whether there is an answer that is not asked for again."""
        if not self.file.final(key) or (key in self.again and self.file.get(key) is self.again[key]):
            return False
        limits = self.file.reached(key)
        return all(getattr(self.teacher.annotator, name, None) == value for name, value in limits.items())

    def ask_refused_again(self) -> None:
        """Count every final answer without cues as one that is to be asked for once more."""
        for question in self.requested:
            answer = self.file.get(question.key)
            if answer is not None and answer.reason is not None and not answer.retry:
                self.again[question.key] = answer


def blind(conversation: Conversation) -> Conversation:
    """A conversation as annotators see it: who said what, and nothing of what is to be recognised."""

    def one(utterance: Utterance) -> Utterance:
        return replace(utterance, label=None, valence=None, open_labels=(), values={}, cues={}, extra={})

    return replace(conversation, utterances=tuple(one(u) for u in conversation.utterances), extra={})


def plans(
    store: CueStore,
    annotators: Mapping[str, ComponentRef],
    conversations: Sequence[Conversation],
    corpus: Sequence[Conversation] | None,
    hashes: Hashes,
    workers: int,
    progress: Progress,
) -> list[CuePlan]:
    """Find out what is wanted of each annotator. Reads no media but to hash them."""
    cue_plans = []
    for name, part in annotators.items():
        teacher = teacher_of(name, part)
        plan = CuePlan(teacher, store.of(teacher))
        plan.file.refresh()
        ids = {u.id for c in conversations for u in c.utterances}
        among = (corpus if corpus is not None else conversations) if teacher.annotator.needs_all else conversations
        plan.questions = _questions(teacher, among, hashes, workers, progress)
        if teacher.annotator.needs_all:
            keys = keys_among([question.key for question in plan.questions])
            plan.questions = [replace(q, key=key) for q, key in zip(plan.questions, keys, strict=True)]
        plan.requested = [q for q in plan.questions if q.utterance in ids]
        cue_plans.append(plan)
    hashes.write()
    return cue_plans


def look(
    store: CueStore,
    annotators: Mapping[str, ComponentRef],
    conversations: Sequence[Conversation],
    corpus: Sequence[Conversation] | None,
    hashes: Hashes,
    workers: int = 2,
    progress: Progress = lambda share, text: None,
) -> CueTable:
    """What the store has for these conversations; nobody is asked. ``corpus`` is the whole of which the conversations
    are a part (by default they are it), for annotators that ``needs_all``."""
    return table_of(plans(store, annotators, conversations, corpus, hashes, workers, progress), {}, [])


def table_of(cue_plans: Sequence[CuePlan], counts: Mapping[str, int], notes: Sequence[str]) -> CueTable:
    """What is known once the files were read."""
    answers: dict[tuple[str, str], Annotation] = {}
    unasked: dict[str, list[str]] = {}
    notes = list(notes)
    for plan in cue_plans:
        name = plan.teacher.name
        for question in plan.requested:
            answer = plan.file.get(question.key)
            if answer is None:
                unasked.setdefault(name, []).append(question.utterance)
            else:
                may_change = answer.reason is not None and not plan.answered(question.key)
                answers[name, question.utterance] = replace(answer, retry=True) if may_change else answer
        if damaged := plan.file.damaged:
            notes.append(
                f"{plan.file.path}: line {first_of([*map(str, damaged)])} is no answer and was left out; what it "
                "answered counts as not asked"
            )
    return CueTable(answers, unasked, counts, notes)


def _questions(
    teacher: Teacher, conversations: Sequence[Conversation], hashes: Hashes, workers: int, progress: Progress
) -> list[Question]:
    talks = [blind(conversation) for conversation in conversations]
    utterances = [(talk, index, u) for talk in talks for index, u in enumerate(talk.utterances)]
    located = [{m: locate(u, sampling) for m, sampling in teacher.samplings.items()} for _, _, u in utterances]
    contents = hashes.of_all(
        (place for places in located for place in places.values()), workers, lambda _, what: progress(0.0, what)
    )
    questions = []
    for (talk, index, utterance), places in zip(utterances, located, strict=True):
        query = Query(conversation=talk, index=index, labels=LabelSpace(()))
        files: dict[str, tuple[Path, str, Want]] = {}
        lacking: dict[str, Missing] = {}
        for modality, place in places.items():
            known = contents[place] if isinstance(place, Path) else place
            if isinstance(known, Missing):
                # The reason is part of the key, and where the data lie is not.
                reason = known.reason.replace(str(place), place.name) if isinstance(place, Path) else known.reason
                lacking[modality] = Missing(reason)
            else:
                assert isinstance(place, Path)
                files[modality] = (place, known, want_of(utterance, teacher.samplings[modality]))
        media = {m: files[m][1:] if m in files else lacking[m] for m in teacher.samplings}
        questions.append(Question(key_of(teacher, query, media), query, files, lacking))
    return questions
