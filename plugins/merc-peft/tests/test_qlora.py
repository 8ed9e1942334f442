"""QLoRA against its equations: W' = W~ + (alpha / r) B A, W~ in NF4, on a CPU."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from merc_peft.qlora import QLoRA
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

import merc
from merc.model.batch import make_batch
from merc.model.build import build_meta
from merc.model.emotion_model import EmotionModel
from merc.model.memory_use import memory_use
from merc.model.tuning import tune
from merc.recipe import load_recipe
from tests.model.alone import together
from tests.model.test_tree_exact import two_talks
from tests.model.tiny import tiny_llama, tiny_media

LEVELS = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip
"""The sixteen numbers of NF4: quantiles of the normal distribution (QLoRA's appendix E)."""


def llama() -> LlamaForCausalLM:
    """As wide as a layer in four bits must be, but for one."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=True, initializer_range=0.15,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def model_of(tuning: QLoRA) -> EmotionModel:
    torch.manual_seed(3)
    tuned = tune(llama(), tuning)
    with torch.no_grad():
        for name, parameter in tuned.llm.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    model = EmotionModel(tuned, None, tiny_media(64)).eval()
    model.probe()
    return model


def in_nf4(weight: Tensor) -> Tensor:
    """Each 64 weights by the largest of them, each at the nearest of the sixteen numbers."""
    blocks = weight.flatten().view(-1, 64)
    largest = blocks.abs().amax(1, keepdim=True)
    levels = torch.tensor(LEVELS)
    nearest = (blocks / largest).unsqueeze(-1).sub(levels).abs().argmin(-1)
    return (levels[nearest] * largest).view_as(weight)


def test_a_layer_is_its_equation() -> None:
    """With plain scales; packed ones differ by less than a hundredth of the largest weight of a block."""
    plain = llama().model.layers[1].self_attn.q_proj.weight.detach()
    x = torch.randn(5, 64)
    for double, near in ((False, 1e-5), (True, 0.1)):
        layer = model_of(QLoRA(r=4, alpha=8, double=double)).base.model.layers[1].self_attn.q_proj
        a, b = layer.lora_A.default.weight, layer.lora_B.default.weight
        torch.testing.assert_close(layer(x), x @ (in_nf4(plain) + 2 * b @ a).T, rtol=near, atol=near)


def test_gradients_exist_after_a_validation_pass() -> None:
    """bitsandbytes would pack the weights otherwise in evaluation, and cut gradients off, on processors with AVX-512
    BF16; the gradients are those of the equation."""
    model = model_of(QLoRA(r=4, alpha=8, double=False))
    four = [module for module in model.llm.modules() if hasattr(module, "support_avx512bf16_for_cpu")]
    assert len(four) == 3 * 6 and not any(module.support_avx512bf16_for_cpu for module in four)
    talks = two_talks()
    with torch.inference_mode():
        for trees, plain in model.trees(talks, 10_000):
            model.score(make_batch(trees, plain), 3)
    model.train()
    sum(together(model, talks).values()).backward()  # type: ignore[union-attr]
    learning = {name: p for name, p in model.llm.named_parameters() if p.requires_grad}
    assert learning and all(p.grad is not None and bool(p.grad.any()) for p in learning.values())
    same = unpacked(model)
    sum(together(same, talks).values()).backward()  # type: ignore[union-attr]
    theirs = dict(same.llm.named_parameters())
    for name, parameter in learning.items():
        torch.testing.assert_close(parameter.grad, theirs[name].grad, rtol=1e-3, atol=1e-4)


def unpacked(model: EmotionModel) -> EmotionModel:
    """LoRA over the same weights, in float32."""
    from merc.builtin.tunings import LoRA

    llm = llama()
    with torch.no_grad():
        for name, module in llm.named_modules():
            if isinstance(module, nn.Linear) and module.in_features == 64 and name != "lm_head":
                module.weight.copy_(in_nf4(module.weight))
    tuned = tune(llm, LoRA(r=4, alpha=8))
    other = EmotionModel(tuned, None, tiny_media(64)).train()
    own = dict(model.llm.named_parameters())
    with torch.no_grad():
        for name, parameter in tuned.llm.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(own[name])
    return other


def test_what_is_packed() -> None:
    """Linear layers but the last of the model and those whose input is no multiple of 64 wide."""
    model = model_of(QLoRA(r=4, targets=("q_proj",)))
    packed = {name for name, p in model.base.named_parameters() if p.dtype == torch.uint8}
    names = ("q_proj.base_layer", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj")
    assert len(packed) == 3 * 6 and {name.removesuffix(".weight").split(".", 4)[-1] for name in packed} == set(names)
    assert QLoRA().packed(model.llm).keys() == {n for n, p in model.llm.named_parameters() if p.dtype == torch.uint8}
    sizes = {name: p.numel() for name, p in model.base.named_parameters() if name in packed}
    whole = sum(p.numel() for n, p in llama().named_parameters() if "proj" in n and "down" not in n)
    assert sum(sizes.values()) * 2 == whole


def test_a_backbone_of_which_nothing_can_be_packed() -> None:
    with pytest.raises(merc.MercError, match=r"no linear layer of LlamaForCausalLM .* multiple of 64"):
        tune(tiny_llama(), QLoRA())


def test_memory_is_counted_in_four_bits() -> None:
    """On the meta device parameters are counted as numbers, and their memory as it is held."""
    recipe = load_recipe(
        "meld-text", ["data_root=.", "backbone={name: hf, path: meta-llama/Llama-2-7b-chat-hf, dtype: bfloat16}"]
    )
    sizes = {}
    for name in ("lora", "qlora"):
        own = load_recipe("meld-text", ["data_root=.", *_llama(name)])
        model = build_meta(own)
        total = sum(p.numel() for p in model.llm.parameters() if not p.requires_grad)
        assert total == 6_738_415_616
        sizes[name] = memory_use(model, "bfloat16").weights
    assert recipe is not None
    linear = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008)
    assert sizes["lora"] - sizes["qlora"] == pytest.approx(linear * (2 - 0.5 - 1 / 64 - 4 / 16384), abs=1)


def _llama(name: str) -> list[str]:
    return [
        f"backbone={{name: hf, path: meta-llama/Llama-2-7b-chat-hf, dtype: bfloat16, tuning: {{name: {name}, r: 8}}}}"
    ]


def test_without_bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("merc_peft.qlora.find_spec", lambda name: None if name == "bitsandbytes" else find(name))
    with pytest.raises(merc.MercError, match=r"^backbone\.tuning: qlora needs the package bitsandbytes; pip install"):
        QLoRA().check("cpu")
    with pytest.raises(merc.MercError, match="bitsandbytes"):
        tune(llama(), QLoRA())
    with torch.device("meta"):
        shape = type(llama())(llama().config)
        assert tune(shape, QLoRA(r=2)).learns, "parameters are counted without it"


def test_a_device_that_bitsandbytes_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object) -> None:
        raise NotImplementedError("quantize_4bit on this processor")

    monkeypatch.setattr("merc_peft.qlora._packed", fails)
    with pytest.raises(merc.MercError, match=r"cannot compute in four bits on cpu .*this processor.*name=lora"):
        QLoRA().check("cpu")


@pytest.mark.parametrize("wrong", [{"r": 0}, {"alpha": 0}, {"dropout": 1.0}, {"targets": ()}])
def test_parameters_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        QLoRA(**wrong)  # type: ignore[arg-type]


def test_an_adapter_that_would_weigh_otherwise_does_not_fit() -> None:
    assert QLoRA(alpha=8).fits(QLoRA(alpha=8)) is None
    assert "backbone.tuning.alpha=32" in str(QLoRA(alpha=8).fits(QLoRA()))
