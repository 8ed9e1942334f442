"""A trained run on the sets of a benchmark: each asked in its own way, with its own labels and metric, in one table."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from merc.components import Benchmark, BenchmarkTask, Decoder, Metric, Prediction
from merc.consent import require
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError, did_you_mean
from merc.evaluation import read_predictions, write_predictions
from merc.evaluation.benchmark_table import Cell, as_markdown, as_record, as_text, average
from merc.evaluation.label_history import shown_beside
from merc.evaluation.metrics import known_truths
from merc.files import read_json, write_text
from merc.prompting import is_label_prompt
from merc.recipe import ComponentRef, Recipe
from merc.recipe.conversion import decoder_of
from merc.recipe.single import load_part
from merc.recipe.values import plain
from merc.session.backbone import recorded_date
from merc.session.benchmark_sets import Sets, SetView, has
from merc.session.data import encoders_of, queries
from merc.session.provenance import provenance
from merc.session.segmentation import measured
from merc.session.session import Session
from merc.session.wiring import Request, Setup

_LISTED, _REASONS = 50, 5


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A column whose set is there: how the run is asked, the conversations, the utterances that count, the metric."""

    column: BenchmarkTask
    file: Path
    setup: Setup
    conversations: Sequence[Conversation]
    targets: Mapping[str, Utterance]
    metric: ComponentRef
    notes: tuple[str, ...] = ()

    @property
    def how(self) -> dict[str, Any]:
        """What predictions depend on, beside the model and the set."""
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

    Tables and predictions go to ``bench/SUITE`` in the run's directory. With ``reuse``, predictions that lie there are
    not made again. Raises MercError where no set is there, and, before the model is loaded, for sets, truths and
    metrics that do not serve; and for predictions that lack utterances, with their ids.
    """
    assert isinstance(benchmark.component, Benchmark)
    columns = list(benchmark.component.columns())
    folder, journal = session.path / "benchmark" / _plain(benchmark.name), session.journal
    if folder.exists() and not reuse:
        raise MercError(
            f"{folder} is there already; --reuse takes the predictions in it and makes those that lack, or move it away"
        )
    sets = Sets(root, benchmark.component)
    by_title: dict[str, Measured] = {}
    absent: dict[str, str] = {}
    with journal.task("sets") as progress:
        for index, column in enumerate(columns):
            one = _prepared(session, column, sets)
            if one is None:
                absent[column.title] = f"no {column.corpus}.jsonl or .parquet"
            else:
                by_title[column.title] = one
            progress((index + 1) / len(columns), column.title)
    if not by_title:
        corpora = ", ".join(dict.fromkeys(column.corpus for column in columns))
        together = "".join(f", or {name} with several of them" for name in benchmark.component.collections())
        raise MercError(
            f"no set of {benchmark.name} is in {root}; each is a file that merc corpus import makes: {corpora}"
            f"{together}"
        )
    for stray in sets.strays():
        journal.say(stray)
    checked = False
    cells: list[Cell] = []
    for column in columns:
        if (one := by_title.get(column.title)) is None:
            cells.append(Cell(title=column.title, absent=absent[column.title]))
            continue
        for note in one.notes:
            journal.say(f"{column.title}: {note}")
        place = folder / _plain(column.title)
        predictions = _kept(place, one) if reuse else None
        if predictions is None:
            if not checked:
                session.check()
                checked = True
            predictions = _predicted(session, one)
            place.mkdir(parents=True, exist_ok=True)
            write_text(place / "how.json", json.dumps(one.how, indent=1, ensure_ascii=False))
            write_predictions(place / "predictions.jsonl", predictions)
        cells.append(_measured(session.recipe, one, predictions, place / "predictions.jsonl"))
    averages = [average(title, cells, over) for title, over in benchmark.component.averages().items()]
    text = as_text(cells, averages)
    source = {"benchmark": benchmark.name, "parameters": json.loads(json.dumps(benchmark.params, default=str))}
    record = {**source, "root": str(root.absolute()), **as_record(cells, averages)}
    every = [talk for one in by_title.values() for talk in one.conversations]
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
            more = f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
            faults.append(f"{len(ids)} utterances {what}: {', '.join(ids[:_LISTED])}{more}")
    if faults:
        raise MercError(f"{where}: {'; '.join(faults)}. Take the file away to predict the set anew")


def _prepared(session: Session, column: BenchmarkTask, sets: Sets) -> Measured | None:
    """A column ready to be asked; ``None`` where its set is not there. Raises MercError that names the column."""
    view = sets.view(column)
    if view is None:
        return None
    try:
        return _view(session, column, view)
    except MercError as error:
        raise MercError(f"{column.title} ({view.file}): {error}") from None


def _view(session: Session, column: BenchmarkTask, view: SetView) -> Measured:
    chosen, labels = view.conversations, view.labels
    params = [f"{name}={json.dumps(value)}" for name, value in column.params.items()]
    metric = load_part("metric", column.metric, {}, params)
    assert isinstance(metric.component, Metric)
    names = tuple(dict.fromkeys([*metric.component.truths(), *column.needs]))
    targets = {one.id: one for talk in chosen for one in talk.utterances if has(one, names)}
    if not targets:
        raise MercError(f"no utterance of {' and '.join(column.splits)} has {' and '.join(names)} to compare with")
    outside = [u for u in targets.values() if u.label is not None and u.label not in labels.labels]
    if outside:
        raise MercError(
            f"{len(outside)} of {len(targets)} utterances have labels outside {', '.join(labels.labels)}; the first: "
            f"{outside[0].id!r}, {outside[0].label!r}.{did_you_mean(str(outside[0].label), labels.labels)}"
        )
    require(metric.component, f"metric {metric.name!r}")
    truths = [_without_label(one, talk, names) for talk in chosen for one in talk.utterances if one.id in targets]
    metric.component.check(truths, labels)
    setup, written = _setup_of(session, column, labels, metric, chosen, targets)
    notes = [*view.notes, *written]
    if column.reported is not None and column.reported != len(targets):
        notes.append(f"{len(targets):,} samples; {column.reported:,} are reported")
    return Measured(
        column=column, file=view.file, setup=setup, conversations=chosen, targets=targets, metric=metric,
        notes=tuple(notes),
    )  # fmt: skip


def _without_label(utterance: Utterance, talk: Conversation, names: Sequence[str]) -> Prediction:
    others = [name for name in names if name != "label"]
    truths = known_truths(utterance, others)
    return Prediction(id=utterance.id, conversation=talk.id, split=talk.split, truth=utterance.label, truths=truths)


def _setup_of(
    session: Session,
    column: BenchmarkTask,
    labels: LabelSpace,
    metric: ComponentRef,
    talks: Sequence[Conversation],
    targets: Mapping[str, Utterance],
) -> tuple[Setup, list[str]]:
    """How the run answers with the labels of a set, and its prompter as the column has it; a note where that prompter
    wants a text, which a model whose labels are scored has to write."""
    prompter, how = session.setup.prompter, session.setup.how
    part = how.prompter if how.prompter is not None else session.recipe.stages[-1].prompter
    sets = {name: value for name, value in column.prompter.items() if name in {f.name for f in fields(prompter)}}
    try:
        component = replace(prompter, **sets)
    except (ValueError, TypeError) as error:
        raise MercError(f"the run's prompter {part.name!r} does not take {sets}: {error}") from None
    prompts_with = ComponentRef(name=part.name, params={**part.params, **sets}, component=component)
    how = replace(how, prompter=prompts_with, splits=column.splits, metrics={column.metric: metric}, states=False)
    notes = [f"{words}: {why}" for words, why in shown_beside(how.label_history, session.looks_ahead)]
    if how.decoder.answers == "labels":
        first = queries(talks, labels, lambda query: query.target.id in targets)[0][0]
        if not is_label_prompt(component.prompt(first)):
            writes = how.text_decoder or load_part("decoder", "generate", {}).component
            assert isinstance(writes, Decoder)
            how = replace(how, decoder=writes)
            notes.append(f"asked for a text, so the model writes, up to {writes.new_tokens()} tokens")
    return Setup.of(replace(session.recipe, evaluate=how), labels), notes


def _predicted(session: Session, one: Measured) -> list[Prediction]:
    asking = [("evaluate.prompter", one.setup.prompter)]
    cues = session.wiring.cues(asking, lambda fields: one.conversations, one.conversations)
    session = session.changed(one.setup, session.journal)
    prepared = session.prepared(measured(cues.beside(one.conversations), one.setup.how), cues)
    groups = [[query for query in group if query.target.id in one.targets] for group in prepared.groups]
    request = Request(groups=[group for group in groups if group], title=one.column.title)
    return session.predictions(prepared, request)


def _kept(place: Path, one: Measured) -> list[Prediction] | None:
    """The predictions that an earlier bench made, with the truths of now; ``None`` where there are none."""
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
    predictions = read_predictions(file)
    check_complete(one.targets, predictions, str(file))
    assert isinstance(one.metric.component, Metric)
    names = [name for name in one.metric.component.truths() if name != "label"]
    return [
        replace(p, truth=one.targets[p.id].label, truths=known_truths(one.targets[p.id], names)) for p in predictions
    ]


def _measured(recipe: Recipe, one: Measured, predictions: Sequence[Prediction], file: Path) -> Cell:
    column, metric = one.column, one.metric.component
    assert isinstance(metric, Metric)
    check_complete(one.targets, predictions, f"{column.title} ({file})")
    numbers = metric.compute(predictions, one.setup.labels)
    for name in (column.number, *column.beside):
        if name not in numbers:
            raise MercError(
                f"{column.title}: metric {column.metric!r} gives no {name!r}; it gives {', '.join(numbers)}"
            )
    value = numbers[column.number]
    unparsed = sum(p.label is None for p in predictions) / len(predictions)
    record: dict[str, Any] = {
        "file": str(one.file), "splits": list(column.splits), "asked": len(predictions), "reported": column.reported,
        "labels": list(one.setup.labels.labels), "unparsed_rate": unparsed, "metric": column.metric,
        "parameters": json.loads(json.dumps(one.metric.params, default=str)), "number": column.number,
        "numbers": numbers, "notes": list(one.notes), "missing": _missing(recipe, one, predictions),
    }  # fmt: skip
    beside = {column.rows.get(name, name): numbers[name] for name in column.beside}
    samples = numbers.get("samples", len(predictions))
    without = {stream: (counts["without"], counts["of"]) for stream, counts in record["missing"].items()}
    absent = "" if value is not None else f"{column.number} is null: no sample could be counted"
    return Cell(
        title=column.title, value=value, absent=absent, samples=samples, beside=beside, without=without, record=record
    )


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
