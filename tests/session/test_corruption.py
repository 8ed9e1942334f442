"""A trained run measured with worse media and words: rows, what was touched, what is kept, and the seeds."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import merc
import merc.session.evaluation as evaluating
import merc.session.pipeline as pipeline
from merc.errors import MercError
from merc.evaluation import read_predictions
from merc.recipe import load_recipe
from merc.registry import get_registry
from merc.session.corruption import CorruptedEvaluation
from merc.session.evaluation import evaluate_again
from merc.session.journal import Journal
from merc.session.pipeline import run_recipe
from merc.session.reporter import Silent
from merc.session.wiring import last_prompter
from tests.registry.distributions import Distribution, install
from tests.senses import install_senses

PLUGIN = """\
import merc

@merc.hookimpl
def register_corruptions(register):
    register("hiss", "merc_worse.parts:Hiss")
    register("gone", "merc_worse.parts:Gone")
    register("shout", "merc_worse.parts:Shout")
"""
PARTS = """\
from dataclasses import dataclass

import merc
import numpy as np


@dataclass(frozen=True, kw_only=True)
class Hiss(merc.Corruption):
    modalities = ("audio",)
    unit = "of full scale"
    severities: tuple[float, ...] = (0.0, 0.5)

    def apply(self, clip, severity, rng):
        noise = severity * rng.standard_normal(len(clip.samples)).astype("float32")
        return merc.AudioClip(samples=clip.samples + noise, rate=clip.rate) if severity else clip


@dataclass(frozen=True, kw_only=True)
class Gone(merc.Corruption):
    modalities = ("audio", "video")
    unit = "of utterances"
    severities: tuple[float, ...] = (0.5, 1.0)

    def withholds(self, severity, rng):
        return rng.random() < severity


@dataclass(frozen=True, kw_only=True)
class Shout(merc.Corruption):
    modalities = ("text",)
    unit = ""
    severities: tuple[float, ...] = (1.0,)

    def apply(self, clip, severity, rng):
        return merc.TextClip(text=clip.text.upper()) if "turn 1" in clip.text else clip
"""
CORRUPT = "evaluate.corrupt=[hiss, {name: gone, streams: [heard]}, {name: gone, as: both, severities: [1]}, shout]"


@pytest.fixture(scope="module", autouse=True)
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The plugins of ``tests.senses`` and of this file in this process, and a cache of its own."""
    site = install_senses(tmp_path_factory.mktemp("here"))
    own = install([Distribution("worse", PLUGIN, {"parts.py": PARTS})], tmp_path_factory.mktemp("worse"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.syspath_prepend(str(own))
        patch.setenv("MERC_PLUGINS", "tiny,worse")
        patch.setenv("MERC_CACHE", str(tmp_path_factory.mktemp("cache")))
        get_registry.cache_clear()
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] in ("merc_tiny", "merc_worse")]:
        del sys.modules[name]
    get_registry.cache_clear()


@pytest.fixture(scope="module")
def run(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(trained, tmp_path_factory.mktemp("own") / "run"))


@pytest.fixture(scope="module")
def measured(run: Path) -> tuple[Path, dict[str, dict[str, Any]]]:
    return evaluate_again(run, [CORRUPT, "evaluate.splits=[test]"], "worse", Silent())


def rows(metrics: dict[str, dict[str, Any]]) -> dict[tuple[str, float], dict[str, Any]]:
    return {(row["corruption"], row["severity"]): row for row in metrics["test"]["corrupt"]}


def test_each_severity_has_a_row_with_what_it_touched_of_how_many(measured: tuple[Path, dict[str, Any]]) -> None:
    by_row = rows(measured[1])
    counts = {at: (row["touched"], row["utterances"], row["missing"]) for at, row in by_row.items()}
    half = counts["gone", 0.5]
    assert 0 < half[0] < 4 and half == (half[0], 4, {"heard": half[0]})
    assert counts == {
        ("hiss", 0.0): (0, 4, {}), ("hiss", 0.5): (4, 4, {}), ("gone", 0.5): half, ("gone", 1.0): (4, 4, {"heard": 4}),
        ("both", 1.0): (4, 4, {"seen": 4, "heard": 4}), ("shout", 1.0): (2, 4, {}),
    }  # fmt: skip
    assert by_row["hiss", 0.5]["streams"] == ["heard"] and by_row["shout", 1.0]["streams"] == []
    assert by_row["hiss", 0.5]["unit"] == "of full scale"


