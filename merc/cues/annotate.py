"""The pass that fills the cue store: teachers are asked about what has no final answer."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import fields
from typing import TYPE_CHECKING

from merc.components.annotator import AnnotateFunction, Annotation, Observation
from merc.components.encoder import Frames, VideoClip
from merc.consent import require
from merc.conversation import Conversation
from merc.cues.admit import admit
from merc.cues.observe import Clips, decode, groups, observation_of
from merc.cues.plan import AS_USUAL, NOTHING_KNOWN, CuePlan, PassOptions, Question, plans, table_of
from merc.cues.store import CueStore
from merc.cues.table import CueTable
from merc.errors import MercError, first_names
from merc.media import Decoders
from merc.passes import ContentPass, Hashes, Progress
from merc.registry.faults import FunctionOf

if TYPE_CHECKING:
    from merc.recipe import ComponentRef


def annotate(
    store: CueStore,
    annotators: Mapping[str, ComponentRef],
    conversations: Sequence[Conversation],
    corpus: Sequence[Conversation] | None,
    hashes: Hashes,
    options: PassOptions = AS_USUAL,
    known: CueTable = NOTHING_KNOWN,
) -> CueTable:
    """Ask each annotator about the utterances of ``conversations`` that have no final answer yet.

    Answers are kept as they come, so the pass can be interrupted at any time and goes on where it was; another
    process may fill the same store meanwhile. ``corpus`` is the whole of which the conversations are a part (by
    default they are it), for annotators that ``needs_all``. One that reads what others write comes after them, and is
    not asked about what they have no final answer to; ``known`` is what was written by others than ``annotators``.

    Raises MercError for an annotator that breaks its contract, naming it and the utterance, and when the disk is full.
    What concerns a single utterance is no error: see ``CueTable.missing``.
    """
    progress = options.progress
    cue_plans = plans(store, annotators, conversations, corpus, hashes, options, known)
    for plan in cue_plans:
        if options.again_refused:
            plan.ask_refused_again()
        if _open(plan) or plan.waiting:
            require(plan.teacher.annotator, str(plan.teacher))
    counts: dict[str, int] = {}
    notes: list[str] = []
    total = sum(len(_open(plan)) + len(plan.waiting) for plan in cue_plans)
    done = 0
    try:
        for place, plan in enumerate(cue_plans):
            name = plan.teacher.name
            if place and plan.teacher.annotator.reads():  # by now others may have written what it reads
                (plan,) = plans(store, {name: annotators[name]}, conversations, corpus, hashes, options, known)
                cue_plans[place] = plan
                if options.again_refused:
                    plan.ask_refused_again()
            notes += _waiting_notes(plan)
            work = _AskPass(store, plan, options, lambda at, what: progress(min(1.0, at / max(total, 1)), what), done)
            work.ask()
            counts[name] = work.asked
            notes += work.notes()
            done = work.done
            known = CueTable.joined([known, table_of([plan], {}, [])])
    finally:
        store.claims.close()
    return table_of(cue_plans, counts, notes)


def unanswered(
    store: CueStore,
    annotators: Mapping[str, ComponentRef],
    conversations: Sequence[Conversation],
    corpus: Sequence[Conversation] | None,
    hashes: Hashes,
    options: PassOptions = AS_USUAL,
    known: CueTable = NOTHING_KNOWN,
) -> set[str]:
    """The utterances that annotators which ``may_be_divided`` would be asked about now."""
    ids: set[str] = set()
    for plan in plans(store, annotators, conversations, corpus, hashes, options, known):
        if options.again_refused:
            plan.ask_refused_again()
        if plan.teacher.annotator.may_be_divided():
            ids |= {question.utterance for question in _open(plan)}
    return ids


def _waiting_notes(plan: CuePlan) -> list[str]:
    """Sentences about what an annotator cannot be asked yet."""
    waiting: dict[str, list[str]] = {}
    for utterance, writer in plan.waiting.items():
        waiting.setdefault(writer, []).append(utterance)
    return [
        f"annotators.{plan.teacher.name}: {first_names([*map(repr, utterances)])}: not asked, since "
        f"annotators.{writer}, which it reads, has no final answer"
        for writer, utterances in waiting.items()
    ]


def _open(plan: CuePlan) -> list[Question]:
    """The questions without a final answer, each key once; all of them for a teacher that needs all."""
    lacking: dict[str, Question] = {}
    for question in plan.requested:
        if not plan.answered(question.key):
            lacking.setdefault(question.key, question)
    if lacking and plan.teacher.annotator.needs_all:
        return list(plan.questions)
    return list(lacking.values())


class _AskPass(ContentPass[Question, list[Question], list[Clips]]):
    """One teacher, asked."""

    def __init__(self, store: CueStore, plan: CuePlan, options: PassOptions, progress: Progress, done: int) -> None:
        self.store, self.plan, self.teacher, self.file = store, plan, plan.teacher, plan.file
        self.device, self.done = options.device, done
        super().__init__(
            store.claims, options.decoding, lambda what: progress(self.done, f"{self.teacher.name}: {what}")
        )
        self.asked = 0
        self.unreached = 0
        """Questions that the teacher was not shown, and that nobody else has answered."""
        self.stopped = 0
        """The same when the teacher ended before it was through."""
        self.waiting: dict[str, Question] = {}
        """What the teacher was shown and has not answered, by utterance."""
        self.claimed: set[str] = set()
        self.remarks: dict[str, list[str]] = {}

    def ask(self) -> None:
        """Ask until nothing is left, or the teacher ends before that."""
        questions = _open(self.plan)
        if not questions:
            return
        self.store.make()
        self.report("loading")
        annotator = self.teacher.annotator
        self.function: AnnotateFunction = FunctionOf(annotator, annotator.load(self.device))
        self.unreached = len(questions)
        self.run(questions)

    def tasks(self, items: Sequence[Question]) -> Iterator[list[Question]]:
        """The questions that are still open, in groups that lie in the same files."""
        together = self.teacher.annotator.needs_all
        if together and not self._claim(f"all/{self.teacher.digest}/{items[0].key}", items, self.plan.requested):
            return
        for group in groups(items):
            if questions := [one for one in group if together or self._claim(one.key, [one], [one])]:
                yield questions

    def decode(self, decoders: Decoders, task: list[Question]) -> list[Clips]:
        """The clips of a group."""
        return decode(decoders, task)

    def work(self, decoded: Iterator[tuple[list[Question], list[Clips]]]) -> bool:
        """Let the teacher take what it wants of the questions, and keep its answers."""
        with closing(self._observations(decoded)) as observations:
            answers = self.function(observations)
            try:
                for pair in answers:
                    self._accept(pair)
            except MercError:
                raise
            except Exception as error:
                error.add_note(f"while {self.teacher} annotated {self._waiting() or 'its first utterance'}")
                raise
            finally:
                if isinstance(answers, Generator):  # so that it lets go of its server and its threads now
                    answers.close()
                for name in self.claimed:
                    self.claims.release(name)
                self.claimed = set()
        if self.waiting:
            raise MercError(f"{self.teacher} took {self._waiting()} and gave no answer")
        self.stopped = self.unreached - len(self.left)
        return not self.stopped

    def _observations(self, decoded: Iterator[tuple[list[Question], list[Clips]]]) -> Generator[Observation]:
        """What the teacher is given."""
        for questions, every in decoded:
            for question, clips in zip(questions, every, strict=True):
                self._remark(question, clips)
                self.waiting[question.utterance] = question
                self.unreached -= 1
                yield observation_of(question, clips)

    def _claim(self, name: str, questions: Sequence[Question], mine: Sequence[Question]) -> bool:
        """Claim questions that are asked for the sake of those that are wanted."""

        def is_answered() -> bool:
            self.file.refresh()
            return all(self.plan.answered(question.key) for question in mine)

        claimed = self.claim(name, is_answered)
        if claimed:
            self.claimed.add(name)
        elif claimed is False:
            self.left += questions
        else:
            self.done += len(questions)
            self.unreached -= len(questions)
        return bool(claimed)

    def _waiting(self) -> str:
        return first_names([*map(repr, self.waiting)])

    def _accept(self, pair: object) -> None:
        """Check and keep one answer."""
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], Annotation)):
            raise MercError(f"{self.teacher} gave {pair!r:.200}; (utterance id, merc.Annotation) is wanted")
        name, answer = pair
        question = self.waiting.pop(name, None)
        if question is None:
            raise MercError(f"{self.teacher} answered for {name!r}, which it had not taken or has answered before")
        self._check(name, answer)
        if not self.plan.answered(question.key):  # a teacher that needs all is shown what is answered, too
            accepted, remarks = admit(answer)
            if accepted.retry and question.key in self.plan.again:
                remarks.append(f"asked for again, and no answer came: {accepted.reason}")
            for remark in remarks:
                self.remarks.setdefault(remark, []).append(name)
            limits = {limit: getattr(self.teacher.annotator, limit) for limit in answer.reached}
            self.file.add(question.key, name, accepted, limits, self.plan.guided)
            self.asked += 1
        if question.key in self.claimed:
            self.claimed.remove(question.key)
            self.claims.release(question.key)
        self.done += 1
        self.report(name)

    def _check(self, name: str, answer: Annotation) -> None:
        for field, text in answer.cues.items():
            where = f"{self.teacher}, utterance {name!r}"
            if field not in self.teacher.fields:
                raise MercError(f"{where}: the cue {field!r} is none of its fields ({', '.join(self.teacher.fields)})")
            if not isinstance(text, str) or not text.strip():
                raise MercError(f"{where}: the cue {field!r} is {text!r}; a cue that says nothing is left out")
        if not all(isinstance(text, str) for text in answer.raw):
            raise MercError(f"{self.teacher}, utterance {name!r}: raw is {answer.raw!r}; it wants texts")
        parameters = [one.name for one in fields(self.teacher.annotator)]
        for limit in answer.reached:
            if limit not in parameters:
                raise MercError(
                    f"{self.teacher}, utterance {name!r}: reached has {limit!r}, which is no parameter of it "
                    f"({', '.join(parameters) or 'it has none'})"
                )

    def _remark(self, question: Question, clips: Clips) -> None:
        """Remember what is to be said of the clips of an utterance."""
        for modality, decoded in clips.items():
            remarks = list(decoded.remarks)
            sampling = self.teacher.samplings[modality]
            if isinstance(sampling, Frames) and isinstance(decoded.clip, VideoClip):
                count = len(decoded.clip.frames)
                if count < sampling.count:
                    remarks.append(f"fewer than {sampling.count} frames")
            for remark in remarks:
                self.remarks.setdefault(remark, []).append(question.utterance)

    def notes(self) -> list[str]:
        """Sentences about this pass."""
        name = f"annotators.{self.teacher.name}"
        notes = [
            f"{name}: {first_names([*map(repr, utterances)])}: {remark}"
            for remark, utterances in sorted(self.remarks.items())
        ]
        if self.stopped:
            were = "utterance was" if self.stopped == 1 else "utterances were"
            notes.append(f"{name} ended before it was through: {self.stopped} {were} not asked about")
        return notes
