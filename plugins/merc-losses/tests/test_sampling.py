"""Trainers that let the model write: their losses written out, what they log, that they learn, in two processes too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import pytest
import torch
from merc_losses.policy import ClippedPolicy, ReferenceKL
from merc_losses.sampling import GRPO, OnlineDPO, prefer
from torch import Tensor

import merc
import merc.testing
from merc.builtin.prompters import ConversationPrompter
from merc.builtin.tunings import Full
from merc.components import Example, WeightedAnswer
from merc.model.emotion_model import EmotionModel
from merc.training.loop import fit
from merc.training.settings import Settings
from tests.training.jobs import Learning, context_of, learn, model_of
from tests.training.loss_steps import assert_gradients, queries_of


@dataclass(frozen=True, kw_only=True)
class Letters(merc.Reward):
    """The share of letters that the right label has too. ``weight`` is its share."""

    def scores(self, query: merc.Query, answers: Sequence[merc.Generation]) -> Sequence[float]:
        letters = set(query.target.label or "")
        return [sum(sign in letters for sign in one.text) / max(1, len(one.text)) for one in answers]


@dataclass(frozen=True, kw_only=True)
class Same(merc.Reward):
    """The same for all. ``weight`` is its share."""

    def scores(self, query: merc.Query, answers: Sequence[merc.Generation]) -> Sequence[float]:
        return [0.5] * len(answers)


class TestGRPO(merc.testing.TrainerContract):
    """Also in two processes, and stopped in the middle of an epoch."""

    component = GRPO(rewards=(Letters(),), count=4, max_new_tokens=4, lr=1e-2, batch_conversations=2)
    name = "grpo"


class TestOnlineDPO(merc.testing.TrainerContract):
    component = OnlineDPO(rewards=(Letters(),), count=4, max_new_tokens=4, lr=1e-2, batch_conversations=2)
    name = "online-dpo"


class TestReferenceKL(merc.testing.LossContract):
    """Before anything is learned it is 0 without a slope; what it is later is written out below."""

    component = ReferenceKL()
    name = "reference-kl"

    def test_gives_one_finite_value_a_prompt_with_a_gradient(self) -> None:
        _, values, _ = self._values()
        assert values is not None and values.requires_grad and values.abs().max() < 1e-6


OWN = (((5, 9, 4), 0.75, (-2.0, -9.0, -5.5)), ((5, 7), -1.5, (-2.0, -3.0)), ((6,), 0.25, (-6.5,)))


def tokens_alone(model: EmotionModel, query: merc.Query, tokens: Sequence[int]) -> Tensor:
    context = model.prompts.encode(ConversationPrompter().prompt(query), lambda *_: 0, answers="none").context
    logits = model.llm(input_ids=torch.tensor([[*context, *tokens]])).logits[0].log_softmax(-1)
    return torch.stack([logits[len(context) - 1 + i, token] for i, token in enumerate(tokens)])


def clipped(now: EmotionModel, before: EmotionModel, query: merc.Query) -> Tensor:
    losses = []
    for tokens, advantage, drawn in OWN:
        ratios = (tokens_alone(now, query, tokens) - torch.tensor(drawn)).exp()
        steps = [torch.minimum(r * advantage, r.clamp(0.8, 1.2) * advantage) for r in ratios]
        losses.append(-torch.stack(steps).mean())
    return torch.stack(losses).mean()


def distance(now: EmotionModel, before: EmotionModel, query: merc.Query) -> Tensor:
    losses = []
    for tokens, _, _ in OWN:
        gap = tokens_alone(before, query, tokens).detach() - tokens_alone(now, query, tokens)
        losses.append((gap.exp() - gap - 1).mean())
    return torch.stack(losses).mean()


@pytest.mark.parametrize(("loss", "formula"), [(ClippedPolicy(), clipped), (ReferenceKL(), distance)])
def test_the_equations(
    loss: merc.Loss, formula: Any, backbone: Path, talks: list[merc.Conversation], tmp_path: Path
) -> None:
    """In one pass and in several, with ratios on both sides of the clip, and with other losses' answers beside."""
    own = tuple(WeightedAnswer(tokens, weight, {"drawn": drawn}) for tokens, weight, drawn in OWN)
    groups = [[Example(q, ConversationPrompter(), own) for q in queries_of([talk])] for talk in talks[:2]]
    for name, budget in (("a", 100_000), ("b", 40)):
        context, seen = context_of(model_of(backbone), [], tmp_path / name, strategy=(strategy := Learning()))
        settings = Settings(batch_conversations=2, batch_tokens=budget, max_grad_norm=None)
        fit(replace(context, examples=lambda epoch: groups), settings, (loss,))
        before, now = model_of(backbone), model_of(backbone)
        learn(now)
        plain = torch.stack([formula(now, before, query) for query in queries_of(talks[:2])]).mean()
        assert (strategy.passes > 1) == (name == "b")
        assert seen.losses[0] == pytest.approx(float(plain.detach()), rel=1e-4) and abs(seen.losses[0]) > 1e-3
        assert_gradients(now, plain, strategy.taken[0])


def test_the_reference_is_another_model_in_half_precision(
    backbone: Path, talks: list[merc.Conversation], tmp_path: Path
) -> None:
    """Under autocast too the distance is seen, and its gradient reaches the adapters."""
    own = tuple(WeightedAnswer(tokens, weight, {"drawn": drawn}) for tokens, weight, drawn in OWN)
    groups = [[Example(q, ConversationPrompter(), own) for q in queries_of([talk])] for talk in talks[:2]]
    losses = {}
    for precision in ("float32", "bfloat16"):
        context, seen = context_of(model_of(backbone), [], tmp_path / precision, strategy=(strategy := Learning()))
        settings = Settings(batch_conversations=2, max_grad_norm=None, precision=precision)  # type: ignore[arg-type]
        fit(replace(context, examples=lambda epoch: groups), settings, (ReferenceKL(),))
        losses[precision] = seen.losses[0]
        assert all(bool(gradient.any()) for name, gradient in strategy.taken[0].items() if "lora" in name)
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.1) and losses["float32"] > 1e-3


