"""A backbone's network as merc takes it."""

from __future__ import annotations

import pytest
import torch

from merc.errors import MercError
from merc.model.backbone import load_network
from merc.testing.examples.backbone import Example

PLAIN = Example(width=16)


def spoiled(value: float, *names: str, dtype: str = "float32") -> Example:
    class Spoiled(Example):
        def load(self, device):
            model = super().load(device)
            for name in names:
                model.get_parameter(name).data.view(-1)[3] = value
            return model

    return Spoiled(width=16, dtype=dtype)


def test_finite_weights_pass() -> None:
    assert load_network(PLAIN, "cpu").config.hidden_size == 16
    load_network(Example(width=16, dtype="float16"), "cpu")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named_and_float16_is_not_blamed_under_float32(value: float) -> None:
    with pytest.raises(MercError) as caught:
        load_network(spoiled(value, "model.norm.weight", "model.layers.1.mlp.up_proj.weight"), "cpu")
    message = str(caught.value)
    assert message.startswith("backbone: 2 of 21 tensors hold NaN or infinity, held in float32: ")
    assert "model.norm.weight" in message and "model.layers.1.mlp.up_proj.weight" in message
    assert "float16" not in message and "damaged" in message


def test_under_float16_another_dtype_is_the_remedy() -> None:
    with pytest.raises(MercError, match=r"held in float16: model\.norm\.weight; float16 .* backbone\.dtype=bfloat16"):
        load_network(spoiled(1e9, "model.norm.weight", dtype="float16"), "cpu")


@pytest.mark.parametrize("outside", [True, False])
def test_a_backbone_that_peft_has_wrapped_is_refused(outside: bool) -> None:
    class Wrapped(Example):
        def load(self, device):
            from peft import LoraConfig, get_peft_model

            tuned = get_peft_model(super().load(device), LoraConfig(r=2, target_modules=["q_proj"]))
            return tuned if outside else tuned.get_base_model()

    with pytest.raises(MercError, match=r"backbone: .*Wrapped .*PEFT .*merge_and_unload"):
        load_network(Wrapped(width=16), "cpu")
    assert not any(isinstance(p, torch.nn.Module) and hasattr(p, "peft_config") for p in [load_network(PLAIN, "cpu")])
