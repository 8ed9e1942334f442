"""Decoders that let the model explain first and score the labels after what it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import merc
from merc_decoding.ensemble import votes_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Rationale:
    """What the model wrote to explain. ``incomplete`` says what is wrong with it: ``is empty`` or ``does not end``."""

    text: str
    incomplete: str = ""


@dataclass(frozen=True, kw_only=True)
class Explaining(merc.Decoder):
    """What decoders share that let the model explain first."""

    gives: ClassVar[frozenset[str]] = frozenset({"probabilities"})
    explain: str = ""
    """What stands at the end of the recipe's prompt and asks for the rationale; empty where the prompt asks itself."""
    conclude: str = "\nSo the emotion is"
    """What stands between the rationale and the label."""
    max_new_tokens: int = 128
    """How many tokens a rationale may have."""
    stop: tuple[str, ...] = ()
    """Texts before the first of which a rationale ends, beside the end token."""
    incomplete: Literal["error", "use"] = "error"
    """What happens where a rationale is empty or does not end: an error, or the labels are scored after what there
    is."""
    normalize: Literal["none", "tokens"] = "none"
    """``tokens`` divides the log-probability of a word by its number of tokens."""

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens counts from 1, not {self.max_new_tokens}")
        if not all(self.stop):
            raise ValueError("stop holds an empty text, which ends every rationale before it begins; take it out")

    def new_tokens(self) -> int:
        """``max_new_tokens``: those of a rationale."""
        return self.max_new_tokens

    def explained(
        self, model: merc.Model, queries: Sequence[merc.Query], count: int, **how: Any
    ) -> tuple[list[list[Rationale]], Tensor]:
        """``count`` rationales for each query, drawn as ``how`` says, and the probabilities ``[queries, count,
        labels]`` of the labels after each. A prompt is computed once for all its rationales, and once for all the
        labels after them.

        Raises MercError for rationales that are empty or do not end, unless these are to be used.
        """
        asks = [self._asks(model.prompt(query)) for query in queries]
        written = model.generate(queries, max_new_tokens=self.max_new_tokens, count=count, prompts=asks, **how)
        rationales = [[self._rationale(one) for one in texts] for texts in written]
        self._check(queries, rationales)
        after = [
            prompt.after(f"{one.text}{self.conclude}")
            for prompt, several in zip(asks, rationales, strict=True)
            for one in several
        ]
        scores = model.score([query for query in queries for _ in range(count)], self.normalize, after).values
        return rationales, scores.softmax(-1).view(len(queries), count, -1)

    def _asks(self, prompt: merc.Prompt) -> merc.Prompt:
        """The prompt with what asks for a rationale at its end."""
        if not self.explain:
            return prompt
        return replace(prompt, segments=(*prompt.segments[:-1], merc.Text(self.explain), prompt.answer))

    def _rationale(self, written: Any) -> Rationale:
        """A text as a rationale: up to the first stop, if there is one."""
        text = written.text.strip()
        places = [at for at in map(text.find, self.stop) if at >= 0]
        text = text[: min(places)].rstrip() if places else text
        if not text:
            return Rationale(text, "is empty")
        return Rationale(text, "" if written.ended or places else "does not end")

    def _check(self, queries: Sequence[merc.Query], rationales: Sequence[Sequence[Rationale]]) -> None:
        every = [(query, one) for query, several in zip(queries, rationales, strict=True) for one in several]
        wrong = [(query, one) for query, one in every if one.incomplete]
        if self.incomplete == "use" or not wrong:
            return
        query, first = wrong[0]
        longer = f"raise max_new_tokens (now {self.max_new_tokens}) or give a stop, such as stop: ['\\n']"
        remedy = longer if first.incomplete == "does not end" else "ask for one with explain"
        raise merc.MercError(
            f"evaluate.decoder: {len(wrong)} of {len(every)} rationales are incomplete; the first, for "
            f"{query.target.id!r}, {first.incomplete}: {remedy}, or set incomplete: use to score the labels after what "
            "there is"
        )


def _details(rationales: Sequence[Rationale]) -> dict[str, Any]:
    """What is kept of rationales."""
    details: dict[str, Any] = {"rationales": [one.text for one in rationales]}
    if incomplete := [f"{number} {one.incomplete}" for number, one in enumerate(rationales, 1) if one.incomplete]:
        details["incomplete"] = incomplete
    return details


@dataclass(frozen=True, kw_only=True)
class RationaleThenVerbalizer(Explaining):
    """Lets the model explain first, always with the likeliest token, and scores all labels after what it wrote.

    The rationale is the answer's text; ``details`` say where it is incomplete.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"probabilities", "text"})

    def decode(self, model: merc.Model, queries: Sequence[merc.Query]) -> Sequence[merc.Decoded]:
        """The label of each query that is likeliest after its rationale."""
        rationales, chances = self.explained(model, queries, 1)
        answers = merc.likeliest(queries, chances[:, 0].log(), model.labels)
        return [
            replace(one, text=own.text, details={"incomplete": own.incomplete} if own.incomplete else {})
            for one, (own,) in zip(answers, rationales, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class SelfConsistency(Explaining):
    """The labels' probabilities marginalised over sampled rationales (equation 26 of the survey; Wang et al., 2023):
    P(y | X) = (1 / count) Σ P(y | r, X), r drawn from P(r | X).

    Kept of each answer: ``rationales``, and ``votes``, the likeliest label after each.
    """

    count: int = 8
    """How many rationales are drawn."""
    temperature: float = 0.7
    """The temperature at which they are drawn."""
    top_p: float = 1.0
    """They are drawn from the likeliest tokens that together have this probability; 1 draws from all."""
    seed: int = 0
    """The seed of the draws, beside the utterance's id and the number of the draw."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count < 1:
            raise ValueError(f"count counts from 1, not {self.count}")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature is above 0, not {self.temperature}; rationale-then-verbalizer draws nothing")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is above 0 and at most 1, not {self.top_p}")

    def decode(self, model: merc.Model, queries: Sequence[merc.Query]) -> Sequence[merc.Decoded]:
        """The label of each query that is likeliest over all its rationales."""
        how = {"temperature": self.temperature, "top_p": self.top_p, "seed": self.seed}
        rationales, chances = self.explained(model, queries, self.count, **how)
        answers = merc.likeliest(queries, chances.mean(1).log(), model.labels)
        return [
            replace(one, details={**_details(own), "votes": votes})
            for one, own, votes in zip(answers, rationales, votes_of(model, chances), strict=True)
        ]
