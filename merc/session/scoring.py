"""Anybody's answers to a benchmark's questions: found by id, held against the labels, measured as a run would be."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from merc.answers import normal, read_answer, vocabulary_of_labels
from merc.components import Metric, Prediction
from merc.errors import ManyErrors, MercError, did_you_mean, first_lines, first_names
from merc.evaluation.answers import GivenAnswer
from merc.evaluation.benchmark_table import Cell
from merc.evaluation.measures import Measure
from merc.evaluation.significance import interval
from merc.session.benchmark_columns import BenchmarkColumn

Unanswered = Literal["wrong", "left-out"]
_SHOWN, _LISTED = 5, 3
FEW = 100
"""Numbers over fewer utterances come with a caution."""
COUNTED: Mapping[Unanswered, str] = {"wrong": "counted as wrong", "left-out": "left out of the numbers"}


@dataclass
class Question:
    """What several columns ask of the same utterances."""

    columns: list[BenchmarkColumn] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The titles of its columns, the first few."""
        titles = [column.task.title for column in self.columns]
        return ", ".join(titles[:_SHOWN]) + (" and more" if len(titles) > _SHOWN else "")

    def ids(self) -> set[str]:
        """The ids of its sets, also of utterances of which nothing is measured."""
        return {name for column in self.columns for name in column.ids}

    def targets(self) -> set[str]:
        """The ids that some column measures."""
        return {name for column in self.columns for name in column.targets}


@dataclass(frozen=True, kw_only=True)
class ModelScores:
    """What one model's answers come to: a cell for each column that is there, by title, and sentences for the user."""

    cells: Mapping[str, Cell]
    notes: Sequence[str]


def questions_of(columns: Iterable[BenchmarkColumn]) -> list[Question]:
    """The columns by what they ask."""
    questions: dict[tuple[object, ...], Question] = {}
    for column in columns:
        questions.setdefault(column.question, Question()).columns.append(column)
    return list(questions.values())


def score(
    questions: Sequence[Question],
    absent: Mapping[str, str],
    answers: Sequence[GivenAnswer],
    unanswered: Unanswered = "wrong",
    draws: int = 0,
) -> ModelScores:
    """Measure one model's answers on every column that they answer.

    Args:
        questions: Those of the columns whose sets are there.
        absent: Why the other columns are not measured, by title.
        answers: The model's.
        unanswered: How an utterance without an answer counts.
        draws: How often conversations are drawn for the interval of each number that the table shows; 0 for none.

    Raises:
        MercError: An id that no set has, or has in several questions; two answers to one question; a label or
            probability of no label; and answers that all are in another script than the labels.
    """
    sorted_answers, notes = _sorted(questions, absent, answers)
    cells: dict[str, Cell] = {}
    for number, question in enumerate(questions):
        own = sorted_answers[number]
        if not own:
            cells.update({c.task.title: Cell(title=c.task.title, absent="no answer") for c in question.columns})
            continue
        targets = question.targets()
        notes += _scripts(question, own)
        apart = own.keys() - targets
        if apart:
            notes.append(
                f"{question.title}: {len(apart)} of {len(own)} answers are to utterances that are not measured "
                f"(another split, or nothing to compare with): {_few(sorted(apart))}"
            )
        lacking = [name for column in question.columns for name in column.targets if name not in own]
        if lacking := list(dict.fromkeys(lacking)):
            notes.append(
                f"{question.title}: {len(lacking)} of {len(targets)} utterances have no answer, "
                f"{COUNTED[unanswered]}: {_few(lacking)}"
            )
        few = [column.task.title for column in question.columns if len(column.targets) < FEW]
        if few:
            notes.append(f"{_few(few)}: fewer than {FEW} utterances, so differences of some points may be chance")
        for column in question.columns:
            cells[column.task.title] = _cell(column, own, unanswered, draws)
    return ModelScores(cells=cells, notes=notes)


