"""Metric: predictions in, numbers out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from merc.components.base import Component
from merc.conversation import LabelSpace


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model said about one utterance. A run's predictions.jsonl holds none of the last five fields."""

    id: str
    """The utterance's."""
    conversation: str
    """The id of its conversation."""
    split: str | None = None
    """The split of its conversation, where it has one."""
    truth: str | None = None
    """The right label; ``None`` for an utterance without one."""
    label: str | None = None
    """The predicted label; ``None`` when a generated answer could not be parsed, which is wrong and is counted."""
    probabilities: Mapping[str, float] | None = None
    """Of each label of the label space; ``None`` for free generation."""
    answer: str | None = None
    """What the model wrote, where it wrote something."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why the model did not see a stream, by stream."""
    truths: Mapping[str, Any] = field(default_factory=dict)
    """What else is true of the utterance, by name, as plain JSON values: what a metric asked for (``Metric.truths``),
    and the fields of the recipe's heads."""
    label_history: str | None = None
    """Whose labels of the utterances before the model was shown: ``gold`` (the corpus's, which a user does not know) or
    ``predicted`` (its own); ``None`` where it was shown none."""
    following: int = 0
    """How many utterances after it the model was shown, at most: above 0 it was predicted offline, from a conversation
    that was over."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What heads gave, by the names of ``truths``: a number (``{"valence": 0.3}``), or several labels (``{"tags":
    {"labels": ["joy"], "probabilities": {"joy": 0.8, "fear": 0.1}}}``)."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the decoder keeps of how the label came about (``Decoded.details``)."""
    speaker: str | None = None
    """Who speaks, where it is known."""
    text: str | None = None
    """The words, where they are known."""
    start: float | None = None
    """Where the utterance begins within its media file, in seconds, where it is known."""
    end: float | None = None
    """Where it ends, likewise."""
    unanswered: str | None = None
    """Why the model was not asked: its prompt is too long, say."""

    def true(self, name: str) -> Any:
        """What is true under a name: ``truth`` for ``label``, else what ``truths`` has; ``None`` where nothing is.

        >>> said = Prediction(id="u", conversation="c", truth="joy", truths={"valence": 0.5})
        >>> said.true("label"), said.true("valence"), said.true("arousal")
        ('joy', 0.5, None)
        """
        return self.truth if name == "label" else self.truths.get(name)


@dataclass(frozen=True, kw_only=True)
class Metric(Component):
    """Numbers over the predictions of one split; values from 0 to 1 unless a name says otherwise.

    A prediction is compared with the utterance's label, unless ``truths`` says otherwise.

    A trainer may keep the state that is best by one of them: those of merc's ``classification`` go by their names
    (``weighted_f1``), those of every other metric by its name too (``mine.kappa``).

    The smallest complete metric:

    >>> @dataclass(frozen=True, kw_only=True)
    ... class Accuracy(Metric):
    ...     def compute(self, predictions, labels):
    ...         return {"accuracy": sum(p.label == p.truth for p in predictions) / len(predictions)}
    >>> Accuracy().compute([Prediction(id="u", conversation="c", truth="joy", label="joy")], LabelSpace(("joy",)))
    {'accuracy': 1.0}
    """

    kind: ClassVar[str] = "metric"

    def choices(self) -> Sequence[str] | None:
        """The numbers that a state may be chosen by, higher being better, so that a wrong name is found before
        training; ``None`` where they are not known beforehand."""
        return None

    def truths(self) -> Sequence[str]:
        """The names of what it compares with, each of which ``Prediction.true`` gives; none for a metric of heads'
        values, which reads those that a prediction has.

        A name is ``label``, ``open_labels`` (a list of strings), ``valence`` (a number), ``last`` (whether the
        utterance is the last of its dialogue), or a key of the utterances' ``values`` or ``extra``.
        """
        return ("label",)

    def needs(self) -> Sequence[str]:
        """What of a prediction it cannot do without and not every recipe gives: ``probabilities`` and ``text`` (what is
        written) come from a decoder, ``numbers``, ``label_sets`` and ``values.<field>`` from heads. A recipe that does
        not give it is an error."""
        return ()

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """See, before anything is trained or predicted, that ``compute`` will work.

        Args:
            predictions: Predictions that have their truths and say nothing.
            labels: The label space.

        Raises:
            MercError: No prediction could mend it: a table cannot be read, a truth is of another kind.
        """
        return None

    def repeatable(self) -> bool:
        """Whether it may be computed thousands of times, over predictions drawn from those that there are, to see how
        its numbers spread (``merc compare``); no for one that asks a server or takes long."""
        return True

    @abstractmethod
    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers.

        Args:
            predictions: One at least; only those that have all of ``truths``.
            labels: The label space.

        Returns:
            Finite numbers by name, or lists and mappings of these, as JSON can hold them.
        """
