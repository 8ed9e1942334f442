"""A run in eight bits: the rounding, what is written, and what it answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from merc_hub.int8 import WEIGHTS, Int8, quantisable, quantised, write_int8
from merc_hub.quantize import command
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

import merc
import merc.testing
from merc.builtin.tunings import Full
from merc.cli.main import app
from merc.components import Frozen
from merc.model.emotion_model import EmotionModel
from merc.model.probe import probe_tree
from merc.model.tuning import tune
from merc.session.export import Base, write_language_model
from tests.model.tiny import tiny_media
from tests.tiny_backbone import save_tiny_backbone, write_tiny_recipe


class TestCommand(merc.testing.CommandContract):
    component = command
    name = "quantize"


def test_a_weight_is_off_by_half_a_step_at_most() -> None:
    torch.manual_seed(0)
    weight = torch.randn(16, 32)
    whole, scale = quantised(weight)
    assert whole.dtype == torch.int8 and whole.abs().max() == 127
    assert ((whole * scale[:, None] - weight).abs() <= scale[:, None] / 2 + 1e-7).all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("int8")
    write_int8(save_tiny_backbone(base / "whole", hidden=64), base / "eight")
    return base


@torch.no_grad()
def test_logits_are_near_and_a_row_does_not_depend_on_another(folder: Path) -> None:
    whole = AutoModelForCausalLM.from_pretrained(folder / "whole").eval()
    eight = Int8(path=str(folder / "eight")).load("cpu")
    torch.manual_seed(1)
    tokens = torch.randint(0, 300, (3, 12))
    one, other = whole(input_ids=tokens).logits, eight(input_ids=tokens).logits
    assert (one - other).norm() < 0.05 * one.norm()
    assert (one.argmax(-1) == other.argmax(-1)).float().mean() > 0.9
    alone = eight(input_ids=tokens[:1]).logits
    torch.testing.assert_close(alone, other[:1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_prompts_share_what_they_have_in_common(tmp_path: Path, seed: int) -> None:
    """What enters a layer is rounded, so a tree's numbers lie farther from those of its prompts alone than in float32,
    and yet the model keeps to a tree mask."""
    write_int8(save_tiny_backbone(tmp_path / "whole", seed, hidden=64, layers=30), tmp_path / "eight")
    assert probe_tree(Int8(path=str(tmp_path / "eight")).load("cpu")) == "bool"


def test_what_is_held_is_a_byte_a_weight(folder: Path) -> None:
    state = load_file(folder / "eight" / WEIGHTS)
    model = Int8(path=str(folder / "eight")).load("cpu")
    layers = [name for name, one in model.named_modules() if type(one).__name__ == "Int8Linear"]
    assert layers and not quantisable(model)
    assert all(state[f"{name}.weight"].dtype == torch.int8 for name in layers)


def test_what_learns_before_it_has_the_gradient_of_the_whole_model(folder: Path) -> None:
    torch.manual_seed(2)
    given, gradients = torch.randn(1, 7, 64), []
    for model in (
        AutoModelForCausalLM.from_pretrained(folder / "whole").eval(),
        Int8(path=str(folder / "eight")).load("cpu"),
    ):
        embeddings = given.clone().requires_grad_()
        model(inputs_embeds=embeddings).logits.log_softmax(-1)[0, -1, 3].backward()
        gradients.append(embeddings.grad.flatten())
    assert torch.cosine_similarity(*gradients, dim=0) > 0.98
    with pytest.raises(ValueError, match="whole numbers cannot be tuned by Full"):
        Int8(path=str(folder / "eight"), tuning=Full())


def test_it_is_no_model_that_transformers_could_read(folder: Path, tmp_path: Path) -> None:
    model = EmotionModel(tune(Int8(path=str(folder / "eight")).load("cpu"), Frozen()), None, tiny_media(64))
    with pytest.raises(merc.MercError, match="has other weights than LlamaForCausalLM of transformers"):
        write_language_model(model, tmp_path / "exported", Base("someone/tiny"))


def test_other_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(merc.MercError, match=r"holds no int8.safetensors; give a folder of merc quantize"):
        Int8(path=str(tmp_path)).load("cpu")
    other = json.loads((folder / "eight" / "config.json").read_text())
    for file in (folder / "eight").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({**other, "num_hidden_layers": 3}))
    with pytest.raises(merc.MercError, match=r"does not fit its config.json"):
        Int8(path=str(tmp_path)).load("cpu")


@pytest.mark.slow
def test_a_run_in_eight_bits_answers_as_the_run_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run, recipe = tmp_path / "run", write_tiny_recipe(tmp_path, "{name: lora, r: 4}", "epochs: 2")
    recipe.write_text(recipe.read_text().replace("trainer:", "trainable: [backbone]\n    trainer:", 1))
    assert "trainable: [backbone]" in recipe.read_text()
    ended = CliRunner().invoke(app, ["run", str(recipe), "--run-dir", str(run)])
    assert ended.exit_code == 0, ended.output
    ended = CliRunner().invoke(app, ["quantize", str(run), str(tmp_path / "small")])
    assert ended.exit_code == 0 and "in eight bits" in ended.output, ended.output
    moved = (tmp_path / "small").rename(tmp_path / "moved")  # its model is found where it lies
    texts = [{"text": text} for text in ("I love this.", "Enough, stop it!", "I miss you.")]
    one, other = merc.load(run).predict(texts), merc.load(moved).predict(texts)
    for a, b in zip(one, other, strict=True):
        assert a.probabilities is not None and b.probabilities is not None
        assert all(abs(value - b.probabilities[label]) < 0.1 for label, value in a.probabilities.items())
    assert not (moved / "metrics.json").exists() and not list(moved.rglob("adapter"))
    again = CliRunner().invoke(app, ["quantize", str(run), str(moved)])
    assert again.exit_code == 2 and "is there already" in again.output
