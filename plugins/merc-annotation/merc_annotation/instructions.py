"""Instruction templates: what a model is asked about a segment, and which part of its record answers that."""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import merc
from merc_annotation.describing import INSTRUCTION

Record = dict[str, Any]
Templates = Mapping[str, Sequence[str]]
"""By task, the wordings of its instruction; ``{speaker}`` and ``{labels}`` stand for who speaks and for the labels."""

TEMPLATES: Templates = {
    "reason": (
        INSTRUCTION,
        "Which emotion does {speaker} show most? Reason step by step, and name what is seen, heard and said for it.",
        "Go through what is seen, heard and said one after the other, then name the emotion of {speaker}.",
    ),
    "label": (
        "Which emotion does {speaker} show? Answer with one of these words: {labels}.",
        "Name the emotion of {speaker} in one word, out of {labels}.",
    ),
    "describe": (
        "Describe how {speaker} feels, and by what it is seen, heard and said.",
        "Put together in a few sentences what face, voice and words tell of how {speaker} feels.",
    ),
    "evidence": (
        "List what is seen, heard and said that tells of the emotion of {speaker}, modality by modality.",
        "What speaks for the emotion of {speaker}? Name the evidence of each modality.",
    ),
}
"""Tasks with several wordings each; ``reason`` is that of the survey (section 4.1), whose own words come first."""


def answer(record: Record, task: str) -> str | None:
    """What a model should answer; None where the record does not tell.

    ``reason``: numbered steps, the description, and the label; ``label``: the label; ``describe``: the description;
    ``evidence``: a line for each modality.

    >>> record = {"label": "joy", "rationale": ["She smiles."], "description": "She smiles.", "evidence": {}}
    >>> answer(record, "label"), answer(record, "evidence")
    ('joy', None)
    """
    if task == "label":
        return str(record["label"]) if record["label"] else None
    if task == "describe":
        return record.get("description") or None
    if task == "evidence":
        lines = [f"{modality}: {text}" for modality, text in record["evidence"].items() if text]
        return "\n".join(lines) or None
    steps = [f"Step {number}: {step}" for number, step in enumerate(record["rationale"], start=1)]
    parts = [*steps, *([record["description"]] if record.get("description") else [])]
    return "\n".join([*parts, f"Emotion: {record['label']}"]) if record["label"] else None


def instruction(record: Record, task: str, labels: Sequence[str], templates: Templates = TEMPLATES) -> str:
    """One of a task's wordings, the same for the same segment always: its id chooses."""
    wordings = templates[task]
    chosen = int(hashlib.sha256(f"{task}/{record['id']}".encode()).hexdigest()[:8], 16) % len(wordings)
    return wordings[chosen].format(speaker=record.get("speaker") or "the speaker", labels=", ".join(labels))


def paired(records: Sequence[Record], tasks: Sequence[str], templates: Templates = TEMPLATES) -> list[Record]:
    """Each record once for each task that it can answer, with the ``task``, its ``instruction`` and the ``answer``.
    Raises MercError for a task that there is not."""
    if unknown := [task for task in tasks if task not in templates]:
        raise merc.MercError(f"there is no task {unknown[0]!r}; the tasks are: {', '.join(templates)}")
    labels = sorted({str(record["label"]) for record in records if record["label"]})
    return [
        {**record, "task": task, "instruction": instruction(record, task, labels, templates), "answer": text}
        for record in records
        for task in tasks
        if (text := answer(record, task)) is not None
    ]


def read_templates(path: Path) -> Templates:
    """The templates of a JSON file, ``{"reason": ["..."], ...}``, which stand in for merc's own of the same task.

    Raises MercError, naming the task, for a task that there is not, one without wordings, and other placeholders.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise merc.MercError(f"the templates {path} cannot be read: {error}") from None
    if not isinstance(value, dict) or not value:
        raise merc.MercError(f'{path} should hold wordings by task, such as {{"label": ["Which emotion is it?"]}}')
    for task, wordings in value.items():
        if task not in TEMPLATES:
            raise merc.MercError(f"{path}: there is no task {task!r}; the tasks are: {', '.join(TEMPLATES)}")
        if not isinstance(wordings, list) or not wordings or not all(isinstance(one, str) and one for one in wordings):
            raise merc.MercError(f"{path}: {task} should be a list of texts")
        for wording in wordings:
            try:
                names = {name for _, name, _, _ in string.Formatter().parse(wording) if name is not None}
            except ValueError as error:
                raise merc.MercError(f"{path}: {task}: {wording!r}: {error}; write {{{{ for a brace") from None
            if names - {"speaker", "labels"}:
                odd = sorted(names - {"speaker", "labels"})[0]
                raise merc.MercError(
                    f"{path}: {task}: {{{odd}}} stands for nothing; there are {{speaker}} and {{labels}}"
                )
    return {**TEMPLATES, **value}
