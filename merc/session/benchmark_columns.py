"""The columns of a benchmark whose sets are there: what is asked, what is true, and the number that predictions get."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from merc.components import Benchmark, BenchmarkTask, Metric, Prediction
from merc.consent import hide_in, require
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError, did_you_mean
from merc.evaluation.benchmark_table import Cell
from merc.evaluation.metrics import known_truths
from merc.recipe import ComponentRef
from merc.recipe.single import load_part
from merc.session.benchmark_sets import Sets, has

Progress = Callable[[float, str], None]


@dataclass(frozen=True, kw_only=True)
class BenchmarkColumn:
    """A column of a benchmark whose set is there."""

    task: BenchmarkTask
    """What the benchmark says of it."""
    file: Path
    """The file of its set."""
    conversations: Sequence[Conversation]
    """Those of its splits, context included."""
    labels: LabelSpace
    """The labels to choose from; none where a text is asked for."""
    targets: Mapping[str, Utterance]
    """The utterances that are asked about, by id."""
    metric: ComponentRef
    """The metric, with the column's parameters."""
    ids: frozenset[str] = frozenset()
    """The ids of all utterances of the set."""
    notes: tuple[str, ...] = ()
    """Sentences for the user."""

    @property
    def question(self) -> tuple[object, ...]:
        """What is asked, whomever it is asked about: an answer serves all columns that ask the same of an utterance."""
        task = self.task
        prompter = json.dumps(dict(task.prompter), sort_keys=True, default=str)
        return self.file, task.truth, tuple(self.labels.labels), task.classes, prompter

    def with_truths(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Predictions about targets with the truths of now."""
        assert isinstance(self.metric.component, Metric)
        names = [name for name in self.metric.component.truths() if name != "label"]
        return [
            replace(p, truth=self.targets[p.id].label, truths=known_truths(self.targets[p.id], names))
            for p in predictions
        ]

    def cell(self, predictions: Sequence[Prediction], beside: Mapping[str, Any]) -> Cell:
        """What the column comes to, with ``beside`` in its record.

        Raises MercError where the metric gives no number of the name that the benchmark shows.
        """
        task, metric = self.task, self.metric.component
        assert isinstance(metric, Metric)
        numbers = metric.compute(predictions, self.labels)
        for name in (task.number, *task.beside):
            if name not in numbers:
                raise MercError(
                    f"{task.title}: metric {task.metric!r} gives no {name!r}; it gives {', '.join(numbers)}"
                )
        value = numbers[task.number]
        unparsed = sum(p.label is None for p in predictions) / len(predictions)
        record: dict[str, Any] = {
            "file": str(self.file), "splits": list(task.splits), "asked": len(predictions), "reported": task.reported,
            "labels": list(self.labels.labels), "unparsed_rate": unparsed, "metric": task.metric,
            "parameters": json.loads(json.dumps(self.metric.params, default=str)), "number": task.number,
            "numbers": hide_in(numbers) if self.metric.from_environment else numbers, "notes": list(self.notes),
            **beside,
        }  # fmt: skip
        return Cell(
            title=task.title,
            value=value,
            absent="" if value is not None else f"{task.number} is null: no sample could be counted",
            samples=numbers.get("samples", len(predictions)),
            beside={task.rows.get(name, name): numbers[name] for name in task.beside},
            record=record,
        )


def find_columns(
    benchmark: ComponentRef, sets: Sets, progress: Progress
) -> tuple[dict[str, BenchmarkColumn], dict[str, str]]:
    """The columns whose sets are there, by title, and of every other one why it is not measured.

    Raises MercError where none is there, and, naming the column and the file, for sets, truths and metrics that do not
    serve.
    """
    assert isinstance(benchmark.component, Benchmark)
    tasks = list(benchmark.component.columns())
    there: dict[str, BenchmarkColumn] = {}
    absent: dict[str, str] = {}
    for index, task in enumerate(tasks):
        one = None if task.left_out else _column(task, sets)
        if one is None:
            absent[task.title] = task.left_out or f"no {task.corpus}.jsonl or .parquet"
        else:
            there[task.title] = one
        progress((index + 1) / len(tasks), task.title)
    if not there:
        corpora = ", ".join(dict.fromkeys(task.corpus for task in tasks))
        together = "".join(f", or {name} with several of them" for name in benchmark.component.collections())
        raise MercError(
            f"no set of {benchmark.name} is in {sets.root}; each is a file that merc corpus import makes: {corpora}"
            f"{together}"
        )
    return there, absent


def notes_of(columns: Iterable[BenchmarkColumn]) -> list[str]:
    """What is to be said of columns, each sentence once: of the column, or of the file that several read."""
    owners: dict[tuple[Path, str], list[str]] = {}
    for column in columns:
        for note in column.notes:
            owners.setdefault((column.file, note), []).append(column.task.title)
    return [f"{titles[0] if len(titles) == 1 else file.name}: {note}" for (file, note), titles in owners.items()]


def load_columns(benchmark: str, root: Path | str, parameters: Sequence[str] = ()) -> list[BenchmarkColumn]:
    """The columns of a benchmark whose sets lie in a folder: for tools that ask the benchmark's questions elsewhere.

    Args:
        benchmark: A registered benchmark.
        root: The folder of the imported sets.
        parameters: Parameters of the benchmark, each as ``key=value``.

    Returns:
        A column for each that is there, in the benchmark's order.

    Raises:
        MercError: As ``merc score`` would: no such benchmark or folder, no set, or one that does not serve.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise MercError(f"{folder} is not a folder; give the one that holds the imported sets")
    part = load_part("benchmark", benchmark, {}, list(parameters))
    assert isinstance(part.component, Benchmark)
    return list(find_columns(part, Sets(folder, part.component), lambda share, what: None)[0].values())


def _column(task: BenchmarkTask, sets: Sets) -> BenchmarkColumn | None:
    view = sets.view(task)
    if view is None:
        return None
    try:
        labels, chosen = view.labels, view.conversations
        params = [f"{name}={json.dumps(value)}" for name, value in task.params.items()]
        metric = load_part("metric", task.metric, {}, params)
        assert isinstance(metric.component, Metric)
        names = tuple(dict.fromkeys([*metric.component.truths(), *task.needs]))
        sought = [one for talk in chosen for one in talk.utterances if _holds(one, task.having)]
        targets = {one.id: one for one in sought if has(one, names)}
        if not targets:
            held = "".join(f", {key} {value!r}" for key, value in task.having.items())
            raise MercError(
                f"no utterance of {' and '.join(task.splits)}{held} has {' and '.join(names)} to compare with"
            )
        outside = [u for u in targets.values() if u.label is not None and u.label not in labels.labels]
        if outside:
            raise MercError(
                f"{len(outside)} of {len(targets)} utterances have labels outside {', '.join(labels.labels)}; the "
                f"first: {outside[0].id!r}, {outside[0].label!r}."
                f"{did_you_mean(str(outside[0].label), labels.labels)}"
            )
        require(metric.component, f"metric {metric.name!r}")
        bare = [_without_answer(one, talk, names) for talk in chosen for one in talk.utterances if one.id in targets]
        metric.component.check(bare, labels)
    except MercError as error:
        raise MercError(f"{task.title} ({view.file}): {error}") from None
    notes = list(view.notes)
    if task.reported is not None and task.reported != len(targets):
        notes.append(f"{len(targets):,} samples; {task.reported:,} are reported")
    return BenchmarkColumn(
        task=task, file=view.file, conversations=chosen, labels=labels, targets=targets, metric=metric,
        ids=view.ids, notes=tuple(notes),
    )  # fmt: skip


def _holds(utterance: Utterance, having: Mapping[str, Any]) -> bool:
    return all(utterance.true(key) == value for key, value in having.items())


def _without_answer(utterance: Utterance, talk: Conversation, names: Sequence[str]) -> Prediction:
    others = [name for name in names if name != "label"]
    truths = known_truths(utterance, others)
    return Prediction(id=utterance.id, conversation=talk.id, split=talk.split, truth=utterance.label, truths=truths)
