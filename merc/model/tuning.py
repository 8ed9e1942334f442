"""Which parameters of a model learn: those that its tuning leaves to learn, and of these what a stage names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from torch import nn

from merc.components import Tuning
from merc.errors import MercError, did_you_mean

if TYPE_CHECKING:
    from merc.model.emotion_model import EmotionModel


@dataclass(frozen=True)
class TunedBackbone:
    """A backbone that is ready to learn.

    ``learns`` are the names of the parameters of ``llm`` that may learn; ``added`` those of them that the tuning
    brought.
    """

    llm: nn.Module
    tuning: Tuning
    learns: frozenset[str]
    added: frozenset[str]


def tune(llm: nn.Module, tuning: Tuning) -> TunedBackbone:
    """Apply a tuning, and keep what learns by it. Raises MercError for a tuning that gives no module."""
    before = {id(parameter) for parameter in llm.parameters()}
    tuned = tuning.apply(llm)
    if not isinstance(tuned, nn.Module):
        raise MercError(
            f"backbone.tuning: {type(tuning).__name__}.apply() gives {type(tuned).__name__}; it must give the backbone "
            "that it was given, wrapped or not"
        )
    named = dict(tuned.named_parameters())
    return TunedBackbone(
        tuned,
        tuning,
        frozenset(name for name, parameter in named.items() if parameter.requires_grad),
        frozenset(name for name, p in named.items() if p.requires_grad and id(p) not in before),
    )


def check_trainable(model: EmotionModel, names: Sequence[str]) -> None:
    """Raise MercError for a name that stands for no part and no parameter that may learn."""
    parts = _members(model)
    known = [name.removesuffix(".") for members in parts.values() for name in members]
    for pattern in names:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise MercError(_names_nothing(pattern, parts))


def _members(model: EmotionModel) -> dict[str, tuple[str, ...]]:
    """By part, its name with a dot, and then the parameters in it that may learn."""
    return {part: (f"{part}.", *members) for part, members in model.parts().items()}


def _names_nothing(pattern: str, parts: Mapping[str, Sequence[str]]) -> str:
    """Why a name of ``trainable`` stands for nothing, and what there is in its place."""
    part = next((part for part in parts if pattern.startswith(f"{part}.")), None)
    if part is None:
        return f"trainable names unknown part {pattern!r}.{did_you_mean(pattern, parts)}"
    members = parts[part][1:]
    return (
        f"trainable: no parameter that may learn is called {pattern!r}; {part} has {len(members)} of them, "
        f"{members[0]} to {members[-1]}"
    )


def select_trainable(
    model: EmotionModel, names: Sequence[str] | None, heads: Collection[str] | None = None
) -> list[str]:
    """Let only the named parts learn ('backbone', 'connectors.video', 'fusers.*'), or parameters by their names
    ('backbone.*.layers.2[0-9].*'); ``None``: all that can, but for encoders, which learn where they are named.

    Gives the parts that learn, wholly or partly. What a tuning froze stays frozen: 'backbone' means what it lets learn.
    Of the heads only those in ``heads`` learn, which the stage's losses read (``None``: all).

    Raises MercError for a name that stands for no part and no parameter that may learn.
    """
    check_trainable(model, names or ())
    parts = _members(model)
    parameters = {model.public_name(name): parameter for name, parameter in model.learning().items()}
    chosen = dict.fromkeys(parts, False)
    for part, (_, *members) in parts.items():
        kind, _, of = part.partition(".")
        read = kind != "heads" or heads is None or of in heads
        own = [pattern for pattern in names or () if kind != "encoders" or pattern.startswith("encoders.")]
        whole = (names is None and kind != "encoders") or any(fnmatchcase(part, pattern) for pattern in own)
        for name in members:
            learns = read and (whole or any(fnmatchcase(name, pattern) for pattern in own))
            parameters[name].requires_grad_(learns)
            chosen[part] |= learns
    return [part for part, learns in chosen.items() if learns]
