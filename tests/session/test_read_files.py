"""Files that components read: their hashes by place, those inside other components too, and what says what a run is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from merc.builtin.losses import TokenNLL
from merc.builtin.sft import SupervisedFineTuning
from merc.components import Decoder, Loss, Verbalizer
from merc.errors import MercError
from merc.files import hash_file
from merc.recipe import ComponentRef, Recipe, load_recipe
from merc.session.data import load_data
from merc.session.pipeline import run_recipe
from merc.session.read_files import file_hashes
from merc.session.reporter import Silent
from merc.session.wiring import Wiring
from tests.tiny_backbone import write_tiny_recipe


@dataclass(frozen=True, kw_only=True)
class Reads(Verbalizer):
    path: Path

    def reads_files(self) -> Sequence[Path]:
        return [self.path]

    def check(self, labels):
        if self.path.name == "unfit":
            raise MercError(f"{self.path} does not fit {', '.join(labels.labels)}")


@dataclass(frozen=True, kw_only=True)
class Around(Verbalizer):
    decoder: Decoder


@dataclass(frozen=True, kw_only=True)
class Teacher(Loss):
    path: Path

    def reads_files(self) -> Sequence[Path]:
        return [self.path]

    def check(self, labels, queries):
        if not self.path.exists():
            raise MercError(f"{self.path} is not there for {len(queries)} utterances with {', '.join(labels.labels)}")

    def build(self, context):
        return TokenNLL().build(context)


def reading(recipe: Recipe, decoder: Path, teacher: Path) -> Recipe:
    """The recipe with a decoder and a loss that read a file each."""
    assert recipe.evaluate is not None
    (stage,) = recipe.stages
    trainer = replace(stage.trainer.component, losses=(TokenNLL(), Teacher(path=teacher)))  # type: ignore[type-var]
    assert isinstance(trainer, SupervisedFineTuning)
    part = ComponentRef(name="sft", params={}, component=trainer)
    how = replace(recipe.evaluate, decoder=Reads(path=decoder))
    return replace(recipe, evaluate=how, stages=(replace(stage, trainer=part),))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return load_recipe(write_tiny_recipe(tmp_path_factory.mktemp("tiny"), trainer="epochs: 1"))


def test_each_file_by_its_place(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("a")
    own = reading(recipe, tmp_path / "there", tmp_path / "gone")
    decoder = {"evaluate.decoder": {str(tmp_path / "there"): hash_file(tmp_path / "there")}}
    assert file_hashes(own) == {"stages.merc.trainer": {str(tmp_path / "gone"): None}, **decoder}
    assert file_hashes(own, ["merc"]) == decoder and file_hashes(recipe) == {}


def test_a_run_stands_for_what_says_what_it_is(recipe: Recipe, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "stages" / "merc").mkdir(parents=True)
    for name in ("recipe.yaml", "labels.json", "log.jsonl", "stages/merc/done.json"):
        (run / name).write_text(name)
    hashes = file_hashes(reading(recipe, run, tmp_path), ["merc"])["evaluate.decoder"]
    assert [str(Path(file).relative_to(run)) for file in hashes] == [
        "recipe.yaml", "labels.json", "stages/merc/done.json"
    ]  # fmt: skip


def test_a_run_asks_its_losses_before_it_encodes_and_wants_their_files_until_its_stage_is_done(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "decoder").write_text("a")
    own, run = reading(recipe, tmp_path / "decoder", tmp_path / "teacher"), tmp_path / "run"
    count = sum(len(talk.utterances) for talk in load_data(recipe).split("train"))
    with monkeypatch.context() as patch:
        patch.setattr(Wiring, "features", None)
        with pytest.raises(
            MercError, match=f"stage merc: .*teacher is not there for {count} utterances with joy, anger"
        ):
            run_recipe(own, run, Silent())
    (tmp_path / "teacher").write_text("b")
    run_recipe(own, run, Silent())
    (run / "metrics.json").unlink()
    (tmp_path / "teacher").unlink()
    run_recipe(own, run, Silent(), resume=True)  # the stage is done
    (run / "metrics.json").unlink()
    (run / "stages" / "merc" / "done.json").unlink()
    (tmp_path / "teacher").write_text("c")
    changed = r"files that the run .*run reads have changed since it began: .*teacher \(stages\.merc\.trainer\); give"
    with pytest.raises(MercError, match=changed):
        run_recipe(own, run, Silent(), resume=True)
    (tmp_path / "teacher").write_text("b")
    run_recipe(own, run, Silent(), resume=True)


def test_a_decoder_within_another_is_asked_before_anything_is_encoded(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recipe.evaluate is not None
    how = replace(recipe.evaluate, decoder=Around(decoder=Reads(path=tmp_path / "unfit")))
    monkeypatch.setattr(Wiring, "features", None)
    with pytest.raises(MercError, match="unfit does not fit joy, anger"):
        run_recipe(replace(recipe, evaluate=how), tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()
