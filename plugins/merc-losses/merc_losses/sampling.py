"""Trainers that let the model write, and learn from what rewards say of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from statistics import fmean, pstdev
from typing import Literal

import merc
from merc_losses.policy import ClippedPolicy, ReferenceKL
from merc_losses.preference import DPO
from merc_losses.rewards import best_and_worst, check_rewards, check_sampling, names_of, totals

Groups = Sequence[Sequence[merc.Example]]
Texts = Sequence[Sequence[merc.Generation]]
Learn = Callable[[Sequence[merc.Example], Texts, Sequence[Sequence[float]]], Sequence[merc.Example]]
"""The examples of a rollout, what the model wrote to each, and how good each text is, in; what is learned out."""


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
        check_sampling(self.max_new_tokens, self.temperature, self.top_p)

    def learned_by(self) -> Sequence[merc.Loss]:
        """The losses that rollouts are learned by."""
        raise NotImplementedError

    def check(self, context: merc.TrainContext) -> None:
        """Raise MercError for what ``train`` would stop at before its first step."""
        merc.training.check_fit(context, self, self.learned_by(), lambda groups, step: groups)

    def fit(
        self,
        context: merc.TrainContext,
        learn: Learn,
        iterations: int = 1,
        minibatches: int = 1,
    ) -> merc.TrainReport:
        """Train by what ``learn`` makes of the texts that the model writes, each rollout in ``iterations`` times
        ``minibatches`` steps."""
        updates, rollout = iterations * minibatches, _Rollout(self, context, learn)

        def learned(groups: Groups, step: int) -> Groups:
            if step % updates == 0:
                rollout.write(groups, step)
            iteration, number = divmod(step % updates, minibatches)
            return rollout.minibatch(minibatches, number, f"{context.seed}/{context.stage}/{step - number}/{iteration}")

        return merc.training.fit(context, self, self.learned_by(), learned, updates)


class _Rollout:
    """What the model wrote last, as it is learned. ``minibatch`` divides it."""

    def __init__(self, trainer: _Sampling, context: merc.TrainContext, learn: Learn) -> None:
        self.trainer, self.context, self.learn = trainer, context, learn
        self.names = names_of(trainer.rewards)
        self.groups: Groups = ()
        self.reported: set[str] = set()

    def write(self, groups: Groups, step: int) -> None:
        """Let the model write, as it is at a step (from 0), and see what is learned of it."""
        trainer, context = self.trainer, self.context
        examples = [example for group in groups for example in group]
        texts = context.model.generate(
            [example.query for example in examples],
            prompts=[example.prompt() for example in examples],
            max_new_tokens=trainer.max_new_tokens,
            count=trainer.count,
            temperature=trainer.temperature,
            top_p=trainer.top_p,
            seed=context.seed_of(step),
        )
        scored = [totals(trainer.rewards, self.names, e.query, own) for e, own in zip(examples, texts, strict=True)]
        rewards = [total for total, _ in scored]
        alike = [e for e, total in zip(examples, rewards, strict=True) if max(total) == min(total)]
        context.log(
            {
                "event": "rollout",
                "stage": context.stage,
                "step": step + 1,
                "reward": fmean(one for total in rewards for one in total),
                "rewards": {name: fmean(one for _, own in scored for one in own[name]) for name in self.names},
                "alike": len(alike) / len(examples),
                **measures([text for own in texts for text in own]),
            }
        )
        if alike:
            self._say_once(
                "alike",
                f"all {trainer.count} answers to {alike[0].query.target.id!r} get the same reward, as do those to "
                f"{len(alike) - 1} more of {len(examples)} at step {step + 1}; nothing is learned from such a group "
                "(the log counts them as 'alike')",
            )
        learned: Iterator[merc.Example] = iter(self.learn(examples, texts, rewards))
        self.groups = [[next(learned) for _ in group] for group in groups]

    def minibatch(self, count: int, number: int, seed: str) -> Groups:
        """Part ``number`` (from 0) of ``count`` about equal ones, conversations in an order drawn from ``seed`` and
        kept together as far as that goes."""
        if count == 1:
            return self.groups
        order = list(range(len(self.groups)))
        random.Random(seed).shuffle(order)
        every = [(place, example) for place in order for example in self.groups[place]]
        if len(every) < count:
            self._say_once(
                "divided",
                f"a rollout of {len(every)} utterances is divided into {count} minibatches, so some utterances are "
                "learned more than once in an iteration; lower minibatches, or raise batch_conversations",
            )
            mine = [every[number % len(every)]]
        else:
            mine = every[number * len(every) // count : (number + 1) * len(every) // count]
        return [[example for _, example in same] for _, same in groupby(mine, key=itemgetter(0))]

    def _say_once(self, what: str, sentence: str) -> None:
        if what not in self.reported:
            self.reported.add(what)
            self.context.say(sentence)


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
    """Group relative policy optimization (Shao et al., 2024), as R1-Omni and AffectGPT-R1 use it. The model writes a
    group of answers to each query of ``batch_conversations`` conversations: a rollout. An answer's advantage is its
    reward above the mean of its group. A step makes the clipped policy loss smaller, plus the distance to the model as
    it was before the stage.

    The log-probabilities that a rollout was drawn with are those of the old policy. With one step a rollout, ratios are
    away from 1 only by dropout and rounding. They are those of the model at temperature 1, whatever ``temperature`` the
    answers were drawn at. The log has for each rollout the rewards by name, the share of groups whose answers are all
    rewarded alike, length and entropy (event ``rollout``), and for each step the KL, the mean ratio, and the shares of
    tokens that are clipped (``measures`` of event ``step``). The other parameters are those of ``sft``; checkpoints are
    written after the last step of a rollout.
    """

    iterations: int = 1
    """How many times each rollout is learned."""
    minibatches: int = 1
    """How many steps that is each time; each learns from a part of the rollout."""
    clip: float = 0.2
    """How far a token's ratio may be from 1 before it stops counting: the ``clip`` of the loss ``clipped-policy``."""
    clip_high: float | None = None
    """The same for ratios above 1 (DAPO); ``null`` is ``clip``."""
    kl: float = 0.04
    """The weight of the distance to the model as it was before the stage (the loss ``reference-kl``); 0 leaves it
    out."""
    kl_estimator: Literal["k3", "k2"] = "k3"
    """The ``estimator`` of the loss ``reference-kl``."""
    scale: Literal["group", "batch", "none"] = "group"
    """What advantages are divided by: the standard deviation of their group, that of the whole rollout, or nothing
    (Dr. GRPO)."""
    average: Literal["answers", "tokens", "limit"] = "answers"
    """How tokens count. ``answers``: the mean over an answer's tokens, then over answers (GRPO). ``tokens``: the mean
    over all tokens of a step (DAPO). ``limit``: the sum over an answer's tokens divided by ``max_new_tokens``, then the
    mean over answers (Dr. GRPO)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._policy()
        if not 0 <= self.kl < float("inf"):
            raise ValueError(f"kl is 0 or above, not {self.kl:g}")
        for name in ("iterations", "minibatches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} counts from 1, not {getattr(self, name)}")

    def learned_by(self) -> Sequence[merc.Loss]:
        """``clipped-policy``, and ``reference-kl`` where it has a weight."""
        losses: list[merc.Loss] = [self._policy()]
        if self.kl:
            how = {"average": self.average, "limit": self.max_new_tokens}
            losses.append(ReferenceKL(weight=self.kl, estimator=self.kl_estimator, **how))  # type: ignore[arg-type]
        return losses

    def train(self, context: merc.TrainContext) -> merc.TrainReport:
        """Train in place."""
        return self.fit(context, self._weigh, self.iterations, self.minibatches)

    def _policy(self) -> ClippedPolicy:
        return ClippedPolicy(clip=self.clip, clip_high=self.clip_high, average=self.average, limit=self.max_new_tokens)

    def _weigh(
        self, examples: Sequence[merc.Example], texts: Texts, rewards: Sequence[Sequence[float]]
    ) -> list[merc.Example]:
        return [
            replace(
                example,
                answers=tuple(
                    merc.WeightedAnswer(text.tokens, advantage, {"drawn": text.log_probs})
                    for text, advantage in zip(own, group, strict=True)
                ),
            )
            for example, own, group in zip(examples, texts, advantages(rewards, self.scale), strict=True)
        ]


def advantages(groups: Sequence[Sequence[float]], scale: str = "group") -> list[list[float]]:
    """How far each reward is above the mean of its group, in standard deviations (plus 1e-4) of its group, of all
    rewards (``batch``), or as it is (``none``); 0 in a group whose rewards are all the same.

    >>> advantages([[1.0, 0.0, 0.0, 1.0], [0.3, 0.3]], "none")
    [[0.5, -0.5, -0.5, 0.5], [0.0, 0.0]]
    """
    unit = {"batch": lambda: pstdev([one for group in groups for one in group]) + 1e-4, "none": lambda: 1.0}

    def above(group: Sequence[float]) -> list[float]:
        if max(group) == min(group):
            return [0.0] * len(group)
        mean, spread = fmean(group), unit[scale]() if scale in unit else pstdev(group) + 1e-4
        return [(reward - mean) / spread for reward in group]

    return [above(group) for group in groups]


@dataclass(frozen=True, kw_only=True)
class OnlineDPO(_Sampling):
    """Direct preference optimization on the model's own answers (Guo et al., 2024). Before each step the model writes
    answers to each query; the rewards are the judge that ranks them, and the best is preferred to the worst by the loss
    ``dpo``. Of answers that are equally good the first counts; empty ones are left out, and one that was cut off at
    ``max_new_tokens`` is learned as if it ended there (the log's ``ended`` is the share of the others). A query whose
    answers all get the same reward is not learned from, and the log counts these (``alike``). The other parameters are
    those of ``sft``."""

    beta: float = 0.1
    """The β of the loss ``dpo``."""

    def learned_by(self) -> Sequence[merc.Loss]:
        """``dpo``."""
        return (DPO(beta=self.beta),)

    def train(self, context: merc.TrainContext) -> merc.TrainReport:
        """Train in place."""
        return self.fit(context, lambda *rollout: list(map(prefer, *rollout)))


def prefer(example: merc.Example, texts: Sequence[merc.Generation], rewards: Sequence[float]) -> merc.Example:
    """The example with its best text as the right answer, and its worst as a rejected one; as it is where no two texts
    differ in words and reward."""
    pair = best_and_worst([one.text for one in texts], rewards)
    if isinstance(pair, str):
        return example
    best, worst = pair
    return replace(example, prompter=Ranked(prompter=example.prompter, best=best, worst=worst))


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
