"""The pass that fills the cue store: teachers are asked about what has no final answer."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from merc.components.annotator import AnnotateFunction, Annotation, Observation
from merc.components.encoder import Frames, VideoClip
from merc.consent import require
from merc.conversation import Conversation
from merc.cues.admit import admit
from merc.cues.observe import Clips, observe
from merc.cues.plan import Plan, Progress, Question, plans, table_of
from merc.cues.store import CueStore
from merc.cues.table import CueTable
from merc.errors import MercError
from merc.features.hashes import Hashes
from merc.media import DECODING, Decoding

if TYPE_CHECKING:
    from merc.recipe import ComponentRef

_POLL_SECONDS = 0.2
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class PassOptions:
    """How a pass runs: the ``device`` that annotators may compute on, how media are decoded (``decoding``), whether
    answers without cues are asked for once more (``again_refused``), and what is called with the ``progress``."""

    device: str = "cpu"
    decoding: Decoding = DECODING
    again_refused: bool = False
    progress: Progress = lambda share, text: None


def annotate(
    store: CueStore,
    annotators: Mapping[str, ComponentRef],
    conversations: Sequence[Conversation],
    corpus: Sequence[Conversation] | None,
    hashes: Hashes,
    options: PassOptions = PassOptions(),
) -> CueTable:
    """Ask each annotator about the utterances of ``conversations`` that have no final answer yet.

    Answers are kept as they come, so the pass can be interrupted at any time and goes on where it was; another
    process may fill the same store meanwhile. ``corpus`` is the whole of which the conversations are a part (by
    default they are it), for annotators that ``needs_all``.

    Raises MercError for an annotator that breaks its contract, naming it and the utterance, and when the disk is full.
    What concerns a single utterance is no error: see ``CueTable.missing``.
    """
    progress = options.progress
    made = plans(store, annotators, conversations, corpus, hashes, options.decoding.workers, progress)
    if options.again_refused:
        for plan in made:
            plan.ask_refused_again()
    for plan in made:
        if _open(plan):
            require(plan.teacher.annotator, str(plan.teacher))
    asked: dict[str, int] = {}
    notes: list[str] = []
    total = sum(len(_open(plan)) for plan in made)
    done = 0
    try:
        for plan in made:
            work = _Pass(store, plan, options, lambda at, text: progress(min(1.0, at / max(total, 1)), text), done)
            work.run()
            asked[plan.teacher.name] = work.asked
            notes += work.notes()
            done = work.done
    finally:
        store.claims.close()
    return table_of(made, asked, notes)


def _open(plan: Plan) -> list[Question]:
    """The questions without a final answer, each key once; all of them for a teacher that needs all."""
    lacking: dict[str, Question] = {}
    for question in plan.wanted:
        if not plan.answered(question.key):
            lacking.setdefault(question.key, question)
    if lacking and plan.teacher.annotator.needs_all:
        return list(plan.questions)
    return list(lacking.values())


class _Pass:
    """One teacher, asked."""

    def __init__(self, store: CueStore, plan: Plan, options: PassOptions, progress: Progress, done: int) -> None:
        self.store, self.plan, self.teacher, self.file = store, plan, plan.teacher, plan.file
        self.device, self.decoding, self.progress, self.done = options.device, options.decoding, progress, done
        self.asked = 0
        self.remarks: dict[str, list[str]] = {}
        self.stopped = 0

    def run(self) -> None:
        """Ask until nothing is left, or the teacher ends before that."""
        todo = _open(self.plan)
        if not todo:
            return
        self.store.make()
        self.progress(self.done, f"{self.teacher.name}: loading")
        function = self.teacher.annotator.load(self.device)
        while todo:
            asking = _Asking(self, todo)
            self._ask(function, asking)
            self.stopped = len(todo) - asking.seen
            if self.stopped:
                return
            if asking.left and not asking.taken:
                # Not while a teacher holds back what it has taken, or two processes could wait for each other.
                self.progress(self.done, f"{self.teacher.name}: waiting for another process that asks the same")
                time.sleep(_POLL_SECONDS)
            todo = asking.left

    def _ask(self, function: AnnotateFunction, asking: _Asking) -> None:
        with closing(asking.observations()) as observations:
            answers = function(observations)
            try:
                for given in answers:
                    self._accept(asking, given)
            except MercError:
                raise
            except Exception as error:
                error.add_note(f"while {self.teacher} annotated {_some(list(asking.waiting)) or 'its first utterance'}")
                raise
            finally:
                if isinstance(answers, Generator):  # so that it lets go of its server and its threads now
                    answers.close()
                asking.release()
        if asking.waiting:
            raise MercError(f"{self.teacher} took {_some(list(asking.waiting))} and gave no answer")

    def _accept(self, asking: _Asking, given: object) -> None:
        """Check and keep one answer."""
        if not (isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], Annotation)):
            raise MercError(f"{self.teacher} gave {given!r:.200}; (utterance id, merc.Annotation) is wanted")
        name, answer = given
        question = asking.waiting.pop(name, None)
        if question is None:
            raise MercError(f"{self.teacher} answered for {name!r}, which it had not taken or has answered before")
        self._check(name, answer)
        if not self.plan.answered(question.key):  # a teacher that needs all is shown what is answered, too
            kept, remarks = admit(answer)
            if kept.retry and question.key in self.plan.again:
                remarks.append(f"asked for again, and no answer came: {kept.reason}")
            for remark in remarks:
                self.remarks.setdefault(remark, []).append(name)
            limits = {limit: getattr(self.teacher.annotator, limit) for limit in answer.reached}
            self.file.add(question.key, name, kept, limits)
            self.asked += 1
        self.store.claims.release(asking.claim_of(question))
        self.done += 1
        self.progress(self.done, f"{self.teacher.name}: {name}")

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

    def remark(self, question: Question, clips: Clips) -> None:
        """Remember what is to be said of the clips of an utterance."""
        for modality, decoded in clips.items():
            said = list(decoded.remarks)
            sampling = self.teacher.samplings[modality]
            if isinstance(sampling, Frames) and isinstance(decoded.clip, VideoClip):
                count = len(decoded.clip.frames)
                if count < sampling.count:
                    said.append(f"fewer than {sampling.count} frames")
            for one in said:
                self.remarks.setdefault(one, []).append(question.utterance)

    def notes(self) -> list[str]:
        """Sentences about this pass."""
        name = f"annotators.{self.teacher.name}"
        notes = [f"{name}: {_some(utterances)}: {remark}" for remark, utterances in sorted(self.remarks.items())]
        if self.stopped:
            were = "utterance was" if self.stopped == 1 else "utterances were"
            notes.append(f"{name} ended before it was through: {self.stopped} {were} not asked about")
        return notes


class _Asking:
    """The questions of one call of a teacher's function: what it has taken, what it owes an answer for, and what is
    left because another process is at it."""

    def __init__(self, work: _Pass, questions: Sequence[Question]) -> None:
        self.work, self.questions = work, questions
        self.together = work.teacher.annotator.needs_all
        self.waiting: dict[str, Question] = {}
        self.claimed: dict[str, Question] = {}
        self.left: list[Question] = []
        self.taken = self.seen = 0

    def observations(self) -> Generator[Observation]:
        """What the teacher is given."""
        if self.together and not self._whole():
            self.left, self.seen = list(self.questions), len(self.questions)
            return
        with closing(observe(self.questions, self._claim, self.work.decoding)) as shown:
            for question, observation, clips in shown:
                self.work.remark(question, clips)
                self.waiting[question.utterance] = question
                self.taken += 1
                self.seen += 1
                yield observation

    def claim_of(self, question: Question) -> str:
        """The name of the claim on a question, to other processes too."""
        self.claimed.pop(question.key, None)
        return question.key

    def release(self) -> None:
        """Give back the claims on what was not answered."""
        for key in list(self.claimed):
            self.work.store.claims.release(key)
        self.claimed = {}
        if self.together:
            self.work.store.claims.release(self._set())

    def _claim(self, question: Question) -> bool:
        if self.together:
            return True
        self.work.file.refresh()
        if self._answered(question):
            return False
        if not self.work.store.claims.take(question.key):
            self.left.append(question)
            self.seen += 1
            return False
        self.work.file.refresh()  # it may have been answered just before the claim was granted
        if self._answered(question):
            self.work.store.claims.release(question.key)
            return False
        self.claimed[question.key] = question
        return True

    def _answered(self, question: Question) -> bool:
        if not self.work.plan.answered(question.key):
            return False
        self.work.done += 1
        self.seen += 1
        return True

    def _whole(self) -> bool:
        """Claim the whole set; False if another process is at it."""
        if not self.work.store.claims.take(self._set()):
            return False
        self.work.file.refresh()
        if not _open(self.work.plan):
            self.questions, self.seen = (), len(self.questions)
        return True

    def _set(self) -> str:
        return f"all/{self.work.teacher.digest}/{self.questions[0].key if self.questions else ''}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more
