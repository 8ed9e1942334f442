"""The loss of a head: written out, over what is known, with a gradient for the head and what is below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from merc.builtin.heads import MultiLabel, Regression
from merc.builtin.losses import HeadLoss, TokenNLL
from merc.builtin.prompters import ConversationPrompter
from merc.components import Batch, Example, Frozen, Head, Loss, LossContext, Outputs, Targets
from merc.conversation import Conversation, Utterance
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.heads import Heads
from merc.model.state import load_trained_state, trained_state
from merc.session.data import queries
from merc.training import fit
from merc.training.loss_set import LossSet
from merc.training.settings import Settings
from tests.training.jobs import LABELS, context_of, encoded, gradients, model_of, trained

AFFECT = Regression(outputs={"valence": (-1, 1), "arousal": (0, 4)})
TAGS = MultiLabel(labels=("joy", "fear"), field="tags")
VALUES: list[dict[str, float | tuple[str, ...]]] = [
    {"valence": 0.5, "arousal": 1.0, "tags": ("joy",)},
    {"valence": -1.0},
    {},
    {"arousal": 4.0, "tags": ()},
]
TALK = Conversation(
    id="c",
    split="train",
    utterances=tuple(
        Utterance(id=f"u{i}", text=f"we are {i}", label="joy", values=values) for i, values in enumerate(VALUES)
    ),
)
ONE_STEP = Settings(lr=0.01, connector_lr=0.05, batch_conversations=1, batch_tokens=4096, max_grad_norm=None)


def model_with_heads(backbone: Path, frozen: bool = True) -> EmotionModel:
    model = model_of(backbone, Frozen() if frozen else None)
    torch.manual_seed(5)
    model.heads = Heads({"affect": AFFECT, "tags": TAGS}, model.base.config.hidden_size)
    return model


def states_alone(model: EmotionModel) -> Tensor:
    """The state where each answer begins, of prompts computed one by one through the backbone's own forward."""
    rows = []
    for index in range(len(TALK.utterances)):
        tokens = torch.tensor([encoded(model, TALK, index).context])
        rows.append(model.llm(input_ids=tokens, output_hidden_states=True).hidden_states[-1][0, -1])
    return torch.stack(rows)


def affect_written_out(model: EmotionModel) -> Tensor:
    """The loss of ``affect``: of each utterance the mean over its known numbers, and the mean over those with any."""
    head, losses = model.heads["affect"], []
    for state, values in zip(states_alone(model), VALUES, strict=True):
        raw = head.layers(state)  # type: ignore[operator, union-attr]
        said = {"valence": torch.tanh(raw[0]), "arousal": 2 + 2 * torch.tanh(raw[1])}
        half = {"valence": 1.0, "arousal": 2.0}
        own = [((said[n] - float(values[n])) / half[n]) ** 2 for n in said if n in values]  # type: ignore[arg-type]
        losses += [sum(own, torch.zeros(())) / len(own)] if own else []
    assert len(losses) == 3
    return torch.stack(losses).mean()


def tags_written_out(model: EmotionModel) -> Tensor:
    losses = []
    for state, values in zip(states_alone(model), VALUES, strict=True):
        if "tags" in values:
            p = torch.sigmoid(model.heads["tags"](state))
            own = [p[i] if label in values["tags"] else 1 - p[i] for i, label in enumerate(TAGS.labels)]  # type: ignore[operator]
            losses.append(-torch.stack(own).log().mean())
    assert len(losses) == 2
    return torch.stack(losses).mean()


def test_the_losses_of_a_step_are_those_written_out(backbone: Path, tmp_path: Path) -> None:
    model = model_with_heads(backbone)
    wanted = [affect_written_out(model).item(), 0.5 * tags_written_out(model).item()]
    losses = (HeadLoss(head="affect"), HeadLoss(head="tags", weight=0.5))
    _, seen = trained(model, [TALK], tmp_path, ONE_STEP, losses)
    (step,) = seen.events("step")
    assert list(step["losses"]) == ["head-affect", "head-tags"]
    assert list(step["losses"].values()) == pytest.approx(wanted, rel=1e-4)
    assert step["loss"] == pytest.approx(sum(wanted), rel=1e-4)


