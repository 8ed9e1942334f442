"""Loss: what a step of training makes smaller."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from merc.components.base import Component
from merc.components.head import Head
from merc.components.prompter import Query
from merc.conversation import LabelSpace

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class LossContext:
    """What a loss may know before the first step. A trainer makes it; a loss gets it in ``build``."""

    labels: LabelSpace
    """The label space, in whose order ``Batch.truth`` counts."""
    width: int
    """The width of hidden states."""
    counts: Mapping[str, int]
    """How many answers of the first epoch have each label."""
    answers: Sequence[tuple[int, ...]]
    """The tokens of the answers of the first epoch, an entry an answer."""
    heads: Mapping[str, Head] = field(default_factory=dict)
    """The heads of the recipe, by name."""
    streams: Sequence[str] = ()
    """The streams that a prompt may show."""
    embed: Callable[[Sequence[str]], Tensor] = field(default=lambda texts: _no_words(), repr=False)
    """Gives texts as they enter the language model, ``[texts, width]``: the mean of the input embeddings of a text's
    tokens, with a gradient where these learn."""
    say: Callable[[str], None] = lambda sentence: None
    """Takes a sentence for the user, which the log keeps."""


def _no_words() -> Tensor:
    raise RuntimeError("this context has no model, so it cannot embed texts")


@dataclass(frozen=True, kw_only=True)
class Loss(Component):
    """A loss of the prompts in a batch.

    ``needs`` names what of ``Outputs`` it reads; nothing else is computed. ``answers`` says which answers of a prompt
    are computed:

    - ``gold``: the right one;
    - ``labels``: every word of every label, where the prompt asks for a label, else the right one;
    - ``pairs``: the right one, and the rejected ones (``Answer.rejected``);
    - ``own``: those that an example brings (``Example.answers``), with ``Batch.path_weight``;
    - ``none``: none, for a loss that reads states or heads alone.

    A loss beside others may find their answers in the batch too.

    The focal loss, on the labels:

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Focal(Loss):
    ...     answers = "labels"
    ...     gamma: float = 2.0
    ...
    ...     def build(self, context):
    ...         import torch
    ...
    ...         class Function(torch.nn.Module):
    ...             def forward(_, outputs, batch):
    ...                 scores = batch.label_scores(outputs.path_log_probs).log_softmax(-1)
    ...                 right = scores.gather(1, batch.truth[:, None])[:, 0]
    ...                 return -((1 - right.exp()) ** self.gamma) * right
    ...
    ...         return Function()
    >>> Focal(weight=-1)
    Traceback (most recent call last):
    ValueError: weight is 0 or above, not -1
    """

    kind: ClassVar[str] = "loss"
    needs: ClassVar[frozenset[str]] = frozenset({"path_log_probs"})
    answers: ClassVar[Literal["gold", "labels", "pairs", "own", "none"]] = "gold"
    weight: float = 1.0
    """The factor of this loss in the sum that a trainer makes smaller."""

    def __post_init__(self) -> None:
        if not 0 <= self.weight < float("inf"):
            raise ValueError(f"weight is 0 or above, not {self.weight:g}")

    def penalty(self) -> float:
        """λ of a penalty λ‖W‖² over all that learns, which the optimizer adds to the gradient; 0 for none."""
        return 0.0

    def heads(self) -> Sequence[str]:
        """The recipe's heads whose outputs it reads and makes learn: ``outputs.heads[name]``, whose targets are
        ``context.heads[name].targets(batch.queries)``; none by default."""
        return ()

    def cue_fields(self) -> Sequence[str]:
        """The cues of utterances that it reads. They are there only if a prompter of its stage requests them
        (``Prompter.cue_fields``, or ``answer_fields``), so a recipe in which none does is an error."""
        return ()

    def check(self, labels: LabelSpace, queries: Sequence[Query]) -> None:
        """See, before hours of encoding, that what it reads beside the data is there and fits.

        Args:
            labels: The label space of the run.
            queries: Those of the stage whose prompts ask for a label and that it learns from.

        Raises:
            MercError: Something is not there, or not what it needs.
        """

    @abstractmethod
    def build(self, context: LossContext) -> nn.Module | None:
        """The working part; None for a loss that is a penalty alone.

        Called with ``(outputs, batch)`` it gives the losses ``[prompts]``, with a gradient. What a step learns is their
        sum over the step, divided by the sum of ``counts(batch)`` ``[prompts]`` if the module has such a method, else
        by the number of prompts. A loss of which nothing counts in a step adds nothing to it; a step of which nothing
        counts for any loss changes no weight, and the log says how many these were.

        Parameters of the module learn at the connectors' rate and are kept in the stage's checkpoints, not in the
        trained run.

        A module may have ``begin(batches)``: it is called before the passes of a step with all of its batches, those
        of other processes too, for what a pass alone does not show.

        A module may have ``measures()``: it is called after each pass, and gives what the log is to have of the step
        beside the loss, by name, each as a sum over the pass and what it is divided by once all passes are added up.

        A module may have ``rewrite(model, batches, epoch)``: it is called before the passes of a step, and gives the
        step's batches as they are to be computed, one for one. ``model`` is a ``merc.Speaks``.
        """