def _sorted(
    questions: Sequence[Question], absent: Mapping[str, str], answers: Sequence[GivenAnswer]
) -> tuple[list[dict[str, GivenAnswer]], list[str]]:
    """The answers to each question, by id, and notes. Those that say nothing are left out: they answer nothing."""
    titles = {column.task.title: n for n, question in enumerate(questions) for column in question.columns}
    places_of: dict[str, list[int]] = {}
    for n, question in enumerate(questions):
        for name in question.ids():
            places_of.setdefault(name, []).append(n)
    by_question: list[dict[str, GivenAnswer]] = [{} for _ in questions]
    unknown, several, twice, elsewhere = [], [], [], 0
    for one in answers:
        if one.task is not None and one.task in absent:
            elsewhere += 1
            continue
        if one.task is not None and one.task not in titles:
            raise MercError(
                f"{one.where}: the benchmark has no column {one.task!r}.{did_you_mean(one.task, titles)} Its columns "
                f"are: {', '.join([*titles, *absent])}"
            )
        places = [n for n in places_of.get(one.id, []) if one.task is None or n == titles[one.task]]
        if not places:
            unknown.append(one)
        elif len(places) > 1:
            several.append(f"{one.where}: {one.id!r} is asked in {' and in '.join(questions[n].title for n in places)}")
        elif (first := by_question[places[0]].setdefault(one.id, one)) is not one:
            twice.append(f"{one.where}: {one.id!r} is answered already in {first.where.rpartition(', ')[2]}")
    if unknown:
        raise MercError(_unknown(unknown, len(answers), places_of))
    for faults, what in (
        (several, "answers are to one of several questions; say which, by a column's title in 'task'"),
        (twice, "answers are to what is answered already; keep one of each"),
    ):
        if faults:
            raise ManyErrors(first_lines(faults, _LISTED), f"{len(faults)} of {len(answers)} {what}")
    silent = sum(not one.says_something for own in by_question for one in own.values())
    notes = [f"{silent} of {len(answers)} answers have no text, label or probabilities: no answers"] if silent else []
    if elsewhere:
        notes.append(f"{elsewhere} of {len(answers)} answers are to columns whose sets are not there")
    return [{name: one for name, one in own.items() if one.says_something} for own in by_question], notes


def _unknown(unknown: Sequence[GivenAnswer], count: int, places_of: Mapping[str, object]) -> str:
    first = unknown[0]
    # The sets' names stand before their ids, and those who answer like to leave them out.
    near = next((name for name in places_of if name.rpartition("/")[2] == first.id), None)
    hint = f" Did you mean {near!r}?" if near else did_you_mean(first.id, places_of)
    of_task = f" (task {first.task!r})" if first.task else ""
    return (
        f"{len(unknown)} of {count} answers have ids that no set has; the first, {first.where}: {first.id!r}{of_task}."
        f"{hint or ' The ids are those of the imported sets, such as ' + repr(next(iter(places_of), '')) + '.'}"
    )


def _cell(column: BenchmarkColumn, answers: Mapping[str, GivenAnswer], unanswered: Unanswered, draws: int) -> Cell:
    title, of = column.task.title, len(column.targets)
    lacking = [name for name in column.targets if name not in answers]
    if len(lacking) == of:
        return Cell(title=title, absent="no answer")
    predictions = [
        _prediction(column, talk.id, talk.split, u.id, answers.get(u.id))
        for talk in column.conversations
        for u in talk.utterances
        if u.id in column.targets and (u.id in answers or unanswered == "wrong")
    ]
    own = column.with_truths(predictions)
    beside = {
        "answered": of - len(lacking), "of": of, "unanswered": unanswered, "lacking": lacking,
        **_interval(column, own, draws),
    }  # fmt: skip
    try:
        return column.cell(own, beside)
    except MercError as error:
        raise MercError(f"{title}: {error}") from None


def _interval(column: BenchmarkColumn, predictions: Sequence[Prediction], draws: int) -> dict[str, Any]:
    """The interval of the number that the table shows, or why there is none; nothing where none is wanted."""
    metric = column.metric.component
    assert isinstance(metric, Metric)
    if not draws:
        return {}
    if not metric.repeatable():
        return {"interval": None, "no_interval": "the metric asks somebody or takes long, so it is computed once"}
    measure = Measure(column.task.number, column.task.metric, column.metric, column.task.number)
    talks = len({p.conversation for p in predictions})
    ends = interval(measure.statistic(predictions, column.labels), talks, resamples=draws)
    return {"interval": None, "no_interval": ends} if isinstance(ends, str) else {"interval": list(ends)}


