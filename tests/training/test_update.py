"""One step of AdamW: learning rates, decay, clipping, and what stops it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from merc.builtin.prompters import ConversationPrompter
from merc.builtin.tunings import Full
from merc.components import Frozen, Tuning
from merc.conversation import Conversation
from merc.errors import MercError
from merc.model.tuning import select_trainable
from merc.training.settings import Settings
from merc.training.strategy import TorchStrategy
from tests.training.jobs import gradients, model_of, same_state, state_of, trained

MEDIA = ConversationPrompter(media=("face",))


def test_three_steps_are_those_of_adamw(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    """Weights after steps taken by the loop equal those of torch's AdamW, told the same gradients, with a learning rate
    for each group, a linear schedule, decay and clipping."""
    settings = Settings(
        batch_conversations=4, lr=3e-3, connector_lr=7e-3, weight_decay=0.1, schedule="linear", max_grad_norm=0.5
    )
    theirs = model_of(backbone, media=True)
    backbone_parameters = [p for n, p in theirs.named_parameters() if "lora_" in n]
    media_parameters = list(theirs.media.parameters())
    optimizer = torch.optim.AdamW(
        [{"params": backbone_parameters, "lr": 3e-3}, {"params": media_parameters, "lr": 7e-3}], weight_decay=0.1
    )
    named = dict(theirs.named_parameters())
    unclipped = Settings(batch_conversations=4, max_grad_norm=None)
    norms = []
    for step in range(3):
        taken, _, _ = gradients(theirs, talks, tmp_path / f"gradients{step}", unclipped, prompter=MEDIA)
        for name, gradient in taken[step].items():
            named[name].grad = gradient
        norms.append(float(torch.nn.utils.clip_grad_norm_(backbone_parameters + media_parameters, 0.5)))
        for group, rate in zip(optimizer.param_groups, (3e-3, 7e-3), strict=True):
            group["lr"] = rate * (1 - step / 3)
        optimizer.step()
        optimizer.zero_grad()

    mine = model_of(backbone, media=True)
    before = state_of(mine)
    _, seen = trained(mine, talks, tmp_path / "trained", settings, prompter=MEDIA)
    assert len(seen.events("step")) == 3 and min(norms) > 0.5
    assert [record["grad_norm"] for record in seen.events("step")] == pytest.approx(norms, rel=1e-4)
    assert [record["lr"] for record in seen.events("step")] == pytest.approx([3e-3, 2e-3, 1e-3])
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(mine.state_dict()[name], value, rtol=1e-4, atol=1e-6, msg=name)
    changed = {name for name, value in mine.state_dict().items() if not value.equal(before[name])}
    assert changed == {n for n in before if "lora_" in n or n.startswith("media.")}


def test_what_a_stage_does_not_train_stays(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    model = model_of(backbone, media=True)
    assert select_trainable(model, ["connectors.*"]) == ["connectors.face"]
    before = state_of(model)
    trained(model, talks, tmp_path, Settings(), prompter=MEDIA)
    changed = {name for name, value in model.state_dict().items() if not value.equal(before[name])}
    assert changed == {"media.connectors.face.network.1.weight", "media.connectors.face.network.1.bias"}


@dataclass(frozen=True, kw_only=True)
class Idle(Tuning):
    """A tuning that makes nothing learn."""

    def apply(self, llm: torch.nn.Module) -> torch.nn.Module:
        return llm.requires_grad_(False)


@pytest.mark.parametrize(
    ("tuning", "why"),
    [(Frozen(), "the backbone is frozen"), (Idle(), "backbone.tuning 'Idle' leaves none of the backbone to learn")],
)
def test_nothing_trainable(tuning: Tuning, why: str, backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    with pytest.raises(MercError) as error:
        trained(model_of(backbone, tuning), talks, tmp_path, Settings())
    message = str(error.value)
    assert message.startswith(f"nothing is trainable: {why}") and "backbone.tuning={name: lora}" in message


def test_full_tuning_trains_all_of_it(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    model = model_of(backbone, Full())
    before = state_of(model)
    _, seen = trained(model, talks, tmp_path, Settings(lr=1e-2, epochs=4))
    assert all(not value.equal(before[name]) for name, value in model.state_dict().items())
    assert seen.losses[-1] < seen.losses[0] / 2


def test_a_loss_that_is_no_number(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    """A learning rate beyond all bounds: the second step's loss is no number."""
    model = model_of(backbone)
    kept = {}

    class Keeping(TorchStrategy):
        def backward(self, loss: torch.Tensor, last: bool) -> None:
            kept.update(state_of(model))
            super().backward(loss, last)

        def step(self, lr_scale: float, max_norm: float | None) -> float:
            norm = super().step(lr_scale, max_norm)
            kept.update(state_of(model))
            return norm

    with pytest.raises(MercError) as error:
        trained(
            model, talks, tmp_path, Settings(lr=1e30, batch_conversations=2, checkpoint_every=1), strategy=Keeping()
        )
    said = str(error.value)
    assert said.startswith("stages.merc: the loss 'token-nll' is nan at step 2. In the batch were the utterances train")
    assert said.endswith("or look at these utterances' features; the last checkpoint is kept")
    assert "trainer.lr" in said and "float16" not in said  # it was computed in float32
    named = said.split("utterances ")[1].split(". Lower")[0].split(", ")
    known = {u.id for talk in talks for u in talk.utterances}
    assert set(named) <= known and 2 <= len(named) == len(set(named))
    assert same_state(kept, state_of(model))
    assert (tmp_path / "checkpoint-00000001" / "progress.json").exists()


def test_a_gradient_that_is_no_number(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    """The loss may be finite and its gradient not: the weights must not be spoiled by it."""
    model = model_of(backbone)
    parameter = next(p for p in model.parameters() if p.requires_grad)
    parameter.register_hook(lambda gradient: gradient * torch.nan)
    before = state_of(model)
    with pytest.raises(MercError, match=r"stages\.merc: the norm of the gradient is nan at step 1\. In the batch were"):
        trained(model, talks, tmp_path, Settings())
    assert same_state(before, state_of(model))


def test_many_utterances_are_named_in_part(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    count = sum(len(talk.utterances) for talk in talks)
    assert count > 20
    model = model_of(backbone)
    next(p for p in model.parameters() if p.requires_grad).register_hook(lambda gradient: gradient * torch.nan)
    with pytest.raises(MercError, match=f" and {count - 20} more. Lower"):
        trained(model, talks, tmp_path, Settings(batch_conversations=None, batch_tokens=100_000))
