"""Heads that merc brings: numbers, and several labels at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from merc.components import Head, Targets
from merc.conversation import LabelSpace, Utterance
from merc.errors import MercError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class _Layers(Head):
    """A linear layer from the hidden state, or two."""

    width: int | None = None
    """The width of a hidden layer (GELU) before the outputs; null is no such layer."""

    def __post_init__(self) -> None:
        if self.width is not None and self.width < 1:
            raise ValueError(f"width counts from 1, not {self.width}")

    def _layers(self, width: int, outputs: int) -> nn.Module:
        from torch import nn

        if self.width is None:
            return nn.Linear(width, outputs)
        return nn.Sequential(nn.Linear(width, self.width), nn.GELU(), nn.Linear(self.width, outputs))


@dataclass(frozen=True, kw_only=True)
class Regression(_Layers):
    """Numbers such as valence, arousal and intensity.

    An output is m + h · tanh(x), where m is the middle of its range and h half of its length, so it never leaves the
    range. Its loss is the squared error in units of h, so that numbers of different ranges count alike.

    >>> Regression(outputs={"valence": (-1, 1), "intensity": (0, 5)}).values([0.25, 4.0])
    {'valence': 0.25, 'intensity': 4.0}
    >>> Regression(outputs={"valence": (-1, 1)}).target(Utterance(id="u", text="Hi.", valence=3.0))
    Traceback (most recent call last):
    ValueError: valence is 3, outside its range from -1 to 1
    """

    gives: ClassVar[frozenset[str]] = frozenset({"numbers"})
    outputs: Mapping[str, tuple[float, float]]
    """The range of each number by its name, which is that of an utterance's value: ``{valence: [-1, 1], arousal: [-1,
    1]}``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.outputs:
            raise ValueError("outputs names none; give each its range: {valence: [-1, 1]}")
        for name, (low, high) in self.outputs.items():
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError(f"outputs.{name}: a range is the least and the most, not [{low:g}, {high:g}]")

    def fields(self) -> Sequence[str]:
        """The names of ``outputs``."""
        return tuple(self.outputs)

    def build(self, width: int) -> nn.Module:
        """The layers, and tanh to the ranges."""
        import torch
        from torch import nn

        middle = [(low + high) / 2 for low, high in self.outputs.values()]
        half = [(high - low) / 2 for low, high in self.outputs.values()]
        layers = self._layers(width, len(half))

        class Module(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = layers

            def forward(self, states: Tensor) -> Tensor:
                raw: Tensor = self.layers(states)
                return raw.new_tensor(middle) + raw.new_tensor(half) * torch.tanh(raw)

        return Module()

    def target(self, utterance: Utterance) -> Sequence[float | None]:
        """The utterance's numbers. ValueError for one outside its range, and for what is no number."""
        return [self._number(utterance, name) for name in self.outputs]

    def _number(self, utterance: Utterance, name: str) -> float | None:
        value, (low, high) = utterance.true(name), self.outputs[name]
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} is {value!r}, and a number is wanted")
        if not low <= value <= high:
            raise ValueError(f"{name} is {value:g}, outside its range from {low:g} to {high:g}")
        return float(value)

    def losses(self, outputs: Tensor, targets: Targets) -> Tensor:
        """((output - target) / h)²."""
        half = outputs.new_tensor([(high - low) / 2 for low, high in self.outputs.values()])
        squared: Tensor = ((outputs - targets.values) / half) ** 2
        return squared

    def values(self, outputs: Sequence[float]) -> Mapping[str, Any]:
        """A number by name."""
        return dict(zip(self.outputs, outputs, strict=True))


@dataclass(frozen=True, kw_only=True)
class MultiLabel(_Layers):
    """Several labels at once, each true or not. The loss of a label is the binary cross-entropy.

    >>> MultiLabel(labels=("joy", "fear")).values([1.0, -1.0])
    {'labels': {'labels': ['joy'], 'probabilities': {'joy': 0.7310585786300049, 'fear': 0.2689414213699951}}}
    """

    gives: ClassVar[frozenset[str]] = frozenset({"label_sets"})
    labels: tuple[str, ...]
    """The head's own labels, which need not be those of the recipe."""
    field: str = "labels"
    """The value of an utterance that lists the labels that are true, all others being false: ``labels`` of a record, or
    a name in its ``values``."""
    threshold: float = 0.5
    """The least probability of a label that is predicted."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.labels:
            raise ValueError("labels names none; list those that may be true of an utterance")
        try:
            object.__setattr__(self, "labels", LabelSpace(self.labels).labels)
        except MercError as error:
            raise ValueError(f"labels: {error}") from None
        if not all(self.labels) or not self.field.strip():
            raise ValueError("a label, or the field, is empty")
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold is between 0 and 1, not {self.threshold:g}")

    def fields(self) -> Sequence[str]:
        """``field``."""
        return (self.field,)

    def build(self, width: int) -> nn.Module:
        """The layers: one number per label, of which the logistic function makes its probability."""
        return self._layers(width, len(self.labels))

    def target(self, utterance: Utterance) -> Sequence[float | None]:
        """1 for each label that is true of the utterance, else 0. ValueError for one that the head does not have."""
        value = utterance.true(self.field)
        if value is None:
            return [None] * len(self.labels)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ValueError(f"{self.field} is {value!r}, and a list of labels is wanted")
        for label in value:
            if label not in self.labels:
                raise ValueError(
                    f"{self.field} has {label!r}, which is none of the head's labels."
                    f"{did_you_mean(str(label), self.labels)} They are: {', '.join(self.labels)}"
                )
        return [float(label in value) for label in self.labels]

    def losses(self, outputs: Tensor, targets: Targets) -> Tensor:
        """-(y · log p + (1 - y) · log(1 - p)), p being the logistic function of an output."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        per_label: Tensor = binary_cross_entropy_with_logits(outputs, targets.values, reduction="none")
        return per_label

    def values(self, outputs: Sequence[float]) -> Mapping[str, Any]:
        """By ``field`` the ``labels`` that are predicted and the ``probabilities`` of all."""
        chances = {label: _logistic(number) for label, number in zip(self.labels, outputs, strict=True)}
        chosen = [label for label, chance in chances.items() if chance >= self.threshold]
        return {self.field: {"labels": chosen, "probabilities": chances}}


def _logistic(number: float) -> float:
    """1 / (1 + exp(-number)), without an overflow."""
    small = math.exp(-abs(number))
    return 1 / (1 + small) if number >= 0 else small / (1 + small)
