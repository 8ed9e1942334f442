"""The data card of a released set, written from what is in it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from merc_annotation.agreement import Measure
from merc_annotation.records import SPLITS, Record

_NAMED = 12


def data_card(
    title: str,
    records: Sequence[Record],
    teachers: Mapping[str, Mapping[str, Any]],
    quality: Mapping[str, Any],
    agreement: Mapping[str, Sequence[Measure]],
    about: str,
) -> str:
    """A card in Markdown: counts, sources, teachers, agreement, licence and known faults.

    Args:
        title: The name of the set.
        records: All records.
        teachers: What is known of each annotator, by its name in the recipe.
        quality: Measures of the rationales.
        agreement: Measures of agreement, by what they are of.
        about: What only people know: where the material is from, and its licence.
    """
    guided = sorted({field for record in records for field in record["quality"]["label_guided"]})
    parts = [
        f"# {title}",
        f"{len(records)} utterances of {len({r['conversation'] for r in records})} conversations, made with merc. What "
        "teachers wrote was not written by people, and where a label is not the corpus's own its source says so.",
        "## Counts",
        _table(["split", "utterances", "with label", "with description", "uncertain"], [
            [split or "none", len(some), sum(r["label"] is not None for r in some),
             sum(bool(r["description"]) for r in some), sum(bool(r["uncertain"]) for r in some)]
            for split in (*SPLITS, None)
            if (some := [r for r in records if r["split"] == split])
        ]),
        _table(["label", "utterances"], [[label or "none", count] for label, count in _counts(records, "label")]),
        _table(["label from", "utterances"], [[s or "nobody", n] for s, n in _counts(records, "label_source")]),
        "## Sources and licence",
        about.strip() or "Where the material is from, and under which licence it may be used, is not stated.",
        _table(["data set", "utterances"], [[name or "not named", n] for name, n in _counts(records, "dataset")]),
        "## Teachers",
        _table(["annotator", "component", "version", "model", "writes", "sees the gold label"], [
            [name, one["name"], one["version"], one["identity"].get("model", "none"), ", ".join(one["fields"]),
             "yes, or what was made from it" if one["label_guided"] else "no"]
            for name, one in teachers.items()
        ]),
        "Action units are proxies measured on a mesh of the face, not FACS coding, unless OpenFace is named above.",
        *([f"**Label-guided:** {', '.join(guided)} were made with the gold label in sight. They are for learning, and "
           "tell nothing of how well a model recognises."] if guided else []),
        "## Quality",
        _table(["measure", "value"], [[name, _number(value)] for name, value in _flat(quality)]),
        "## Agreement",
    ]  # fmt: skip
    for what, measures in agreement.items():
        parts.append(f"Of {what}:")
        parts.append(_table(["measure", "value", "95 % interval", "items", "in words"], [
            [m.name, _number(m.value), f"{_number(m.low)} to {_number(m.high)}", m.items, m.words] for m in measures
        ]))  # fmt: skip
    if not agreement:
        parts.append(
            "Nobody has rated this set yet, and one teacher alone labelled it, so there is nothing to compare."
        )
    parts += ["## Known faults", *_faults(records)]
    return "\n\n".join(parts) + "\n"


def _faults(records: Sequence[Record]) -> list[str]:
    reasons = Counter((name, reason) for record in records for name, reason in record["quality"]["missing"].items())
    lines = [
        f"- {name}: {count} of {len(records)} utterances have no answer: {' '.join(reason.split())[:200]}"
        for (name, reason), count in reasons.most_common(_NAMED)
    ]
    if len(reasons) > _NAMED:
        lines.append(f"- {len(reasons) - _NAMED} further reasons stand in `quality.missing` of the records.")
    silent = sum(not record["text"].strip() for record in records)
    lines += [f"- {silent} of {len(records)} utterances have no words."] if silent else []
    unlabelled = sum(record["label"] is None for record in records)
    lines += [f"- {unlabelled} of {len(records)} utterances have no label."] if unlabelled else []
    return ["\n".join(lines) or "None is known."]


def _counts(records: Sequence[Record], key: str) -> list[tuple[Any, int]]:
    return sorted(Counter(record[key] for record in records).items(), key=lambda pair: (-pair[1], str(pair[0])))


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in values.items():
        path = f"{before}{name}"
        rows += _flat(value, f"{path}, ") if isinstance(value, Mapping) else [(path, value)]
    return rows


def _number(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table of Markdown; what a cell holds cannot end it."""

    def cell(value: Any) -> str:
        return " ".join(str(value).replace("|", "\\|").replace("<", "&lt;").split())

    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell(value) for value in line) + " |" for line in lines)
