"""A trained run on the sets of a benchmark: each asked in its own way, with its own labels and metric, in one table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from merc.components import Benchmark, Decoder, Prediction
from merc.conversation import Utterance
from merc.errors import MercError, first_names
from merc.evaluation import read_predictions, write_predictions
from merc.evaluation.benchmark_table import Cell, as_markdown, as_record, as_text, average
from merc.evaluation.label_history import shown_beside
from merc.files import read_json, write_text
from merc.prompting import is_label_prompt
from merc.recipe import ComponentRef, Recipe
from merc.recipe.conversion import decoder_of
from merc.recipe.single import load_part
from merc.recipe.values import plain
from merc.session.backbone import backbone_record, recorded_date
from merc.session.benchmark_columns import BenchmarkColumn, find_columns, notes_of
from merc.session.benchmark_sets import Sets
from merc.session.data import encoders_of, queries
from merc.session.media_hash import media_hashes
from merc.session.provenance import data_hashes, provenance
from merc.session.read_files import file_hashes
from merc.session.segmentation import measured
from merc.session.session import Session
from merc.session.wiring import Request, Setup

_LISTED, _REASONS = 50, 5


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A column whose set is there, and how the run is asked about it."""

    column: BenchmarkColumn
    setup: Setup
    notes: tuple[str, ...] = ()

    @property
    def how(self) -> dict[str, Any]:
        """How the set is asked: what predictions depend on, beside what they are made from."""
        how, prompter = self.setup.how, self.setup.how.prompter
        assert prompter is not None
        names = ("segments", "label_history", *(["segments_seed"] if how.segments else []))
        answering = {name: getattr(how, name) for name in names} | {"decoder": plain(how.decoder)}
        demonstrations = how.demonstrations and [how.demonstrations.name, how.demonstrations.params]
        settings: dict[str, Any] = {
            **answering, "prompter": [prompter.name, prompter.params],
            "labels": self.setup.labels.labels, "shown": demonstrations,
        }  # fmt: skip
        return dict(json.loads(json.dumps(settings, default=str)))