def _prediction(
    column: BenchmarkColumn, conversation: str, split: str | None, name: str, answer: GivenAnswer | None
) -> Prediction:
    """An answer as a prediction; an utterance without one is answered by nothing."""
    if answer is None:
        return Prediction(id=name, conversation=conversation, split=split, answer="")
    label, text, chances = _label(column, answer), answer.text, None
    if not column.labels.labels:
        text = text if text is not None else answer.label
        if text is None:
            raise MercError(f"{answer.where}: a text is asked for, and {name!r} is answered by probabilities")
    elif answer.probabilities is not None:
        chances = _probabilities(column, answer, answer.probabilities)
        label = label if label is not None else max(chances, key=lambda one: chances[one])
    if label is None and text is not None and column.labels.labels:
        read = read_answer(text, vocabulary_of_labels(column.labels)).labels
        label = read[0] if len(read) == 1 else None
    return Prediction(id=name, conversation=conversation, split=split, label=label, probabilities=chances, answer=text)


def _label(column: BenchmarkColumn, answer: GivenAnswer) -> str | None:
    if answer.label is None or not column.labels.labels:
        return None
    return _known(column, answer, answer.label)


def _known(column: BenchmarkColumn, answer: GivenAnswer, label: str) -> str:
    folded = vocabulary_of_labels(column.labels).folded
    if (known := folded.get(normal(label).strip().casefold())) is None:
        raise MercError(
            f"{answer.where}: {label!r} is no label of the set.{did_you_mean(label, column.labels.labels)} The labels "
            f"are: {', '.join(column.labels.labels)}; what a model wrote belongs in 'text'"
        )
    return known


def _probabilities(column: BenchmarkColumn, answer: GivenAnswer, chances: Mapping[str, float]) -> dict[str, float]:
    named = {_known(column, answer, label): chance for label, chance in chances.items()}
    lacking = [label for label in column.labels.labels if label not in named]
    if lacking:
        raise MercError(f"{answer.where}: 'probabilities' has none of {', '.join(lacking)}; give one of every label")
    return {label: named[label] for label in column.labels.labels}


def _scripts(question: Question, answers: Mapping[str, GivenAnswer]) -> list[str]:
    """A note where some texts are in another script than what they are held against; an error where all are."""
    expected = _expected(question)
    texts = {name: scripts(one.text) for name, one in answers.items() if one.text and one.label is None}
    texts = {name: written for name, written in texts.items() if written}
    foreign = [name for name, written in texts.items() if not written & expected]
    if not foreign or not expected:
        return []
    written = " and ".join(sorted({one for name in foreign for one in texts[name]}))
    sentence = f"are in another script ({written}) than what they are held against ({' and '.join(sorted(expected))})"
    if len(foreign) == len(texts) == len(answers):
        raise MercError(
            f"{question.title}: all {len(texts)} answers {sentence}, so none can be right; give answers in the "
            "language of the set, or a set whose labels have words in theirs"
        )
    return [f"{question.title}: {len(foreign)} of {len(answers)} answers {sentence}: {_few(foreign)}"]


def _expected(question: Question) -> frozenset[str]:
    """The scripts of the labels' words and of what else the metrics compare with."""
    words: list[Any] = []
    for column in question.columns:
        space, metric = column.labels, column.metric.component
        assert isinstance(metric, Metric)
        words += [word for label in space.labels for word in space.words_of(label)]
        names = [name for name in metric.truths() if name != "label"]
        words += [one.true(name) for one in column.targets.values() for name in names]
    return frozenset(script for word in words if isinstance(word, str) for script in scripts(word))


def scripts(text: str) -> frozenset[str]:
    """The scripts of a text's letters, by the names that Unicode has for them.

    >>> sorted(scripts("joy 喜悦")), sorted(scripts("12, !"))
    (['CJK', 'LATIN'], [])
    """
    letters = Counter(letter for letter in text if letter.isalpha())
    return frozenset(unicodedata.name(letter, "?").split()[0].removesuffix("-UNIFIED") for letter in letters)


def _few(names: Sequence[str]) -> str:
    return first_names(names, _SHOWN)
