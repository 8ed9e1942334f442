"""Conversations that an evaluation divides: into the same parts for every seed, and never those of a user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.forking import Forks

DIVIDED = [
    "run", "text.yaml", "stages=[]", "evaluate.prompter={name: conversation}", "evaluate.splits=[test]",
    "evaluate.segments=[2, 4]", "evaluate.metrics=[last-utterance]",
]  # fmt: skip


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def long(work: Path) -> Path:
    """The folder with conversations of 12 utterances."""
    words = ["Oh!", "No.", "Well.", "Yes?"]
    talks = [
        {
            "id": f"c{n}",
            "split": "test",
            "utterances": [{"id": f"c{n}u{i}", "text": words[i % 4], "label": "joy"} for i in range(12)],
        }
        for n in range(3)
    ]
    (work / "talk.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks))
    return work


def test_the_test_set_is_the_same_for_every_seed(merc: Forks, long: Path) -> None:
    last = {}
    for name, more in (("zero", ["seed=0"]), ("one", ["seed=1"]), ("other", ["evaluate.segments_seed=1"])):
        ended = merc(long, *DIVIDED, *more, "--run-dir", name)
        assert ended.code == 0, ended.err
        found = rows((long / name / "predictions.jsonl").read_text())
        last[name] = [row["id"] for row in found if row["truths"]["last"]]
    assert 9 <= len(last["zero"]) <= 18 and last["zero"] == last["one"]
    assert last["zero"] != last["other"]
    assert "segments_seed: 0" in (long / "zero" / "recipe.yaml").read_text()
    ended = merc(long, "evaluate", "one", "--name", "again")
    assert ended.code == 0, ended.err
    again = (long / "one/evaluations/again/predictions.jsonl").read_text()
    assert again == (long / "one/predictions.jsonl").read_text()


def test_a_recording_of_a_user_stays_whole(merc: Forks, long: Path) -> None:
    assert merc(long, *DIVIDED, "--run-dir", "divided").code == 0
    assert merc(long, *DIVIDED, "evaluate.segments=null", "--run-dir", "whole").code == 0
    divided, whole = (merc(long, "predict", name, "talk.jsonl") for name in ("divided", "whole"))
    assert divided.code == whole.code == 0, divided.err + whole.err
    assert divided.out == whole.out
    # The parts do change what is predicted, so that the two could differ.
    probabilities = [
        [row["probabilities"] for row in rows((long / name / "predictions.jsonl").read_text())]
        for name in ("divided", "whole")
    ]
    assert probabilities[0] != probabilities[1]
    ended = merc(long, "predict", "divided", "talk.jsonl", "evaluate.segments=[3, 5]")
    assert ended.code == 2 and "evaluate.segments" in ended.err and "take it out" in ended.err
