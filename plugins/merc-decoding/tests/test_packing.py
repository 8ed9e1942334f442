"""Packed runs whose decoder was fitted, or reads other runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import merc
from merc.recipe import load_recipe
from merc.session.directory import NO_CORPUS
from merc.session.pipeline import run_recipe
from merc.session.places import places_in
from merc.session.reporter import Silent
from merc.session.trained import open_run
from tests.tiny_backbone import write_tiny_recipe

BASE = "someone/tiny-llama"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_recipe(tmp_path_factory.mktemp("tiny"), trainer="epochs: 1")


@pytest.fixture(scope="module")
def fitted(recipe: Path) -> Path:
    """A run with a decoder that was fitted, and with a path in what its evaluation says."""
    prompter = "{name: conversation, question: 'See /home/ann/notes: {speaker} feels'}"
    changes = [f"evaluate.prompter={prompter}", "evaluate.decoder={name: prior-adjusted}", "evaluate.splits=[test]"]
    run_recipe(load_recipe(recipe, changes), recipe.parent / "fitted", Silent())
    return recipe.parent / "fitted"


def test_a_packed_run_opens_with_what_was_fitted_and_names_no_place(fitted: Path, tmp_path: Path) -> None:
    assert places_in(fitted / "decoder.json") == ["/home/ann/notes"]
    packed = merc.pack_run(fitted, tmp_path / "packed", base=BASE)
    assert places_in(packed / "decoder.json") == []
    before, after = (open_run(run, [NO_CORPUS]).recipe.evaluate for run in (fitted, packed))
    assert before is not None and after is not None
    assert before.decoder.fits_on() is None and after.decoder == before.decoder


def test_a_decoder_that_reads_runs_of_this_machine_is_refused(recipe: Path, fitted: Path, tmp_path: Path) -> None:
    decoder = f"{{name: late-fusion, prompters: [], runs: [{fitted}], weights: [0.5, 0.5]}}"
    run_recipe(
        load_recipe(recipe, [f"evaluate.decoder={decoder}", "evaluate.splits=[test]"]), tmp_path / "run", Silent()
    )
    with pytest.raises(merc.MercError) as refused:
        merc.pack_run(tmp_path / "run", tmp_path / "packed", base=BASE)
    assert f"evaluate.decoder.runs of {tmp_path / 'run'} names {fitted}, which is on this machine" in str(refused.value)
    assert not (tmp_path / "packed").exists()
