"""predictions.jsonl: what is written comes back, and every fault of a file names its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.components import Prediction
from merc.errors import MercError
from merc.evaluation import read_predictions, write_predictions

WORDS = st.text(max_size=20).filter(lambda s: s.encode("utf-8", "ignore").decode() == s)
MAYBE = st.none() | WORDS
PREDICTIONS = st.lists(
    st.builds(
        Prediction,
        id=WORDS,
        conversation=WORDS,
        split=st.none() | st.sampled_from(["train", "dev", "test"]),
        truth=MAYBE,
        label=MAYBE,
        probabilities=st.none() | st.dictionaries(WORDS, st.floats(0, 1), max_size=4),
        answer=MAYBE,
        missing=st.dictionaries(WORDS, WORDS, max_size=3),
        label_history=st.sampled_from([None, "gold", "predicted"]),
        truths=st.dictionaries(WORDS, st.floats(-3, 3) | WORDS | st.lists(WORDS, max_size=3), max_size=3),
        values=st.dictionaries(
            WORDS,
            st.floats(-3, 3)
            | st.fixed_dictionaries(
                {"labels": st.lists(WORDS), "probabilities": st.dictionaries(WORDS, st.floats(0, 1))}
            ),
            max_size=3,
        ),
        details=st.dictionaries(
            WORDS, WORDS | st.lists(WORDS, max_size=3) | st.dictionaries(WORDS, st.floats(0, 1)), max_size=3
        ),
    ),
    max_size=8,
    unique_by=lambda p: (p.split, p.conversation, p.id),
)


@settings(max_examples=40)
@given(PREDICTIONS)
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, predictions: list[Prediction]) -> None:
    path = tmp_path_factory.mktemp("run") / "predictions.jsonl"
    write_predictions(path, predictions)
    assert read_predictions(path) == predictions


def test_a_line_is_one_object_with_the_promised_fields(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    write_predictions(path, [Prediction(id="ü", conversation="c", truth="joy", label=None, answer="a\u2028b")])
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines[1:] == [""]
    assert json.loads(lines[0]) == {
        "id": "ü", "conversation": "c", "split": None, "truth": "joy", "label": None, "probabilities": None,
        "text": "a\u2028b", "missing": {},
    }  # fmt: skip


def test_two_predictions_of_an_utterance_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text("before")
    twice = [Prediction(id="u", conversation="c", split="test")] * 2
    with pytest.raises(MercError, match="two predictions for utterance 'u' of conversation 'c'"):
        write_predictions(path, twice)
    assert path.read_text() == "before"


def test_a_probability_that_is_no_number_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    with pytest.raises(MercError, match="prediction for 'u': a probability is not a finite number"):
        write_predictions(path, [Prediction(id="u", conversation="c", probabilities={"joy": float("nan")})])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [Path("u.wav"), float("inf")])
def test_a_truth_that_json_cannot_hold_is_not_written(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "predictions.jsonl"
    with pytest.raises(MercError, match="prediction for 'u': 'truths' is not plain JSON"):
        write_predictions(path, [Prediction(id="u", conversation="c", truths={"votes": value})])
    assert list(tmp_path.iterdir()) == []


GOOD = {"id": "u0", "conversation": "c"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{not json", "line 2: not JSON"),
        ("9" * 5000, "line 2: a number in it has thousands of digits"),
        ("[" * 100_000, "line 2: its values are nested too deep"),
        ("[1]", "line 2: one JSON object a line was expected, not list"),
        (json.dumps({"id": "u1"}), "line 2: the field 'conversation' is missing"),
        (json.dumps({**GOOD, "id": 3}), "line 2: 'id' must be a string, not 3"),
        (json.dumps({**GOOD, "lable": "joy"}), "line 2: unknown field 'lable'. Did you mean 'label'?"),
        (json.dumps({**GOOD, "id": "u1", "truth": 4}), "line 2: 'truth' must be a string or null, not 4"),
        (
            json.dumps({**GOOD, "id": "u1", "probabilities": [1]}),
            "line 2: 'probabilities' must be an object of numbers",
        ),
        (json.dumps({**GOOD, "id": "u1", "probabilities": {"joy": "x"}}), "line 2: 'probabilities' must be an object"),
        (
            '{"id": "u1", "conversation": "c", "probabilities": {"joy": NaN}}',
            "line 2: 'probabilities' must be an object",
        ),
        (json.dumps({**GOOD, "id": "u1", "missing": ["face"]}), "line 2: 'missing' must be an object of reasons"),
        (
            json.dumps({**GOOD, "id": "u1", "label_history": 1}),
            "line 2: 'label_history' must be a string or null, not 1",
        ),
        (json.dumps({**GOOD, "id": "u1", "details": "so"}), "line 2: 'details' must be an object of values by name"),
        (json.dumps({**GOOD, "id": "u1", "truths": ["joy"]}), "line 2: 'truths' must be an object of values by name"),
        (json.dumps(GOOD), "line 2: utterance 'u0' has a prediction already, in line 1"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + line + "\n")
    with pytest.raises(MercError) as raised:
        read_predictions(path)
    assert f"{path}, {message}" in str(raised.value)


def _bytes(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "is not there; it is written by `merc run`"),
        (lambda path: path.mkdir(), "is a folder"),
        (_bytes, "is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, make: Any, message: str) -> None:
    path = tmp_path / "predictions.jsonl"
    make(path)
    with pytest.raises(MercError, match=message):
        read_predictions(path)


def test_details_that_are_no_json_are_named(tmp_path: Path) -> None:
    wrong = Prediction(id="u", conversation="c", details={"why": {1, 2}})
    with pytest.raises(MercError, match="prediction for 'u': 'details' is not plain JSON"):
        write_predictions(tmp_path / "predictions.jsonl", [wrong])