def bench(session: Session, benchmark: ComponentRef, root: Path, reuse: bool) -> tuple[Path, str]:
    """Measure a run on every set of a benchmark that lies below ``root``; gives the folder and the table as text.

    Tables and predictions go to ``benchmark/NAME`` in the run's directory. With ``reuse``, predictions that lie there
    are not made again, unless an earlier merc made them and did not record what from. Raises MercError where no set is
    there, and, before the model is loaded, for sets, truths and metrics that do not serve; and for predictions that
    were made in another way or from other data, media or weights, or lack utterances, with their ids.
    """
    assert isinstance(benchmark.component, Benchmark)
    folder, journal = session.outputs / "benchmark" / _plain(benchmark.name), session.journal
    if folder.exists() and not reuse:
        raise MercError(
            f"{folder} is there already; --reuse takes the predictions in it and makes those that lack, or move it away"
        )
    sets = Sets(root, benchmark.component)
    with journal.task("sets") as progress:
        there, absent = find_columns(benchmark, sets, progress)
    by_title = {title: _prepared(session, one) for title, one in there.items()}
    for note in [*sets.strays(), *notes_of(there.values())]:
        journal.say(note)
    checked = False
    cells: list[Cell] = []
    made: dict[str, dict[str, Prediction]] = {}
    of_the_run = {"weights": session.checksums(), "backbone": backbone_record(session.recipe)}
    for title in [task.title for task in benchmark.component.columns()]:
        if (one := by_title.get(title)) is None:
            cells.append(Cell(title=title, absent=absent[title]))
            continue
        for note in one.notes[len(one.column.notes) :]:
            journal.say(f"{title}: {note}")
        place = folder / _plain(title)
        known = made.setdefault(json.dumps([str(one.column.file), one.how], sort_keys=True, default=str), {})
        made_from = _made_from(session, one, of_the_run)
        predictions = _kept(place, one, made_from, journal.say) if reuse else None
        if predictions is None and one.column.targets.keys() <= known.keys():  # another column asked the same
            predictions = one.column.with_truths([known[name] for name in one.column.targets])
            _write(place, one, made_from, predictions)
        if predictions is None:
            if not checked:
                session.check()
                checked = True
            predictions = _predicted(session, one)
            _write(place, one, made_from, predictions)
        known.update({p.id: p for p in predictions})
        cells.append(_measured(session.recipe, one, predictions, place / "predictions.jsonl"))
    averages = [average(title, cells, over) for title, over in benchmark.component.averages().items()]
    text = as_text(cells, averages)
    source = {"benchmark": benchmark.name, "parameters": json.loads(json.dumps(benchmark.params, default=str))}
    record = {**source, "root": str(root.absolute()), **as_record(cells, averages)}
    every = [talk for one in there.values() for talk in one.conversations]
    record["provenance"] = provenance(session.recipe, every, chat_date=recorded_date(session.path / "provenance.json"))
    write_text(folder / "table.json", json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    write_text(folder / "table.md", as_markdown(cells, averages))
    write_text(folder / "table.txt", text)
    return folder, text


def check_complete(targets: Mapping[str, Utterance], predictions: Sequence[Prediction], where: str) -> None:
    """Raise MercError, listing the ids, for utterances without a prediction and predictions without an utterance."""
    predicted = {prediction.id for prediction in predictions}
    faults = []
    for ids, what in (
        ([name for name in targets if name not in predicted], "have no prediction"),
        ([p.id for p in predictions if p.id not in targets], "are predicted and not in the set"),
    ):
        if ids:
            faults.append(f"{len(ids)} utterances {what}: {first_names(ids, _LISTED)}")
    if faults:
        raise MercError(f"{where}: {'; '.join(faults)}. Take the file away to predict the set anew")


def _prepared(session: Session, column: BenchmarkColumn) -> Measured:
    """A column ready to be asked. Raises MercError that names it."""
    try:
        setup, written = _setup_of(session, column)
    except MercError as error:
        raise MercError(f"{column.task.title} ({column.file}): {error}") from None
    return Measured(column=column, setup=setup, notes=(*column.notes, *written))


def _made_from(session: Session, one: Measured, of_the_run: Mapping[str, Any]) -> dict[str, Any]:
    """What the predictions of a column are made from, as hashes: its conversations and media, the run's weights and
    backbone, and other files that components read; and the values of ``features`` that were changed."""
    recipe, talks = replace(session.recipe, evaluate=one.setup.how), one.column.conversations
    record = {
        "data": data_hashes(talks),
        "media": media_hashes(recipe, one.setup.prompter.streams(), talks, session.journal.reporter),
        **of_the_run,
        "files": file_hashes(recipe, [stage.id for stage in recipe.stages]),
        "features": recipe.content.get("features", {}),
    }
    return dict(json.loads(json.dumps(record, default=str)))


def _write(place: Path, one: Measured, made_from: Mapping[str, Any], predictions: Sequence[Prediction]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    write_text(place / "how.json", json.dumps({**one.how, "made_from": made_from}, indent=1, ensure_ascii=False))
    write_predictions(place / "predictions.jsonl", predictions)


def _setup_of(session: Session, column: BenchmarkColumn) -> tuple[Setup, list[str]]:
    """How the run answers with the labels of a set, and its prompter as the column has it; a note where that prompter
    wants a text, which a model whose labels are scored has to write."""
    prompter, how, task, labels = session.setup.prompter, session.setup.how, column.task, column.labels
    part = how.prompter if how.prompter is not None else session.recipe.stages[-1].prompter
    sets = {name: value for name, value in task.prompter.items() if name in {f.name for f in fields(prompter)}}
    try:
        component = replace(prompter, **sets)
    except (ValueError, TypeError) as error:
        raise MercError(f"the run's prompter {part.name!r} does not take {sets}: {error}") from None
    prompts_with = ComponentRef(name=part.name, params={**part.params, **sets}, component=component)
    how = replace(how, prompter=prompts_with, splits=task.splits, metrics={task.metric: column.metric}, states=False)
    notes = [f"{words}: {why}" for words, why in shown_beside(how.label_history, session.looks_ahead)]
    if how.decoder.answers == "labels":
        first = queries(column.conversations, labels, lambda query: query.target.id in column.targets)[0][0]
        if not is_label_prompt(component.prompt(first)):
            writes = how.text_decoder or load_part("decoder", "generate", {}).component
            assert isinstance(writes, Decoder)
            how = replace(how, decoder=writes)
            notes.append(f"asked for a text, so the model writes, up to {writes.new_tokens()} tokens")
    return Setup.of(replace(session.recipe, evaluate=how), labels), notes


def _predicted(session: Session, one: Measured) -> list[Prediction]:
    asking = [("evaluate.prompter", one.setup.prompter)]
    cues = session.wiring.cues(asking, lambda fields: one.column.conversations, one.column.conversations)
    session = session.changed(one.setup, session.journal)
    prepared = session.prepared(measured(cues.beside(one.column.conversations), one.setup.how), cues)
    groups = [[query for query in group if query.target.id in one.column.targets] for group in prepared.groups]
    request = Request(groups=[group for group in groups if group], title=one.column.task.title)
    return session.predictions(prepared, request)


def _kept(
    place: Path, one: Measured, made_from: Mapping[str, Any], say: Callable[[str], None]
) -> list[Prediction] | None:
    """The predictions that an earlier benchmark made, with the truths of now; ``None`` where there are none, or nobody
    knows what they were made from. Raises MercError where they were made in another way or from something else."""
    file, how = place / "predictions.jsonl", place / "how.json"
    if not file.is_file():
        return None
    then = read_json(how, f"take {place} away to predict the set anew") if how.exists() else {}
    if "decode" in then:  # of a merc before decoders were components
        then["decoder"] = decoder_of(then)
    changed = [name for name, value in one.how.items() if then.get(name) != value]
    if changed:
        raise MercError(
            f"{file} was made with another {', '.join(changed)}; take {place} away, or bench without what was changed"
        )
    before = then.get("made_from")
    if not isinstance(before, dict):
        say(
            f"{one.column.task.title}: {file} does not record which data, media and weights it was made from: "
            "predicted anew"
        )
        return None
    if other := [name for name, value in made_from.items() if before.get(name) != value]:
        raise MercError(
            f"{file} was made from other {', '.join(other)}; take {place} away to predict the set anew, or bring back "
            "what was changed"
        )
    predictions = read_predictions(file)
    check_complete(one.column.targets, predictions, str(file))
    return one.column.with_truths(predictions)


def _measured(recipe: Recipe, one: Measured, predictions: Sequence[Prediction], file: Path) -> Cell:
    check_complete(one.column.targets, predictions, f"{one.column.task.title} ({file})")
    missing = _missing(recipe, one, predictions)
    cell = one.column.cell(predictions, {"notes": list(one.notes), "missing": missing})
    return replace(cell, without={stream: (counts["without"], counts["of"]) for stream, counts in missing.items()})


def _missing(recipe: Recipe, one: Measured, predictions: Sequence[Prediction]) -> dict[str, dict[str, Any]]:
    """By encoder whose features the prompts show, and by whatever else was missing: how many of the clips were asked
    about without it, and the reasons of the first few by utterance."""
    names = [
        *encoders_of(recipe, one.setup.prompter.streams()),
        *(name for p in predictions for name in p.missing),
    ]
    counts = {}
    for name in dict.fromkeys(names):
        reasons = {p.id: p.missing[name] for p in predictions if name in p.missing}
        first = dict(list(reasons.items())[:_REASONS])
        counts[name] = {"without": len(reasons), "of": len(predictions), "first": first}
    return counts


def _plain(name: str) -> str:
    """A name as a folder's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "column"
