"""Heads as parts of a model: exact on trees, saved and loaded, counted, chosen, started from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from merc.builtin.heads import MultiLabel, Regression
from merc.components import Head
from merc.errors import MercError
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.model.heads import Heads
from merc.model.parameters import count_parameters
from merc.model.start import start_from
from merc.model.state import load_stage, load_trained_state, save_stage, trained_state
from merc.model.tuning import select_trainable
from merc.prompting import build_tree
from tests.model.architectures import TREE, build
from tests.model.test_tree_exact import two_talks
from tests.model.tiny import tiny_llama, tuned_model

HEADS: dict[str, Head] = {
    "affect": Regression(outputs={"valence": (-1, 1), "arousal": (0, 5)}),
    "tags": MultiLabel(labels=("joy", "fear", "anger"), width=8),
}


def with_heads(llm: torch.nn.Module | None = None, heads: dict[str, Head] = HEADS, seed: int = 5) -> EmotionModel:
    model = tuned_model(llm)
    torch.manual_seed(seed)
    model.heads = Heads(heads, 32)
    return model


def outputs(model: EmotionModel) -> dict[str, dict[str, list[float]]]:
    """The rows of every prompt of two conversations, all in one pass."""
    found = {}
    with torch.no_grad():
        for group in model.trees(two_talks(), 10_000):
            batch = make_batch(*group)
            states = model.outputs(batch, {"states"}).states
            assert states is not None
            found.update(zip([p.target for p in batch.prompts], model.heads.rows(states), strict=True))
    return found


@pytest.mark.parametrize("name", ["llama", "gemma2", "gptj", "granite"])
def test_a_tree_gives_what_the_prompts_alone_give(name: str) -> None:
    model = with_heads(build(TREE[name]))
    together = outputs(model)
    assert len(together) == 6
    for prompt in (p for talk in two_talks() for p in talk):
        with torch.no_grad():
            # A row of the prompt's own, through the model's own forward: its last state is where the answer begins.
            row = model.embed(make_batch([build_tree([replace(prompt, answers=())])]))
            alone = model.base(inputs_embeds=row, output_hidden_states=True).hidden_states[-1][0, -1:]
        for head, numbers in model.heads.rows(alone)[0].items():
            torch.testing.assert_close(
                torch.tensor(together[prompt.target][head]), torch.tensor(numbers), atol=2e-5, rtol=1e-4
            )


def test_nothing_is_computed_that_no_loss_reads() -> None:
    model = with_heads()
    (batch,) = (make_batch(*group) for group in model.trees(two_talks(), 10_000))
    assert model.outputs(batch, {"path_log_probs"}).heads is None
    only = model.outputs(batch, {"heads.tags"})
    assert only.heads is not None and list(only.heads) == ["tags"] and only.heads["tags"].shape == (6, 3)
    assert only.path_log_probs is None and only.token_log_probs is None and only.states is None


def test_heads_compute_in_float32_whatever_the_backbone_does() -> None:
    model = with_heads(tiny_llama(torch.bfloat16))
    (batch,) = (make_batch(*group) for group in model.trees(two_talks(), 10_000))
    with torch.autocast("cpu", torch.bfloat16):
        found = model.outputs(batch, {"heads.affect", "states"})
    assert found.heads is not None and found.states is not None and found.states.dtype == torch.bfloat16
    torch.testing.assert_close(found.heads["affect"], model.heads["affect"](found.states.float()), atol=0, rtol=0)


def test_a_head_of_another_shape_is_named() -> None:
    model = with_heads()
    model.heads["tags"] = torch.nn.Flatten(0)
    with pytest.raises(MercError, match=r"heads\.tags gives \(128,\) for 4 prompts"):
        model.heads.outputs(torch.zeros(4, 32), ["tags"])


@dataclass(frozen=True, kw_only=True)
class Odd(Regression):
    """Gives other values than it has to."""

    given: Any = None

    def values(self, outputs: Sequence[float]) -> Any:
        return self.given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"arousal": 0.5}, "heads.odd: values() gives arousal; fields() says valence"),
        ({}, "heads.odd: values() gives nothing; fields() says valence"),
        ({"valence": float("nan")}, "heads.odd: values() gives {'valence': nan}, which is no plain JSON"),
    ],
)
def test_values_that_are_not_those_of_the_head(given: Any, said: str) -> None:
    model = with_heads(heads={"odd": Odd(outputs={"valence": (-1, 1)}, given=given)})
    with pytest.raises(MercError) as caught:
        model.heads.values_of({"odd": [0.0]})
    assert said in str(caught.value)


def test_heads_are_parts() -> None:
    model = with_heads()
    assert model.parts()["heads.affect"] == ["heads.affect.layers.weight", "heads.affect.layers.bias"]
    counts = {part.part: (part.total, part.trainable) for part in count_parameters(model)}
    assert counts["heads.affect"] == (2 * 33, 2 * 33) and counts["heads.tags"][0] == 8 * 33 + 3 * 9
    assert select_trainable(model, ["heads.*"], ["tags"]) == ["heads.tags"]
    learning = {n for n, p in model.named_parameters() if p.requires_grad}
    assert learning == {n for n in model.learns if n.startswith("heads.tags.")}
    assert select_trainable(model, ["heads.affect.layers.bias"]) == ["heads.affect"]
    assert [n for n, p in model.named_parameters() if p.requires_grad] == ["heads.affect.layers.bias"]
    assert "heads.affect" not in select_trainable(model, None, ())
    with pytest.raises(MercError, match=r"unknown part 'heads.tag'. Did you mean 'heads.tags'"):
        select_trainable(model, ["heads.tag"])


def test_heads_are_saved_with_a_stage_and_loaded(tmp_path: Path) -> None:
    model, other = with_heads(), with_heads(seed=6)
    checksums = save_stage(model, tmp_path)
    assert "heads.safetensors" in checksums
    assert load_file(tmp_path / "heads.safetensors").keys() == model.heads.state_dict().keys()
    assert outputs(other) != outputs(model)
    load_stage(other, tmp_path)
    assert outputs(other) == outputs(model)
    third = with_heads(seed=7)
    load_trained_state(third, trained_state(model))
    assert outputs(third) == outputs(model)


def test_a_stage_without_heads_loads_into_a_model_without() -> None:
    assert not any(name.startswith("heads.") for name in trained_state(tuned_model()))


def test_a_run_starts_from_another_ones_heads(tmp_path: Path) -> None:
    model = with_heads(heads={"affect": HEADS["affect"]})
    save_stage(model, tmp_path)
    other = with_heads(seed=6)
    taken, new = start_from(other, tmp_path, other.tuning)
    assert "heads.affect" in taken and "heads.tags" in new
    for name, value in model.heads["affect"].state_dict().items():
        assert torch.equal(other.heads["affect"].state_dict()[name], value)
    with pytest.raises(MercError, match=r"heads\.affect, which the recipe has not"):
        start_from(with_heads(heads={"tags": HEADS["tags"]}), tmp_path, other.tuning)
    wider = with_heads(heads={"affect": Regression(outputs={"valence": (-1, 1)})})
    with pytest.raises(MercError, match=r"heads\.affect has another size"):
        start_from(wider, tmp_path, other.tuning)
