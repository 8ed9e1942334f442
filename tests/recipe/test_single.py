"""A component by its name and parameters alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.builtin.jsonl import JsonlCorpus
from merc.errors import ManyErrors
from merc.recipe.single import load_part


def test_a_component_is_made_and_its_paths_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    part = load_part("corpus", "jsonl", {"path": "talk.jsonl"})
    assert part.component == JsonlCorpus(path=tmp_path / "talk.jsonl")


def test_everything_that_is_wrong_is_told() -> None:
    with pytest.raises(ManyErrors) as caught:
        load_part("corpus", "jsonl", {"path": "a"}, ["path=3", "rot=4"])
    text = str(caught.value)
    assert "2 errors in corpus jsonl:" in text
    assert "path (command line): " in text and "rot (command line): corpus 'jsonl' takes no 'rot'" in text