def test_the_gradient_is_that_of_the_loss_written_out(backbone: Path, tmp_path: Path) -> None:
    model = model_with_heads(backbone, frozen=False)
    loss = affect_written_out(model)
    named = [(n, p) for n, p in model.learning().items() if not n.startswith("heads.tags")]
    wanted = dict(zip([n for n, _ in named], torch.autograd.grad(loss, [p for _, p in named]), strict=True))
    (found,), _, passes = gradients(model, [TALK], tmp_path, ONE_STEP, losses=(HeadLoss(head="affect"),))
    assert passes == 1 and any(value.any() for name, value in wanted.items() if name.startswith("llm."))
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=1e-3, msg=name)
    assert not any(value.any() for name, value in found.items() if name.startswith("heads.tags"))


def test_several_passes_learn_what_one_learns(backbone: Path, tmp_path: Path) -> None:
    model = model_with_heads(backbone)
    losses = (HeadLoss(head="affect"), HeadLoss(head="tags"))
    (whole,), _, one = gradients(model, [TALK], tmp_path / "a", ONE_STEP, losses=losses)
    small = replace(ONE_STEP, batch_tokens=16)
    (split,), _, several = gradients(model, [TALK], tmp_path / "b", small, losses=losses)
    assert one == 1 and several > 1
    for name, value in whole.items():
        torch.testing.assert_close(split[name], value, atol=1e-6, rtol=1e-4)


def test_heads_learn_at_the_connectors_rate_beside_answers(backbone: Path, tmp_path: Path) -> None:
    model = model_with_heads(backbone, frozen=False)
    before = {n: p.detach().clone() for n, p in model.learning().items()}
    _, seen = trained(model, [TALK], tmp_path, ONE_STEP, (TokenNLL(), HeadLoss(head="affect")))
    assert list(seen.events("step")[0]["losses"]) == ["token-nll", "head-affect"]
    moved = {n: (p - before[n]).abs().max().item() for n, p in model.learning().items()}
    # AdamW's first step is as long as the rate, whatever the gradient is.
    assert moved["heads.affect.layers.weight"] == pytest.approx(0.05, rel=1e-3)
    assert max(value for n, value in moved.items() if n.startswith("llm.")) == pytest.approx(0.01, rel=1e-2)


def test_utterances_without_a_label_are_learned_from_by_heads_alone(backbone: Path, tmp_path: Path) -> None:
    model = model_with_heads(backbone)
    bare = replace(TALK, utterances=tuple(replace(u, label=None) for u in TALK.utterances))
    wanted = affect_written_out(model).item()
    context, seen = context_of(model, [TALK], tmp_path)
    groups = [[Example(q, ConversationPrompter()) for q in group] for group in queries([bare], LABELS)]
    fit(replace(context, examples=lambda epoch: groups), ONE_STEP, (HeadLoss(head="affect"),))
    assert seen.losses == pytest.approx([wanted], rel=1e-4)


def test_a_step_of_which_nothing_is_known_learns_nothing(backbone: Path, tmp_path: Path) -> None:
    model = model_with_heads(backbone)
    nothing = replace(TALK, id="d", utterances=(Utterance(id="v", text="Hi.", label="joy"),))
    _, seen = trained(model, [TALK, nothing], tmp_path, ONE_STEP, (HeadLoss(head="affect"),))
    taken, skipped = sorted(seen.events("step"), key=lambda record: record.get("skipped", False))
    assert taken["loss"] > 0 and math.isfinite(taken["grad_norm"])
    assert skipped["skipped"] and "loss" not in skipped


def test_training_makes_the_loss_smaller(backbone: Path, tmp_path: Path) -> None:
    settings = replace(ONE_STEP, epochs=40, lr=0.003, connector_lr=0.005, schedule="constant")
    model = model_with_heads(backbone, frozen=False)
    _, seen = trained(model, [TALK], tmp_path, settings, (HeadLoss(head="affect"),))
    assert seen.losses[-1] < 0.1 * seen.losses[0]


