"""A backbone over several devices: whole layers, all that stands around them on the first, and the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from accelerate import dispatch_model
from torch import nn

from merc.errors import MercError
from merc.model import build
from merc.model.build import build_model
from merc.model.emotion_model import EmotionModel
from merc.model.sharding import places_of, shard
from merc.model.state import load_stage
from merc.recipe import load_recipe
from merc.recipe.schema import Strategy
from merc.session.pipeline import run_recipe
from merc.session.reporter import Silent
from tests.model.tiny import tiny_llama
from tests.tiny_backbone import write_tiny_recipe


def test_layers_stay_whole_and_what_is_around_them_is_on_the_first_device() -> None:
    llm = tiny_llama(torch.float32)
    layer = sum(p.numel() * 4 for p in llm.model.layers[0].parameters())
    around = sum(p.numel() * 4 for p in llm.parameters()) - layer * len(llm.model.layers)
    # a layer and a bit on the first GPU, the rest on the second
    places = places_of(llm, {0: around + 2 * layer, 1: 10 * layer, "cpu": 0})
    layers = [places[f"model.layers.{number}"] for number in range(len(llm.model.layers))]
    assert set(layers) == {0, 1} and layers == sorted(layers, key=str)
    others = {name: device for name, device in places.items() if ".layers." not in name}
    assert set(others.values()) == {0} and {"model.embed_tokens", "model.norm", "lm_head"} <= set(others)


def test_what_fits_nowhere_is_one_sentence() -> None:
    llm = tiny_llama(torch.float32)
    with pytest.raises(MercError, match=r"strategy\.shard: the backbone takes .* GB, held in float32.*backbone\.dtype"):
        places_of(llm, {0: 1000, "cpu": 1000})


def test_a_spread_model_gives_the_same_numbers() -> None:
    """accelerate's hooks around every layer, on the one device that there is here."""
    llm = tiny_llama(torch.float32)
    tokens: Sequence[Sequence[int]] = [[5, 6, 7, 8]]
    with torch.inference_mode():
        expected = llm(input_ids=torch.tensor(tokens)).logits
        places = dict.fromkeys(places_of(llm, {"cpu": 10**9}), "cpu")
        spread = dispatch_model(llm, places, main_device="cpu", force_hooks=True)
        assert hasattr(spread.model.layers[0], "_hf_hook")
        assert torch.equal(spread(input_ids=torch.tensor(tokens)).logits, expected)


def test_without_a_gpu_it_stays_where_it_is() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    llm = tiny_llama(torch.float32)
    assert shard(llm) is llm


def test_deepspeed_shares_weights_in_its_own_way() -> None:
    with pytest.raises(ValueError, match="shard: auto spreads one process's model"):
        Strategy(name="deepspeed", shard="auto")


@pytest.mark.parametrize("tuning", ["{name: lora, r: 4, alpha: 8}", "{name: full}"])
def test_what_was_trained_is_there_before_layers_are_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tuning: str
) -> None:
    """The second layer is put aside, as on a GPU that is too small: it takes no weights from then on."""
    recipe = load_recipe(write_tiny_recipe(tmp_path, tuning, trainer="epochs: 1"))
    run_recipe(recipe, tmp_path / "run", Silent())
    stage = tmp_path / "run" / "stages" / "merc"
    whole = build_model(recipe, "cpu", 0, partial(load_stage, folder=stage))
    aside = []

    def spread_to_disk(model: EmotionModel, device: str) -> None:
        places = {name: "disk" if ".layers.1" in name else "cpu" for name in spelled(model.base, "")}
        dispatch_model(model.base, places, main_device="cpu", offload_dir=tmp_path / "aside", force_hooks=True)
        aside.extend(n for n, p in model.llm.named_parameters() if p.device.type == "meta")

    def spelled(llm: nn.Module, name: str) -> list[str]:
        if name not in ("", "model", "model.layers"):
            return [name]
        children = [f"{name}.{child}" if name else child for child, _ in llm.get_submodule(name).named_children()]
        return [one for child in children for one in spelled(llm, child)]

    monkeypatch.setattr(build, "spread", spread_to_disk)
    sharded = replace(recipe, strategy=replace(recipe.strategy, shard="auto"))
    parts = build_model(sharded, "cpu", 0, partial(load_stage, folder=stage))
    assert aside and all(".layers.1." in name for name in aside)
    tokens = torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        torch.testing.assert_close(parts.llm(input_ids=tokens).logits, whole.llm(input_ids=tokens).logits)
        untrained = build_model(recipe, "cpu", 0)
        assert not torch.allclose(parts.llm(input_ids=tokens).logits, untrained.llm(input_ids=tokens).logits)


@pytest.mark.parametrize("tuning", ["{name: lora, r: 4, alpha: 8}", "{name: full}"])
def test_on_one_device_all_of_it_goes_there(tmp_path: Path, tuning: str) -> None:
    recipe = load_recipe(write_tiny_recipe(tmp_path, tuning), ["strategy.shard=auto"])
    plain = build_model(replace(recipe, strategy=replace(recipe.strategy, shard="none")), "cpu", 0)
    for one, other in zip(build_model(recipe, "cpu", 0).parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)
