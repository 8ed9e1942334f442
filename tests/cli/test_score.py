"""``merc score``: anybody's answers on the sets of a benchmark, side by side, and what each mistake is called."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.forking import Ended, Forks
from tests.senses import mistake


def said(name: str, label: str | None, **more: Any) -> dict[str, Any]:
    return {"id": name, "text": "Oh.", **({"label": label} if label else {}), **more}


@pytest.fixture
def score(program: Forks, tmp_path: Path):
    """``merc score`` on a set A of four utterances on dev and test, with a mood each, which the benchmark asks too."""
    moods = {"joy": "bright", "anger": "dark", "sadness": "dark"}
    talks = [
        {"id": "t", "split": "train", "utterances": [said("t0", "joy", mood="bright")]},
        {"id": "c", "split": "test", "utterances": [said(f"c{i}", x, mood=moods[x]) for i, x in enumerate(moods)]},
        {"id": "d", "split": "test", "utterances": [said("d0", None)]},
    ]
    (tmp_path / "sets").mkdir()
    lines = [{"labels": [*moods, "awe"]}, *talks]
    (tmp_path / "sets" / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def call(*arguments: str, benchmark: str = "talks", **files: list[dict[str, Any]]) -> Ended:
        for name, rows in files.items():
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        names = [f"{name}.jsonl" for name in files]
        return program(tmp_path, "score", *names, *arguments, "--suite", benchmark, "--data", "sets")

    return call


def emotions(**labels: str) -> list[dict[str, Any]]:
    return [{"id": name, "label": label, "task": "A"} for name, label in labels.items()]


def test_two_models_beside_each_other_on_screen_and_in_files(score, tmp_path: Path) -> None:
    texts = {"c0": "I hear joy.", "c1": "Joy or anger", "c2": "sadness</s>"}
    right = [{"id": name, "text": text, "task": "A"} for name, text in texts.items()]
    moods = [{"id": f"c{i}", "probabilities": {"dark": 0.75, "Bright": 0.25}, "task": "A-m"} for i in range(3)]
    ended = score(
        "number=accuracy", "beside=[macro_f1]", "--write", "t.json", "--write", "t.csv", "--write", "t.md",
        mine=right + moods, theirs=emotions(c0="JOY", c1="joy"),
    )  # fmt: skip
    assert ended.code == 0, ended.err
    rows = {line[:10].strip(): line[10:].split() for line in ended.out.splitlines()}
    assert rows["%"] == ["mine", "theirs"]
    assert rows["A"] == ["66.67", "33.33", "(2", "of", "3)"]
    assert rows["A-m"] == ["66.67"]
    assert "not measured: A-m (no answer of theirs); B (no b.jsonl or .parquet)" in ended.out
    assert "theirs: A: 1 of 3 utterances have no answer, counted as wrong: c2" in " ".join(ended.err.split())
    found = json.loads((tmp_path / "t.json").read_text())
    assert (found["benchmark"], found["unanswered"], found["files"]) == (
        "talks",
        "wrong",
        ["mine.jsonl", "theirs.jsonl"],
    )
    mine, theirs = found["models"]["mine"], found["models"]["theirs"]
    assert mine["columns"]["A"]["numbers"]["unparsed_rate"] == 1 / 3
    assert mine["averages"]["Avg"] == {"value": 2 / 3, "over": 2, "of": 3, "partial": True}
    assert theirs["columns"]["A"]["lacking"] == ["c2"] and theirs["columns"]["A"]["answered"] == 2
    table = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    (shown,) = [row for row in table if row["model"] == "theirs" and row["column"] == "A" and row["shown"]]
    assert (shown["number"], float(shown["value"]), shown["answered"], shown["of"]) == ("accuracy", 1 / 3, "2", "3")
    assert (tmp_path / "t.md").read_text().startswith("| % | mine | theirs |\n")


def test_numbers_have_intervals_on_request_and_few_utterances_a_caution(score, tmp_path: Path) -> None:
    ended = score("--draws", "50", "--write", "t.json", theirs=emotions(c0="joy", c1="joy", c2="joy"))
    assert ended.code == 0, ended.err
    column = json.loads((tmp_path / "t.json").read_text())["models"]["theirs"]["columns"]["A"]
    assert (column["interval"], column["no_interval"]) == (None, "one conversation, so there is nothing to draw from")
    assert "A: fewer than 100 utterances, so differences of some points may be chance" in " ".join(ended.err.split())


def test_what_is_not_answered_may_be_left_out(score) -> None:
    ended = score("--unanswered", "left-out", "number=accuracy", theirs=emotions(c0="joy", c1="joy"))
    assert ended.code == 0, ended.err
    assert "50.00 (2 of 3)" in ended.out
    assert "no answer, left out of the numbers: c2" in " ".join(ended.err.split())


def test_answers_about_what_is_not_measured_are_counted(score) -> None:
    silent = [{"id": "c1", "text": None, "task": "A"}]
    ended = score(theirs=[*emotions(c0="joy", d0="joy", t0="joy"), *silent])
    assert ended.code == 0, ended.err
    sentence = " ".join(ended.err.split())
    assert "A: 2 of 3 answers are to utterances that are not measured (another split, or nothing to" in sentence
    assert "compare with): d0, t0" in sentence
    assert "1 of 4 answers have no text, label or probabilities: no answers" in sentence


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (emotions(c9="joy"), "1 of 1 answers have ids that no set has; the first, x.jsonl, line 1: 'c9' (task 'A')."),
        (emotions(c0="jooy"), "x.jsonl, line 1: 'jooy' is no label of the set. Did you mean 'joy'? The labels are: "),
        (emotions(c0="joy") * 2, "1 of 2 answers are to what is answered already; keep one of each:\n  x.jsonl, line 2"
         ": 'c0' is answered already in line 1"),
        ([{"id": "c0", "label": "joy"}], "1 of 1 answers are to one of several questions; say which, by a column's "
         "title in 'task':\n  x.jsonl, line 1: 'c0' is asked in A and in A-m"),
        ([{"id": "c0", "label": "joy", "task": "Aa"}], "x.jsonl, line 1: the benchmark has no column 'Aa'. Did you me"),
        ([{"id": "c0", "probabilities": {"joy": 1.0}, "task": "A"}], "'probabilities' has none of anger, sadness, awe"),
        ([{"id": f"c{i}", "text": "喜悦", "task": "A"} for i in range(3)], "A: all 3 answers are in another script "
         "(CJK) than what they are held against (LATIN)"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence(score, rows: list[dict[str, Any]], message: str) -> None:
    told = mistake(score(x=rows))
    assert message in told and told.count("\n") <= 3


def test_some_answers_in_another_script_are_counted(score) -> None:
    rows = [{"id": "c0", "text": "喜悦", "task": "A"}, {"id": "c1", "text": "anger", "task": "A"}]
    ended = score(x=rows)
    assert ended.code == 0, ended.err
    assert "A: 1 of 2 answers are in another script (CJK)" in " ".join(ended.err.split())


def test_what_is_wrong_with_the_command_is_said(score, tmp_path: Path) -> None:
    rows = emotions(c0="joy")
    assert "unknown benchmark 'talk'. Did you mean 'talks'?" in mistake(score(benchmark="talk", x=rows))
    assert "takes no 'nmber'. Did you mean 'number'?" in mistake(score("nmber=accuracy", x=rows))
    assert mistake(score("--write", "t.xlsx", x=rows)).startswith("--write t.xlsx: a name that ends in .json, .csv")
    assert mistake(score("number=accuracy")).startswith("no file of answers is given")
    assert mistake(score("nothing.jsonl")).startswith("nothing.jsonl cannot be read: No such file")
    (tmp_path / "sets" / "a.jsonl").unlink()
    assert mistake(score(x=rows)).startswith("no set of talks is in sets; each is a file that merc corpus import makes")