@dataclass(frozen=True, kw_only=True)
class Absolute(Loss):
    """What a plugin writes that compares a head with its targets in its own way."""

    needs = frozenset()
    answers = "none"
    head: str = "affect"

    def heads(self) -> Sequence[str]:
        return (self.head,)

    def build(self, context: LossContext) -> nn.Module:
        head, name = context.heads[self.head], self.head

        class Function(nn.Module):
            def forward(self, outputs: Outputs, batch: Batch) -> Tensor:
                assert outputs.heads is not None
                values, known = head.targets(batch.queries)
                return ((outputs.heads[name] - values).abs() * known).sum(1)

        return Function()


def test_a_loss_of_a_plugin_reads_outputs_and_targets(backbone: Path, tmp_path: Path) -> None:
    model = model_with_heads(backbone)
    with torch.no_grad():
        said = model.heads.outputs(states_alone(model), ["affect"])["affect"]
    wanted = abs(said[0, 0] - 0.5) + abs(said[0, 1] - 1) + abs(said[1, 0] + 1) + abs(said[3, 1] - 4)
    context = LossContext(labels=None, width=4, counts={}, answers=(), heads=model.heads.components)  # type: ignore[arg-type]
    built = LossSet({"absolute": Absolute()}, {"absolute": Absolute().build(context)})
    assert list(built.needs.values()) == [{"heads.affect"}]
    model.use_losses(built.functions, built.needs)
    prompts = [replace(encoded(model, TALK, i), answers=(), query=q) for i, q in enumerate(queries([TALK], LABELS)[0])]
    values = torch.cat([model.loss_values(batch)[0] for batch in model.batches(prompts, 4096)])
    torch.testing.assert_close(values.sum(), wanted, atol=1e-4, rtol=1e-4)


def test_what_a_loss_keeps_is_in_a_checkpoint(backbone: Path) -> None:
    """A running mean, say, goes on where it was."""
    model, mean = model_with_heads(backbone), torch.nn.Module()
    mean.register_buffer("mean", torch.tensor([0.5]))
    mean.register_buffer("scratch", torch.tensor([1.0]), persistent=False)
    model.use_losses({"own": mean}, {"own": set()})  # type: ignore[dict-item]
    state = {name: value.clone() for name, value in trained_state(model).items()}
    assert [name for name in state if name.startswith("losses.")] == ["losses.0.mean"]
    mean.mean.zero_()
    load_trained_state(model, state)
    assert mean.mean.item() == 0.5


def test_a_loss_of_a_head_that_is_not_there_is_named(backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(MercError, match=r"head 'affekt', which the recipe does not have\. Did you mean 'affect'"):
        trained(model_with_heads(backbone), [TALK], tmp_path, ONE_STEP, (HeadLoss(head="affekt"),))


@dataclass(frozen=True, kw_only=True)
class Flat(Regression):
    def losses(self, outputs: Tensor, targets: Targets) -> Tensor:
        return super().losses(outputs, targets).sum(1)


def test_a_head_whose_losses_have_another_shape_is_named(backbone: Path, tmp_path: Path) -> None:
    model = model_with_heads(backbone)
    flat: Head = Flat(outputs=AFFECT.outputs)
    model.heads = Heads({"affect": flat}, model.base.config.hidden_size)
    with pytest.raises(MercError, match=r"heads.affect: losses\(\) gives \(4,\) for targets \(4, 2\)"):
        trained(model, [TALK], tmp_path, ONE_STEP, (HeadLoss(head="affect"),))


def test_a_head_that_gives_no_number_names_the_loss_and_the_utterances(backbone: Path, tmp_path: Path) -> None:
    model = model_with_heads(backbone)
    with torch.no_grad():
        model.heads["affect"].layers.bias.fill_(math.nan)  # type: ignore[union-attr, operator]
    with pytest.raises(MercError, match=r"loss 'head-affect' is nan at step 1.*u0, u1, u2, u3"):
        trained(model, [TALK], tmp_path, ONE_STEP, (HeadLoss(head="affect"),))
