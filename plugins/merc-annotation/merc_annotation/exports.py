"""Released records in the forms that trainers of other projects read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import merc
from merc_annotation.describing import INSTRUCTION
from merc_annotation.instructions import answer
from merc_annotation.records import Record, write_jsonl
from merc_annotation.unit_table import meaning

Write = Callable[[Path, Sequence[Record]], list[str]]
"""Writes records into a folder, and gives the names of the files."""


def question(record: Record) -> str:
    """What a model is asked about a record."""
    who = f"{record['speaker']} says" if record.get("speaker") else "The speaker says"
    return f"{who}: “{record['text']}”\n{record.get('instruction') or INSTRUCTION}"


def response(record: Record) -> str:
    """What a model should answer: to the record's own instruction, or numbered steps, the description and the label."""
    return record.get("answer") or answer(record, "reason") or ""


def learnable(records: Sequence[Record]) -> list[Record]:
    """The records that have a label: those that can be learned from."""
    return [record for record in records if record["label"]]


def _media(record: Record) -> tuple[list[str], list[str]]:
    videos = [record["video"]] if record.get("video") else []
    audios = [record["audio"] or record["video"]] if record.get("audio") or record.get("video") else []
    return videos, audios


def llama_factory(folder: Path, records: Sequence[Record]) -> list[str]:
    """LLaMA-Factory's form ``sharegpt``: ``messages`` with roles, ``videos`` beside them, and ``dataset_info.json``, by
    which it finds the file and its columns. A ``<video>`` stands in the message for each video."""
    rows = []
    for record in learnable(records):
        videos, _ = _media(record)
        rows.append({
            "messages": [
                {"role": "user", "content": "<video>" * len(videos) + question(record)},
                {"role": "assistant", "content": response(record)},
            ],
            "videos": videos,
        })  # fmt: skip
    info = {
        "merc_emotion": {
            "file_name": "merc_emotion.json",
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "videos": "videos"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
                "system_tag": "system",
            },
        }
    }
    _write_json(folder / "merc_emotion.json", rows)
    _write_json(folder / "dataset_info.json", info)
    return ["merc_emotion.json", "dataset_info.json"]


def ms_swift(folder: Path, records: Sequence[Record]) -> list[str]:
    """ms-swift's own form: a line with ``messages``, ``videos`` and ``audios``; tags stand for each in the message."""
    rows = []
    for record in learnable(records):
        videos, audios = _media(record)
        tags = "<video>" * len(videos) + "<audio>" * len(audios)
        rows.append({
            "messages": [
                {"role": "user", "content": tags + question(record)},
                {"role": "assistant", "content": response(record)},
            ],
            "videos": videos,
            "audios": audios,
        })  # fmt: skip
    write_jsonl(folder / "ms_swift.jsonl", rows)
    return ["ms_swift.jsonl"]


def sharegpt(folder: Path, records: Sequence[Record]) -> list[str]:
    """ShareGPT's form, as LLaVA and its kin read it: ``id``, ``video`` and ``conversations`` of human and gpt."""
    rows = []
    for record in learnable(records):
        videos, _ = _media(record)
        turns = [
            {"from": "human", "value": ("<video>\n" if videos else "") + question(record)},
            {"from": "gpt", "value": response(record)},
        ]
        name = f"{record['id']}/{record['task']}" if record.get("task") else record["id"]
        rows.append({"id": name, **({"video": videos[0]} if videos else {}), "conversations": turns})
    _write_json(folder / "sharegpt.json", rows)
    return ["sharegpt.json"]


def merr(folder: Path, records: Sequence[Record]) -> list[str]:
    """The form of MERR, as Emotion-LLaMA's loader and MER-Factory have it: an object by the name of the clip, with
    action units, what the face and the voice show (``visual_prior_list``, ``audio_prior_list``), the peak frame,
    ``text``, ``caption``, ``smp_reason_caption`` and the emotion as ``pseu_emotion``."""
    whole: dict[str, Any] = {}
    for record in learnable(records):
        name = Path(record["video"]).stem if record.get("video") else record["id"]
        name = name if name not in whole else record["id"]
        peak = record.get("peak_frame") or {}
        units = peak.get("units", {})
        whole[name] = {
            "AU_list": sorted(units),
            "visual_prior_list": [f"{meaning(unit)} ({unit})" for unit in sorted(units)],
            "audio_prior_list": record["clues"].get("audio_tone", ""),
            "peak_index": str(peak.get("frame", "")),
            "peak_AU_list": dict(sorted(units.items())),
            "text": record["text"],
            "caption": record["clues"].get("visual_objective") or record["description"] or "",
            "smp_reason_caption": response(record),
            "pseu_emotion": record["label"],
        }
    _write_json(folder / "merr.json", whole)
    return ["merr.json"]


FORMS: Mapping[str, Write] = {
    "llama-factory": llama_factory,
    "ms-swift": ms_swift,
    "sharegpt": sharegpt,
    "merr": merr,
}
"""The forms that there are, by name."""


def export(form: str, folder: Path, records: Sequence[Record]) -> list[str]:
    """Write records in a form; gives the names of the files. Raises MercError for a form that there is not."""
    if form not in FORMS:
        raise merc.MercError(f"there is no form {form!r}; the forms are: {', '.join(FORMS)}")
    folder.mkdir(parents=True, exist_ok=True)
    return FORMS[form](folder, records)


def _write_json(path: Path, value: Any) -> None:
    with merc.whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
