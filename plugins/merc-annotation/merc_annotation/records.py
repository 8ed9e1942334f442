"""Records of a released data set: one an utterance, with label, rationale, evidence and what is known of their
quality."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import merc
from merc_annotation.clues import CLUES
from merc_annotation.instructions import instruction
from merc_annotation.judging import coverage
from merc_annotation.triplet import NoTriplet, Triplet

SPLITS = ("train", "dev", "test")
Record = dict[str, Any]
"""A record, as JSON has it."""


def records_of(annotated: merc.Annotated, reviews: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[Record]:
    """The records of a corpus, in its order. ``reviews`` are people's, by utterance and rater.

    The label is people's where most of them gave the same, else the corpus's own, else the consensus of the teachers,
    else that of the only teacher; ``label_source`` says which. Nothing is invented: what is not known is null.
    """
    missing = _missing(annotated)
    return [
        _record(talk, at, missing.get(utterance.id, {}), reviews.get(utterance.id, {}), annotated)
        for talk in annotated.conversations
        for at, utterance in enumerate(talk.utterances)
    ]


def _record(
    talk: merc.Conversation,
    at: int,
    missing: Mapping[str, str],
    reviews: Mapping[str, Mapping[str, Any]],
    annotated: merc.Annotated,
) -> Record:
    one = talk.utterances[at]
    triplets = _triplets(one.cues)
    consensus = _json(one.cues.get("consensus"))
    judgements = {
        name.removeprefix("judgement").removeprefix("_"): _json(text)
        for name, text in one.cues.items()
        if name == "judgement" or name.startswith("judgement_")
    }
    teacher = best_teacher(triplets, judgements, consensus)
    triplet = triplets.get(teacher) if teacher is not None else None
    label, source = _label(one.label, reviews, consensus, triplet)
    clues = {name: one.cues[name] for name in CLUES if one.cues.get(name)}
    description, described_by = _description(one.cues, reviews, teacher)
    return {
        "id": one.id,
        "conversation": talk.id,
        "dataset": talk.dataset,
        "split": talk.split,
        "speaker": one.speaker,
        "text": one.text,
        "start": one.start,
        "end": one.end,
        "instruction": instruction({"id": one.id, "speaker": one.speaker}, "reason", ()),
        "video": str(one.video) if one.video else None,
        "audio": str(one.audio) if one.audio else None,
        "label": label,
        "label_source": source,
        "labels": list(triplet.labels) if triplet else [],
        "open_labels": list(one.open_labels),
        "values": {name: list(v) if isinstance(v, tuple) else v for name, v in one.values.items()},
        "valence": one.valence,
        "intensity": triplet.intensity if triplet else None,
        "uncertain": bool(consensus.get("uncertain")) if consensus else None,
        "shares": consensus.get("shares") if consensus else None,
        "clues": clues,
        "peak_frame": _json(one.cues.get("peak_frame")) or None,
        "rationale": list(triplet.steps) if triplet else [],
        "evidence": dict(triplet.evidence) if triplet else {},
        "conflicts": list(triplet.conflicts) if triplet else [],
        "description": description,
        "described_by": described_by,
        "quality": {
            "label_guided": sorted(
                field
                for name in annotated.table.label_guided
                for field in annotated.table.fields.get(name, ())
                if field in one.cues
            ),
            "judgements": judgements,
            "coverage": round(coverage(triplet, clues, CLUES), 4) if triplet and clues else None,
            "reviewers": len(reviews),
            "answers": _mean_answers(reviews),
            "missing": dict(missing),
        },
        "triplets": {name: json.loads(t.text()) for name, t in triplets.items()},
    }


def best_teacher(
    triplets: Mapping[str, Triplet], judgements: Mapping[str, Mapping[str, Any]], consensus: Mapping[str, Any]
) -> str | None:
    """The teacher whose triplet is released: of those that give the label of the consensus (all, where there is none)
    the one that is judged best, the first of several; None where there is none."""
    agreed = [n for n, t in triplets.items() if not consensus or t.label == consensus.get("label")] or list(triplets)
    return max(agreed, key=lambda name: judgements.get(name, {}).get("S_final", 0.0), default=None)


def _label(
    gold: str | None,
    reviews: Mapping[str, Mapping[str, Any]],
    consensus: Mapping[str, Any],
    triplet: Triplet | None,
) -> tuple[str | None, str | None]:
    by_people = [review["label"] for review in reviews.values() if review.get("label")]
    for label in dict.fromkeys(by_people):
        if 2 * by_people.count(label) > len(by_people):
            return label, "people"
    if gold is not None:
        return gold, "corpus"
    if consensus:
        return str(consensus["label"]), f"consensus ({consensus.get('method')})"
    return (triplet.label, "teacher") if triplet else (None, None)


def _description(
    cues: Mapping[str, str], reviews: Mapping[str, Mapping[str, Any]], teacher: str | None
) -> tuple[str | None, str | None]:
    """The description and who wrote it: the last edit of a person, else the teacher whose triplet is released."""
    edits = [(str(r.get("at", "")), rater, r["description"]) for rater, r in reviews.items() if r.get("description")]
    if edits:
        _, rater, text = max(edits)
        return text, f"person {rater}"
    name = f"description_{teacher}" if teacher else "description"
    return cues.get(name), (name if cues.get(name) else None)


def _mean_answers(reviews: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    answers: dict[str, list[int]] = {}
    for review in reviews.values():
        for question, value in review["answers"].items():
            if value is not None:
                answers.setdefault(question, []).append(value)
    return {question: round(sum(values) / len(values), 3) for question, values in answers.items()}


def _triplets(cues: Mapping[str, str]) -> dict[str, Triplet]:
    triplets = {}
    for name, text in cues.items():
        if name == "triplet" or name.startswith("triplet_"):
            try:
                triplets[name.removeprefix("triplet").removeprefix("_")] = Triplet.read(text)
            except NoTriplet as error:
                raise merc.MercError(f"the cue {name} of the corpus is no triplet: {error}") from None
    return triplets


def _missing(annotated: merc.Annotated) -> dict[str, dict[str, str]]:
    reasons: dict[str, dict[str, str]] = {}
    for name in annotated.annotators:
        for utterance, answer in annotated.answers(name):
            if answer.reason is not None:
                reasons.setdefault(utterance, {})[name] = answer.reason
    return reasons


def _json(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def without_labels(record: Record) -> Record:
    """A record whose label is hidden, and with it all that tells of the label."""
    hidden = {"label": None, "label_source": "hidden", "labels": [], "open_labels": [], "values": {}, "valence": None}
    hidden |= {"intensity": None, "uncertain": None, "shares": None, "rationale": [], "evidence": {}, "conflicts": []}
    hidden |= {"description": None, "described_by": None, "triplets": {}}
    quality = {**record["quality"], "judgements": {}, "answers": {}, "coverage": None}
    return {**record, **hidden, "quality": quality}


def read_records(folder: Path) -> list[Record]:
    """The records of a released folder, split by split. Raises MercError where it is none, naming the file and line."""
    files = [folder / f"{split}.jsonl" for split in (*SPLITS, "unsplit") if (folder / f"{split}.jsonl").is_file()]
    if not files:
        raise merc.MercError(
            f"{folder} holds no released data set (no train.jsonl, dev.jsonl, test.jsonl); make one with: merc release"
        )
    records = []
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                record = json.loads(line)
                records.append({**record, "split": record["split"]})
            except (ValueError, KeyError, TypeError):
                raise merc.MercError(f"{file}, line {number} is no record of a released data set") from None
    return records


def write_jsonl(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write records, one a line; the file is written whole or not at all."""
    with merc.whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, sort_keys=False, allow_nan=False) + "\n")


def write_parquet(path: Path, records: Sequence[Record]) -> None:
    """Write records as a table; what is nested stands in it as JSON, so that every reader takes it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    nested = ("values", "shares", "clues", "peak_frame", "evidence", "quality", "triplets")
    rows = [
        {key: json.dumps(value, ensure_ascii=False) if key in nested else value for key, value in record.items()}
        for record in records
    ]
    text, texts = pa.string(), pa.list_(pa.string())
    kinds = {"start": pa.float64(), "end": pa.float64(), "valence": pa.float64(), "intensity": pa.float64()}
    kinds |= {"uncertain": pa.bool_(), **dict.fromkeys(("labels", "open_labels", "rationale", "conflicts"), texts)}
    schema = pa.schema([(key, kinds.get(key, text)) for key in (records[0] if records else {})])
    with merc.whole_file(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), str(temporary))
