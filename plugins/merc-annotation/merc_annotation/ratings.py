"""Ratings as files: from a table of any raters, from reviews, and to and from Label Studio's JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import merc

QUESTIONS: Mapping[str, str] = {
    "visual": "Do the visual clues fit what is to be seen?",
    "audio": "Do the audio clues fit what is to be heard?",
    "text": "Do the clues of the words fit what is said?",
    "reasoning": "Do the steps follow from the clues?",
    "result": "Is the label right?",
}
"""The five questions, by the name that their answers have in files."""
LEAST, MOST = 1, 5
"""Answers go from 1 (not at all) to 5 (entirely)."""


def read_table(path: Path) -> dict[str, dict[str, str]]:
    """A CSV file with a row for each item: its first column is the item, the others are raters, and an empty cell is no
    rating. Raises MercError, naming the file and the line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = next(rows, [])
            if len(header) < 3:
                raise merc.MercError(
                    f"{path} has {len(header)} columns; the first names the item, the others are raters, at least two"
                )
            items: dict[str, dict[str, str]] = {}
            for row in rows:
                if not any(cell.strip() for cell in row):
                    continue
                where = f"{path}, line {rows.line_num}"
                if len(row) != len(header) or not row[0].strip():
                    raise merc.MercError(
                        f"{where}: {len(row)} cells, the first one {row[0]!r}; {len(header)} are wanted"
                    )
                if row[0].strip() in items:
                    raise merc.MercError(f"{where}: a second row for {row[0].strip()!r}")
                items[row[0].strip()] = {
                    name: cell.strip() for name, cell in zip(header[1:], row[1:], strict=True) if cell.strip()
                }
    except OSError as error:
        raise merc.MercError(f"{path} cannot be read: {error.strerror}; give a CSV file") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise merc.MercError(f"{path} is no table in CSV and UTF-8: {error}") from None
    return items


def read_reviews(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """The reviews of a folder that ``merc review`` keeps: by item and rater, the last one of each. Raises MercError
    for a line that is none, naming file and line; a torn last line of a killed process counts for nothing."""
    reviews: dict[str, dict[str, dict[str, Any]]] = {}
    for file in sorted((folder / "reviews").glob("*.jsonl")):
        content = file.read_bytes()
        for number, line in enumerate(content[: content.rfind(b"\n") + 1].split(b"\n")[:-1], start=1):
            try:
                review = json.loads(line)
                check_review(review)
            except (ValueError, TypeError, AttributeError) as error:
                raise merc.MercError(f"{file}, line {number} is no review: {error}") from None
            reviews.setdefault(review["id"], {})[review["rater"]] = review
    return reviews


def check_review(review: Mapping[str, Any]) -> None:
    """Raises ValueError for what is no review: answers from 1 to 5 to known questions, or null, by a named rater."""
    if not isinstance(review, Mapping):
        raise ValueError("it is no object")
    for key in ("id", "rater"):
        if not isinstance(review.get(key), str) or not review[key].strip():
            raise ValueError(f"{key} should be a name, not {review.get(key)!r}")
    answers = review.get("answers")
    if not isinstance(answers, Mapping) or any(name not in QUESTIONS for name in answers):
        raise ValueError(f"answers should hold {', '.join(QUESTIONS)}, not {str(answers)[:60]}")
    for name, value in answers.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not LEAST <= value <= MOST):
            raise ValueError(f"answers.{name} should be a whole number from {LEAST} to {MOST} or null, not {value!r}")
    for key in ("label", "description", "note"):
        if not isinstance(review.get(key), str | None):
            raise ValueError(f"{key} should be a text or null, not {review[key]!r}")


def ratings_of(reviews: Mapping[str, Mapping[str, Mapping[str, Any]]], question: str) -> list[dict[str, Any]]:
    """What raters answered to a question, or which label they gave (``label``), an item each."""

    def answer(review: Mapping[str, Any]) -> Any:
        return review.get("label") if question == "label" else review["answers"].get(question)

    return [
        {rater: answer(review) for rater, review in by_rater.items() if answer(review) is not None}
        for by_rater in reviews.values()
    ]


