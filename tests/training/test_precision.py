"""What a stage is computed in, and computing activations twice."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from merc.builtin.prompters import ConversationPrompter
from merc.conversation import Conversation
from merc.errors import MercError
from merc.training.settings import Settings
from merc.training.strategy import TorchStrategy
from tests.training.jobs import Seen, cut_off, gradients, model_of, same_state, state_of, trained
from tests.tunings import tuning_of

PLAIN = {"batch_conversations": 4, "max_grad_norm": None}


def _compare(one, two, tolerance, least=11):
    assert one.keys() == two.keys() and len(one) >= least
    for name, gradient in one.items():
        assert two[name].dtype == gradient.dtype == torch.float32
        apart = (two[name] - gradient).norm() / gradient.norm()
        assert apart < tolerance, (name, float(apart))


@pytest.mark.usefixtures("computing_bfloat16")
@pytest.mark.parametrize(
    ("precision", "dtype"), [("bfloat16", "float32"), ("model", "bfloat16"), ("bfloat16", "bfloat16")]
)
def test_half_precision_is_near_float32(
    precision: str, dtype: str, backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    (exact, *_), seen, _ = gradients(model_of(backbone), talks[:4], tmp_path / "a", Settings(**PLAIN))
    half = Settings(precision=precision, **PLAIN)  # type: ignore[arg-type]
    (rough, *_), told, _ = gradients(model_of(backbone, dtype=dtype), talks[:4], tmp_path / "b", half)
    assert told.losses == pytest.approx(seen.losses, rel=2e-2)
    assert told.losses != seen.losses
    _compare(exact, rough, 0.2)


def test_without_instructions_for_bfloat16_a_stage_is_computed_in_float32(
    backbone: Path, talks: list[Conversation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("merc.model.precision.computes_bfloat16", lambda device: False)
    (exact, *_), seen, _ = gradients(model_of(backbone), talks[:4], tmp_path / "a", Settings(**PLAIN))  # type: ignore[arg-type]
    (same, *_), told, _ = gradients(
        model_of(backbone),
        talks[:4],
        tmp_path / "b",
        Settings(precision="bfloat16", **PLAIN),  # type: ignore[arg-type]
    )
    assert told.losses == seen.losses
    assert all(same[name].equal(gradient) for name, gradient in exact.items())
    assert told.said == ["trainer.precision: this CPU has no instructions for bfloat16; float32 is used"]
    assert seen.said == []


def test_float16_scales_its_loss(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    """A gradient that the scale makes infinite skips the step, and no message ends the run: the next scale is lower."""
    model = model_of(backbone)
    first = next(p for p in model.parameters() if p.requires_grad)
    first.register_hook(lambda gradient: torch.full_like(gradient, torch.inf) if not seen.log else gradient)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    seen, strategy = Seen(), TorchStrategy()
    settings = Settings(epochs=4, lr=5e-3, precision="float16")
    trained(model, talks, tmp_path, settings, seen=seen, strategy=strategy)
    finite = [math.isfinite(record["grad_norm"]) for record in seen.events("step")]
    assert not finite[0] and all(finite[-3:])
    assert strategy.scaler.get_scale() == 65536.0 / 2 ** finite.count(False)
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert any(not p.equal(before[n]) for n, p in model.named_parameters())
    assert seen.losses[-1] < seen.losses[0]


def test_float16_goes_on_with_its_scale(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    settings = Settings(epochs=3, lr=5e-3, precision="float16", checkpoint_every=1)
    whole = model_of(backbone)
    trained(whole, talks, tmp_path / "whole", settings)
    cut_off(model_of(backbone), talks, tmp_path / "cut", settings, after=5)
    resumed = model_of(backbone)
    trained(resumed, talks, tmp_path / "cut", settings, resume=True)
    assert same_state(state_of(whole), state_of(resumed))


def test_float32_over_a_bfloat16_backbone(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    with pytest.raises(MercError) as error:
        trained(model_of(backbone, dtype="bfloat16"), talks, tmp_path, Settings(precision="float32"))
    assert str(error.value) == (
        "stages.merc.trainer.precision: float32 can't be computed with a backbone held in bfloat16; "
        "set backbone.dtype=float32, or precision=model to compute in the backbone's"
    )


@pytest.mark.parametrize("tuning", ["frozen", "lora", "full"])
def test_activation_checkpointing_gives_the_same_gradients(
    tuning: str, backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    found = []
    for wanted in (False, True):
        # Where the backbone is frozen a connector alone learns, as in FARCER's base model.
        media = tuning == "frozen"
        model = model_of(backbone, tuning_of(tuning, r=4, dropout=0.1), media=media)
        asks = ConversationPrompter(media=("face",) if media else ())
        settings = Settings(activation_checkpointing=wanted, **PLAIN)  # type: ignore[arg-type]
        computed: list[None] = []
        model.base.get_decoder().layers[0].mlp.act_fn.register_forward_hook(lambda *_, done=computed: done.append(None))
        (taken, *_), seen, passes = gradients(model, talks[:4], tmp_path / str(wanted), settings, prompter=asks)
        assert len(computed) == passes * (2 if wanted else 1)
        found.append((taken, seen.losses))
        assert not any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    assert found[0][1] == found[1][1]
    _compare(found[0][0], found[1][0], 1e-5, least=2)
