"""The probe finds what a backbone cannot do by computing, also what no configuration tells."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from merc.model.probe import computes_coarsely, find_decoder, probe_lm_head, probe_tree, restrict_to
from tests.model.architectures import ADDITIVE, ALL, OWN_HEAD, SEPARATE, TREE, WINDOWED, build
from tests.model.tiny import tiny_llama


@pytest.mark.parametrize("name", TREE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_kinds_of_mask_and_head(name: str, dtype: torch.dtype) -> None:
    model = build(TREE[name], dtype)
    assert probe_tree(model) == ("additive" if name in ADDITIVE else "bool")
    assert probe_lm_head(model) == ("own" if name in OWN_HEAD else "plain")


@pytest.mark.parametrize("name", SEPARATE)
def test_backbones_that_take_no_tree_mask(name: str) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        assert probe_tree(build(SEPARATE[name], dtype)).startswith(f"{type(build(SEPARATE[name])).__name__} ")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_backbone_that_counts_its_own_positions_is_found(dtype: torch.dtype) -> None:
    """Positions by place in the row, whatever position ids are given."""
    model = tiny_llama(dtype)
    decoder = find_decoder(model)
    forward = decoder.forward  # type: ignore[union-attr]

    def counting(inputs_embeds: Any = None, position_ids: Any = None, **more: Any) -> Any:
        return forward(inputs_embeds=inputs_embeds, **more)

    decoder.forward = counting  # type: ignore[union-attr]
    assert probe_tree(model) == "LlamaForCausalLM does not keep to a tree mask (it counts positions along the sequence)"


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_backbone_with_one_layer_along_the_sequence_is_found(dtype: torch.dtype, share: float) -> None:
    """A short convolution over neighbouring tokens in the midst of attention, as hybrids have it."""
    model = tiny_llama(dtype)

    class Neighbours(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x + share * torch.roll(x, 1, dims=1))  # type: ignore[no-any-return]

    model.model.layers[1].mlp = Neighbours(model.model.layers[1].mlp)
    assert "does not keep to a tree mask" in probe_tree(model)


def test_a_backbone_that_fails_on_the_mask_is_found() -> None:
    model = tiny_llama()

    def refuse(module: nn.Module, args: Any, kwargs: Any) -> None:
        if kwargs["attention_mask"].ndim == 4:
            raise NotImplementedError("two axes only")

    find_decoder(model).register_forward_pre_hook(refuse, with_kwargs=True)  # type: ignore[union-attr]
    assert probe_tree(model) == "LlamaForCausalLM does not take a tree mask (NotImplementedError)"


def test_probing_leaves_the_model_as_it_was() -> None:
    model = tiny_llama().train()
    before = {n: p.clone() for n, p in model.state_dict().items()}
    probe_lm_head(model)
    probe_tree(model)
    assert model.training
    assert all(torch.equal(before[n], p) for n, p in model.state_dict().items())
    assert not find_decoder(model)._forward_hooks  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ALL)
def test_the_decoder_gives_hidden_states(name: str) -> None:
    model = build(ALL[name])
    decoder = find_decoder(model)
    assert decoder is not None and decoder is not model
    out = decoder(inputs_embeds=torch.randn(1, 3, 32), use_cache=False)
    assert out.last_hidden_state.shape == (1, 3, 32)


def test_a_model_without_a_decoder_of_its_own_computes_all_logits() -> None:
    """One that is all in one piece still scores right."""
    from tests.model.alone import log_probability_alone
    from tests.model.test_tree_exact import two_talks
    from tests.model.tiny import tuned_model

    model = tuned_model(tuning="frozen")
    model.passes.lm_head = "whole"
    (batch,) = model.batches(two_talks()[0], 1000)
    with torch.no_grad():
        found = model.log_probabilities(batch)
        wanted = torch.stack([log_probability_alone(model, p, a) for p in batch.prompts for a in p.answers])
    torch.testing.assert_close(found, wanted, rtol=2e-5, atol=2e-5)


def test_only_at_cuts_what_stands_after_the_decoder() -> None:
    model = tiny_llama()
    tokens = torch.tensor([[1, 2, 3], [4, 5, 6]])
    with torch.no_grad():
        whole = model(input_ids=tokens, use_cache=False).logits.reshape(6, -1)
        with restrict_to(find_decoder(model), torch.tensor([4, 0])) as kept:  # type: ignore[arg-type]
            cut = model(input_ids=tokens, use_cache=False).logits
    assert cut.shape == (1, 2, 64) and kept[0].shape == (2, 32)
    torch.testing.assert_close(cut[0], whole[[4, 0]])


def test_windowed_backbones_take_a_mask() -> None:
    assert [probe_tree(build(make)) for make in WINDOWED.values()] == ["bool"] * len(WINDOWED)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int8, torch.uint8])
def test_weights_of_few_digits_are_told(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    model.register_buffer("mask", torch.ones(2, dtype=torch.bool))
    model.register_buffer("places", torch.arange(2))
    assert not computes_coarsely(model)
    model.register_buffer("weight", torch.zeros(2, dtype=dtype))
    assert computes_coarsely(model)
