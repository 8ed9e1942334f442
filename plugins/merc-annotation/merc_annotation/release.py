"""From a corpus with its answers to a released folder."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import merc
from merc_annotation.agreement import Measure, measures_of
from merc_annotation.card import data_card
from merc_annotation.exports import FORMS, export
from merc_annotation.ratings import QUESTIONS, ratings_of, read_reviews
from merc_annotation.rationale_measures import mean_coverage
from merc_annotation.records import SPLITS, Record, records_of, without_labels, write_jsonl, write_parquet


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a release is to hold."""

    folder: Path
    """Where it goes."""
    title: str
    """The name of the set."""
    forms: Sequence[str] = tuple(FORMS)
    """The forms of other projects in which it is written too."""
    hide_test: bool = False
    """Whether test labels, and all that tells of them, are kept out of the folder, in one beside it."""
    copy_media: bool = False
    """Whether media files are copied into the folder."""
    about: str = ""
    """What only people know, for the data card: where the material is from, and its licence."""


def write_release(annotated: merc.Annotated, plan: Plan) -> dict[str, Any]:
    """Write a release, every file whole or not at all, and give what ``release.json`` says of it.

    Args:
        annotated: A corpus with its answers.
        plan: What the release is to hold.
    """
    folder = plan.folder
    folder.mkdir(parents=True, exist_ok=True)
    reviews = read_reviews(folder)
    records = [_located(record, plan) for record in records_of(annotated, reviews)]
    teachers = {name: annotated.record(name) for name in annotated.annotators}
    written: list[str] = []
    shown_records = [without_labels(r) if plan.hide_test and r["split"] == "test" else r for r in records]
    for split in (*SPLITS, None):
        some = [r for r in shown_records if r["split"] == split]
        if some:
            write_jsonl(folder / f"{split or 'unsplit'}.jsonl", some)
            written.append(f"{split or 'unsplit'}.jsonl")
    if plan.hide_test:
        hidden = folder.with_name(f"{folder.name}-hidden")
        hidden.mkdir(parents=True, exist_ok=True)
        write_jsonl(hidden / "test.jsonl", [r for r in records if r["split"] == "test"])
    write_parquet(folder / "data.parquet", shown_records)
    written.append("data.parquet")
    written += _answers(annotated, plan)
    for form in plan.forms:
        written += [f"exports/{form}/{name}" for name in export(form, folder / "exports" / form, shown_records)]
    quality = _quality(records)
    agreement = agreement_of(records, reviews)
    card = data_card(plan.title, records, teachers, quality, agreement, plan.about)
    with merc.whole_file(folder / "README.md") as temporary:
        temporary.write_text(card, encoding="utf-8")
    measures = {what: [_plain(asdict(m)) for m in several] for what, several in agreement.items()}
    _write_json(folder / "quality.json", {"rationales": quality, "agreement": measures})
    written += ["README.md", "quality.json"]
    manifest = {
        "title": plan.title,
        "records": len(records),
        "teachers": teachers,
        "hidden": bool(plan.hide_test),
        "files": {name: merc.hash_file(folder / name) for name in sorted(written)},
    }
    _write_json(folder / "release.json", manifest)
    return manifest


def _located(record: Record, plan: Plan) -> Record:
    """The record with media paths as the folder has them: relative to it where they lie in it."""
    changed = dict(record)
    for key in ("video", "audio"):
        if record[key] is None:
            continue
        path = Path(record[key])
        if plan.copy_media and path.is_file():
            target = plan.folder / "media" / f"{merc.hash_file(path)[:12]}-{path.name}"
            if not target.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                with merc.whole_file(target) as temporary:
                    shutil.copyfile(path, temporary)
            path = target
        home = plan.folder.resolve()
        path = path.resolve()
        changed[key] = path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)
    return changed


def _answers(annotated: merc.Annotated, plan: Plan) -> list[str]:
    """The answers of each annotator as they came, with the model, its version and the words that it was asked with."""
    hidden = {
        u.id for talk in annotated.conversations if plan.hide_test and talk.split == "test" for u in talk.utterances
    }
    names = []
    for name in annotated.annotators:
        known = annotated.record(name)
        whose = {"annotator": known["name"], "version": known["version"], "model": known["identity"].get("model")}
        prompt = hashlib.sha256(json.dumps(known["identity"], sort_keys=True, default=str).encode()).hexdigest()[:12]
        rows = [
            {
                "id": utterance, **whose, "prompt": prompt, "fields": dict(answer.cues), "reason": answer.reason,
                "raw": list(answer.raw), "label_guided": known["label_guided"],
            }
            for utterance, answer in sorted(annotated.answers(name))
            if utterance not in hidden
        ]  # fmt: skip
        (plan.folder / "answers").mkdir(exist_ok=True)
        write_jsonl(plan.folder / "answers" / f"{name}.jsonl", rows)
        names.append(f"answers/{name}.jsonl")
    return names


def _quality(records: Sequence[Record]) -> dict[str, Any]:
    finals = [j["S_final"] for r in records for j in r["quality"]["judgements"].values() if "S_final" in j]
    return {
        "records with a rationale": sum(bool(r["rationale"]) for r in records),
        "cross-modal evidence coverage": mean_coverage(records),
        "mean S_final of judges": sum(finals) / len(finals) if finals else None,
        "uncertain by consensus": sum(bool(r["uncertain"]) for r in records),
    }


def agreement_of(
    records: Sequence[Record], reviews: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> dict[str, list[Measure]]:
    """What can be compared in a release: labels of teachers, and what people answered and which label they gave."""
    compared: dict[str, list[Measure]] = {}
    labels = [{name: t["label"] for name, t in r["triplets"].items()} for r in records]
    if any(len(item) > 1 for item in labels):
        compared["the labels of teachers"] = measures_of(labels, "nominal")
    for question in (*QUESTIONS, "label"):
        ratings = ratings_of(reviews, question)
        if any(len(item) > 1 for item in ratings):
            scale = "nominal" if question == "label" else "interval"
            compared[f"what people said, {question}"] = measures_of(ratings, scale)
    return compared


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in value.items()}


def _write_json(path: Path, value: Any) -> None:
    with merc.whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8")
