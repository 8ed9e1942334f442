"""Trainers that let the model write, and learn from what rewards say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, pstdev

import merc
from merc_losses.policy import ClippedPolicy, ReferenceKL
from merc_losses.preference import DPO
from merc_losses.rewards import check_rewards, names_of, totals

Groups = Sequence[Sequence[merc.Example]]
Learn = Callable[[merc.Example, Sequence[merc.Generation], Sequence[float]], merc.Example]
"""An example, what the model wrote to it, and how good each text is, in; what is learned out."""


@dataclass(frozen=True, kw_only=True)
class _Sampling(merc.training.Settings, merc.Trainer):
    rewards: tuple[merc.Reward, ...]
    """What answers are judged by; an answer's reward is the sum of theirs, each times its weight."""
    count: int = 8
    """How many answers are drawn for each query; their prompt is computed once."""
    max_new_tokens: int = 64
    """The most tokens of an answer."""
    temperature: float = 1.0
    """The temperature at which answers are drawn."""
    top_p: float = 1.0
    """Answers are drawn from the likeliest tokens that together have this probability; 1 draws from all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rewards(self.rewards, self.count)
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens counts from 1, not {self.max_new_tokens}")
        if self.temperature <= 0:
            raise ValueError(f"temperature is above 0, not {self.temperature:g}; at 0 all answers are the same")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is above 0 and at most 1, not {self.top_p:g}")

    def fit(self, context: merc.TrainContext, losses: Sequence[merc.Loss], learn: Learn) -> merc.TrainReport:
        """Train by what ``learn`` makes of the texts that the model writes before each step."""
        names, warned = names_of(self.rewards), False

        def rollout(groups: Groups, step: int) -> Groups:
            nonlocal warned
            examples = [example for group in groups for example in group]
            texts = context.model.generate(
                [example.query for example in examples],
                prompts=[example.prompt() for example in examples],
                max_new_tokens=self.max_new_tokens,
                count=self.count,
                temperature=self.temperature,
                top_p=self.top_p,
                seed=context.seed + step,
            )
            scored = [totals(self.rewards, names, e.query, own) for e, own in zip(examples, texts, strict=True)]
            alike = [e for e, (total, _) in zip(examples, scored, strict=True) if max(total) == min(total)]
            context.log(
                {
                    "event": "rollout",
                    "stage": context.stage,
                    "step": step + 1,
                    "reward": fmean(one for total, _ in scored for one in total),
                    "rewards": {name: fmean(one for _, own in scored for one in own[name]) for name in names},
                    "alike": len(alike) / len(examples),
                    **measures([text for own in texts for text in own]),
                }
            )
            if alike and not warned:
                warned = True
                context.say(
                    f"stages.{context.stage}: all {self.count} answers to {alike[0].query.target.id!r} get the same "
                    f"reward, as do those to {len(alike) - 1} more of {len(examples)} at step {step + 1}; nothing is "
                    "learned from such a group (the log counts them as 'alike')"
                )
            learned: Iterator[merc.Example] = iter(
                [learn(e, own, total) for e, own, (total, _) in zip(examples, texts, scored, strict=True)]
            )
            return [[next(learned) for _ in group] for group in groups]

        return merc.training.fit(context, self, losses, rollout)


def measures(texts: Sequence[merc.Generation]) -> dict[str, float]:
    """Mean length in tokens, the share that the model ended itself, and the entropy of a token, estimated as the mean
    of -log p of those that were drawn."""
    return {
        "length": fmean(len(text.tokens) for text in texts),
        "ended": fmean(text.ended for text in texts),
        "entropy": -fmean(one for text in texts for one in text.log_probs),
    }


@dataclass(frozen=True, kw_only=True)
class GRPO(_Sampling):
    """Group relative policy optimization (Shao et al., 2024), as R1-Omni and AffectGPT-R1 use it. Before each step the
    model writes a group of answers to each query. An answer's advantage is its reward above the mean of its group. The
    step makes the clipped policy loss smaller, plus the distance to the model as it was before the stage.

    Each step learns once from what was written for it, so tokens' ratios are away from 1 only by dropout and rounding.
    They are those of the model at temperature 1, whatever ``temperature`` the answers were drawn at. The log has, by
    step, the rewards by name, the share of groups whose answers are all rewarded alike, length and entropy (event
    ``rollout``), and ``kl`` times the KL (the loss ``reference-kl`` of event ``step``). The other parameters are those
    of ``sft``.
    """

    clip: float = 0.2
    """How far a token's ratio may be from 1 before it stops counting: the ``clip`` of the loss ``clipped-policy``."""
    kl: float = 0.04
    """The weight of the distance to the model as it was before the stage (the loss ``reference-kl``); 0 leaves it
    out."""
    scale: bool = True
    """Whether advantages are divided by the standard deviation of their group."""

    def __post_init__(self) -> None:
        super().__post_init__()
        ClippedPolicy(clip=self.clip)
        if not 0 <= self.kl < float("inf"):
            raise ValueError(f"kl is 0 or above, not {self.kl:g}")

    def train(self, context: merc.TrainContext) -> merc.TrainReport:
        """Train in place."""
        losses: list[merc.Loss] = [ClippedPolicy(clip=self.clip)]
        if self.kl:
            losses.append(ReferenceKL(weight=self.kl))
        return self.fit(context, losses, self._weigh)

    def _weigh(self, example: merc.Example, texts: Sequence[merc.Generation], rewards: Sequence[float]) -> merc.Example:
        answers = [
            merc.WeightedAnswer(text.tokens, advantage, {"drawn": text.log_probs})
            for text, advantage in zip(texts, advantages(rewards, self.scale), strict=True)
        ]
        return replace(example, answers=tuple(answers))


