"""What learns, and in which type it is held."""

from __future__ import annotations

import pytest
import torch

from merc.builtin.tunings import Full, LoRA
from merc.errors import MercError
from merc.model.batch import make_batch
from merc.model.tuning import select_trainable, tune
from tests.model.alone import together
from tests.model.test_tree_exact import two_talks
from tests.model.tiny import tiny_llama, tuned_model

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def test_frozen_learns_nothing_of_the_backbone() -> None:
    model = tuned_model(tuning="frozen")
    assert not [name for name in model.learns if name.startswith("llm.")]
    assert not any(p.requires_grad for p in model.llm.parameters())
    assert all(p.requires_grad for p in model.media.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_lora_holds_its_adapters_in_float32(dtype: torch.dtype) -> None:
    tuned = tune(tiny_llama(dtype), LoRA(r=4)).llm
    for name, parameter in tuned.named_parameters():
        assert parameter.requires_grad == ("lora_" in name)
        assert parameter.dtype == (torch.float32 if "lora_" in name else dtype)
    adapted = {n.split(".")[-4] for n, _ in tuned.named_parameters() if "lora_A" in n}
    assert adapted == set(LINEAR)


def test_lora_takes_the_layers_that_are_named() -> None:
    tuned = tune(tiny_llama(), LoRA(r=4, targets=("q_proj", "v_proj"))).llm
    adapted = {n.split(".")[-4] for n, _ in tuned.named_parameters() if "lora_" in n}
    assert adapted == {"q_proj", "v_proj"}


def test_lora_targets_that_are_not_there() -> None:
    with pytest.raises(MercError) as caught:
        tune(tiny_llama(), LoRA(targets=("q_proj", "v_prj")))
    assert str(caught.value) == (
        "backbone.tuning.targets: LlamaForCausalLM has no layer 'v_prj'. Did you mean 'v_proj'? Its linear layers are: "
        "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, lm_head; all-linear stands for all but the "
        "last of the model"
    )


def learned(tuning: LoRA) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """A query projection with adapters away from where they begin, and its tensors by the last of their names."""
    layer = tune(tiny_llama(), tuning).llm.base_model.model.model.layers[1].self_attn.q_proj
    torch.manual_seed(5)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if "lora_B" in name or "magnitude" in name:
                parameter.add_(torch.rand_like(parameter))
    wanted = {"W": "base_layer", "A": "lora_A", "B": "lora_B", "m": "magnitude"}
    named = dict(layer.named_parameters())
    return layer, {k: p.detach() for k, part in wanted.items() for n, p in named.items() if part in n}


@pytest.mark.parametrize(("rank_stabilized", "scale"), [(False, 8 / 4), (True, 8 / 2)])
def test_lora_is_its_equation(rank_stabilized: bool, scale: float) -> None:
    """W' = W + ΔW, ΔW = s B A (eq. 34 of the survey, whose A and B are the transposes), s = α/r or α/√r."""
    layer, t = learned(LoRA(r=4, alpha=8, rank_stabilized=rank_stabilized))
    x = torch.randn(5, 32)
    torch.testing.assert_close(layer(x), x @ (t["W"] + scale * t["B"] @ t["A"]).T)


def test_dora_is_its_equation() -> None:
    """W' = m V / ‖V‖ by row, V = W + s B A; and the lengths m learn."""
    layer, t = learned(LoRA(r=4, alpha=8, dora=True))
    x = torch.randn(5, 32)
    direction = t["W"] + 2 * t["B"] @ t["A"]
    torch.testing.assert_close(layer(x), x @ (t["m"][:, None] * direction / direction.norm(dim=1, keepdim=True)).T)
    layer(x).sum().backward()
    (magnitude,) = (p for n, p in layer.named_parameters() if "magnitude" in n)
    assert magnitude.requires_grad and bool(magnitude.grad.any())


@pytest.mark.parametrize(("name", "value"), [("alpha", 32), ("rank_stabilized", True)])
def test_an_adapter_that_would_weigh_otherwise_does_not_fit(name: str, value: object) -> None:
    why = LoRA(alpha=8).fits(LoRA(**{"alpha": 8, name: value}))  # type: ignore[arg-type]
    assert why is not None and f"backbone.tuning.{name}={str(value).lower()}" in why


def test_lora_begins_as_the_backbone_itself() -> None:
    tokens = torch.tensor([[1, 2, 3, 4]])
    with torch.no_grad():
        plain = tiny_llama()(tokens).logits
        tuned = tune(tiny_llama(), LoRA(r=4)).llm.eval()(tokens).logits
    assert torch.equal(plain, tuned)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_full_learns_everything_in_float32(dtype: torch.dtype) -> None:
    llm = tune(tiny_llama(dtype), Full()).llm
    assert {(p.dtype, p.requires_grad) for p in llm.parameters()} == {(torch.float32, True)}


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_gradients_exist_after_a_validation_pass(tuning: str) -> None:
    model = tuned_model(tuning=tuning)
    groups = two_talks()
    model.eval()
    with torch.inference_mode():
        for trees, plain in model.trees(groups, 10_000):
            model.score(make_batch(trees, plain), 3)
    model.train()
    loss = sum(together(model, groups).values())
    loss.backward()  # type: ignore[union-attr]
    learning = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert learning
    for name, parameter in learning.items():
        assert parameter.grad is not None, name
        assert bool((parameter.grad != 0).any()), name


ALL_PARTS = ["backbone", "connectors.face", "connectors.voice", "connectors.both", "fusers.both"]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (None, ALL_PARTS),
        (("backbone",), ["backbone"]),
        (("connectors.*",), ALL_PARTS[1:4]),
        (("connectors.face", "fusers.*"), ["connectors.face", "fusers.both"]),
        (("*",), ALL_PARTS),
        ((), []),
    ],
)
def test_parts_that_learn(names: tuple[str, ...] | None, chosen: list[str]) -> None:
    model = tuned_model()
    assert select_trainable(model, names) == chosen
    for part in ALL_PARTS:
        module = model.media.get_submodule(part) if part != "backbone" else model.llm
        learns = any(p.requires_grad for p in module.parameters())
        assert learns == (part in chosen), part
    assert not any(p.requires_grad for n, p in model.llm.named_parameters() if "lora_" not in n)
    # The next stage can choose otherwise.
    assert select_trainable(model, None) == ALL_PARTS


