"""Encoders that learn: the same features before the first step, a gradient, nothing that moves but what is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import merc.testing
from merc.builtin.connectors import Linear
from merc.builtin.fusers import Concat
from merc.builtin.losses import TokenNLL
from merc.components import FeatureSpec, Frozen, Missing, VideoClip
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.media_tokens import MediaTokens
from merc.model.start import start_from
from merc.model.state import load_stage, load_trained_state, save_stage, trained_state
from merc.model.tuning import select_trainable, tune
from merc.prompting import AnswerPath, EncodedPrompt
from merc.training.settings import Settings
from merc.training.strategy import TorchStrategy
from merc.training.update import parameter_groups
from tests.learning import DIM, Look
from tests.losses import use_loss
from tests.model.tiny import tiny_llama
from tests.tunings import tuning_of

LOOK = Look(frames=2)
NAMES = ("u0", "u1", "u2", "u3", "u4")


def _clips() -> dict[str, VideoClip]:
    draw = np.random.default_rng(0)
    pictures = {n: draw.integers(0, 256, (1 + i % 2, 8, 8, 3)).astype("uint8") for i, n in enumerate(NAMES[:4])}
    return {n: VideoClip(frames=frames, times=np.arange(len(frames)) / 2) for n, frames in pictures.items()}


CLIPS = _clips()
VOICE = {name: np.random.default_rng(i).standard_normal((1, 4)).astype("float32") for i, name in enumerate(NAMES)}


def model_of(learning: bool, tuning: Any = None) -> EmotionModel:
    """A model whose faces come from features that are kept, or from the network; u4 has no face."""
    torch.manual_seed(1)
    tuned = tune(tiny_llama(), tuning or Frozen())
    media = MediaTokens(
        {"face": LOOK.spec(), "voice": FeatureSpec(4)},
        {"face": Linear(), "both": Linear()},
        {"both": Concat(width=3)},
        32,
        {"face": LOOK},
        {"face": LOOK.build()} if learning else {},
    )
    encode = LOOK.prepare() if learning else LOOK.load("cpu")
    given = dict(zip(CLIPS, encode(list(CLIPS.values())), strict=True))

    def source(stream: str, utterance: str, draw: int) -> Any:
        return VOICE[utterance] if stream == "voice" else given.get(utterance, Missing("no face"))

    media.source = source
    model = EmotionModel(tuned, None, media)
    model.probe()
    return model.eval()


def prompts(model: EmotionModel) -> list[EncodedPrompt]:
    """A growing conversation with faces, and a fuser of faces and voices."""
    head: tuple[Any, ...] = (1, 2)
    made = []
    for number, name in enumerate(NAMES):
        for stream in ("face", "both"):
            head += tuple((stream, name, i) for i in range(model.media.length(stream, name)))
        head += (20 + number,)
        made.append(EncodedPrompt(name, (*head, 5), (AnswerPath((7, 8), 0, 0, True), AnswerPath((9,), 1, 0))))
    return made


def log_probabilities(model: EmotionModel) -> torch.Tensor:
    return torch.cat([model.log_probabilities(batch) for batch in model.batches(prompts(model), 10_000)])


class TestLook(merc.testing.EncoderContract):
    component = LOOK


def test_before_the_first_step_features_and_scores_are_those_of_the_frozen_encoder() -> None:
    kept, computed = model_of(False), model_of(True)
    for name in NAMES:
        assert kept.media.length("face", name) == computed.media.length("face", name)
        if name in CLIPS:
            (features,) = computed.media.compute("face", [name])
            assert features is not None
            torch.testing.assert_close(features, torch.from_numpy(kept.media.source("face", name, 0)))  # type: ignore[misc]
    torch.testing.assert_close(log_probabilities(computed), log_probabilities(kept), rtol=1e-5, atol=1e-6)


def test_gradients_are_those_of_the_prompts_alone() -> None:
    """The tree against a row for each answer of each prompt."""
    model = model_of(True)
    learning = dict(model.media.encoders.named_parameters())
    weights = torch.linspace(0.5, 1.5, 10)

    def gradients(layout: str) -> tuple[torch.Tensor, ...]:
        model.layout = layout
        values = [model.log_probabilities(batch) for batch in model.batches(prompts(model), 10_000)]
        paths = [batch.prompts[i].target for batch in model.batches(prompts(model), 10_000) for i in batch.path_prompt]
        order = sorted(range(len(paths)), key=lambda at: (paths[at], at))
        return torch.autograd.grad((weights * torch.cat(values)[order]).sum(), list(learning.values()))

    for name, tree, alone in zip(learning, gradients("tree"), gradients("separate"), strict=True):
        assert float(alone.abs().max()) > 0
        torch.testing.assert_close(tree, alone, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_a_missing_face_is_missing() -> None:
    model = model_of(True)
    assert model.media.length("face", "u4") == 0
    assert model.media.compute("face", ["u4", "u0"])[0] is None


def test_parts_and_what_a_stage_names() -> None:
    model = model_of(True, tuning_of("lora", r=2))
    parts = model.parts()
    assert parts["encoders.face"][0] == "encoders.face.first.weight"
    assert {n for n in model.learns if n.startswith("media.encoders.")} == {
        f"media.{name}" for name in parts["encoders.face"]
    }

    def learns(*names: str) -> list[str]:
        select_trainable(model, names or None)
        return [n for n, p in model.media.encoders.named_parameters() if p.requires_grad]

    everything = [n for n, _ in model.media.encoders.named_parameters()]
    assert learns() == learns("*") == learns("backbone", "connectors.*") == []
    assert learns("encoders.face") == learns("encoders.*") == everything
    assert learns("encoders.face.last.*", "backbone") == ["face.last.weight", "face.last.bias"]
    with pytest.raises(MercError, match=r"unknown part 'encoders.fac'"):
        learns("encoders.fac")


def test_what_comes_frozen_stays_so() -> None:
    network = LOOK.build()
    network.first.requires_grad_(False)
    media = MediaTokens({"face": LOOK.spec()}, {"face": Linear()}, {}, 32, {"face": LOOK}, {"face": network})
    model = EmotionModel(tune(tiny_llama(), Frozen()), None, media)
    select_trainable(model, ["encoders.*"])
    assert [n for n, p in network.named_parameters() if not p.requires_grad] == ["first.weight", "first.bias"]
    assert not any("first" in name for name in model.learns)


def train(model: EmotionModel, steps: int = 3, **settings: Any) -> None:
    strategy = TorchStrategy()
    strategy.prepare(model, parameter_groups(model, Settings(**settings)), "model")
    use_loss(model, TokenNLL(), 2)
    model.train()
    for _ in range(steps):
        for batch in model.batches(prompts(model), 10_000):
            strategy.backward(strategy.loss_values(batch, 0).mean(), last=True)
        strategy.step(1.0, None)
    model.eval()


def test_weights_move_and_statistics_of_batches_do_not() -> None:
    model = model_of(True)
    select_trainable(model, ["encoders.face"])
    before = {n: v.clone() for n, v in model.state_dict().items()}
    train(model, encoder_lr=1e-2)
    moved = {n for n, v in model.state_dict().items() if not torch.equal(v, before[n])}
    assert moved == {f"media.encoders.face.{n}" for n, _ in LOOK.build().named_parameters()}


def test_a_learning_rate_of_its_own() -> None:
    model = model_of(True, tuning_of("lora", r=2))
    groups = parameter_groups(model, Settings(lr=1e-3, connector_lr=1e-2, encoder_lr=1e-5))
    assert [group["lr"] for group in groups] == [1e-3, 1e-2, 1e-5]
    assert {id(p) for p in groups[2]["params"]} == {id(p) for p in model.media.encoders.parameters()}
    assert [group["lr"] for group in parameter_groups(model, Settings(lr=1e-3))] == [1e-3, 1e-3, 1e-3]
    with pytest.raises(ValueError, match="encoder_lr is above 0"):
        Settings(encoder_lr=0.0)


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    model, other = model_of(True), model_of(True)
    select_trainable(model, ["encoders.face"])
    train(model, encoder_lr=1e-2)
    assert not torch.allclose(log_probabilities(model), log_probabilities(other))
    checksums = save_stage(model, tmp_path)
    assert "encoders.safetensors" in checksums
    assert set(load_file(tmp_path / "encoders.safetensors")) == {f"face.{n}" for n in LOOK.build().state_dict()}
    load_stage(other, tmp_path)
    assert torch.equal(log_probabilities(model), log_probabilities(other))
    third = model_of(True)
    load_trained_state(third, trained_state(model))
    assert torch.equal(log_probabilities(model), log_probabilities(third))


def test_another_run_starts_from_it(tmp_path: Path) -> None:
    model, other = model_of(True), model_of(True)
    select_trainable(model, ["encoders.face"])
    train(model, encoder_lr=1e-2)
    save_stage(model, tmp_path)
    taken, new = start_from(other, tmp_path, Frozen())
    assert "encoders.face" in taken and new == []
    assert torch.equal(log_probabilities(model), log_probabilities(other))
    with pytest.raises(MercError) as error:
        start_from(model_of(False), tmp_path, Frozen())
    assert "encoders.face" in str(error.value) and "trainable" in str(error.value)


@pytest.mark.parametrize(("count", "dim"), [(3, DIM), (2, DIM + 1)])
def test_features_that_are_not_announced_are_named(count: int, dim: int) -> None:
    model = model_of(True)

    class Other(torch.nn.Module):
        def forward(self, inputs: Any) -> list[torch.Tensor]:
            return [torch.zeros(count, dim) for _ in inputs]

    model.media.encoders["face"] = Other()
    with pytest.raises(MercError) as error:
        model.media.compute("face", ["u0"])
    assert all(word in str(error.value) for word in ("'face'", "'u0'", f"[{count}, {dim}]", "token_count()", "[2, 5]"))
