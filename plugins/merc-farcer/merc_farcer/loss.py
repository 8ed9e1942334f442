"""FARCER's loss (section III-D, equation 7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import merc

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class FarcerNLL(merc.Loss):
    """The negative log-likelihood of the right answer's tokens (equation 7)."""

    needs: ClassVar[frozenset[str]] = frozenset({"token_log_probs"})
    token_weights: Literal["none", "balanced"] = "balanced"
    """``balanced`` weighs each token of a label by the inverse of its frequency in the labels of the train split;
    ``none`` counts all alike."""
    answers_read: Literal["teacher-forced", "free-running"] = "free-running"
    """What the model reads before each further token of an answer: the right tokens (``teacher-forced``), or those that
    it would have written itself (``free-running``), the likeliest each time, without dropout, which costs a pass more
    for every further token of the longest answer."""
    average: Literal["tokens", "utterances"] = "tokens"
    """What counts alike: every token, or every utterance."""

    def build(self, context: merc.LossContext) -> torch.nn.Module:
        """The loss as a module."""
        import torch

        weights = balanced_token_weights(context.answers) if self.token_weights == "balanced" else None
        by_tokens = self.average == "tokens"

        class Function(torch.nn.Module):
            def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> torch.Tensor:
                log_probs = outputs.token_log_probs
                if weights is not None:
                    log_probs = log_probs * step_weights(batch, weights)
                paths = torch.zeros(len(batch.path_length), device=log_probs.device)
                return -batch.at_right_answer(paths.index_add(0, batch.step_path, log_probs))

            def counts(self, batch: merc.Batch) -> torch.Tensor:
                """The tokens of each right answer ``[prompts]``, each times its weight; 1 by utterances."""
                if not by_tokens:
                    return torch.ones(len(batch.truth), device=batch.truth.device)
                if weights is None:
                    return batch.at_right_answer(batch.path_length)
                paths = torch.zeros(len(batch.path_length), device=batch.step_path.device)
                return batch.at_right_answer(paths.index_add(0, batch.step_path, step_weights(batch, weights)))

        if self.answers_read == "teacher-forced":
            return Function()

        class FreeRunning(Function):
            def rewrite(self, model: merc.Speaks, batches: Sequence[merc.Batch], epoch: int) -> list[merc.Batch]:
                return [free_running(model, batch, epoch, longest_answer(batches)) for batch in batches]

        return FreeRunning()


def balanced_token_weights(answers: Iterable[Sequence[int]]) -> torch.Tensor:
    """Weights ``[highest token + 1]`` that make every token of these answers count alike: n / (tokens that occur · n of
    the token). Others weigh 1.

    >>> balanced_token_weights([(1,), (1,), (2, 1)]).tolist()
    [1.0, 0.6666666865348816, 2.0]
    """
    import torch

    counts = Counter(token for tokens in answers for token in tokens)
    weights = torch.ones(max(counts, default=-1) + 1)
    for token, count in counts.items():
        weights[token] = counts.total() / (len(counts) * count)
    return weights


def step_weights(batch: merc.Batch, weights: torch.Tensor) -> torch.Tensor:
    """The weight of each step ``[steps]``; tokens of an answer that is no label count 1."""
    import torch

    weights = weights.to(batch.step_token.device)
    known = (batch.path_label[batch.step_path] >= 0) & (batch.step_token < len(weights))
    of_token = weights[batch.step_token.clamp(max=len(weights) - 1)]
    return torch.where(known, of_token, torch.ones_like(of_token))


def longest_answer(batches: Sequence[merc.Batch]) -> int:
    """How many tokens the longest answer of a step has."""
    return max(int(batch.path_length.max()) for batch in batches)


def free_running(model: merc.Speaks, batch: merc.Batch, epoch: int, longest: int) -> merc.Batch:
    """The batch in which each answer's tokens follow those that the model would say.

    The model begins with the right tokens in its input. After each pass one more token of every answer is what it would
    say, so as many passes as the longest answer has further tokens are enough. An answer that it says itself is left as
    it is. All batches of a step take as many passes, since processes in lockstep must.
    """
    for _ in range(longest - 1):
        written: dict[int, list[int]] = {}  # by prompt, each of which has one answer
        prompts: list[Any] = batch.path_prompt[batch.step_path].tolist()
        for prompt, token in zip(prompts, model.likeliest(batch, epoch).tolist(), strict=True):
            written.setdefault(prompt, []).append(token)
        batch = batch.reading({prompt: tokens[:-1] for prompt, tokens in written.items()})
    return batch