def test_a_frozen_backbone_stays_frozen_though_it_is_named() -> None:
    model = tuned_model(tuning="frozen")
    assert select_trainable(model, ("backbone", "connectors.face")) == ["connectors.face"]
    assert not any(p.requires_grad for p in model.llm.parameters())


def test_unknown_parts_are_named() -> None:
    with pytest.raises(MercError) as caught:
        select_trainable(tuned_model(), ("connectors.fase",))
    assert str(caught.value) == ("trainable names unknown part 'connectors.fase'. Did you mean 'connectors.face'?")


def test_parameters_are_chosen_by_their_names() -> None:
    model = tuned_model(tuning="full")
    assert select_trainable(model, ("backbone.*.layers.[12].*", "connectors.face")) == ["backbone", "connectors.face"]
    learning = {name for name, p in model.llm.named_parameters() if p.requires_grad}
    assert learning == {
        name for name, _ in model.llm.named_parameters() if ".layers.1." in name or ".layers.2." in name
    }
    # A later stage may let more of it learn.
    assert select_trainable(model, None) == ALL_PARTS
    assert all(p.requires_grad for p in model.llm.parameters())


def test_parameters_that_no_name_stands_for() -> None:
    with pytest.raises(MercError) as caught:
        select_trainable(tuned_model(), ("backbone.*.layers.7.*",))
    said = str(caught.value)
    assert "trainable: no parameter that may learn is called 'backbone.*.layers.7.*'" in said
    # One that there is shows how names look.
    assert "; backbone has " in said and " of them, backbone." in said
