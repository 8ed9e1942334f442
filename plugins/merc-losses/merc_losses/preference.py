"""Preferences: the right answer is to gain on rejected ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import merc
from merc_losses.pairs import checked_pair

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class DPO(merc.Loss):
    """Direct preference optimization (Rafailov et al., 2023; the survey's equation 32): -log σ(β · (gain of the right
    answer - gain of a rejected one) - margin), the mean over a prompt's rejected answers. A gain is an answer's
    log-probability over that of the model as it was before the stage: the same weights without their adapter where that
    has not learned yet, so there is no second model in memory. Chosen and rejected answers hang on one prompt, which is
    computed once. A prompt without rejected answers counts nothing.

    ``normalize: tokens`` with ``reference: false`` and a ``margin`` is SimPO (Meng et al., 2024).
    """

    answers = "pairs"
    beta: float = 0.1
    """β: the larger, the less the model may leave the reference for the same loss."""
    normalize: Literal["none", "tokens"] = "none"
    """``tokens`` divides a gain by the answer's number of tokens, ``none`` does not."""
    reference: bool = True
    """Whether gains are over the model as it was before the stage; ``false`` takes plain log-probabilities and saves
    the second pass."""
    margin: float = 0.0
    """By how much β times the difference of gains is to be above 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.beta < float("inf"):
            raise ValueError(f"beta is above 0, not {self.beta:g}")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """A second pass where there is a reference."""
        return frozenset({"path_log_probs", *(["reference_path_log_probs"] if self.reference else [])})

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.preference_functions import DPOFunction

        return DPOFunction(self)


@dataclass(frozen=True, kw_only=True)
class Preference(merc.Prompter):
    """The prompts of another prompter, with answers that the right one is preferred to, for the loss ``dpo``. An
    utterance without a pair has nothing to learn from, and is asked as the other prompter asks."""

    prompter: merc.Prompter
    """The prompter that makes the prompts."""
    pairs: Literal["corpus", "labels"] = "corpus"
    """Where pairs come from: ``corpus``, from each utterance's own texts; ``labels``, the right label before each of
    the others."""
    chosen: str = "chosen"
    """The name under which an utterance of the corpus has its preferred text, such as a key of a .jsonl record."""
    rejected: str = "rejected"
    """The name under which it has the texts that are not preferred: one, or a list."""

    def streams(self) -> tuple[str, ...]:
        """Those of ``prompter``."""
        return self.prompter.streams()

    def cue_fields(self) -> tuple[str, ...]:
        """Those of ``prompter``."""
        return self.prompter.cue_fields()

    def answer_fields(self) -> tuple[str, ...]:
        """Those of ``prompter``."""
        return self.prompter.answer_fields()

    def has_target(self, query: merc.Query) -> bool:
        """Whether there is a pair."""
        if self.pairs == "labels":
            return query.target.label is not None
        return any(query.target.true(name) is not None for name in (self.chosen, self.rejected))

    def prompt(self, query: merc.Query) -> merc.Prompt:
        """The prompt with a right answer and rejected ones. Raises MercError, naming the utterance and where it was
        read, for a pair of which one is missing or empty, or whose answers are the same."""
        prompt = self.prompter.prompt(query)
        if not self.has_target(query):
            return prompt
        if self.pairs == "labels":
            others = tuple(label for label in query.labels.labels if label != query.target.label)
            answer = replace(prompt.answer, text=None, rejected=others)
        else:
            names = self.chosen, self.rejected
            try:
                chosen, rejected = checked_pair(*map(query.target.true, names), names)
            except ValueError as error:
                raise self._fault(query, str(error)) from None
            answer = replace(prompt.answer, text=chosen, rejected=rejected)
        return replace(prompt, segments=(*prompt.segments[:-1], answer))

    def _fault(self, query: merc.Query, what: str) -> merc.MercError:
        where = f"{query.target.origin}: " if query.target.origin else ""
        return merc.MercError(f"{where}preference pair of utterance {query.target.id!r}: {what}")
