"""Passes over data, cut into jobs for workers that are not this process.

Workers fill the stores; the plain pass comes after them in this process. It finds what they made by its key, does what
they could not, and says what is missing, so what is said is what it would be without workers.
"""

from __future__ import annotations

import shlex
import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from merc.components import Job, JobResult, Work, Workers
from merc.consent import require
from merc.conversation import Conversation
from merc.errors import MercError
from merc.features import FeatureTable, lacking, prepared
from merc.recipe import ComponentRef, Recipe
from merc.recipe.single import load_part
from merc.session.cues import cue_store
from merc.session.encoding import device_of, encode_with, feature_store
from merc.session.reporter import Reporter

Item = TypeVar("Item")
_FEWEST_JOBS = 32
"""A pass of few clips is cut into so many jobs, or into jobs of a batch, so that workers end together."""
_NOTES = 20
"""So many notes of workers are said, and how many more there are."""
_MOST_CLIPS = 64
"""The clips of a job, at most: what is done again when a worker is lost."""


def workers_at(text: str) -> Workers | None:
    """The workers that a name and parameters in one text are, "ray address=auto"; None where they are this process.
    Raises MercError for no such text, and where the user does not allow what they send."""
    try:
        name, *parameters = shlex.split(text)
    except ValueError:
        raise MercError(f"workers={text}: write a name and parameters, as in workers='ray address=auto'") from None
    return workers_of(load_part("workers", name, {}, parameters))


def workers_of(part: ComponentRef | None) -> Workers | None:
    """The workers of a recipe that are not this process; None where there are none. Raises MercError where the user
    does not allow what they send."""
    if part is None:
        return None
    workers = part.component
    assert isinstance(workers, Workers)
    if workers.here:
        return None
    require(workers, f"workers {part.name!r}")
    return workers


def encode_corpus(recipe: Recipe, conversations: Sequence[Conversation], reporter: Reporter) -> FeatureTable:
    """The features of all encoders of a recipe, from its store or encoded now, by its workers."""
    encoders = prepared(recipe.encoders, recipe.learning_encoders)
    workers, encoded = workers_of(recipe.workers), Counter[str]()
    if workers is not None:
        encoded = _encode_elsewhere(recipe, workers, encoders, conversations, reporter)
    table = encode_with(recipe, encoders, conversations, reporter, device_of(recipe))
    return replace(table, encoded=Counter(table.encoded) + encoded)


def _encode_elsewhere(
    recipe: Recipe,
    workers: Workers,
    encoders: Mapping[str, ComponentRef],
    conversations: Sequence[Conversation],
    reporter: Reporter,
) -> Counter[str]:
    """Let workers encode what a store lacks, and count by stream what they encoded. What they could not is left."""
    store = feature_store(recipe)
    with reporter.task("what is lacking") as progress:
        ids = lacking(store, encoders, conversations, recipe, progress)
    if not ids:
        return Counter()
    for name, part in encoders.items():
        require(part.component, f"encoders.{name}")
    batch = max(getattr(part.component, "batch", 1) for part in encoders.values())
    jobs, values = jobs_of(ids, least=batch), {"recipe": sendable(recipe)}
    work = {"function": "merc.session.jobs:encoding", "what": "features", "jobs": jobs, "values": values, "at_once": 2}
    encoded: Counter[str] = Counter()
    for result in results(workers, work, store.root, reporter):
        encoded.update(result.value["encoded"])
    return encoded


def annotate_elsewhere(
    recipe: Recipe, workers: Workers, name: str, about: Sequence[Conversation], unanswered: Collection[str],
    again_refused: bool, reporter: Reporter,
) -> int:  # fmt: skip
    """Let workers ask an annotator about what a store lacks, and count what they asked. What they did not is left.

    Args:
        recipe: The recipe.
        workers: Who asks.
        name: The annotator.
        about: The conversations that it is asked about.
        unanswered: The utterances without a final answer.
        again_refused: Whether final answers without cues are asked for once more.
        reporter: Is told what happens.
    """
    talks = [c for c in about if any(u.id in unanswered for u in c.utterances)]
    if not talks:
        return 0
    require(recipe.annotators[name].component, f"annotators.{name} ({recipe.annotators[name].name})")
    size = max(1, round(len(talks) * _MOST_CLIPS / len(unanswered)))
    jobs = jobs_of([c.id for c in talks], what="conversations", most=size)
    values = {"recipe": sendable(recipe), "annotator": name, "again_refused": again_refused}
    work = {"function": "merc.session.jobs:annotating", "what": "cues", "jobs": jobs, "values": values}
    count, notes = 0, dict[str, None]()
    for result in results(workers, work, cue_store(recipe).root, reporter):
        count += result.value["asked"]
        notes |= dict.fromkeys(result.value["notes"])
    for note in list(notes)[:_NOTES]:
        reporter.say(note)
    if len(notes) > _NOTES:
        reporter.say(f"annotators.{name}: and {len(notes) - _NOTES} more such notes of {len(notes)}")
    return count


def jobs_of(ids: Sequence[str], least: int = 1, most: int = _MOST_CLIPS, what: str = "utterances") -> list[Job]:
    """Jobs of some clips each, by their ids.

    >>> [(one.name, len(one.value)) for one in jobs_of([f"u{n}" for n in range(5)], least=3)]
    [('utterances u0 to u2', 3), ('utterances u3 to u4', 2)]
    """
    return [Job(name=f"{what} {part[0]} to {part[-1]}", value=list(part)) for part in cut(ids, least, most)]


def cut(items: Sequence[Item], least: int = 1, most: int = _MOST_CLIPS) -> list[Sequence[Item]]:
    """The items in parts, each for a job.

    >>> cut([1, 2, 3], least=2)
    [[1, 2], [3]]
    """
    size = max(least, min(most, len(items) // _FEWEST_JOBS))
    return [items[at : at + size] for at in range(0, len(items), size)]


def results(workers: Workers, work: Mapping[str, Any], folder: Path, reporter: Reporter) -> Iterator[JobResult]:
    """Do a work, and give the results that are no faults; faults are counted and said, and are for the caller to do.

    Args:
        workers: Who does it.
        work: The fields of the ``Work``; its values get what ``merc.session.jobs.begin`` reads.
        folder: Where results go; workers check that they see it.
        reporter: Is told what happens.
    """
    faults: list[str] = []
    with shared(folder) as mark, reporter.task(work["what"]) as progress:
        values = {"mark": mark, **work["values"]}
        whole = Work(**{**work, "values": values})
        for result in workers.run(whole, progress, reporter.say):
            if result.fault:
                faults.append(f"{whole.jobs[result.place].name}: {result.fault}")
            else:
                yield result
    if faults:
        reporter.say(f"{len(faults)} of {len(whole.jobs)} jobs failed and are done here, such as {faults[0]}")


def sendable(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values that mean the same on another machine: its store is stated, its workers are not."""
    values = {name: value for name, value in recipe.resolved.items() if name != "workers"}
    return {**values, "features": {**values["features"], "store": str(feature_store(recipe).root.absolute())}}


@contextmanager
def shared(folder: Path) -> Iterator[str]:
    """A file in a folder by which a worker knows that it sees the same folder; gives its path."""
    mark = folder.absolute() / f".workers-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        raise MercError(f"{folder} cannot be written: {error.strerror}") from None
    try:
        yield str(mark)
    finally:
        mark.unlink(missing_ok=True)
