"""Every tuning learns in merc's training loop: in one pass or several, in half precision, and from a checkpoint on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from merc_peft.bottleneck import BottleneckAdapter
from merc_peft.ia3 import IA3
from merc_peft.partial import BitFit, LastLayers
from merc_peft.qlora import QLoRA
from merc_peft.virtual import PrefixTuning, PromptTuning, PTuning
from torch import Tensor

import merc
from merc.builtin.prompters import ConversationPrompter
from merc.conversation import Conversation
from merc.model.emotion_model import EmotionModel
from merc.model.tuning import select_trainable
from merc.training.settings import Settings
from tests.training.jobs import cut_off, gradients, model_of, trained

TUNINGS: dict[str, merc.Tuning] = {
    "adapter": BottleneckAdapter(width=8),
    "ia3": IA3(),
    "bitfit": BitFit(missing="add"),
    "last-layers": LastLayers(layers=1),
    "prefix": PrefixTuning(tokens=4, start="zero"),
    "prompt": PromptTuning(tokens=4),
    "p-tuning": PTuning(tokens=4, encoder="lstm", hidden=8, dropout=0.1),
    "qlora": QLoRA(r=4, alpha=8),
}
VIRTUAL = ("prefix", "prompt", "p-tuning")
ALONE = pytest.mark.parametrize("name", TUNINGS)


def learned(model: EmotionModel) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.learning().items()}


@ALONE
def test_it_learns(name: str, backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    model = model_of(backbone, TUNINGS[name])
    before = learned(model)
    _, seen = trained(model, talks, tmp_path, Settings(epochs=6, lr=2e-2, batch_conversations=6))
    half = len(seen.losses) // 2
    assert sum(seen.losses[-2:]) < sum(seen.losses[:2]) and min(seen.losses[half:]) < min(seen.losses[:half])
    after = learned(model)
    assert all(not torch.equal(before[each], after[each]) for each in before)


@ALONE
def test_several_passes_are_one(name: str, backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    """The gradients of a step in micro-batches are those of the whole step."""
    found = []
    for budget in (100_000, 90):
        model = model_of(backbone, TUNINGS[name].__class__(**{**vars(TUNINGS[name]), **_without_dropout(name)}))
        settings = Settings(epochs=1, batch_conversations=4, batch_tokens=budget, max_grad_norm=None)
        found.append(gradients(model, talks[:4], tmp_path / str(budget), settings))
    (one, _, passes), (several, _, more) = found
    assert passes < more
    for step_one, step_several in zip(one, several, strict=True):
        assert step_one and step_one.keys() == step_several.keys()
        for each, value in step_one.items():
            torch.testing.assert_close(value, step_several[each], rtol=1e-3, atol=1e-5)


def _without_dropout(name: str) -> dict[str, float]:
    return {"dropout": 0.0} if name == "p-tuning" else {}


@ALONE
def test_it_goes_on_from_a_checkpoint(name: str, backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    settings = Settings(epochs=2, lr=5e-3, batch_conversations=3, checkpoint_every=1)
    whole = model_of(backbone, TUNINGS[name])
    trained(whole, talks, tmp_path / "whole", settings)
    cut_off(model_of(backbone, TUNINGS[name]), talks, tmp_path / "cut", settings, after=3)
    resumed = model_of(backbone, TUNINGS[name])
    trained(resumed, talks, tmp_path / "cut", settings, resume=True)
    one, two = learned(whole), learned(resumed)
    assert one and all(torch.equal(one[each], two[each]) for each in one)


@ALONE
@pytest.mark.parametrize("held", [("float32", "bfloat16"), ("bfloat16", "model"), ("bfloat16", "bfloat16")])
def test_half_precision(
    name: str, held: tuple[str, str], backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    """What learns stays float32, and the loss is near that of float32."""
    losses = []
    for dtype, precision in (("float32", "model"), held):
        model = model_of(backbone, TUNINGS[name], dtype=dtype)
        settings = Settings(epochs=1, lr=1e-3, batch_conversations=6, precision=precision)  # type: ignore[arg-type]
        _, seen = trained(model, talks, tmp_path / f"{dtype}-{precision}", settings)
        assert {value.dtype for value in learned(model).values()} == {torch.float32}
        losses.append(seen.losses)
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


@pytest.mark.parametrize("name", sorted(set(TUNINGS) - set(VIRTUAL)))
def test_activations_computed_again(name: str, backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    found = []
    for again in (False, True):
        settings = Settings(epochs=1, batch_conversations=4, activation_checkpointing=again, max_grad_norm=None)
        model = model_of(backbone, TUNINGS[name])
        found.append(gradients(model, talks[:4], tmp_path / str(again), settings)[0])
    for one, two in zip(*found, strict=True):
        assert one and one.keys() == two.keys()
        for each, value in one.items():
            torch.testing.assert_close(value, two[each], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", VIRTUAL)
def test_virtual_tokens_and_activations_computed_again_are_refused(
    name: str, backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    with pytest.raises(merc.MercError, match=r"^stages\.merc\.trainer\.activation_checkpointing: .*virtual tokens"):
        trained(model_of(backbone, TUNINGS[name]), talks, tmp_path, Settings(activation_checkpointing=True))


def test_a_schedule_of_stages(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    """Connectors first, then the upper blocks, then all that the tuning lets learn."""
    model = model_of(backbone, LastLayers(layers=2), media=True)
    stages: list[tuple[tuple[str, ...] | None, tuple[str, ...]]] = [
        (("connectors.*",), ()),
        (("connectors.*", "backbone.*.layers.1.*"), ("layers.1.",)),
        (None, ("layers.0.", "layers.1.")),
    ]
    for number, (names, wanted) in enumerate(stages):
        select_trainable(model, names)
        before = {each: p.detach().clone() for each, p in model.named_parameters()}
        settings = Settings(epochs=1, lr=1e-2, batch_conversations=6)
        trained(model, talks, tmp_path / str(number), settings, prompter=ConversationPrompter(media=("face",)))
        changed = {each for each, p in model.named_parameters() if not torch.equal(p, before[each])}
        backbone_changed = {each for each in changed if each.startswith("llm.")}
        assert any(each.startswith("media.") for each in changed)
        assert all(any(part in each for part in wanted) for each in backbone_changed)
        assert all(any(part in each for each in backbone_changed) for part in wanted)