def test_numbers_are_of_the_predictions_that_are_kept_and_drops_are_against_the_clean(
    measured: tuple[Path, dict[str, Any]],
) -> None:
    folder, metrics = measured
    cases = json.loads((folder / "corrupt" / "cases.json").read_text())["cases"]
    clean = read_predictions(folder / "predictions.jsonl")
    for case in cases:
        predictions = read_predictions(folder / "corrupt" / case["file"])
        row = rows(metrics)[case["corruption"], case["severity"]]
        accuracy = sum(p.label == p.truth for p in predictions) / len(predictions)
        assert [p.id for p in predictions] == [p.id for p in clean]
        assert row["numbers"]["accuracy"] == accuracy
        assert row["drop"]["accuracy"] == metrics["test"]["accuracy"] - accuracy
        if case["corruption"] == "hiss" and not case["severity"]:
            assert predictions == clean
        if case["corruption"] in ("gone", "both"):
            reasons = {reason for p in predictions for reason in p.missing.values()}
            assert reasons == {f"withheld by evaluate.corrupt ({case['corruption']})"}
    different = [read_predictions(folder / "corrupt" / c["file"]) != clean for c in cases if c["severity"] == 1]
    assert all(different)
    assert json.loads((folder / "metrics.json").read_text())["test"]["corrupt"] == metrics["test"]["corrupt"]


def test_the_report_has_the_table_and_a_chart_for_what_has_several_severities(
    measured: tuple[Path, dict[str, Any]],
) -> None:
    html = (measured[0] / "report.html").read_text()
    section = html[html.index('<section id="corrupted">') :].partition("</section>")[0]
    assert section.count("<svg") > 0
    assert "hiss (heard) by severity, of full scale" in section and "gone (heard)" in section
    assert "both (seen, heard) by" not in section  # one severity is no curve
    assert "0.5 of full scale" in section and "4 of 4, 4 without heard" in section
    assert 'href="#corrupted"' in html


def test_another_seed_draws_otherwise_and_the_same_one_alike(run: Path, measured: tuple[Path, dict[str, Any]]) -> None:
    only = "evaluate.corrupt=[{name: hiss, severities: [0.5]}]"

    def probabilities(folder: Path) -> list[Any]:
        (file,) = (folder / "corrupt").glob("*hiss*0.5*.jsonl")
        return [p.probabilities for p in read_predictions(file)]

    first = probabilities(measured[0])
    again, _ = evaluate_again(run, [only, "evaluate.splits=[test]"], "again", Silent())
    other, _ = evaluate_again(run, [only, "evaluate.splits=[test]", "evaluate.corrupt_seed=1"], "other", Silent())
    assert probabilities(again) == first
    assert probabilities(other) != first


def test_a_run_measures_them_after_training_and_resumes_from_what_it_kept(
    senses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(str(senses / "media.yaml"), [CORRUPT])
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "write_metrics", _fails)
        with pytest.raises(MercError, match="the disk is full"):
            run_recipe(recipe, tmp_path / "run", Silent())
    monkeypatch.setattr(pipeline.Wiring, "predictions", _fails)
    metrics = run_recipe(recipe, tmp_path / "run", Silent(), resume=True)
    assert len(metrics["test"]["corrupt"]) == len(metrics["dev"]["corrupt"]) == 6
    assert rows(metrics)["gone", 1.0]["missing"] == {"heard": 4}


def test_an_evaluation_that_failed_late_goes_on_from_its_rows(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = [CORRUPT, "evaluate.splits=[test]", "evaluate.corrupt_seed=9"]
    with monkeypatch.context() as patch:
        patch.setattr(evaluating, "write_metrics", _fails)
        with pytest.raises(MercError, match="the same command goes on"):
            evaluate_again(run, changes, "late", Silent())
    monkeypatch.setattr(evaluating.Session, "predictions", _fails)
    _, metrics = evaluate_again(run, changes, "late", Silent())
    assert len(metrics["test"]["corrupt"]) == 6


def test_streams_that_are_learned_or_not_shown_are_found_before_anything_is_loaded(run: Path) -> None:
    with pytest.raises(MercError, match=r"evaluate\.corrupt\.0\.streams .*'smelled', which the recipe lacks"):
        evaluate_again(run, ["evaluate.corrupt=[{name: gone, streams: [smelled]}]"], None, Silent())


def test_encoders_of_pictures_that_hear_the_clean_sound_are_named(
    senses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise is of the clips of encoders of sound; a face that is chosen by who speaks is chosen by the clean sound."""

    def hears(change: str) -> list[str]:
        recipe = load_recipe(str(senses / "media.yaml"), [change])
        return CorruptedEvaluation(recipe, last_prompter(recipe), tmp_path, Journal(Silent()))._hears_clean_sound()

    noise = "evaluate.corrupt=[{name: hiss, severities: [0.5]}]"
    assert hears(noise) == []
    seen = load_recipe(str(senses / "media.yaml")).encoders["seen"].component
    monkeypatch.setattr(type(seen), "sampling", lambda self: merc.Frames(count=4, size=(16, 16), sound=16_000))
    assert hears(noise) == ["seen"]
    assert hears("evaluate.corrupt=[shout]") == []


def _fails(*given: object, **named: object) -> None:
    raise MercError("the disk is full")
