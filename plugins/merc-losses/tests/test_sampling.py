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


class TestGRPOInMinibatches(merc.testing.TrainerContract):
    """A rollout is six steps, and training is stopped after one of them."""

    component = GRPO(
        rewards=(Letters(),), count=4, max_new_tokens=4, lr=1e-2, batch_conversations=3, iterations=2, minibatches=3,
        checkpoint_every=4,
    )  # fmt: skip

    def middle(self, events: Any) -> int:
        return 12


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


def ratios(now: EmotionModel, query: merc.Query) -> list[tuple[Tensor, float]]:
    return [((tokens_alone(now, query, tokens) - torch.tensor(drawn)).exp(), a) for tokens, a, drawn in OWN]


def clipped(now: EmotionModel, before: EmotionModel, query: merc.Query, low: float, high: float) -> list[Tensor]:
    """-min(r A, clip(r) A) of each token, by answer."""
    return [
        torch.stack([-torch.minimum(r * a, r.clamp(1 - low, 1 + high) * a) for r in answer])
        for answer, a in ratios(now, query)
    ]


def distance(now: EmotionModel, before: EmotionModel, query: merc.Query, estimator: str) -> list[Tensor]:
    steps = []
    for tokens, _, _ in OWN:
        gap = tokens_alone(before, query, tokens).detach() - tokens_alone(now, query, tokens)
        steps.append(gap.exp() - gap - 1 if estimator == "k3" else gap**2 / 2)
    return steps


def averaged(average: str, every: Sequence[Sequence[Tensor]]) -> Tensor:
    """The loss of a step, from the values of tokens by query and answer."""
    if average == "tokens":
        return torch.cat([tokens for answers in every for tokens in answers]).mean()
    by_query = []
    for answers in every:
        each = [tokens.mean() if average == "answers" else tokens.sum() / 7 for tokens in answers]
        by_query.append(torch.stack(each).mean())
    return torch.stack(by_query).mean()


@pytest.mark.parametrize(
    ("loss", "formula", "how"),
    [
        (ClippedPolicy(), clipped, (0.2, 0.2)),
        (ClippedPolicy(clip=0.1, clip_high=0.9, average="tokens"), clipped, (0.1, 0.9)),
        (ClippedPolicy(average="limit", limit=7), clipped, (0.2, 0.2)),
        (ReferenceKL(), distance, ("k3",)),
        (ReferenceKL(estimator="k2", average="tokens"), distance, ("k2",)),
    ],
    ids=["grpo", "dapo", "dr-grpo", "k3", "k2"],
)
def test_the_equations(
    loss: Any,
    formula: Any,
    how: tuple[Any, ...],
    backbone: Path,
    talks: list[merc.Conversation],
    tmp_path: Path,
) -> None:
    """In one pass and in several, with ratios on both sides of the clip."""
    own = tuple(WeightedAnswer(tokens, weight, {"drawn": drawn}) for tokens, weight, drawn in OWN)
    groups = [[Example(q, ConversationPrompter(), own) for q in queries_of([talk])] for talk in talks[:2]]
    groups[1][0] = replace(groups[1][0], answers=own[:2])  # prompts with different numbers of tokens
    place = len(groups[0])
    for name, budget in (("a", 100_000), ("b", 40)):
        context, seen = context_of(model_of(backbone), [], tmp_path / name, strategy=(strategy := Learning()))
        settings = Settings(batch_conversations=2, batch_tokens=budget, max_grad_norm=None)
        fit(replace(context, examples=lambda epoch: groups), settings, (loss,))
        before, now = model_of(backbone), model_of(backbone)
        learn(now)
        every = [formula(now, before, query, *how) for query in queries_of(talks[:2])]
        every[place] = every[place][:2]
        plain = averaged(loss.average, every)
        assert (strategy.passes > 1) == (name == "b")
        assert seen.losses[0] == pytest.approx(float(plain.detach()), rel=1e-4) and abs(seen.losses[0]) > 1e-3
        assert_gradients(now, plain, strategy.taken[0])
        (measures,) = seen.events("step")[0]["measures"].values()
        if formula is clipped:
            pairs = [p for q in queries_of(talks[:2]) for p in ratios(now, q)]
            del pairs[place * 3 + 2]
            low, high = how
            tokens = [(float(r), a) for answer, a in pairs for r in answer.detach()]
            assert measures == {
                "ratio": pytest.approx(fmean(r for r, _ in tokens), rel=1e-4),
                "clipped_low": pytest.approx(fmean(r < 1 - low and a < 0 for r, a in tokens)),
                "clipped_high": pytest.approx(fmean(r > 1 + high and a > 0 for r, a in tokens)),
            }
            assert measures["clipped_high"] > 0
        else:
            k3 = [distance(now, before, query, "k3") for query in queries_of(talks[:2])]
            k3[place] = k3[place][:2]
            assert measures == {"kl": pytest.approx(float(averaged("tokens", k3).detach()), rel=1e-4)}


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
    assert rollouts[0]["rewards"]["letters"] == rollouts[0]["reward"] and 1 <= rollouts[0]["length"] <= 4
    if kind is GRPO:
        assert list(steps[0]["losses"]) == ["clipped-policy", "reference-kl"]
        assert steps[0]["losses"]["reference-kl"] == pytest.approx(0.0, abs=1e-6)
        assert steps[-1]["losses"]["reference-kl"] > 1e-3
        assert steps[-1]["measures"]["reference-kl"]["kl"] == pytest.approx(steps[-1]["losses"]["reference-kl"] / 0.04)
        assert set(steps[0]["measures"]["clipped-policy"]) == {"ratio", "clipped_low", "clipped_high"}


