"""A plugin's loss and trainer, which import nothing of merc but ``merc``: tests install this file as a plugin too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import merc


@dataclass(frozen=True, kw_only=True)
class Focal(merc.Loss):
    """Focal loss: -(1 - p)^``gamma`` · log p of the right label's probability p. ``weight`` is its share."""

    answers = "labels"
    gamma: float = 2.0

    def build(self, context: merc.LossContext) -> Any:
        """The loss as a module."""
        import torch

        class Function(torch.nn.Module):
            def forward(_, outputs: merc.Outputs, batch: merc.Batch) -> torch.Tensor:
                assert outputs.path_log_probs is not None
                scores = batch.label_scores(outputs.path_log_probs).log_softmax(-1)
                right = scores.gather(1, batch.truth[:, None])[:, 0]
                return -((1 - right.exp()) ** self.gamma) * right

        return Function()


@dataclass(frozen=True, kw_only=True)
class Written(merc.Loss):
    """What makes answers that the model wrote likelier, each by its weight. ``weight`` is its share."""

    answers = "own"

    def build(self, context: merc.LossContext) -> Any:
        """The loss as a module."""
        import torch

        class Function(torch.nn.Module):
            def forward(_, outputs: merc.Outputs, batch: merc.Batch) -> torch.Tensor:
                assert outputs.path_log_probs is not None
                each = -batch.path_weight * outputs.path_log_probs
                return each.new_zeros(len(batch.queries)).index_add(0, batch.path_prompt, each)

        return Function()


@dataclass(frozen=True, kw_only=True)
class Reward(merc.training.Settings, merc.Trainer):
    """Lets the model write ``count`` answers of at most ``max_new_tokens`` tokens to each query, drawn at
    ``temperature``, and learns each by how much its reward, the share of letters that the right label has too, is
    above the mean. The other parameters are those of ``sft``."""

    count: int = 4
    max_new_tokens: int = 4
    temperature: float = 1.0

    def train(self, context: merc.TrainContext) -> merc.TrainReport:
        """Train in place."""

        def rollout(groups: Sequence[Sequence[merc.Example]], step: int) -> Sequence[Sequence[merc.Example]]:
            examples = [example for group in groups for example in group]
            texts = context.model.generate(
                [example.query for example in examples],
                prompts=[example.prompt() for example in examples],
                max_new_tokens=self.max_new_tokens,
                count=self.count,
                temperature=self.temperature,
                seed=context.seed + step,
            )
            learned = iter(map(_weighed, examples, texts))
            return [[next(learned) for _ in group] for group in groups]

        return merc.training.fit(context, self, (Written(),), rollout)


def _weighed(example: merc.Example, texts: Sequence[merc.Generation]) -> merc.Example:
    letters = set(example.query.target.label or "")
    rewards = [sum(sign in letters for sign in one.text) / max(1, len(one.text)) for one in texts]
    mean = sum(rewards) / len(rewards)
    answers = [merc.WeightedAnswer(one.tokens, reward - mean) for one, reward in zip(texts, rewards, strict=True)]
    return replace(example, answers=tuple(answers))