Reviews = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Reviews by item and rater."""


def to_label_studio(
    records: Sequence[Mapping[str, Any]], media: Mapping[str, str], reviews: Reviews
) -> list[dict[str, Any]]:
    """Tasks as Label Studio imports them: the clip, its words, clues and description as ``data``, and reviews that
    there are as ``annotations``. ``media`` gives an address for the clip of each id."""
    tasks = []
    for record in records:
        data = {
            "id": record["id"],
            "video": media.get(record["id"], ""),
            "text": record.get("text", ""),
            "speaker": record.get("speaker") or "",
            "label": record.get("label") or "",
            "description": record.get("description") or "",
            **{f"clue_{name}": text for name, text in record.get("clues", {}).items()},
        }
        annotations = [
            {"completed_by": {"email": rater}, "result": _result(review)}
            for rater, review in reviews.get(record["id"], {}).items()
        ]
        tasks.append({"data": data, "annotations": annotations})
    return tasks


def _result(review: Mapping[str, Any]) -> list[dict[str, Any]]:
    ratings = [
        {"from_name": name, "to_name": "video", "type": "rating", "value": {"rating": value}}
        for name, value in review["answers"].items()
        if value is not None
    ]
    texts = [
        {"from_name": name, "to_name": "video", "type": "textarea", "value": {"text": [review[name]]}}
        for name in ("description", "note")
        if review.get(name)
    ]
    label = [{"from_name": "label", "to_name": "video", "type": "choices", "value": {"choices": [review["label"]]}}]
    return [*ratings, *texts, *(label if review.get("label") else [])]


def from_label_studio(content: Any) -> list[dict[str, Any]]:
    """The reviews in Label Studio's export (JSON). Raises ValueError, naming the task, for what is none."""
    if not isinstance(content, list):
        raise ValueError("it is no list of tasks; export from Label Studio as JSON")
    reviews = []
    for number, task in enumerate(content, start=1):
        try:
            name = task["data"]["id"]
            for annotation in task.get("annotations", []):
                if not annotation.get("was_cancelled"):
                    reviews.append(_review(name, annotation))
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"task {number} is none of merc's: it lacks {error}") from None
    for review in reviews:
        check_review(review)
    return reviews


def _review(name: str, annotation: Mapping[str, Any]) -> dict[str, Any]:
    who = annotation.get("completed_by", "unnamed")
    rater = who.get("email") or str(who.get("id")) if isinstance(who, Mapping) else str(who)
    review: dict[str, Any] = {"id": name, "rater": rater, "answers": {}}
    review |= dict.fromkeys(("label", "description", "note"))
    for one in annotation["result"]:
        value, field = one["value"], one["from_name"]
        if "rating" in value and field in QUESTIONS:
            review["answers"][field] = value["rating"]
        elif "choices" in value and field == "label":
            review["label"] = value["choices"][0]
        elif "text" in value and field in ("description", "note"):
            text = value["text"]
            review[field] = "\n".join(text) if isinstance(text, list) else text
    return review


def label_studio_config(labels: Iterable[str], clues: Iterable[str]) -> str:
    """The labelling configuration that Label Studio needs for these tasks."""
    from xml.sax.saxutils import quoteattr

    lines = ["<View>", '  <Video name="video" value="$video"/>', '  <Text name="text" value="$text"/>']
    lines += [f"  <Text name={quoteattr('clue_' + name)} value={quoteattr('$clue_' + name)}/>" for name in clues]
    lines += ['  <Text name="shown_description" value="$description"/>']
    for name, question in QUESTIONS.items():
        lines.append(f"  <Header value={quoteattr(question)}/>")
        lines.append(f'  <Rating name="{name}" toName="video" maxRating="{MOST}"/>')
    lines += ['  <Choices name="label" toName="video">']
    lines += [f"    <Choice value={quoteattr(label)}/>" for label in labels]
    lines.append("  </Choices>")
    lines += [f'  <TextArea name="{name}" toName="video"/>' for name in ("description", "note")]
    lines.append("</View>")
    return "\n".join(lines) + "\n"
