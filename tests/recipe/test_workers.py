"""A recipe's workers."""

from __future__ import annotations

import pytest

from merc.errors import ManyErrors
from merc.recipe import load_recipe

RECIPE = {"corpus": {"name": "jsonl", "path": "talk.jsonl"}}


@pytest.fixture
def talk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk.jsonl").write_text('{"id": "c", "utterances": [{"text": "So."}]}\n')


def test_workers_are_recorded_where_they_are_named(talk):
    assert load_recipe(RECIPE).workers is None
    named = load_recipe({**RECIPE, "workers": {"name": "local"}})
    assert named.workers is not None and named.workers.name == "local" and not named.notes
    assert named.resolved["workers"] == {"name": "local"} and load_recipe(named.config).workers == named.workers


def test_workers_that_are_not_there_are_an_error_with_what_there_is(talk):
    with pytest.raises(ManyErrors) as caught:
        load_recipe({**RECIPE, "workers": {"name": "lokal"}})
    assert "workers" in str(caught.value) and "local" in str(caught.value)
