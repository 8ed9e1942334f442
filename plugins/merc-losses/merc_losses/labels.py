"""Losses of label probabilities, and the one of a rationale's words beside them.

p is the softmax of a prompt's label scores, over the labels that it was asked with. Prompts whose answer is a text
count for none of them but ``rationale``, so that the two parts of the survey's equation 28 each have a weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import merc

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class _OfLabels(merc.Loss):
    answers = "labels"


@dataclass(frozen=True, kw_only=True)
class Task(_OfLabels):
    """-log p_y of the right label y: the task's part of the survey's equation 28, to stand beside ``rationale``."""

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.label_functions import LabelFunction, task

        return LabelFunction(context, "task", task)


@dataclass(frozen=True, kw_only=True)
class Rationale(merc.Loss):
    """The negative log-likelihood of the words of an answer that is a text, such as an explanation: the second part of
    the survey's equation 28, with the weight λ_r. Prompts that ask for a label count nothing."""

    answers = "gold"
    average: Literal["utterances", "tokens"] = "utterances"
    """``utterances`` counts every text alike, summed over its tokens; ``tokens`` counts every token alike."""

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.label_functions import RationaleFunction

        return RationaleFunction(self.average)


@dataclass(frozen=True, kw_only=True)
class Focal(_OfLabels):
    """-(1 - p_y)^γ · log p_y, so that what the model knows well counts less (Lin et al., 2017)."""

    gamma: float = 2.0
    """γ: 0 is the cross-entropy; the higher, the less a label counts that the model knows. 2 is the paper's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.gamma < float("inf"):
            raise ValueError(f"gamma is 0 or above, not {self.gamma:g}")

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.label_functions import LabelFunction, focal

        return LabelFunction(context, "focal", focal(self.gamma))


@dataclass(frozen=True, kw_only=True)
class ClassBalanced(_OfLabels):
    """-α_y (1 - p_y)^γ · log p_y with α_y = (1 - β) / (1 - β^n_y), n_y being how many answers of the first epoch have
    the label: the inverse of its effective number (Cui et al., 2019). The weights of the labels that occur are scaled
    to a mean of 1, and utterances are averaged without them."""

    beta: float = 0.999
    """β: 0 weighs all labels alike; the nearer to 1, the nearer to the inverse frequency."""
    gamma: float = 0.0
    """γ: 0 is the cross-entropy, above 0 the focal loss."""

    def __post_init__(self) -> None:
        super().__post_init__()
        merc.below_one(self, "beta")
        if not 0 <= self.gamma < float("inf"):
            raise ValueError(f"gamma is 0 or above, not {self.gamma:g}")

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.label_functions import LabelFunction, effective_number_weights, focal

        weights = effective_number_weights(context.counts, context.labels, self.beta)
        return LabelFunction(context, "class-balanced", focal(self.gamma), weights)


@dataclass(frozen=True, kw_only=True)
class LogitAdjusted(_OfLabels):
    """The cross-entropy of scores to which τ · log prior is added: -log softmax(s + τ log π)_y, π_y being the share of
    answers of the first epoch that have the label (Menon et al., 2021, equation 10). What the model learns is then
    without the prior, and predicts rare labels more often; the decoder ``prior-adjusted`` does the same afterwards."""

    tau: float = 1.0
    """τ: 0 is the cross-entropy, 1 takes the prior out as a whole."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.tau < float("inf"):
            raise ValueError(f"tau is 0 or above, not {self.tau:g}")

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.label_functions import LabelFunction, adjusted, log_prior

        return LabelFunction(context, "logit-adjusted", adjusted(self.tau * log_prior(context.counts, context.labels)))


@dataclass(frozen=True, kw_only=True)
class LabelSmoothing(_OfLabels):
    """The cross-entropy with a target that spreads a part ε of the probability evenly over all K labels of the prompt:
    -(1 - ε) log p_y - ε / K Σ_k log p_k (Szegedy et al., 2016)."""

    epsilon: float = 0.1
    """ε, the share that is spread; 0.1 is the paper's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        merc.below_one(self, "epsilon")

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.label_functions import LabelFunction, smoothed

        return LabelFunction(context, "label-smoothing", smoothed(self.epsilon))


@dataclass(frozen=True, kw_only=True)
class RDrop(_OfLabels):
    """R-Drop (Liang et al., 2021): the cross-entropy of two passes that differ by dropout alone, and how far they are
    apart: -log p_y - log q_y + α / 2 (KL(p‖q) + KL(q‖p)). It holds the task's loss itself, costs a pass more, and needs
    dropout somewhere in the model (``backbone.tuning.dropout``, say)."""

    needs = frozenset({"path_log_probs", "second_path_log_probs"})
    alpha: float = 1.0
    """α, the weight of the divergence between the two passes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.alpha < float("inf"):
            raise ValueError(f"alpha is 0 or above, not {self.alpha:g}")

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.label_functions import RDropFunction

        return RDropFunction(context, self.alpha)


@dataclass(frozen=True, kw_only=True)
class Temporal(_OfLabels):
    """‖p_t - p_(t-1)‖² of utterances that follow each other in a conversation (the survey's equation 30), averaged over
    all such pairs of a step, so of one conversation with T utterances it is the equation's 1 / (T - 1) Σ.

    What follows an utterance is the next one of its conversation (or segment) that the step asks about. The two of a
    pair are computed in one pass: where a conversation does not fit into ``trainer.batch_tokens``, pairs that are
    computed apart do not count, and the log says how many the first time."""

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.label_functions import TemporalFunction

        return TemporalFunction(context)