def advantages(rewards: Sequence[float], scale: bool) -> list[float]:
    """How far each reward is above the mean, in standard deviations (plus 1e-4) if so; 0 where all are the same.

    >>> advantages([1.0, 0.0, 0.0, 1.0], scale=False), advantages([0.3, 0.3, 0.3], scale=True)
    ([0.5, -0.5, -0.5, 0.5], [0.0, 0.0, 0.0])
    """
    if max(rewards) == min(rewards):
        return [0.0] * len(rewards)
    mean, unit = fmean(rewards), pstdev(rewards) + 1e-4 if scale else 1.0
    return [(reward - mean) / unit for reward in rewards]


@dataclass(frozen=True, kw_only=True)
class OnlineDPO(_Sampling):
    """Direct preference optimization on the model's own answers (Guo et al., 2024). Before each step the model writes
    answers to each query; the rewards are the judge that ranks them, and the best is preferred to the worst by the loss
    ``dpo``. Of answers that are equally good the first counts; empty ones are left out. A query whose answers all get
    the same reward is not learned from, and the log counts these (``alike``). The other parameters are those of
    ``sft``."""

    beta: float = 0.1
    """The β of the loss ``dpo``."""

    def train(self, context: merc.TrainContext) -> merc.TrainReport:
        """Train in place."""
        return self.fit(context, (DPO(beta=self.beta),), prefer)


def prefer(example: merc.Example, texts: Sequence[merc.Generation], rewards: Sequence[float]) -> merc.Example:
    """The example with its best text as the right answer, and its worst as a rejected one; as it is where no two texts
    differ in words and reward."""
    ranked = sorted(
        ((reward, text.text.strip()) for reward, text in zip(rewards, texts, strict=True) if text.text.strip()),
        key=lambda one: -one[0],
    )
    if not ranked or ranked[0][0] == ranked[-1][0] or ranked[0][1] == ranked[-1][1]:
        return example
    return replace(example, prompter=Ranked(prompter=example.prompter, best=ranked[0][1], worst=ranked[-1][1]))


@dataclass(frozen=True, kw_only=True)
class Ranked(merc.Prompter):
    """The prompt of ``prompter`` whose answer is ``best``, preferred to ``worst``."""

    prompter: merc.Prompter
    best: str
    worst: str

    def prompt(self, query: merc.Query) -> merc.Prompt:
        """The prompt."""
        prompt = self.prompter.prompt(query)
        answer = replace(prompt.answer, text=self.best, rejected=(self.worst,))
        return replace(prompt, segments=(*prompt.segments[:-1], answer))
