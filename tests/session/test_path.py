"""How many files a reader has to open to follow ``merc run`` down to ``fit``."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import merc.cli.main
from merc.training import loop
from tests.tiny_backbone import save_tiny_backbone, save_tiny_corpus

PACKAGE = Path(merc.cli.main.__file__).parents[1]
RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
backbone: {name: hf, path: ./backbone, tuning: {name: lora, r: 4, alpha: 8}}
labels: [joy, anger, sadness]
stages:
  - {id: merc, prompter: {name: conversation}, trainer: {name: sft, batch_conversations: 3}}
strategy: {device: cpu, threads: 1}
"""


class Reached(BaseException):
    """``fit`` was entered."""


def test_from_the_command_to_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of merc that define a function which is being called when ``fit`` is: the way down, at most 12."""
    monkeypatch.chdir(tmp_path)
    save_tiny_backbone(Path("backbone"))
    save_tiny_corpus(Path("talk.jsonl"), train=3, dev=1, test=1)
    Path("tried.yaml").write_text(RECIPE)
    way: list[str] = []

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code is loop.fit.__code__:
            sys.setprofile(None)
            step: FrameType | None = frame
            while step is not None:
                file = Path(step.f_code.co_filename)
                if file.is_relative_to(PACKAGE):
                    way.append(str(file.relative_to(PACKAGE)))
                step = step.f_back
            raise Reached

    monkeypatch.setattr(sys, "argv", ["merc", "run", "tried.yaml", "--run-dir", "run"])
    monkeypatch.setattr(sys, "stdout", sys.__stderr__)
    sys.setprofile(watch)
    try:
        with pytest.raises(BaseException):  # noqa: B017, the command line makes an exit of it
            merc.cli.main.app()
    finally:
        sys.setprofile(None)
    files = list(dict.fromkeys(reversed(way)))
    assert files[0].startswith("cli/") and files[-1] == "training/loop.py"
    assert len(files) <= 12, files
