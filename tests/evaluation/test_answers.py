"""Files of answers: what is read of JSON Lines and CSV, and what each mistake is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import MercError
from merc.evaluation.answers import GivenAnswer, models_of, read_answers


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_json_lines_and_csv_say_the_same(tmp_path: Path) -> None:
    lines = (
        '{"id": "a", "text": "She is glad."}\n\n{"id": "b", "label": "joy", "model": "m"}\n'
        '{"id": 3, "probabilities": {"joy": 0.75, "anger": 0.25}, "task": "T"}\n{"id": "d", "text": ""}\n'
    )
    table = 'id,text,label,p:joy,p:anger,task,model\na,She is glad.,,,,,\nb,,joy,,,,m\n3,,,0.75,0.25,T,\n"d","",,,,,\n'
    rows = read_answers(write(tmp_path, "x.jsonl", lines))[0]
    assert [one.where[-6:] for one in rows] == ["line 1", "line 3", "line 4", "line 5"]
    of_table = read_answers(write(tmp_path, "x.csv", "\ufeff" + table))[0]

    def said(one: GivenAnswer) -> tuple[object, ...]:
        return one.id, one.text, one.label, one.probabilities, one.task, one.model

    assert [said(one) for one in of_table] == [said(one) for one in rows] == [
        ("a", "She is glad.", None, None, None, None),
        ("b", None, "joy", None, None, "m"),
        ("3", None, None, {"joy": 0.75, "anger": 0.25}, "T", None),
        ("d", "", None, None, None, None),
    ]  # fmt: skip
    assert [one.says_something for one in rows] == [True] * 4


def test_a_runs_own_predictions_are_answers(tmp_path: Path) -> None:
    line = (
        '{"id": "a", "conversation": "c", "split": "test", "truth": "joy", "label": "joy", "text": null, "missing": {}}'
    )
    (one,), notes = read_answers(write(tmp_path, "predictions.jsonl", line))
    assert (one.label, notes) == ("joy", [])


def test_fields_that_are_not_read_are_named_and_misspelled_ones_refused(tmp_path: Path) -> None:
    _, notes = read_answers(write(tmp_path, "x.csv", "id,label,reference,video\na,joy,y,v\n"))
    assert notes == [f"{tmp_path / 'x.csv'}: not read: reference, video"]
    with pytest.raises(MercError, match=r"x.jsonl, line 1: unknown field 'lable'\. Did you mean 'label'\?"):
        read_answers(write(tmp_path, "x.jsonl", '{"id": "a", "lable": "joy"}'))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.txt", "joy", "answers are a .jsonl or a .csv file"),
        ("x.jsonl", "", "holds no answer; each line has an id"),
        ("x.jsonl", "[1]", "line 1: one JSON object a line was expected, not list"),
        ("x.jsonl", "{", "line 1: not JSON"),
        ("x.jsonl", '{"label": "joy"}', "line 1: 'id' must be the id of an utterance, not None"),
        ("x.jsonl", '{"id": true}', "'id' must be the id of an utterance, not True"),
        ("x.jsonl", '{"id": "a", "label": 3}', "'label' must be a text, not 3"),
        ("x.jsonl", '{"id": "a", "probabilities": {"joy": 2}}', "must be numbers from 0 to 1 by label"),
        ("x.jsonl", '{"id": "a", "probabilities": {}}', "must be numbers from 0 to 1 by label"),
        ("x.csv", "name,label\na,joy\n", "has no column 'id'. Its columns, between commas, are: name, label"),
        ("x.csv", "id;label\na;joy\n", "has no column 'id'"),
        ("x.csv", "id,id\na,b\n", "a column stands twice"),
        ("x.csv", "id,label\na\n", "line 2: 1 cells for 2 columns"),
        ("x.csv", 'id,label\na,"joy\n', "not a table of commas and quotes"),
        ("x.csv", "id,p:joy\na,much\n", "line 2: the columns p:LABEL hold numbers"),
        ("x.csv", "id,probabilities\na,much\n", "line 2: 'probabilities' is a JSON object of numbers by label"),
    ],
)
def test_mistakes_name_the_file_and_the_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(MercError) as caught:
        read_answers(write(tmp_path, name, text))
    assert str(caught.value).startswith(str(tmp_path / name)) and message in str(caught.value)


def test_a_file_is_a_model_unless_it_says_who_answers(tmp_path: Path) -> None:
    one = write(tmp_path, "one.jsonl", '{"id": "a", "label": "joy"}\n')
    both = write(
        tmp_path, "both.jsonl", '{"id": "a", "label": "x", "model": "m"}\n{"id": "a", "label": "y", "model": "n"}'
    )
    more = write(tmp_path, "more.jsonl", '{"id": "b", "label": "x", "model": "m"}\n')
    models, _ = models_of([one, both, more])
    assert {name: [answer.id for answer in answers] for name, answers in models.items()} == {
        "one": ["a"],
        "m": ["a", "b"],
        "n": ["a"],
    }
    (tmp_path / "sub").mkdir()
    other = write(tmp_path / "sub", "one.csv", "id,label\na,joy\n")
    with pytest.raises(MercError, match="are both of 'one'; rename one, or say who answers in a field 'model'"):
        models_of([one, other])
    with pytest.raises(MercError, match=r"one\.jsonl is given 2 times"):
        models_of([one, one])
