"""Adapters, gates, biases and last blocks, each against its equation written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from merc_peft.bottleneck import BottleneckAdapter
from merc_peft.ia3 import IA3
from merc_peft.modules import Bottleneck
from merc_peft.partial import BitFit, LastLayers
from torch import Tensor, nn
from transformers import PreTrainedModel

import merc
from merc.model.emotion_model import EmotionModel
from merc.model.tuning import tune
from tests.model.alone import together
from tests.model.architectures import TREE, build
from tests.model.test_tree_exact import two_talks
from tests.model.tiny import tiny_llama, tiny_media

IDS = torch.tensor([[3, 9, 27, 31]])


def spread(llm: nn.Module) -> nn.Module:
    """What learns, away from where it begins."""
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in llm.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return llm


def test_an_adapter_is_its_equation() -> None:
    """h' = h + W_f σ(W_i h) (eq. 33 of the survey)."""
    formulas = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh, "silu": lambda x: x / (1 + np.exp(-x))}
    for name, sigma in formulas.items():
        module = spread(Bottleneck(6, 3, name))
        h = torch.randn(2, 5, 6)
        w_i, w_f = module.down.weight.detach().numpy().T, module.up.weight.detach().numpy().T
        wanted = h.numpy() + sigma(h.numpy() @ w_i) @ w_f
        np.testing.assert_allclose(module(h).detach().numpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ["gelu", "silu", "tanh"])
def test_the_gradient_of_an_adapter(activation: str) -> None:
    module = spread(Bottleneck(4, 2, activation).double())
    hidden = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    names, weights = zip(*module.named_parameters(), strict=True)

    def given(values: Tensor, *own: Tensor) -> Tensor:
        return torch.func.functional_call(module, dict(zip(names, own, strict=True)), (values,))

    assert torch.autograd.gradcheck(given, (hidden, *(w.detach().requires_grad_() for w in weights)))


def test_adapters_stand_after_blocks_or_inside() -> None:
    """What each block gives goes through its adapter into the next; inside a block it is added before the sum."""
    llm = spread(tune(tiny_llama(), BottleneckAdapter(width=4)).llm)
    seen: list[Tensor] = []
    hooks = [layer.register_forward_hook(lambda m, a, out: seen.append(out)) for layer in llm.model.layers]
    llm(IDS)
    plain = tiny_llama()
    hidden = plain.model.embed_tokens(IDS)
    position = plain.model.rotary_emb(hidden, torch.arange(4)[None])
    for layer, own, found in zip(plain.model.layers, llm.model.layers, seen, strict=True):
        hidden = own.bottleneck(layer(hidden, position_embeddings=position))
        torch.testing.assert_close(found, hidden)
    for hook in hooks:
        hook.remove()
    inside = spread(tune(tiny_llama(), BottleneckAdapter(width=4, targets=("self_attn", "mlp"))).llm)
    layer, hidden = inside.model.layers[0], plain.model.embed_tokens(IDS)
    plain_layer = plain.model.layers[0]
    attended, _ = plain_layer.self_attn(plain_layer.input_layernorm(hidden), position_embeddings=position)
    middle = hidden + layer.self_attn.bottleneck(attended)
    wanted = middle + layer.mlp.bottleneck(plain_layer.mlp(plain_layer.post_attention_layernorm(middle)))
    torch.testing.assert_close(layer(hidden, position_embeddings=position), wanted)


@pytest.mark.parametrize("targets", [("mlp", "mlp"), ("o_proj", "self_attn.o_proj")])
def test_a_module_that_two_targets_name_has_one_adapter(targets: tuple[str, ...]) -> None:
    llm = tune(tiny_llama(), BottleneckAdapter(width=4, targets=targets)).llm
    adapted = [module for module in llm.modules() if hasattr(module, "bottleneck")]
    assert len(adapted) == len(llm.model.layers)
    assert [len(module._forward_hooks) for module in adapted] == [1] * len(adapted)


