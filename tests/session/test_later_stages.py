"""What a stage would stop at is found before the stages that come before it are trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from merc.builtin.sft import SupervisedFineTuning
from merc.components import Trainer
from merc.errors import MercError
from merc.model.state import state_digest
from merc.recipe import load_recipe
from merc.session.pipeline import run_recipe
from merc.session.reporter import Silent
from tests.tiny_backbone import write_tiny_recipe

STAGE = "{id: %s, prompter: {name: conversation}, trainer: {name: sft%s}%s}"


def stages(trainer: str, more: str = "") -> str:
    return f"stages=[{STAGE % ('first', '', '')}, {STAGE % ('second', trainer, more)}]"


def test_settings_that_do_not_suit_a_later_stage(tmp_path: Path) -> None:
    recipe = write_tiny_recipe(tmp_path)
    learns_dev = stages(", soup: 2", ", data: {split: dev}")
    with pytest.raises(MercError, match=r"^stages\.second\.trainer\.soup: the states of a soup are those of"):
        run_recipe(load_recipe(recipe, [learns_dev]), tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()
    lonely = stages(", losses: [{name: l2, weight: 0.1}]")
    with pytest.raises(MercError, match=r"^stage second: losses: l2 has only penalties"):
        run_recipe(load_recipe(recipe, [lonely]), tmp_path / "run", Silent())


def test_a_check_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes once for each stage but the first, and neither the model nor random numbers are others after it."""
    seen = []
    whole = SupervisedFineTuning.check

    def check(self, context):
        before = torch.get_rng_state(), state_digest(context.network), set(context.network.learning())
        whole(self, context)
        after = torch.get_rng_state(), state_digest(context.network), set(context.network.learning())
        assert torch.equal(before[0], after[0]) and before[1:] == after[1:]
        seen.append(context.stage)

    monkeypatch.setattr(SupervisedFineTuning, "check", check)
    recipe = load_recipe(write_tiny_recipe(tmp_path), [stages("", ", trainable: [backbone]")])
    run_recipe(recipe, tmp_path / "run", Silent())
    assert seen == ["second"]
    monkeypatch.setattr(SupervisedFineTuning, "check", Trainer.check)
    run_recipe(recipe, tmp_path / "unchecked", Silent())
    one, other = ((tmp_path / name / "predictions.jsonl").read_bytes() for name in ("run", "unchecked"))
    assert one == other
    # What was trained is not looked at again.
    (tmp_path / "run" / "metrics.json").unlink()
    monkeypatch.setattr(SupervisedFineTuning, "check", check)
    run_recipe(recipe, tmp_path / "run", Silent(), resume=True)
    assert seen == ["second"]
