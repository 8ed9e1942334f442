"""The memory of training: exactly what a small model takes, and roughly what layers of the papers' models keep."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from merc.model.build import build_meta, build_model
from merc.model.memory_use import memory_use
from merc.recipe import load_recipe
from merc.training.settings import Settings
from merc.training.strategy import TorchStrategy
from merc.training.update import parameter_groups
from tests.tiny_backbone import save_tiny_backbone

RECIPE = """\
corpus: {{name: jsonl, path: talk.jsonl}}
labels: [joy, anger]
backbone: {{name: hf, path: {folder}, dtype: {dtype}, tuning: {tuning}}}
"""


def _bytes(tensors: object) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("computing_bfloat16")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("tuning", ["{name: lora, r: 4}", "{name: full}"])
def test_it_is_what_a_small_model_takes(tmp_path: Path, dtype: str, tuning: str) -> None:
    folder = save_tiny_backbone(tmp_path / "tiny")
    (tmp_path / "tiny.yaml").write_text(RECIPE.format(folder=folder, dtype=dtype, tuning=tuning))
    recipe = load_recipe(str(tmp_path / "tiny.yaml"))
    model = build_model(recipe, "cpu", 0)
    strategy = TorchStrategy()
    strategy.prepare(model, parameter_groups(model, Settings()), "model")
    for group in strategy.groups:
        for parameter in group["params"]:
            parameter.grad = torch.ones_like(parameter)
    gradients = _bytes(p.grad for p in model.parameters() if p.grad is not None)
    strategy.step(1.0, None)
    state = [value for values in strategy.optimizer.state.values() for value in values.values()]
    use = memory_use(build_meta(recipe), dtype)
    assert use.weights == _bytes(model.parameters())
    assert use.gradients == gradients
    assert use.optimizer == _bytes(state) > 0


def test_what_is_kept_is_about_what_was_counted(tmp_path: Path) -> None:
    """Bytes a token and layer that bench/memory.py counts, with adapters."""
    from transformers import LlamaConfig

    for (inner, keys), counted in (((11008, 32), (181e3, 203e3)), ((14336, 8), (225e3,))):
        LlamaConfig(
            vocab_size=400, hidden_size=4096, intermediate_size=inner, num_hidden_layers=2, num_attention_heads=32,
            num_key_value_heads=keys, architectures=["LlamaForCausalLM"],
        ).save_pretrained(tmp_path / "shape")  # fmt: skip
        text = RECIPE.format(folder=tmp_path / "shape", dtype="bfloat16", tuning="{name: lora, r: 8}")
        (tmp_path / "shape.yaml").write_text(text)
        model = build_meta(load_recipe(str(tmp_path / "shape.yaml")))
        use = memory_use(model, "bfloat16", tokens=1000)
        assert use.activations is not None
        for kept in counted:
            assert use.activations / 2 / 1000 == pytest.approx(kept, rel=0.09)
        again = memory_use(model, "bfloat16", tokens=1000, checkpointing=True)
        assert again.activations == 1000 * 2 * 4096 * 2 + use.activations // 2


def test_shares_under_zero(tmp_path: Path) -> None:
    folder = save_tiny_backbone(tmp_path / "tiny")
    text = RECIPE.format(folder=folder, dtype="bfloat16", tuning="{name: lora, r: 4}")
    (tmp_path / "tiny.yaml").write_text(text)
    model = build_meta(load_recipe(str(tmp_path / "tiny.yaml")))
    alone, *shared = (memory_use(model, "bfloat16", zero=zero, processes=1 if zero == 0 else 2) for zero in range(4))
    count = alone.gradients // 4
    assert [use.optimizer for use in shared] == [count // 2 * 12 + 4] * 3
    assert [use.gradients for use in shared] == [4 * count, 2 * count, 2 * count]
    assert [use.weights for use in shared] == [alone.weights, alone.weights, alone.weights // 2]
