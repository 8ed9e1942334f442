"""What a loss may rely on of a model's pass: the batch that was computed, and what came out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from merc.components.prompter import Query


class Batch(Protocol):
    """Prompts that one forward pass computes, and the answers that follow them.

    An answer is a path: the right answer, or one word of one label. Every path has tokens, each of which is a step.
    ``paths`` and ``steps`` below are their numbers, ``prompts`` that of the prompts.
    """

    @property
    def queries(self) -> Sequence[Query]:
        """Whom each prompt asks about: its conversation, its place there and its label."""

    @property
    def truth(self) -> Tensor:
        """``[prompts]``: the place of the right label in the label space; -1 where the right answer is no label."""

    @property
    def path_prompt(self) -> Tensor:
        """``[paths]``: which prompt a path belongs to."""

    @property
    def path_label(self) -> Tensor:
        """``[paths]``: the place of its label in the label space; -1 for a text."""

    @property
    def path_length(self) -> Tensor:
        """``[paths]``: its number of tokens."""

    @property
    def step_path(self) -> Tensor:
        """``[steps]``: which path a token belongs to."""

    @property
    def step_token(self) -> Tensor:
        """``[steps]``: the token, a number of the tokenizer."""

    def at_right_answer(self, values: Tensor) -> Tensor:
        """A value of each path ``[paths]``, taken at each prompt's right answer ``[prompts]``. Of a label with several
        words that is the first."""

    def label_scores(self, path_log_probs: Tensor) -> Tensor:
        """Scores ``[prompts, labels]``, as in prediction: the log of the sum over a label's words. Labels that were
        not computed have minus infinity."""

    def reading(self, tokens: Mapping[int, Sequence[int]]) -> Batch:
        """The batch with other tokens in the model's input in place of the answers', by prompt: one fewer than its
        answer has, since the last is only predicted. What is to be predicted stays."""


class Outputs(NamedTuple):
    """What a pass gave. What no loss needs is not computed, and None."""

    path_log_probs: Tensor | None = None
    """``[paths]`` float32: the log-probability of a path, summed over its tokens."""
    token_log_probs: Tensor | None = None
    """``[steps]`` float32: the log-probability of each token."""
    states: Tensor | None = None
    """``[prompts, hidden]``: the hidden state where each answer begins."""
    media: Mapping[str, Tensor] | None = None
    """By stream, ``[utterances, hidden]``: the mean of an utterance's tokens after its connector."""
    media_ids: Mapping[str, Sequence[str]] | None = None
    """By stream, the utterances that the rows of ``media`` are of."""


NEEDS = ("path_log_probs", "token_log_probs", "states", "media")
"""What a loss may ask for."""


class Speaks(Protocol):
    """A model that can be asked what it would say itself."""

    def likeliest(self, batch: Batch, epoch: int) -> Tensor:
        """``[steps]``: the token that the model holds likeliest at each step, without gradient and dropout."""
