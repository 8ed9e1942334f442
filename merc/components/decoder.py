"""Decoder: queries in, answers out, through the model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from merc.components.base import Component
from merc.components.model import Model, Scores
from merc.components.prompter import Prompter, Query
from merc.conversation import LabelSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """The answer to one query."""

    label: str | None
    """One of the query's labels, or ``None`` where none could be read."""
    probabilities: Mapping[str, float] | None = None
    """Those of all of the query's labels, in their order."""
    text: str | None = None
    """What the model wrote."""
    state: NDArray[Any] | None = None
    """The hidden state ``[hidden]`` at which the answer was scored."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else is to be kept of how the label came about, by name, as plain JSON values: rationales, votes, a prior.
    It stands in predictions.jsonl and in the report."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why something was not seen that the answer goes by beside the recipe's own streams and cues, by name
    (``voice of run2``)."""


@dataclass(frozen=True, kw_only=True)
class Decoder(Component):
    """How a label is had of the model.

    ``answers`` says what hangs after each prompt: ``labels``, every word of every label, which only a prompt that asks
    for a label can have, or ``none``, where the model writes. ``gives`` names what of an answer it always has beside
    the label: ``probabilities``, ``text``, ``states``. A metric that needs another, or ``states: true`` without
    ``states``, is an error of the recipe. ``asks_model`` is whether it asks the recipe's model; where it does not, as
    one that asks a server, a recipe that only evaluates needs no backbone, and ``model`` has prompts alone.

    A decoder that takes away how likely the model holds each label without the conversation (domain-conditional
    PMI):

    >>> from dataclasses import dataclass, replace
    >>> from merc.components.prompter import Text
    >>> @dataclass(frozen=True, kw_only=True)
    ... class WithoutPrior(Decoder):
    ...     gives = frozenset({"probabilities"})
    ...     question: str = "The emotion is:"
    ...
    ...     def decode(self, model, queries):
    ...         prompts = [model.prompt(query) for query in queries]
    ...         alone = [replace(p, segments=(Text(self.question), p.answer)) for p in prompts]
    ...         prior = model.score(queries, prompts=alone).values
    ...         return likeliest(queries, model.score(queries).values.sub(prior), model.labels)
    """

    kind: ClassVar[str] = "decoder"
    answers: ClassVar[Literal["labels", "none"]] = "labels"
    gives: ClassVar[frozenset[str]] = frozenset()
    asks_model: ClassVar[bool] = True

    def new_tokens(self) -> int:
        """How many tokens the model may write for an answer; 0 for a decoder that lets it write none."""
        return 0

    def needs_end(self) -> bool:
        """Whether a written label is read only where the answer ends after it, so that the model must have learned
        where to stop."""
        return False

    def prompters(self) -> Sequence[Prompter]:
        """The prompters that it asks with beside the recipe's own. They may show the streams and cues that the
        recipe's own shows, and no others."""
        return ()

    def looks_ahead(self) -> int:
        """How many utterances after the target it looks at, beside what the recipe's own prompter shows
        (``Prompter.looks_ahead``); by default as its ``prompters`` do."""
        return max((prompter.looks_ahead() for prompter in self.prompters()), default=0)

    def cue_fields(self) -> Sequence[str]:
        """The cues of utterances that it reads itself; by default those that the decoders among its parameters read.
        They are there only if the recipe's own prompter requests them (``Prompter.cue_fields``), so a recipe whose
        prompter does not is an error."""
        return [name for one in self._inner() for name in one.cue_fields()]

    def reads_media(self) -> Sequence[str]:
        """What sees or hears utterances on its own, beside the streams that the recipe shows, as a reader would name it
        (``voice of runs/two``); by default what the decoders among its parameters name. It has the files of utterances
        alone, so with such a decoder merc refuses media that are arrays, as in a conversation that goes on, and
        evaluations with worse media."""
        return [name for one in self._inner() for name in one.reads_media()]

    def _inner(self) -> list[Decoder]:
        """The decoders among its parameters."""
        values = (getattr(self, one.name) for one in fields(self))
        return [one for one in values if isinstance(one, Decoder)]

    def check(self, labels: LabelSpace) -> None:
        """See, before hours of training, that what it reads beside the data is there and fits.

        Args:
            labels: The label space of the run.

        Raises:
            MercError: Something is not there, or not what it needs.
        """

    def fits_on(self) -> Literal["train", "dev"] | None:
        """The split that it is fitted on once the model is trained; ``None`` for one with nothing to fit, or whose
        parameters give what would be fitted."""
        return None

    def fit(self, model: Model, queries: Sequence[Query]) -> Decoder:
        """Fit its parameters to labelled utterances, once the model is trained; while a stage trains, the decoder
        answers as it is before. It is called in every process, as ``decode`` is.

        Args:
            model: The trained model.
            queries: Those of the split that ``fits_on`` names, of which some may have no label. Where the evaluation
                shows labels of earlier utterances, they show the same kind: the corpus's, or those that this decoder
                predicted before it was fitted.

        Returns:
            A decoder of the same class with the fitted parameters, the same for the same queries. The run keeps them,
            so that predicting needs no data.
        """
        return self

    @abstractmethod
    def decode(self, model: Model, queries: Sequence[Query]) -> Sequence[Decoded]:
        """An answer to each query, in their order.

        The work of ``model``'s methods is shared among the processes of a run, and every process has all of what they
        give. So it is called in every process with the same queries, and has to call them alike in each. The same
        queries always give the same answers.
        """


GIVES = ("probabilities", "text", "states")
"""What a decoder may give beside a label."""


def likeliest(
    queries: Sequence[Query], values: Tensor, labels: LabelSpace, states: NDArray[Any] | None = None
) -> list[Decoded]:
    """The likeliest label of each query, with the probabilities of all: a softmax over ``values``.

    Args:
        queries: The queries that were scored.
        values: Scores ``[queries, labels]``, as ``Model.score`` gives them.
        labels: The labels of the columns, ``Model.labels``.
        states: Hidden states ``[queries, hidden]``, which answers keep.

    >>> import torch
    >>> from merc.conversation import Conversation, Utterance
    >>> space, talk = LabelSpace(("joy", "anger")), Conversation(id="c", utterances=(Utterance(id="u", text="Hi!"),))
    >>> query = Query(conversation=talk, index=0, labels=space)
    >>> [one.label for one in likeliest([query], torch.tensor([[-3.0, -0.5]]), space)]
    ['anger']
    """
    import torch

    decoded = []
    for number, (query, row) in enumerate(zip(queries, torch.softmax(values, dim=-1).tolist(), strict=True)):
        chances = {label: row[labels.index(label)] for label in query.labels.labels}
        state = None if states is None else states[number]
        decoded.append(Decoded(label=max(chances, key=chances.__getitem__), probabilities=chances, state=state))
    return decoded


@dataclass(frozen=True, kw_only=True)
class Verbalizer(Decoder):
    """Scores the words of every label: the decoder of a recipe that names none."""

    answers: ClassVar[Literal["labels", "none"]] = "labels"
    gives: ClassVar[frozenset[str]] = frozenset({"probabilities", "states"})
    normalize: Literal["none", "tokens"] = "none"
    """``tokens`` divides the log-probability of a word by its number of tokens."""

    def decode(self, model: Model, queries: Sequence[Query]) -> Sequence[Decoded]:
        """The likeliest label of each query."""
        scores: Scores = model.score(queries, self.normalize)
        return likeliest(queries, scores.values, model.labels, scores.states)
