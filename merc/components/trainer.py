"""Trainer: a model and the prompts of a stage in, a trained state out."""

from __future__ import annotations

import zlib
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
    """An answer that an example brings itself. ValueError without a token, for a weight that is not finite, and for
    several numbers that are not one for each token."""

    tokens: tuple[int, ...]
    """Its tokens, such as ``Generation.tokens``."""
    weight: float = 1.0
    """What it counts (``Batch.path_weight``)."""
    numbers: Mapping[str, float | Sequence[float]] = field(default_factory=dict)
    """What else a loss is to know of it, by name: one number, or one for each token, such as the log-probabilities that
    it was drawn with (``Generation.log_probs``). ``Batch.path_numbers`` and ``Batch.step_numbers`` give them back."""

    def __post_init__(self) -> None:
        if not self.tokens or not isfinite(self.weight):
            raise ValueError(f"an answer has a token at least, and a finite weight: {self}")
        for name, value in self.numbers.items():
            if isinstance(value, Sequence) and len(value) != len(self.tokens):
                raise ValueError(f"{name!r} has {len(value)} numbers for an answer of {len(self.tokens)} tokens")


@dataclass(frozen=True)
class Example:
    """A query that a model is to learn the answer of."""

    query: Query
    """What is asked."""
    prompter: Prompter
    """What asks it; a stage may have several."""
    answers: tuple[WeightedAnswer, ...] = ()
    """Answers of its own, for a loss that learns from these (``Loss.answers = "own"``): those that a trainer let the
    model write, say. They are computed over one prompt."""

    def prompt(self) -> Prompt:
        """The prompt, whose answer is what to learn."""
        return self.prompter.prompt(self.query)


@dataclass(frozen=True, kw_only=True)
class TrainContext:
    """One stage, ready to train. ``merc.training.fit`` trains it, on whatever the recipe's strategy computes (one
    process, or DeepSpeed)."""

    stage: str
    """The name of the stage."""
    model: Model
    """The model, which can be asked as a decoder asks it, with the stage's prompter."""
    labels: LabelSpace
    """The run's labels."""
    examples: Callable[[int], Sequence[Sequence[Example]]]
    """Gives what an epoch (from 0) learns from, grouped by what shares a prefix (the same question about the utterances
    of a conversation), before shuffling."""
    evaluate: Callable[[], Mapping[str, Any]] | None
    """Gives the dev split's metrics for the model as it is; ``None`` without a dev split."""
    folder: Path
    """The stage's own folder, for checkpoints."""
    seed: int
    """The run's seed, of all random choices."""
    resume: bool
    """Whether training goes on from the checkpoint in ``folder``, where there is one."""
    log: Callable[[Mapping[str, Any]], None]
    """Takes a record of the log, a mapping that JSON can hold."""
    rewind: Callable[[int], None]
    """Takes the step that training goes on from, and drops the log's records of later ones."""
    progress: Callable[[float, str], None]
    """Takes the share that is done (0 to 1), and a line for the user."""
    say: Callable[[str], None] = lambda sentence: None
    """Takes a sentence for the user, which the log keeps."""

    def seed_of(self, *what: str | int) -> int:
        """A seed for what is drawn at one place, such as ``seed_of(step, "rollout")``: it depends on the run's seed,
        the stage and the place alone, so a resumed run draws what an uninterrupted one draws."""
        return zlib.crc32("/".join(map(str, (self.seed, self.stage, *what))).encode())


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """What a trainer did."""

    steps: int
    """Optimizer steps, in all."""
    epochs: float
    """Epochs that these steps make up."""
    seconds: float
    """How long training took, all resumed parts together."""
    best: Mapping[str, Any] | None = None
    """The best dev value and where it was; ``None`` where nothing was evaluated."""
    stopped_early: bool = False
    """Whether ``Settings.patience`` ended it."""


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

    def one_process(self) -> str | None:
        """The parameter by which it needs all weights after each step in one process (strategy ``torch``); ``None``
        where several may share them out."""
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

    def check(self, context: TrainContext) -> None:
        """See, before any stage of a run is trained, that it can train this one: by ``merc.training.check_fit``, with
        what ``train`` gives to ``fit``. It changes nothing.

        Args:
            context: The stage, whose model is not as earlier stages will have trained it.

        Raises:
            MercError: Settings or losses do not fit the model or the data.
        """

    @abstractmethod
    def train(self, context: TrainContext) -> TrainReport:
        """Train the model of the context in place.

        Args:
            context: The stage, which ``merc.training.fit`` takes as it is or by ``dataclasses.replace``.

        Raises:
            MercError: A loss is not a number; the message names what was in the batch.
        """
