"""``merc predict`` by workers that are not this process: each has the run and the inputs, and answers some of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc.cli.predict_input import Words, read_inputs
from merc.components import Job, Workers
from merc.errors import MercError
from merc.session.distribution import cut, results
from merc.session.encoding import feature_store
from merc.session.jobs import begin

if TYPE_CHECKING:
    from merc.session.answering import Answered
    from merc.session.inputs import Given, Reader
    from merc.session.reporter import Progress, Reporter
    from merc.session.session import Session
    from merc.speech import Listener

_MOST = 32
"""The conversations of a job, at most."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a command was given: the sources, the words of clips, what hears recordings (``listen.…=…``) and what reads
    other files (a name and parameters)."""

    sources: Sequence[str] = ()
    words: Words = field(default_factory=Words)
    listening: Sequence[str] = ()
    corpora: Sequence[str] = ()

    def reader(self, session: Session) -> Reader:
        """What reads them for a run."""
        return session.reader(_listener(self.listening, session) if self.listening else None, *self.corpora)

    def read(self, session: Session) -> Iterator[list[Given]]:
        """The conversations, in blocks as they come."""
        return read_inputs(self.sources, self.words, self.reader(session))

    def values(self) -> dict[str, Any]:
        """The same as plain values that mean the same in another folder."""
        subtitles = self.words.subtitles
        return {
            "sources": [str(Path(one).absolute()) for one in self.sources],
            "text": self.words.text,
            "speaker": self.words.speaker,
            "subtitles": None if subtitles is None else str(subtitles.absolute()),
            "listening": list(self.listening),
            "corpora": list(self.corpora),
        }


@dataclass(frozen=True, kw_only=True)
class Lines:
    """What is written of an answer: the records, the lengths of prompts that were too long, and whether nothing could
    be said of the input."""

    records: Sequence[Mapping[str, Any]]
    too_long: Mapping[str, int] = field(default_factory=dict)
    faulty: bool = False


def lines_of(session: Session, answered: Answered) -> Lines:
    """What is written of an answer."""
    records = [session.record(one) for one in answered.predictions]
    return Lines(records=records, too_long=dict(answered.too_long), faulty=bool(answered.source.fault))


def answer_elsewhere(
    workers: Workers,
    session: Session,
    inputs: Inputs,
    changes: Sequence[str],
    is_done: Callable[[Given], bool],
    reporter: Reporter,
) -> Iterator[list[Lines]]:
    """What workers answer, in the order of the inputs: a list for each job. A job that failed there is done here.

    Raises MercError for standard input and words of the command line, which are answered here.
    """
    if not inputs.sources or "-" in inputs.sources:
        raise MercError(
            "workers= is for files and folders; standard input and --text are answered here, so leave it out"
        )
    every = [one for block in inputs.read(session) for one in block]
    places = [place for place, one in enumerate(every) if not is_done(one)]
    parts = cut(places, most=_MOST)
    ids = [[every[place].conversation.id for place in part] for part in parts]
    jobs = [
        Job(name=f"conversations {own[0]} to {own[-1]}", value=[*map(list, zip(part, own, strict=True))])
        for part, own in zip(parts, ids, strict=True)
    ]
    store = feature_store(session.recipe).root.absolute()
    values = {
        **inputs.values(),
        "run": str(session.path.absolute()),
        "changes": [*changes, f"features.store={json.dumps(str(store), ensure_ascii=False)}"],
    }
    work = {"function": "merc.cli.predict_elsewhere:predicting", "what": "answers", "jobs": jobs, "values": values}
    waiting: dict[int, list[Lines]] = {}
    notes: dict[str, None] = {}
    following = 0
    for result in results(workers, work, store, reporter):
        for note in result.value["notes"]:
            if note not in notes:
                notes[note] = None
                reporter.say(note)
        waiting[result.place] = [Lines(**one) for one in result.value["answers"]]
        while following in waiting:
            yield waiting.pop(following)
            following += 1
    for place in range(following, len(parts)):
        yield (
            waiting.pop(place)
            if place in waiting
            else [lines_of(session, one) for one in session.answers([every[number] for number in parts[place]])]
        )


def predicting(values: Mapping[str, Any]) -> Callable[[Sequence[tuple[int, str]]], dict[str, Any]]:
    """What a worker does: answers inputs, by their places and the ids of their conversations."""
    begin(values)
    from merc.session.api import open_session
    from merc.session.journal import Journal

    notes = _Notes()
    session = open_session(Path(values["run"]), values["changes"], Journal(notes))
    session.check(loads=True)
    subtitles = values["subtitles"]
    words = Words(
        text=values["text"], speaker=values["speaker"], subtitles=None if subtitles is None else Path(subtitles)
    )
    inputs = Inputs(sources=values["sources"], words=words, listening=values["listening"], corpora=values["corpora"])
    every = [one for block in inputs.read(session) for one in block]
    notes.taken()  # what reading says was said where the command was given

    def do(job: Sequence[tuple[int, str]]) -> dict[str, Any]:
        for place, name in job:
            if place >= len(every) or every[place].conversation.id != name:
                raise MercError(
                    f"the inputs here are others than where the command was given: there is no {name!r} at "
                    f"place {place + 1}; workers on other machines need the same files"
                )
        answers = [lines_of(session, one) for one in session.answers([every[place] for place, _ in job])]
        plain = [{"records": one.records, "too_long": one.too_long, "faulty": one.faulty} for one in answers]
        return {"answers": plain, "notes": notes.taken()}

    return do


class _Notes:
    """A reporter that keeps sentences for somebody else."""

    def __init__(self) -> None:
        self._sentences: list[str] = []

    def task(self, title: str) -> AbstractContextManager[Progress]:
        """A bar that nobody sees."""
        return nullcontext(lambda share, text: None)

    def say(self, sentence: str) -> None:
        """One sentence."""
        self._sentences.append(sentence)

    def taken(self) -> list[str]:
        """The sentences since it was called last."""
        sentences, self._sentences = self._sentences, []
        return sentences


def _listener(listening: Sequence[str], session: Session) -> Listener:
    """What hears recordings, as ``listen.segmenter=…`` and ``listen.transcriber=…`` say."""
    from merc.media import Decoding
    from merc.speech import Listener

    source = {}
    for change in listening:
        key, _, value = change.partition("=")
        kind = key.removeprefix("listen.")
        if kind not in ("segmenter", "transcriber"):
            raise MercError(f"{key} is no value to change; listen.segmenter and listen.transcriber are")
        source[kind] = value
    return Listener(**source, device=session.device, limits=Decoding.of(session.recipe).limits)
