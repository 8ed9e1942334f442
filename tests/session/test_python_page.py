"""docs/python.md is true: its blocks run, one after the other, on a run that is there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.session.test_session import plugin

__all__ = ["plugin"]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/python.md").read_text()


def test_the_blocks_run(
    trained: Path, senses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    shutil.copytree(trained, tmp_path / "runs" / "mine")
    shutil.copy(senses / "talk.jsonl", "talk.jsonl")
    shutil.copytree(senses / "clips", "clips")
    shutil.copy(senses / "media.yaml", "mine.yaml")
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert len(blocks) == 8 and len(capsys.readouterr().out.splitlines()) >= 12 + 1 + 2 + 2 + 1 + 2 + 2


def test_every_field_of_a_prediction_is_on_the_page() -> None:
    table = PAGE.partition("## A prediction")[2].partition("##")[0]
    for name in (
        "speaker",
        "text",
        "start",
        "end",
        "label",
        "probabilities",
        "answer",
        "values",
        "missing",
        "unanswered",
    ):
        assert f"`{name}`" in table
