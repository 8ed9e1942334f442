"""What a loss and a decoder may rely on of the model: what a pass computed and gave, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from merc.components.prompter import Prompt, Query
    from merc.conversation import LabelSpace


class Batch(Protocol):
    """Prompts that one forward pass computes, and the answers that follow them.

    An answer is a path: the right answer, one word of one label, a rejected answer, or an answer that an example brings
    (``Example.answers``). Every path has tokens, each of which is a step. ``paths`` and ``steps`` below are their
    numbers, ``prompts`` that of the prompts.
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
    def path_gold(self) -> Tensor:
        """``[paths]`` bool: whether it is a right answer: the text to learn, or a word of the right label."""

    @property
    def path_rejected(self) -> Tensor:
        """``[paths]`` bool: whether it is a rejected answer (``Answer.rejected``)."""

    @property
    def path_own(self) -> Tensor:
        """``[paths]`` bool: whether it is an answer that an example brings (``Example.answers``)."""

    @property
    def path_weight(self) -> Tensor:
        """``[paths]`` float32: the weight that an example gives to its own answer; 1 for all others."""

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


class Scores(NamedTuple):
    """How likely a model holds each label as the answer to each query."""

    values: Tensor
    """``[queries, labels]`` float64, on the CPU: the log of the sum over a label's words; a softmax over the labels
    gives their probabilities. A label that the prompt was not asked with has minus infinity."""
    states: NDArray[Any] | None = None
    """``[queries, hidden]`` float32: the hidden state where each answer begins; None where the recipe keeps none."""


class Model(Protocol):
    """A loaded model as a decoder has it: with a run's prompter, labels, processes and precision.

    Queries that share a beginning are computed together, so give a method all that there is to ask at once.
    """

    @property
    def labels(self) -> LabelSpace:
        """The labels that are the columns of scores. A query may have some of them alone."""

    def prompt(self, query: Query) -> Prompt:
        """The prompt that asks a query."""

    def score(
        self,
        queries: Sequence[Query],
        normalize: Literal["none", "tokens"] = "none",
        prompts: Sequence[Prompt] | None = None,
    ) -> Scores:
        """Scores of the labels as answers to queries, asked by their prompts or, an entry a query, by others.

        ``normalize: tokens`` divides the log-probability of each word by its number of tokens. Raises MercError for a
        prompt that asks for a text or is longer than the model's context, and for scores that are no numbers.
        """

    def generate(
        self, queries: Sequence[Query], max_new_tokens: int, prompts: Sequence[Prompt] | None = None
    ) -> list[str]:
        """What the model writes, always the likeliest token, up to its end token or so many tokens.

        Raises MercError for a prompt that is longer than the model's context, and for a backbone that cannot write
        after media tokens.
        """
