"""What a loss and a decoder may rely on of the model: what a pass computed and gave, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
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

    def path_numbers(self, name: str) -> Tensor:
        """``[paths]`` float32: what ``WeightedAnswer.numbers`` has of this name for an answer; NaN for all others."""

    def step_numbers(self, name: str) -> Tensor:
        """``[steps]`` float32: the same for each token of an answer; NaN for all others."""

    @property
    def step_path(self) -> Tensor:
        """``[steps]``: which path a token belongs to."""

    @property
    def step_token(self) -> Tensor:
        """``[steps]``: the token, a number of the tokenizer."""

    @property
    def media_ids(self) -> Mapping[str, frozenset[str]]:
        """By stream, the utterances whose tokens stand in the prompts."""

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
    reference_path_log_probs: Tensor | None = None
    """``[paths]`` float32, without gradient: ``path_log_probs`` of the model as it was before this stage, without
    dropout. It takes a second pass."""
    reference_token_log_probs: Tensor | None = None
    """``[steps]`` float32, without gradient: ``token_log_probs`` of that model, of the same second pass."""
    second_path_log_probs: Tensor | None = None
    """``[paths]`` float32, with a gradient: ``path_log_probs`` of a second pass, whose dropout is drawn anew."""
    heads: Mapping[str, Tensor] | None = None
    """By head, ``[prompts, outputs]`` float32: of those that ``Loss.heads`` names."""


NEEDS = (
    "path_log_probs",
    "token_log_probs",
    "states",
    "media",
    "reference_path_log_probs",
    "reference_token_log_probs",
    "second_path_log_probs",
)
"""What a loss may ask for."""


def of_reference(needs: Collection[str]) -> bool:
    """Whether some of what losses need comes from the model as it was before the stage."""
    return not {"reference_path_log_probs", "reference_token_log_probs"}.isdisjoint(needs)


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


class Generation(NamedTuple):
    """A text that a model wrote.

    >>> Generation("joy", (31, 2), (-0.25, -0.5), ended=True).text
    'joy'
    """

    text: str
    """Without the end token."""
    tokens: tuple[int, ...]
    """Numbers of the tokenizer, the end token included where there is one."""
    log_probs: tuple[float, ...]
    """The log-probability that the model gives to each token, whatever the temperature it was drawn with."""
    ended: bool
    """Whether the model ended the text itself, by an end token, and not the limit."""


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
        """Scores of the labels as answers to queries.

        Args:
            queries: What is asked.
            normalize: ``tokens`` divides the log-probability of each word by its number of tokens.
            prompts: Other prompts than the queries' own, one for each.

        Raises:
            MercError: A prompt asks for a text or is longer than the model's context, or scores are no numbers.
        """

    def generate(
        self,
        queries: Sequence[Query],
        *,
        max_new_tokens: int,
        count: int = 1,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        prompts: Sequence[Prompt] | None = None,
    ) -> list[list[Generation]]:
        """Texts that the model writes as answers to queries. A prompt is computed once for all its texts.

        Args:
            queries: What is asked.
            max_new_tokens: Where a text without an end token ends.
            count: How many texts each query gets.
            temperature: With 0 a text is always of the likeliest tokens, and all of a query's are the same. Else tokens
                are drawn, by probabilities that are flattened by a temperature above 1 and sharpened by one below it.
            top_p: Tokens are drawn from the likeliest ones that together have this share of the probability.
            seed: A draw depends on it, the target's id and which of the query's texts it is, and on nothing else that
                is asked.
            prompts: Other prompts than the queries' own, one for each.

        Returns:
            For each query, in order, its ``count`` texts.

        Raises:
            MercError: A value cannot be, a prompt is longer than the model's context, or the backbone cannot write
                after media tokens.
        """

    def cache(self, queries: Sequence[Query], prompts: Sequence[Prompt] | None = None) -> PrefixCache:
        """What the prompts of queries begin with, kept: see ``PrefixCache``. Raises MercError as ``score`` does."""

    def reference(self) -> AbstractContextManager[None]:
        """While it lasts, everything is computed with the model as it was before this stage: backbone, connectors and
        fusers. Raises MercError where that is not kept, which it is while a stage trains with a loss that needs
        ``reference_path_log_probs`` or ``reference_token_log_probs``."""


class PrefixCache(Protocol):
    """The keys and values of one beginning, kept from call to call, so that whatever goes on from it computes only what
    it adds: a further utterance of a conversation, other questions about it, labels after a text that the model wrote.

    What is asked need not begin with what is kept: as much as it shares is used, and results are those of the whole
    prompts, to rounding. Work is not shared among processes: each computes all of it. Keys and values are of the model
    as it is, so ask for another cache when it has learned. A backbone that cannot go on from keys and values (recurrent
    layers) computes everything anew, with the same results; ``note`` says so.
    """

    @property
    def length(self) -> int:
        """How many tokens are kept, those of media included."""

    @property
    def nbytes(self) -> int:
        """How much memory they take. It grows with ``length`` alone, which the model's context bounds."""

    @property
    def note(self) -> str:
        """Why nothing is kept; empty where it is."""

    def extend(self, queries: Sequence[Query], prompts: Sequence[Prompt] | None = None) -> None:
        """Keep what the prompts of these queries begin with: the whole prompt, but for its answer, where it is one.
        What they share with what is kept now is not computed again; the rest is computed with what is asked next."""

    def score(
        self,
        queries: Sequence[Query],
        normalize: Literal["none", "tokens"] = "none",
        prompts: Sequence[Prompt] | None = None,
    ) -> Scores:
        """As ``Model.score``."""

    def generate(
        self,
        queries: Sequence[Query],
        *,
        max_new_tokens: int,
        count: int = 1,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        prompts: Sequence[Prompt] | None = None,
    ) -> list[list[Generation]]:
        """As ``Model.generate``."""

    def fork(self) -> PrefixCache:
        """Another cache that begins with what this one keeps. They share its memory, and go on apart."""

    def free(self) -> None:
        """Give the memory back. The cache can be used on, and keeps anew what it is asked to."""