@pytest.mark.parametrize("target", ["act_fn", "layers"])
def test_a_module_whose_outputs_can_have_no_adapter(target: str) -> None:
    """It is refused before weights are read."""
    with torch.device("meta"):
        llm = tiny_llama()
    llm.model.layers[1].layers = nn.ModuleList([nn.Linear(32, 32)])
    llm.model.layers[0].layers = nn.ModuleList([nn.Linear(32, 32)])
    with pytest.raises(merc.MercError, match=f"targets: '{target}' of LlamaForCausalLM is a .* Name others: .*mlp"):
        BottleneckAdapter(targets=(target,)).apply(llm)


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("qwen3", ("self_attn", "mlp", "q_proj", "up_proj", "input_layernorm", "q_norm")),
        ("gpt2", ("attn", "mlp", "c_fc", "ln_1")),
        ("mixtral", ("self_attn", "mlp")),
        ("opt", ("self_attn", "fc1")),
    ],
)
def test_adapters_are_as_wide_as_what_they_stand_after(name: str, targets: tuple[str, ...]) -> None:
    with torch.no_grad():
        wanted = build(TREE[name])(IDS).logits
        torch.testing.assert_close(
            tune(build(TREE[name]), BottleneckAdapter(width=4, targets=targets)).llm(IDS).logits, wanted
        )


def test_adapters_begin_as_the_backbone() -> None:
    assert torch.equal(tune(tiny_llama(), BottleneckAdapter()).llm(IDS).logits, tiny_llama()(IDS).logits)


def test_gates_are_their_equations() -> None:
    """IA3: l_k ⊙ K, l_v ⊙ V, and W_down (l ⊙ x)."""
    llm = spread(tune(tiny_llama(), IA3()).llm)
    layer, plain = llm.base_model.model.model.layers[1], tiny_llama().model.layers[1]
    gates = {name.split(".")[-3]: p.detach() for name, p in layer.named_parameters() if "ia3_l" in name}
    assert set(gates) == {"k_proj", "v_proj", "down_proj"}
    x = torch.randn(5, 32)
    for name in ("k_proj", "v_proj"):
        wanted = gates[name].flatten() * (x @ getattr(plain.self_attn, name).weight.T)
        torch.testing.assert_close(getattr(layer.self_attn, name)(x), wanted)
    inner = torch.randn(5, 48)
    wanted = (gates["down_proj"].flatten() * inner) @ plain.mlp.down_proj.weight.T
    torch.testing.assert_close(layer.mlp.down_proj(inner), wanted)


def test_gates_begin_as_the_backbone() -> None:
    assert torch.equal(tune(tiny_llama(), IA3()).llm(IDS).logits, tiny_llama()(IDS).logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_biases_alone_learn(dtype: torch.dtype) -> None:
    """Those that the backbone has: no other parameter is switched on, and they are what its layers add."""
    llm = tune(build(TREE["qwen2"], dtype), BitFit()).llm
    learning = {name for name, p in llm.named_parameters() if p.requires_grad}
    plain = build(TREE["qwen2"], dtype)
    assert {n.replace(".parametrizations.bias.original", ".bias") for n in learning} == {
        name for name, _ in plain.named_parameters() if name.endswith("bias")
    }
    spread(llm)
    x = torch.randn(5, 32).to(dtype)
    layer, own = llm.model.layers[1].self_attn.q_proj, plain.model.layers[1].self_attn.q_proj
    state = BitFit().state(llm, frozenset(learning))
    bias = state["model.layers.1.self_attn.q_proj.bias"]
    assert bias.dtype == torch.float32 and not torch.equal(bias.to(dtype), own.bias)
    torch.testing.assert_close(layer(x), nn.functional.linear(x, own.weight, bias.to(dtype)))


def test_biases_are_added_where_there_are_none() -> None:
    """W x + b in each linear layer but the head, from b = 0 on."""
    llm = tune(tiny_llama(), BitFit(missing="add")).llm
    assert torch.equal(llm(IDS).logits, tiny_llama()(IDS).logits)
    spread(llm)
    for name, module in llm.named_modules():
        if isinstance(module, nn.Linear):
            assert (module.bias is None) == (name == "lm_head")
            if module.bias is not None:
                x = torch.randn(3, module.in_features)
                torch.testing.assert_close(module(x), x @ module.weight.T + module.bias)
                assert bool(module.bias.any())


def test_a_backbone_without_biases_is_refused() -> None:
    with pytest.raises(merc.MercError, match=r"LlamaForCausalLM has no bias .*missing=add"):
        tune(tiny_llama(), BitFit())


def test_biases_of_a_run_in_another_dtype_fit() -> None:
    """State is by the names that the backbone gives its biases."""
    one, two = (tune(build(TREE["qwen2"], dtype), BitFit()) for dtype in (torch.float32, torch.bfloat16))
    spread(one.llm)
    state = BitFit().state(one.llm, one.learns)
    assert state.keys() == BitFit().state(two.llm, two.learns).keys()
    BitFit().load(two.llm, state)
    for name, value in BitFit().state(two.llm, two.learns).items():
        assert torch.equal(value, state[name])


@pytest.mark.parametrize("count", [1, 2])
def test_the_last_blocks_learn(count: int) -> None:
    llm = tune(tiny_llama(), LastLayers(layers=count)).llm
    learning = {name for name, p in llm.named_parameters() if p.requires_grad}
    assert learning == {n for n, _ in llm.named_parameters() if any(f"layers.{i}." in n for i in range(3 - count, 3))}


def test_the_last_blocks_of_a_half_precision_backbone() -> None:
    """They are float32 and compute in it; what goes in and out is the backbone's dtype, and gradients come through."""
    llm: Any = tune(tiny_llama(torch.bfloat16), LastLayers(layers=1)).llm
    block = llm.model.layers[-1]
    assert {p.dtype for p in block.parameters()} == {torch.float32}
    inside: list[torch.dtype] = []
    block.self_attn.q_proj.register_forward_hook(lambda m, a, out: inside.append(out.dtype))
    out = llm(IDS, output_hidden_states=True)
    assert inside == [torch.float32] and out.hidden_states[-1].dtype == torch.bfloat16
    near = tiny_llama()(IDS).logits
    assert (out.logits - near).norm() / near.norm() < 0.05
    out.logits.float().sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in block.parameters())


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        (LastLayers(layers=4), r"backbone\.tuning\.layers: LlamaForCausalLM has 3 transformer blocks, not 4"),
        (BottleneckAdapter(targets=("ffn",)), r"backbone\.tuning\.targets: .* no module 'ffn'; they have: .*mlp"),
        (IA3(targets=("value",)), r"backbone\.tuning\.targets: LlamaForCausalLM has no layer 'value'"),
    ],
)
def test_targets_that_do_not_exist(tuning: merc.Tuning, message: str) -> None:
    with pytest.raises(merc.MercError, match=message):
        tune(tiny_llama(), tuning)


