"""Trainer: a model and the prompts of a stage in, a trained state out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar

from merc.components.base import Component
from merc.components.model import Model
from merc.components.prompter import Prompt, Prompter, Query
from merc.conversation import LabelSpace


@dataclass(frozen=True)
class WeightedAnswer:
    """An answer that an example brings itself, as tokens (``Generation.tokens``, say), and what it counts.

    ``numbers`` are what else a loss is to know of it, by name: one number, or one for each token, such as the
    log-probabilities that it was drawn with (``Generation.log_probs``). ``Batch.path_numbers`` and
    ``Batch.step_numbers`` give them back.
    """

    tokens: tuple[int, ...]
    weight: float = 1.0
    numbers: Mapping[str, float | Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.tokens or not isfinite(self.weight):
            raise ValueError(f"an answer has a token at least, and a finite weight: {self}")
        for name, value in self.numbers.items():
            if isinstance(value, Sequence) and len(value) != len(self.tokens):
                raise ValueError(f"{name!r} has {len(value)} numbers for an answer of {len(self.tokens)} tokens")


@dataclass(frozen=True)
class Example:
    """A query that a model is to learn the answer of, and the prompter that asks it: a stage may have several.

    ``answers`` are answers of its own, for a loss that learns from these (``Loss.answers = "own"``): those that a
    trainer let the model write, say. They are computed over one prompt.
    """

    query: Query
    prompter: Prompter
    answers: tuple[WeightedAnswer, ...] = ()

    def prompt(self) -> Prompt:
        """The prompt, whose answer is what to learn."""
        return self.prompter.prompt(self.query)


@dataclass(frozen=True, kw_only=True)
class TrainContext:
    """One stage, ready to train.

    ``model`` can be asked as a decoder asks it, with the stage's prompter; ``merc.training.fit`` trains it, on whatever
    the recipe's strategy computes (one process, or DeepSpeed). ``examples`` gives what an epoch (from 0) learns from,
    grouped by what shares a prefix (the same question about the utterances of a conversation), before shuffling.
    ``evaluate`` gives the dev split's metrics for the model as it is, or is ``None`` without a dev split. ``folder`` is
    the stage's own, for checkpoints; ``log`` takes one record (a JSON-able mapping) at a time, ``rewind`` drops the
    records of steps after the one that training goes on from, ``progress`` takes the share done (0 to 1) and a line
    for the user, and ``say`` a sentence for the user that the log keeps.
    """

    stage: str
    model: Model
    labels: LabelSpace
    examples: Callable[[int], Sequence[Sequence[Example]]]
    evaluate: Callable[[], Mapping[str, Any]] | None
    folder: Path
    seed: int
    resume: bool
    log: Callable[[Mapping[str, Any]], None]
    rewind: Callable[[int], None]
    progress: Callable[[float, str], None]
    say: Callable[[str], None] = lambda sentence: None


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """What a trainer did: optimizer steps, epochs, the best dev value and where it was, and seconds."""

    steps: int
    epochs: float
    seconds: float
    best: Mapping[str, Any] | None = None
    stopped_early: bool = False


@dataclass(frozen=True, kw_only=True)
class Trainer(Component):
    """Trains the trainable parts of a model in place, and leaves the best state in them.

    It trains by ``merc.training.fit``, which has the strategies, precision, checkpoints, exact resume, the choice on
    dev, early stopping and the log. Every random choice comes from ``context.seed``, and it never sees the test split.

    A trainer that learns short conversations first, with all the parameters of ``sft``:

    >>> from dataclasses import dataclass, replace
    >>> import merc
    >>> @dataclass(frozen=True, kw_only=True)
    ... class ShortFirst(merc.training.Settings, Trainer):
    ...     losses: tuple[merc.Loss, ...] = ()
    ...
    ...     def train(self, context):
    ...         def examples(epoch):
    ...             groups = context.examples(epoch)
    ...             return groups if epoch else [group for group in groups if len(group) < 5]
    ...
    ...         return merc.training.fit(replace(context, examples=examples), self, self.losses)
    >>> ShortFirst(epochs=3).chooses_by()
    'weighted_f1'
    """

    kind: ClassVar[str] = "trainer"

    def chooses_by(self) -> str | None:
        """The dev metric whose best state is kept, which the recipe is checked for; ``None`` for none."""
        return None

    def teaches_writing(self) -> bool:
        """Whether a model learns to write the labels that prompts ask for, so that an evaluation may let it write; no
        for one that learns to choose among them."""
        return True

    def heads(self) -> Sequence[str]:
        """The recipe's heads that its losses make learn; the others stay as they are."""
        return ()

    def learns_answers(self) -> bool:
        """Whether it learns the answers of prompts; no for one that trains heads alone, and so learns from utterances
        that have values and no label."""
        return True

    @abstractmethod
    def train(self, context: TrainContext) -> TrainReport:
        """Train. Raises MercError for a loss that is not a number, naming what was in the batch."""