def mean_reward(context: merc.TrainContext) -> float:
    asked = [one for group in context.examples(0) for one in group]
    texts = context.model.generate([one.query for one in asked], max_new_tokens=4, count=16, temperature=1.0, seed=99)
    return fmean(s for one, own in zip(asked, texts, strict=True) for s in Letters().scores(one.query, own))


@pytest.mark.parametrize("kind", [GRPO, OnlineDPO])
def test_what_is_rewarded_is_written_more_often(
    kind: Any, backbone: Path, talks: list[merc.Conversation], tmp_path: Path
) -> None:
    trainer = kind(
        rewards=(Letters(),), max_new_tokens=4, epochs=4, lr=1e-2, batch_conversations=3, schedule="constant",
        **({} if kind is GRPO else {"beta": 0.5}),
    )  # fmt: skip
    context, seen = context_of(model_of(backbone, Full()), talks, tmp_path)
    before = mean_reward(context)
    trainer.train(context)
    assert mean_reward(context) > before + 0.05
    rollouts, steps = seen.events("rollout"), seen.events("step")
    assert [one["step"] for one in rollouts] == [one["step"] for one in steps] == list(range(1, 17))
    first, last = fmean(one["reward"] for one in rollouts[:4]), fmean(one["reward"] for one in rollouts[-4:])
    assert last > first
    assert set(rollouts[0]) >= {"reward", "rewards", "alike", "length", "ended", "entropy"}
    assert rollouts[0]["rewards"]["Letters"] == rollouts[0]["reward"] and 1 <= rollouts[0]["length"] <= 4
    if kind is GRPO:
        assert list(steps[0]["losses"]) == ["clipped-policy", "reference-kl"]
        assert steps[0]["losses"]["reference-kl"] == pytest.approx(0.0, abs=1e-6)
        assert steps[-1]["losses"]["reference-kl"] > 1e-3


def test_groups_that_are_rewarded_alike(backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    """Are counted, said once, and move nothing."""
    for kind in (GRPO, OnlineDPO):
        trainer = kind(rewards=(Same(),), count=2, max_new_tokens=2, batch_conversations=2)  # type: ignore[abstract]
        context, seen = context_of(model := model_of(backbone), talks[:4], tmp_path / kind.__name__)
        before = {name: parameter.detach().clone() for name, parameter in model.learning().items()}
        trainer.train(context)
        assert [one["alike"] for one in seen.events("rollout")] == [1.0, 1.0]
        said = [line for line in seen.said if "get the same reward" in line]
        assert len(said) == 1 and talks[0].id.split("_")[0][:5] in said[0] and "stages.merc" in said[0]
        for name, parameter in model.learning().items():
            torch.testing.assert_close(parameter.detach(), before[name], rtol=0, atol=1e-6)


def test_the_best_is_preferred_to_the_worst(talks: list[merc.Conversation]) -> None:
    example = Example(queries_of(talks[:1])[0], ConversationPrompter())

    def ranked(texts: Sequence[str], rewards: Sequence[float]) -> merc.Answer:
        written = [merc.Generation(text, (1,), (-1.0,), True) for text in texts]
        return prefer(example, written, rewards).prompt().answer

    assert ranked(["a", "b ", " c", "d"], [0.0, 2.0, -1.0, 2.0]) == merc.Answer("b", rejected=("c",))
    assert ranked(["", "b", "c"], [9.0, 2.0, 1.0]) == merc.Answer("b", rejected=("c",))
    for texts, rewards in ((["a", "a"], [1.0, 0.0]), (["a", "b"], [1.0, 1.0]), (["", ""], [1.0, 0.0])):
        assert ranked(texts, rewards) == example.prompt().answer


def test_advantages() -> None:
    trainer = GRPO(rewards=(Letters(),), count=2)
    rewards = [0.0, 1.0, 0.25]
    texts = [merc.Generation("a", (1, 2), (-1.0, -0.5), True)] * 3
    example: Any = Example(None, ConversationPrompter())  # type: ignore[arg-type]
    answers = trainer._weigh(example, texts, rewards).answers
    wanted = [(r - fmean(rewards)) / (pstdev(rewards) + 1e-4) for r in rewards]
    assert [one.weight for one in answers] == pytest.approx(wanted) and answers[0].numbers == {"drawn": (-1.0, -0.5)}
    plain = replace(trainer, scale=False)._weigh(example, texts, rewards).answers
    assert [one.weight for one in plain] == pytest.approx([r - fmean(rewards) for r in rewards])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rewards": ()}, "rewards names none"),
        ({"rewards": (Letters(weight=0.0),)}, "rewards names none with a weight above 0"),
        ({"count": 1}, "count is how many answers are compared"),
        ({"temperature": 0.0}, "temperature is above 0"),
        ({"top_p": 0.0}, "top_p is above 0"),
        ({"max_new_tokens": 0}, "max_new_tokens counts from 1"),
        ({"clip": 1.0}, "clip is between 0 and 1"),
        ({"kl": -1.0}, "kl is 0 or above"),
    ],
)
def test_parameters_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GRPO(**{"rewards": (Letters(),), **fields})