@pytest.mark.parametrize("kind", [GRPO, OnlineDPO])
def test_groups_that_are_rewarded_alike(
    kind: Any, backbone: Path, talks: list[merc.Conversation], tmp_path: Path
) -> None:
    """Are counted, said once, and move nothing. Without a pair in any step there is nothing to prefer."""
    trainer = kind(rewards=(Same(),), count=2, max_new_tokens=2, batch_conversations=2)
    context, seen = context_of(model := model_of(backbone), talks[:4], tmp_path)
    before = {name: parameter.detach().clone() for name, parameter in model.learning().items()}
    if kind is GRPO:
        trainer.train(context)
    else:
        with pytest.raises(merc.MercError, match="there is nothing to learn"):
            trainer.train(context)
    assert [one["alike"] for one in seen.events("rollout")] == [1.0, 1.0]
    said = [line for line in seen.said if "get the same reward" in line]
    assert len(said) == 1 and talks[0].id.split("_")[0][:5] in said[0]
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
    rewards, other = [0.0, 1.0, 0.25], [0.5, 0.5, 0.5]
    texts = [[merc.Generation("a", (1, 2), (-1.0, -0.5), True)] * 3] * 2
    examples: Any = [Example(None, ConversationPrompter())] * 2  # type: ignore[arg-type]
    for scale, unit in (
        ("group", pstdev(rewards) + 1e-4),
        ("batch", pstdev([*rewards, *other]) + 1e-4),
        ("none", 1.0),
    ):
        one, two = replace(trainer, scale=scale)._weigh(examples, texts, [rewards, other])
        wanted = [(r - fmean(rewards)) / unit for r in rewards]
        assert [answer.weight for answer in one.answers] == pytest.approx(wanted)
        assert [answer.weight for answer in two.answers] == [0, 0, 0]
        assert one.answers[0].numbers == {"drawn": (-1.0, -0.5)}


def test_a_rollout_is_learned_several_times(
    backbone: Path, talks: list[merc.Conversation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log-probabilities are those of the model that wrote: ratios are 1 at first, and then go away from it. Every
    iteration goes through all of the rollout, in minibatches."""
    trainer = GRPO(
        rewards=(Letters(),), count=4, max_new_tokens=4, lr=5e-2, batch_conversations=4, iterations=2, minibatches=2,
        schedule="constant", clip=0.05,
    )  # fmt: skip
    context, seen = context_of(model_of(backbone, Full()), talks[:4], tmp_path)
    learned: list[list[str]] = []
    plain = merc.training.fit

    def watched(context: Any, settings: Any, losses: Any, rollout: Any, updates: int) -> Any:
        def watch(groups: Any, step: int) -> Any:
            given = rollout(groups, step)
            learned.append([example.query.target.id for group in given for example in group])
            return given

        return plain(context, settings, losses, watch, updates)

    monkeypatch.setattr(merc.training, "fit", watched)
    report = trainer.train(context)
    assert report.steps == 4 and [one["step"] for one in seen.events("rollout")] == [1]
    every = sorted(u.id for talk in talks[:4] for u in talk.utterances)
    for iteration in (learned[:2], learned[2:]):
        assert sorted(name for part in iteration for name in part) == every and all(iteration)
    policy = [one["measures"]["clipped-policy"] for one in seen.events("step")]
    assert policy[0]["ratio"] == pytest.approx(1, abs=1e-3) and abs(policy[3]["ratio"] - 1) > 1e-2
    shares = [one["clipped_low"] + one["clipped_high"] for one in policy]
    assert shares[0] == 0 and max(shares) > 0


def test_more_minibatches_than_utterances(backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    trainer = GRPO(rewards=(Letters(),), count=2, max_new_tokens=2, batch_conversations=1, minibatches=40)
    context, seen = context_of(model_of(backbone), talks[:1], tmp_path)
    assert trainer.train(context).steps == 40
    (said,) = [line for line in seen.said if "minibatches" in line]
    assert "40 minibatches" in said and "lower minibatches" in said


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
        ({"clip_high": 0.0}, "clip_high is above 0"),
        ({"kl": -1.0}, "kl is 0 or above"),
        ({"iterations": 0}, "iterations counts from 1"),
        ({"minibatches": 0}, "minibatches counts from 1"),
    ],
)
def test_parameters_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GRPO(**{"rewards": (Letters(),), **fields})
