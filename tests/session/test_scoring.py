"""Answers scored on a set of many conversations: the same numbers as a metric's own, with intervals that fit."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from merc.components import BenchmarkTask
from merc.evaluation.answers import GivenAnswer
from merc.session.benchmark_columns import BenchmarkColumn, find_columns
from merc.session.benchmark_sets import Sets
from merc.session.scoring import questions_of, score, scripts
from tests.session.test_benchmark_sets import Two, column, talk, write

LABELS = ("anger", "joy")
TEXTS = ("It is joy.", "anger", "both joy and anger", "")


@pytest.fixture
def columns(tmp_path: Path) -> dict[str, BenchmarkColumn]:
    """A set of 120 conversations of one utterance, asked in two columns of which one is a part of the other."""
    talks = [talk(f"t{i}", LABELS[i % 2]) for i in range(120)]
    for i, one in enumerate(talks):
        one["utterances"][0]["half"] = "first" if i < 60 else "second"
    write(tmp_path, "a", *talks)
    tasks = (column("a"), BenchmarkTask(title="A1", corpus="a", metric="classification", number="accuracy",
                                        having={"half": "first"}))  # fmt: skip
    from merc.recipe import ComponentRef

    benchmark = Two(given=tasks)
    sets = Sets(tmp_path, benchmark)
    part = ComponentRef(name="two", params={}, component=benchmark)
    return find_columns(part, sets, lambda share, what: None)[0]


def answers(rng: random.Random) -> list[GivenAnswer]:
    return [
        GivenAnswer(
            id=f"t{i}_0", where=f"x, line {i}", text=rng.choice(["It is joy.", "anger", "both joy and anger", ""])
        )
        for i in range(120)
    ]


def test_columns_that_ask_the_same_are_one_question(columns: dict[str, BenchmarkColumn]) -> None:
    (question,) = questions_of(columns.values())
    assert question.title == "A, A1" and len(question.targets()) == 120
    scored = score([question], {}, answers(random.Random(0)))
    assert (scored.cells["A"].samples, scored.cells["A1"].samples) == (120, 60)
    assert scored.notes == ["A1: fewer than 100 utterances, so differences of some points may be chance"]


def test_200_random_sets_of_answers_have_the_accuracy_that_counting_gives(columns: dict[str, BenchmarkColumn]) -> None:
    questions = questions_of(columns.values())
    label = {"It is joy.": "joy", "anger": "anger"}
    for seed in range(200):
        own = answers(random.Random(seed))
        right = [label.get(one.text or "") == LABELS[i % 2] for i, one in enumerate(own)]
        cells = score(questions, {}, own).cells
        assert cells["A"].value == pytest.approx(sum(right) / 120, abs=1e-9)
        assert cells["A1"].value == pytest.approx(sum(right[:60]) / 60, abs=1e-9)


def test_intervals_hold_the_number_and_shrink_with_the_set(columns: dict[str, BenchmarkColumn]) -> None:
    cells = score(questions_of(columns.values()), {}, answers(random.Random(1)), draws=200).cells
    (low, high), (part_low, part_high) = (cells[title].record["interval"] for title in ("A", "A1"))
    assert low < cells["A"].value < high and high - low < part_high - part_low
    json.dumps(cells["A"].record, allow_nan=False)


@pytest.mark.parametrize(("text", "names"), [("Привет", {"CYRILLIC"}), ("한국", {"HANGUL"}), ("4!", set())])
def test_scripts(text: str, names: set[str]) -> None:
    assert scripts(text) == names
