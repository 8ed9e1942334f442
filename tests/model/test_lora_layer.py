"""The layer with an adapter computes what PEFT's computes, and leaves to PEFT what it does not know."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn

from merc.builtin.tunings import LoRA
from merc.model.lora_layer import AdaptedLinear

IN, OUT = 12, 20


def layers(bias: bool = True, dtype: torch.dtype = torch.float32, **config: Any) -> tuple[AdaptedLinear, Linear]:
    """The layer and PEFT's, with the same weights, of which the adapter's alone learn, in float32."""
    torch.manual_seed(0)
    base = nn.Linear(IN, OUT, bias=bias, dtype=dtype).requires_grad_(False)
    both = []
    for kind in (AdaptedLinear, Linear):
        options = LoraConfig(r=4, lora_alpha=6, **config)
        layer = kind(copy.deepcopy(base), "default", config=options, r=4, lora_alpha=6)
        for parameters in (layer.lora_A, layer.lora_B):
            parameters.float()
        both.append(layer)
    torch.manual_seed(1)
    nn.init.normal_(both[0].lora_B["default"].weight)
    both[1].load_state_dict(both[0].state_dict())
    return both[0], both[1]


def computed(layer: nn.Module, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """What comes out, and the gradients of the input and of what learns, by name."""
    torch.manual_seed(2)
    x = torch.randn(*shape, IN).to(dtype).requires_grad_()
    out = layer(x)
    (out.float() * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    grads = {name: p.grad for name, p in layer.named_parameters() if p.grad is not None}
    assert x.grad is not None
    return {"out": out.detach(), "x": x.grad, **grads}


def own(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that gets a word for each pass in one step."""
    passes: list[str] = []
    real = AdaptedLinear._adapter

    def adapter(self: AdaptedLinear, x: Tensor) -> str | None:
        name = real(self, x)
        passes.extend([] if name is None else [name])
        return name

    monkeypatch.setattr(AdaptedLinear, "_adapter", adapter)
    return passes


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=0, max_size=3), st.booleans(), st.booleans())
def test_it_computes_what_peft_computes(shape: list[int], bias: bool, rank_stabilized: bool) -> None:
    mine, theirs = layers(bias, use_rslora=rank_stabilized)
    found, wanted = computed(mine, tuple(shape)), computed(theirs, tuple(shape))
    assert found.keys() == wanted.keys() and len(found) == 4
    for name, value in found.items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-4, atol=1e-4)


def test_bfloat16_is_as_exact_as_peft(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = own(monkeypatch)
    mine, theirs = layers(dtype=torch.bfloat16)
    exact, _ = layers()
    exact.base_layer.load_state_dict(mine.base_layer.state_dict())
    wanted = computed(exact, (40,))
    passes.clear()
    with torch.autocast("cpu", torch.bfloat16):
        found, other = computed(mine, (40,), torch.bfloat16), computed(theirs, (40,), torch.bfloat16)
    assert passes == ["default"]
    for name, value in found.items():
        assert value.dtype == other[name].dtype
        assert (value - wanted[name]).norm() < 1.5 * (other[name] - wanted[name]).norm() < 0.03 * wanted[name].norm()


def _merge(layer: Any) -> None:
    layer.merge()


def _disable(layer: Any) -> None:
    layer.enable_adapters(False)


def _second(layer: Any) -> None:
    layer.update_layer("other", r=4, lora_alpha=6, config=LoraConfig(r=4, lora_alpha=6, init_lora_weights="gaussian"))
    layer.set_adapter(["default", "other"])


def _base_learns(layer: Any) -> None:
    layer.base_layer.weight.requires_grad_(True)


@pytest.mark.parametrize("change", [_merge, _disable, _second, _base_learns])
def test_what_else_a_layer_may_do_is_peft_s(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], None]) -> None:
    passes = own(monkeypatch)
    mine, theirs = layers()
    for layer in (mine, theirs):
        torch.manual_seed(3)
        change(layer)
    found, wanted = computed(mine, (3,)), computed(theirs, (3,))
    assert passes == [] and found.keys() == wanted.keys()
    for name, value in found.items():
        assert torch.equal(value, wanted[name])


@pytest.mark.parametrize("config", [{"lora_dropout": 0.5}, {"use_dora": True}, {"lora_bias": True}])
def test_other_adapters_are_peft_s(monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]) -> None:
    passes = own(monkeypatch)
    for found, wanted in zip(*(computed(layer, (3,)).values() for layer in layers(bias=True, **config)), strict=True):
        torch.testing.assert_close(found, wanted)
    assert passes == []


def test_another_type_than_the_layer_s_is_peft_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without autocast PEFT computes the adapter in float32 beside a layer in bfloat16."""
    passes = own(monkeypatch)
    mine, theirs = layers(dtype=torch.bfloat16)
    for name, value in computed(mine, (3,), torch.bfloat16).items():
        assert torch.equal(value, computed(theirs, (3,), torch.bfloat16)[name]) or name.startswith("lora")
    assert passes == []


def test_what_does_not_learn_has_no_gradient() -> None:
    mine, _ = layers()
    mine.lora_A.requires_grad_(False)
    assert computed(mine, (3,)).keys() == {"out", "x", "lora_B.default.weight"}


def test_the_tuning_lora_has_it() -> None:
    llm = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    llm.config = {"model_type": "custom"}  # type: ignore[assignment]
    config = LoRA(targets=("0", "1")).peft_config(llm)
    assert config._custom_modules == {nn.Linear: AdaptedLinear}