def test_ia3_of_an_architecture_that_is_not_known() -> None:
    with pytest.raises(merc.MercError, match=r"backbone\.tuning\.targets: .*GraniteForCausalLM.*name them"):
        tune(build(TREE["granite"]), IA3())


def test_a_backbone_without_a_list_of_blocks() -> None:
    class Flat(PreTrainedModel):
        def __init__(self) -> None:
            super().__init__(TREE["llama"]())
            self.only = nn.Linear(2, 2)

    with pytest.raises(merc.MercError, match="LastLayers finds no list of transformer blocks in Flat"):
        tune(Flat(), LastLayers())


@pytest.mark.parametrize("make", [BottleneckAdapter, LastLayers])
def test_numbers_that_cannot_be(make: Any) -> None:
    with pytest.raises(ValueError, match="counts from 1, not 0"):
        make(**{"width" if make is BottleneckAdapter else "layers": 0})


def test_feedforward_names_a_target() -> None:
    with pytest.raises(ValueError, match="'down_proj', which is not among targets"):
        IA3(targets=("k_proj",), feedforward=("down_proj",))


@pytest.mark.parametrize("name", sorted(TREE))
@pytest.mark.parametrize("tuning", [BottleneckAdapter(width=3), LastLayers(layers=1), BitFit(missing="add")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_backbone_computes_with_them(name: str, tuning: merc.Tuning, dtype: torch.dtype) -> None:
    model = EmotionModel(tune(build(TREE[name], dtype), tuning), None, tiny_media()).eval()
    spread(model.llm)
    model.probe()
    assert model.layout == "tree"
    values = together(model, two_talks())
    sum(values.values()).backward()  # type: ignore[union-attr]
    reached = [n for n, p in model.learning().items() if n.startswith("llm.") and p.grad is not None and p.grad.any()]
    assert reached


def test_adapters_of_another_function_start_nothing() -> None:
    own = BottleneckAdapter(activation="gelu")
    said = own.fits(BottleneckAdapter(activation="relu"))
    assert said is not None and "set backbone.tuning.activation=relu" in said
    assert own.fits(BottleneckAdapter(activation="gelu")) is None and own.fits(IA3()) is not None


def test_gates_of_named_layers_are_where_peft_knows_them() -> None:
    named = tune(tiny_llama(), IA3(targets=("k_proj", "v_proj", "down_proj"))).llm
    known = tune(tiny_llama(), IA3()).llm
    shapes = [{n: tuple(p.shape) for n, p in llm.named_parameters() if "ia3" in n} for llm in (named, known)]
    assert shapes[0] == shapes[1]
