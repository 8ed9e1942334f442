"""Which answers are wanted, and which of them the store has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from merc.components.annotator import Annotation, Annotator
from merc.components.encoder import Frames, Missing, Waveform
from merc.components.prompter import Query
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.cues.key import Teacher, key_of, keys_among, teacher_of
from merc.cues.store import CueFile, CueStore
from merc.cues.table import CueTable
from merc.errors import MercError, first_names
from merc.media import DECODING, Decoding, Want
from merc.media.decode import locate, want_of
from merc.passes import Hashes, Progress
from merc.recipe import in_order

if TYPE_CHECKING:
    from merc.recipe import ComponentRef

NOTHING_KNOWN = CueTable()


@dataclass(frozen=True, kw_only=True)
class PassOptions:
    """How a pass runs: the ``device`` that annotators may compute on, how media are decoded (``decoding``), whether
    answers without cues are asked for once more (``again_refused``), and what is called with the ``progress``."""

    device: str = "cpu"
    decoding: Decoding = DECODING
    again_refused: bool = False
    progress: Progress = lambda share, text: None


AS_USUAL = PassOptions()


@dataclass(frozen=True, eq=False)
class Question:
    """One utterance that a teacher may be asked about: the key of the answer, what is shown, the files to decode and
    what is wanted of them by modality, and the reasons for what cannot be had: media by modality, and cues that it
    reads by field."""

    key: str
    query: Query
    files: Mapping[str, tuple[Path, str, Want]]
    lacking: Mapping[str, Missing]
    lacking_cues: Mapping[str, str] = field(default_factory=dict)

    @property
    def utterance(self) -> str:
        """The id of the utterance."""
        return self.query.target.id


@dataclass(eq=False)
class CuePlan:
    """What a teacher is wanted for: a question an utterance, and those of them that are wanted beside the rest of
    the corpus, which only a teacher that ``needs_all`` is shown. ``again`` are answers that are asked for once more,
    and ``waiting`` the utterances of which a cue that it reads is not written yet, each with who should write it."""

    teacher: Teacher
    file: CueFile
    questions: list[Question] = field(default_factory=list)
    requested: list[Question] = field(default_factory=list)
    again: dict[str, Annotation] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    guided: bool = False
    """Whether it sees the gold label, or reads what was made from it."""

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


def shown(conversation: Conversation, index: int, annotator: Annotator, cues: Mapping[str, str]) -> Query:
    """A query as an annotator sees it, with the ``cues`` of the target that it reads, and the label where it sees it.
    ``conversation`` is the one that the corpus gave."""
    target = conversation.utterances[index]
    talk = blind(conversation)
    if cues or annotator.sees_label():
        label = target.label if annotator.sees_label() else None
        own = replace(talk.utterances[index], cues=dict(cues), label=label)
        talk = replace(talk, utterances=(*talk.utterances[:index], own, *talk.utterances[index + 1 :]))
    return Query(conversation=talk, index=index, labels=LabelSpace(()))


def reading(
    annotator: Annotator, utterance: Utterance, known: CueTable, last: bool = False
) -> tuple[dict[str, str], dict[str, str], str | None]:
    """The cues of an utterance that an annotator reads, why others are lacking, and the annotator that it waits for;
    with ``last`` none will be asked again, so it waits for nobody."""
    cues: dict[str, str] = {}
    lacking: dict[str, str] = {}
    for name in annotator.reads():
        writer = known.writer(name)
        if writer is None:
            if text := utterance.cues.get(name):
                cues[name] = text
            else:
                lacking[name] = "the corpus has none"
            continue
        answer = known.answers.get((writer, utterance.id))
        if answer is None or (answer.retry and not last):
            return {}, {}, writer
        if name in answer.cues:
            cues[name] = answer.cues[name]
        else:
            lacking[name] = answer.reason or f"annotators.{writer} wrote none"
    return cues, lacking, None


def plans(
    store: CueStore,
    annotators: Mapping[str, ComponentRef],
    conversations: Sequence[Conversation],
    corpus: Sequence[Conversation] | None,
    hashes: Hashes,
    options: PassOptions,
    known: CueTable = NOTHING_KNOWN,
) -> list[CuePlan]:
    """Find out what is wanted of each annotator, in an order in which each comes after those that it reads. Reads no
    media but to hash them. ``known`` is what others wrote."""
    cue_plans = []
    ids = {u.id for c in conversations for u in c.utterances}
    for name, part in in_order(annotators).items():
        teacher = teacher_of(name, part)
        plan = CuePlan(teacher, store.of(teacher))
        plan.file.refresh()
        plan.guided = teacher.annotator.sees_label() or known.guided(teacher.annotator.reads())
        among = (corpus if corpus is not None else conversations) if teacher.annotator.needs_all else conversations
        plan.questions = _questions(plan, among, hashes, options, known)
        if teacher.annotator.needs_all:
            if plan.waiting:  # its answers depend on all of them
                first = next(iter(plan.waiting.values()))
                plan.questions, plan.waiting = [], {u.id: first for c in among for u in c.utterances}
            keys = keys_among([question.key for question in plan.questions])
            plan.questions = [replace(q, key=key) for q, key in zip(plan.questions, keys, strict=True)]
        plan.requested = [q for q in plan.questions if q.utterance in ids]
        plan.waiting = {utterance: writer for utterance, writer in plan.waiting.items() if utterance in ids}
        cue_plans.append(plan)
        known = CueTable.joined([known, table_of([plan], {}, [])])
    hashes.write()
    return cue_plans


def look(
    store: CueStore,
    annotators: Mapping[str, ComponentRef],
    conversations: Sequence[Conversation],
    corpus: Sequence[Conversation] | None,
    hashes: Hashes,
    options: PassOptions = AS_USUAL,
    known: CueTable = NOTHING_KNOWN,
) -> CueTable:
    """What the store has for these conversations; nobody is asked. ``corpus`` is the whole of which the conversations
    are a part (by default they are it), for annotators that ``needs_all``, and ``known`` what others wrote, for those
    that read it."""
    return table_of(plans(store, annotators, conversations, corpus, hashes, options, known), {}, [])


def table_of(cue_plans: Sequence[CuePlan], counts: Mapping[str, int], notes: Sequence[str]) -> CueTable:
    """What is known once the files were read."""
    answers: dict[tuple[str, str], Annotation] = {}
    unasked: dict[str, list[str]] = {}
    fields: dict[str, Sequence[str]] = {}
    from_label: list[str] = []
    notes = list(notes)
    for plan in cue_plans:
        name = plan.teacher.name
        fields[name] = plan.teacher.fields
        if plan.guided:
            from_label.append(name)
        if plan.waiting:
            unasked[name] = list(plan.waiting)
        for question in plan.requested:
            answer = plan.file.get(question.key)
            if answer is None:
                unasked.setdefault(name, []).append(question.utterance)
            else:
                may_change = answer.reason is not None and not plan.answered(question.key)
                answers[name, question.utterance] = replace(answer, retry=True) if may_change else answer
        if damaged := plan.file.damaged:
            notes.append(
                f"{plan.file.path}: line {first_names([*map(str, damaged)])} is no answer and was left out; what it "
                "answered counts as not asked"
            )
    return CueTable(answers, unasked, counts, notes, fields, from_label)


def _questions(
    plan: CuePlan, conversations: Sequence[Conversation], hashes: Hashes, options: PassOptions, known: CueTable
) -> list[Question]:
    """The questions that can be asked; what has to wait is put down in the plan."""
    teacher, annotator = plan.teacher, plan.teacher.annotator
    asking: list[tuple[Query, dict[str, str], dict[str, Frames | Waveform]]] = []
    for conversation in conversations:
        plain = blind(conversation)
        for index, utterance in enumerate(conversation.utterances):
            cues, lacking_cues, writer = reading(annotator, utterance, known)
            if writer is not None:
                plan.waiting[utterance.id] = writer
                continue
            query = Query(conversation=plain, index=index, labels=LabelSpace(()))
            if cues or annotator.sees_label():
                query = shown(conversation, index, annotator, cues)
            asking.append((query, lacking_cues, _samplings(teacher, query)))
    located = [{m: locate(query.target, sampling) for m, sampling in own.items()} for query, _, own in asking]
    contents = hashes.of_all(
        (place for places in located for place in places.values()),
        options.decoding.workers,
        lambda _, what: options.progress(0.0, what),
    )
    questions = []
    for (query, lacking_cues, samplings), places in zip(asking, located, strict=True):
        files: dict[str, tuple[Path, str, Want]] = {}
        lacking: dict[str, Missing] = {}
        for modality, place in places.items():
            known_content = contents[place] if isinstance(place, Path) else place
            if isinstance(known_content, Missing):
                # The reason is part of the key, and where the data lie is not.
                reason = known_content.reason
                reason = reason.replace(str(place), place.name) if isinstance(place, Path) else reason
                lacking[modality] = Missing(reason)
            else:
                assert isinstance(place, Path)
                files[modality] = (place, known_content, want_of(query.target, samplings[modality]))
        media = {m: files[m][1:] if m in files else lacking[m] for m in samplings}
        key = key_of(teacher, query, media, lacking_cues)
        questions.append(Question(key, query, files, lacking, lacking_cues))
    return questions


def _samplings(teacher: Teacher, query: Query) -> dict[str, Frames | Waveform]:
    """What the teacher wants of this utterance's media."""
    samplings = dict(teacher.samplings)
    if "video" in samplings:
        frames = teacher.annotator.video_for(query)
        if frames is None:
            raise MercError(f"{teacher}: video_for gives None where video gives frames; give Frames, or video() None")
        samplings["video"] = frames
    return samplings
