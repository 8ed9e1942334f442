"""Decoders that are fitted before a run is measured: when, on what, and what is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from merc.components import Decoder, Verbalizer
from merc.errors import MercError
from merc.recipe import Recipe, load_recipe
from merc.session.data import load_data
from merc.session.fitted import FILE, fitted_on, keep_fitted, with_fitted
from merc.session.pipeline import run_recipe
from merc.session.reporter import Silent
from merc.session.trained import trained_run
from tests.session.test_predicting import groups, model, predictor
from tests.tiny_backbone import write_tiny_recipe

__all__ = ["model"]


@dataclass(frozen=True, kw_only=True)
class Counts(Verbalizer):
    """Counts the labels of a split, and does nothing with them."""

    on: Any = "dev"
    counts: dict[str, int] | None = None

    def fits_on(self):
        return self.on if self.counts is None else None

    def fit(self, model, queries):
        assert model.score(queries[:1]).values.shape == (1, 3)
        labels = [query.target.label for query in queries]
        return replace(self, counts={label: labels.count(label) for label in sorted(set(labels))})


def with_decoder(recipe: Recipe, decoder: Decoder, splits: tuple[Any, ...] = ("test",)) -> Recipe:
    assert recipe.evaluate is not None
    return replace(recipe, evaluate=replace(recipe.evaluate, decoder=decoder, splits=splits))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    file = write_tiny_recipe(tmp_path_factory.mktemp("tiny"), trainer="epochs: 1")
    return load_recipe(file, ["evaluate.splits=[test]"])


@pytest.mark.parametrize("split", ["train", "dev"])
def test_a_run_keeps_what_its_decoder_was_fitted_to(recipe: Recipe, split: str, tmp_path: Path) -> None:
    own = with_decoder(recipe, Counts(on=split))
    run_recipe(own, tmp_path / "run", Silent())
    lines = (Path(str(recipe.corpus.params["path"]))).read_text().splitlines()
    talks = [one for one in map(json.loads, lines) if one["split"] == split]
    labels = [u["label"] for talk in talks for u in talk["utterances"]]
    kept = json.loads((tmp_path / "run" / FILE).read_text())
    assert kept["fitted"] == {"counts": {label: labels.count(label) for label in sorted(set(labels))}}
    again = with_fitted(own, tmp_path / "run")
    assert again.evaluate is not None and again.evaluate.decoder == Counts(on=split, counts=kept["fitted"]["counts"])
    # A run whose decoder has nothing to fit keeps nothing, and what another kept is not read.
    assert with_fitted(recipe, tmp_path / "run") is recipe
    assert trained_run(tmp_path / "run").recipe.evaluate is not None


def test_other_settings_are_not_what_was_fitted(recipe: Recipe, tmp_path: Path) -> None:
    own = with_decoder(recipe, Counts())
    with pytest.raises(MercError, match=r"evaluate\.decoder: 'Counts' is fitted on the dev split when a run is made"):
        with_fitted(own, tmp_path)
    keep_fitted(tmp_path, own, Counts(counts={"joy": 1}))
    assert with_fitted(own, tmp_path).evaluate is not None
    evaluate = {**own.resolved["evaluate"], "prompter": {"name": "another"}}
    with pytest.raises(MercError, match="keeps nothing that was fitted with these settings of evaluate"):
        with_fitted(replace(own, resolved={**own.resolved, "evaluate": evaluate}), tmp_path)


@pytest.mark.parametrize("fitted", [{"counts": "many"}, {"colour": 1}, {"counts": {"joy": 0.5}}])
def test_a_damaged_file_is_named(recipe: Recipe, tmp_path: Path, fitted: dict[str, Any]) -> None:
    own = with_decoder(recipe, Counts())
    keep_fitted(tmp_path, own, Counts(counts={"joy": 1}))
    record = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps({**record, "fitted": fitted}))
    with pytest.raises(MercError) as caught:
        with_fitted(own, tmp_path)
    assert f"{tmp_path / FILE} is damaged: '{next(iter(fitted))}' of the decoder 'Counts'" in str(caught.value)


def test_a_split_that_is_not_there_is_found_before_training(recipe: Recipe, tmp_path: Path) -> None:
    file = Path(str(recipe.corpus.params["path"]))
    lines = [line for line in file.read_text().splitlines() if json.loads(line)["split"] != "dev"]
    (tmp_path / "two.jsonl").write_text("\n".join(lines))
    two = load_recipe(file.parent / "tiny.yaml", [f"corpus.path={tmp_path / 'two.jsonl'}", "evaluate.splits=[test]"])
    with pytest.raises(MercError, match=r"no conversation in the split 'dev'.*evaluate\.decoder asks for it"):
        run_recipe(with_decoder(two, Counts()), tmp_path / "run", Silent())
    assert not (tmp_path / "run" / "stages").exists()


def test_a_split_without_labels_is_found_before_anything_is_computed(recipe: Recipe, tmp_path: Path) -> None:
    """One labelled utterance is enough."""
    file, run = Path(str(recipe.corpus.params["path"])), tmp_path / "run"
    bare = tmp_path / "bare.jsonl"
    change = [f"corpus.path={bare}", "evaluate.splits=[test]", "labels=[joy, anger, sadness]"]
    talks = [json.loads(line) for line in file.read_text().splitlines()]
    of_dev = [utterance for talk in talks if talk["split"] == "dev" for utterance in talk["utterances"]]
    labels = [utterance.pop("label") for utterance in of_dev]

    def write() -> None:
        bare.write_text("".join(f"{json.dumps(talk)}\n" for talk in talks))

    write()
    own = load_recipe(file.parent / "tiny.yaml", change)
    message = r"evaluate\.decoder: 'Counts' is fitted to labels of the split 'dev', of which no utterance has one"
    with pytest.raises(MercError, match=message):
        run_recipe(with_decoder(own, Counts()), run, Silent())
    assert not run.exists()
    data = load_data(own)
    with pytest.raises(MercError, match=message):
        fitted_on(Counts(), data)
    assert not fitted_on(Verbalizer(), data)
    of_dev[-1]["label"] = labels[-1]
    write()
    assert len(fitted_on(Counts(), load_data(own))) == len([talk for talk in talks if talk["split"] == "dev"])


def test_a_decoder_of_another_kind_is_refused(model) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Changes(Counts):
        def fit(self, model, queries):
            return Verbalizer()

    with pytest.raises(
        MercError, match=r"decoder 'Changes': fit\(\) gives Verbalizer; it must give a decoder of its kind"
    ):
        predictor(model, decoder=Changes()).fitted(groups(), lambda share, text: None)
