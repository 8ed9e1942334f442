"""A backbone over several devices: whole layers, all that stands around them on the first, and the same numbers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from accelerate import dispatch_model

from merc.errors import MercError
from merc.model.sharding import places_of, shard
from merc.recipe.schema import Strategy
from tests.model.tiny import tiny_llama


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
