"""The decoder ``calibrated``: what the model holds likely without any content is taken out of its probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import merc

ID = "content-free"
"""The id of the conversation without content, and of its one utterance."""


@dataclass(frozen=True, kw_only=True)
class Calibrated(merc.Decoder):
    """Contextual calibration (Zhao et al., 2021): p'(y) ∝ p(y) / prior(y), where the prior is the mean of the labels'
    probabilities after content-free prompts.

    A content-free prompt is the recipe's own, demonstrations included, for an utterance that says nothing and has no
    speaker, no cues and no media, in a conversation of its own. Kept of each answer: ``prior``. A prompter that makes
    no prompt of such an utterance is an error.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"probabilities", "states"})
    contents: tuple[str, ...] = ("N/A", "[MASK]", "")
    """What the content-free utterances say; an empty text is an empty clip."""
    normalize: Literal["none", "tokens"] = "none"
    """``tokens`` divides the log-probability of a word by its number of tokens."""

    def __post_init__(self) -> None:
        if not self.contents or len(set(self.contents)) != len(self.contents):
            raise ValueError(f"contents has one text at least, each once, not {list(self.contents)}")

    def decode(self, model: merc.Model, queries: Sequence[merc.Query]) -> Sequence[merc.Decoded]:
        """The label of each query that is likeliest beside its prior."""
        empty = [[_content_free(query, text) for text in self.contents] for query in queries]
        prompts = [[self._prompt(model, one) for one in several] for several in empty]
        # Queries with the same demonstrations and labels have the same prior, which is computed once.
        keys = [
            (tuple(p.segments for p in own), repr(query.labels)) for own, query in zip(prompts, queries, strict=True)
        ]
        first = {key: at for at, key in reversed(list(enumerate(keys)))}
        order = sorted(first.values())
        scores = model.score(
            [query for at in order for query in empty[at]], self.normalize, [p for at in order for p in prompts[at]]
        ).values
        priors = scores.softmax(-1).view(len(order), len(self.contents), -1).mean(1)
        prior = priors[[order.index(first[key]) for key in keys]]
        own = model.score(queries, self.normalize)
        # A label that a query does not have stays at minus infinity.
        values = own.values - prior.log().masked_fill(prior == 0, 0.0)
        return [
            replace(one, details={"prior": {label: row[model.labels.index(label)] for label in query.labels.labels}})
            for query, one, row in zip(
                queries, merc.likeliest(queries, values, model.labels, own.states), prior.tolist(), strict=True
            )
        ]

    @staticmethod
    def _prompt(model: merc.Model, query: merc.Query) -> merc.Prompt:
        """The content-free prompt, without places for media. Raises MercError where the prompter makes none."""
        try:
            prompt = model.prompt(query)
        except merc.MercError as error:
            raise merc.MercError(
                "evaluate.decoder: calibrated needs a prompter with a content-free form, and the recipe's makes no "
                f"prompt of an utterance without cues and media ({str(error).rstrip('.')}); choose another prompter, "
                "or evaluate.decoder={name: verbalizer}"
            ) from error
        segments = [part for part in prompt.segments if not (isinstance(part, merc.Slot) and part.utterance == ID)]
        return replace(prompt, segments=tuple(segments))


def _content_free(query: merc.Query, text: str) -> merc.Query:
    talk = merc.Conversation(id=ID, utterances=(merc.Utterance(id=ID, text=text),))
    return replace(query, conversation=talk, index=0, label_history=None)
