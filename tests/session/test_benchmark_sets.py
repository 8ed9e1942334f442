"""The sets of a benchmark in a folder: files of one set and of several, merged classes, what is left out and named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from merc.components import Benchmark, BenchmarkTask
from merc.errors import MercError
from merc.session.benchmark_sets import Sets, has


@dataclass(frozen=True, kw_only=True)
class Two(Benchmark):
    """A benchmark of columns that a test gives, with a file that may hold several sets."""

    given: tuple[BenchmarkTask, ...] = field(default=())

    def columns(self) -> Sequence[BenchmarkTask]:
        return self.given

    def collections(self) -> Sequence[str]:
        return ("all-of-them",)


def column(corpus: str = "a", **given: Any) -> BenchmarkTask:
    return BenchmarkTask(title=corpus.upper(), corpus=corpus, metric="classification", number="accuracy", **given)


def write(folder: Path, name: str, *talks: Mapping[str, Any]) -> Path:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(talk) + "\n" for talk in talks))
    return path


def talk(name: str, *labels: str | None, dataset: str | None = None, split: str | None = "test") -> dict[str, Any]:
    said = [{"id": f"{name}_{i}", "text": "Oh.", **({"label": x} if x else {})} for i, x in enumerate(labels)]
    return {
        "id": name, "utterances": said, **({"dataset": dataset} if dataset else {}),
        **({"split": split} if split else {}),
    }  # fmt: skip


def labels_of(view: Any) -> list[str | None]:
    return [said.label for one in view.conversations for said in one.utterances]


def test_one_file_feeds_all_of_its_sets(tmp_path: Path) -> None:
    one, two = column("a"), column("b")
    write(tmp_path, "all-of-them", talk("x", "joy", dataset="a"), talk("y", "anger", "fear", dataset="b"))
    sets = Sets(tmp_path, Two(given=(one, two)))
    assert [labels_of(sets.view(c)) for c in (one, two)] == [["joy"], ["anger", "fear"]]
    assert sets.view(column("c")) is None
    assert sets.strays() == []


def test_a_sets_own_file_goes_before_and_this_is_said(tmp_path: Path) -> None:
    write(tmp_path, "all-of-them", talk("x", "joy", dataset="a"))
    write(tmp_path, "a", talk("z", "anger", dataset="a"))
    view = Sets(tmp_path, Two()).view(column("a"))
    assert view is not None and labels_of(view) == ["anger"]
    assert any("a.jsonl" in note and "all-of-them.jsonl" in note for note in view.notes)


def test_labels_are_merged_into_classes_and_others_are_context(tmp_path: Path) -> None:
    write(tmp_path, "a", talk("x", "happy", "excited", "frustrated", None, "sad"), talk("y", "happy", split="train"))
    classes = (("happiness", "happy", "excited"), ("sad",), ("neutral",))
    view = Sets(tmp_path, Two()).view(column("a", classes=classes))
    assert view is not None
    assert labels_of(view) == ["happy", "happy", None, None, "sad"]
    assert view.labels.labels == ("happy", "sad")
    assert [note for note in view.notes if "1 of 4 labelled utterances" in note and "frustrated 1" in note]


def test_classes_of_which_a_set_has_none_are_a_fault(tmp_path: Path) -> None:
    write(tmp_path, "a", talk("x", "joy"))
    with pytest.raises(MercError, match=r"A \(.*a.jsonl\): none of its labels \(joy\) is one of happy, sad"):
        Sets(tmp_path, Two()).view(column("a", classes=(("happy",), ("sad",))))


def test_what_a_column_needs(tmp_path: Path) -> None:
    said = talk("x", "joy", None)
    said["utterances"][0]["labels"] = said["utterances"][1]["labels"] = ["joy", "fear"]
    write(tmp_path, "a", said)
    view = Sets(tmp_path, Two()).view(column("a"))
    assert view is not None
    assert [has(one, ("labels", "label")) for one in view.conversations[0].utterances] == [True, False]
