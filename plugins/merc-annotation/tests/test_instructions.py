"""Instruction templates: which wording a segment has, and what answers it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from merc_annotation.describing import INSTRUCTION
from merc_annotation.instructions import TEMPLATES, answer, instruction, paired, read_templates

import merc

RECORD = {
    "id": "d0_u0", "speaker": "Ann", "label": "joy", "rationale": ["She smiles.", "So it is joy."],
    "description": "She smiles, so it is joy.", "evidence": {"visual": "She smiles.", "audio": None},
}  # fmt: skip


def test_each_task_is_answered_by_its_part_of_the_record() -> None:
    assert answer(RECORD, "reason") == (
        "Step 1: She smiles.\nStep 2: So it is joy.\nShe smiles, so it is joy.\nEmotion: joy"
    )
    assert answer(RECORD, "label") == "joy" and answer(RECORD, "describe") == "She smiles, so it is joy."
    assert answer(RECORD, "evidence") == "visual: She smiles."


def test_what_a_record_does_not_tell_is_not_asked() -> None:
    bare = {**RECORD, "id": "x", "label": None, "description": None, "evidence": {}}
    assert [(one["id"], one["task"]) for one in paired([RECORD, bare], list(TEMPLATES))] == [
        ("d0_u0", task) for task in TEMPLATES
    ]


def test_wordings_vary_and_a_segment_keeps_its_own() -> None:
    records = [{**RECORD, "id": f"u{number}"} for number in range(60)]
    for task, wordings in TEMPLATES.items():
        texts = [instruction(one, task, ["anger", "joy"]) for one in records]
        assert len(set(texts)) == len(wordings) and not any("{" in text for text in texts)
        assert texts == [instruction(one, task, ["anger", "joy"]) for one in records]
    assert TEMPLATES["reason"][0] == INSTRUCTION
    assert "anger, joy" in instruction(RECORD, "label", ["anger", "joy"])
    assert "the speaker" in instruction({**RECORD, "speaker": None}, "describe", [])


def test_templates_of_a_file_stand_in_for_those_of_merc(tmp_path: Path) -> None:
    path = tmp_path / "templates.json"
    path.write_text(json.dumps({"label": ["How does {speaker} feel: {labels}?"]}))
    templates = read_templates(path)
    (one,) = paired([RECORD], ["label"], templates)
    assert one["instruction"] == "How does Ann feel: joy?" and one["answer"] == "joy"
    assert templates["reason"] == TEMPLATES["reason"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "should hold wordings by task"),
        ("{", "cannot be read"),
        ('{"feel": ["x"]}', "there is no task 'feel'; the tasks are: reason, label"),
        ('{"label": []}', "label should be a list of texts"),
        ('{"label": ["Who is {name}?"]}', r"label: \{name\} stands for nothing; there are \{speaker\} and \{labels\}"),
        ('{"label": ["A { brace"]}', r"write \{\{ for a brace"),
    ],
)
def test_other_templates_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(merc.MercError, match=message):
        read_templates(tmp_path / "t.json")
    with pytest.raises(merc.MercError, match="there is no task 'feel'"):
        paired([RECORD], ["feel"])
