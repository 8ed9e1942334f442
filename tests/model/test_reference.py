"""The model as it was before a stage: exact, without a second model, and gone when the context ends."""

from __future__ import annotations

import pytest
import torch

from merc.builtin.tunings import LoRA
from merc.components import Frozen, Tuning
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.reference import keep_reference
from merc.model.tuning import tune
from tests.model.test_tree_exact import two_talks
from tests.model.tiny import tiny_llama, tiny_media, tuned_model


def fresh_model(tuning: Tuning) -> EmotionModel:
    """A model whose stage is the first: adapters have not learned."""
    torch.manual_seed(3)
    model = EmotionModel(tune(tiny_llama(), tuning), None, tiny_media())
    model.probe()
    return model.eval()


def scores_of(model: EmotionModel) -> torch.Tensor:
    with torch.no_grad():
        return model.score(model.batches(two_talks()[0], 10_000)[0], 3)


def learn(model: EmotionModel) -> None:
    with torch.no_grad():
        for parameter in model.learning().values():
            parameter.add_(torch.randn_like(parameter) * 0.1)


MODELS = {
    "adapters": lambda: fresh_model(LoRA(r=4, dropout=0.5)),
    "adapters that learned": tuned_model,
    "frozen": lambda: fresh_model(Frozen()),
    "full": lambda: tuned_model(tuning="full"),
}


@pytest.mark.parametrize("name", MODELS)
def test_it_computes_what_the_model_computed(name: str) -> None:
    model = MODELS[name]()
    before = scores_of(model)
    keep_reference(model)
    learn(model)
    after, weights = scores_of(model), {n: p.detach().clone() for n, p in model.named_parameters()}
    assert (after - before).abs().max() > 0.1
    learning = {n: p.requires_grad for n, p in model.named_parameters()}
    model.train()
    batch = model.batches(two_talks()[0], 10_000)[0]
    found = batch.over_paths(model.reference_log_probs(batch))
    assert not found.requires_grad and model.training
    model.eval()
    with model.reference():
        assert torch.equal(scores_of(model), before)
        with model.reference():
            assert torch.equal(scores_of(model), before)
        assert torch.equal(scores_of(model), before)
        assert torch.equal(model.log_probabilities(batch), found)
    assert torch.equal(scores_of(model), after)
    assert {n: p.requires_grad for n, p in model.named_parameters()} == learning
    assert all(torch.equal(p, weights[n]) for n, p in model.named_parameters())


def test_what_does_not_learn_stays_so_with_adapters_off() -> None:
    """peft would let every adapter learn when it is switched on again."""
    model = MODELS["adapters"]()
    some = next(p for n, p in model.named_parameters() if "lora_A" in n)
    some.requires_grad_(False)
    keep_reference(model)
    with model.reference():
        scores_of(model)
    assert not some.requires_grad


def test_adapters_from_scratch_cost_no_copy_of_the_backbone() -> None:
    model = MODELS["adapters"]()
    media = sum(p.numel() for p in model.media.parameters()) + sum(b.numel() for b in model.media.buffers())
    assert keep_reference(model) == 4 * media
    model = MODELS["adapters that learned"]()
    adapters = sum(p.numel() for n, p in model.learning().items() if n.startswith("llm."))
    assert keep_reference(model) == 4 * (media + adapters)
    model = MODELS["full"]()
    assert keep_reference(model) == 4 * (media + sum(p.numel() for p in model.llm.parameters()))
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    buffers = sum(b.numel() for b in model.media.buffers())
    assert keep_reference(model) == 4 * buffers


def test_a_context_that_ends_in_an_error_leaves_the_model_as_it_is() -> None:
    model = MODELS["adapters that learned"]()
    keep_reference(model)
    learn(model)
    after = scores_of(model)
    with pytest.raises(KeyError), model.reference():
        raise KeyError
    assert torch.equal(scores_of(model), after)


def test_a_pass_in_it_does_not_disturb_a_gradient_that_is_waited_for() -> None:
    model = MODELS["full"]()
    keep_reference(model)
    learn(model)
    batch = model.batches(two_talks()[0], 10_000)[0]
    learning = list(model.learning().values())
    wanted = torch.autograd.grad(model.log_probabilities(batch).sum(), learning)
    total = model.log_probabilities(batch).sum()
    model.reference_log_probs(batch)
    for mine, theirs in zip(torch.autograd.grad(total, learning), wanted, strict=True):
        assert torch.equal(mine, theirs)


def test_weights_that_are_shared_out_are_an_error() -> None:
    """ZeRO-3 leaves nothing of a large weight in its place between passes, and fetches what was learned."""
    model = MODELS["full"]()
    keep_reference(model)
    shared = next(model.llm.parameters())
    shared.data = torch.empty(0)
    with pytest.raises(MercError, match=r"ZeRO-3 shares out .* strategy\.zero=2, or begin the stage with adapters"):
        model.reference().__enter__()


def test_weights_that_an_earlier_stage_left_shared_out_are_an_error() -> None:
    """There is nothing of them to copy, and their passes would fetch what the model is now."""
    model = MODELS["full"]()
    shared = next(model.llm.parameters())
    shared.ds_numel = shared.numel()  # as DeepSpeed notes it
    keep_reference(model)
    shared.data = torch.empty(0)
    with pytest.raises(MercError, match=r"ZeRO-3 shares out .* strategy\.zero=2, or begin the stage with adapters"):
        keep_reference(model)


def test_without_a_loss_that_needs_it_there_is_none() -> None:
    with pytest.raises(MercError, match="kept only while a stage trains with a loss that needs reference_path_log_p"):
        MODELS["frozen"]().reference()
