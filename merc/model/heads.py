"""The heads of a model: small modules on the hidden states where answers begin."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from merc.components import Head
from merc.errors import MercError
from merc.registry.faults import worker_for


class Heads(nn.ModuleDict):
    """A recipe's heads by name, built for hidden states of ``width`` numbers. They compute in float32, whatever the
    backbone does."""

    def __init__(self, components: Mapping[str, Head], width: int) -> None:
        super().__init__({name: worker_for(head, head.build(width)) for name, head in components.items()})
        self.components = dict(components)

    def rows(self, states: Tensor) -> list[dict[str, list[float]]]:
        """The outputs of every head for each prompt, as plain numbers."""
        by_head = {name: values.tolist() for name, values in self.outputs(states, tuple(self)).items()}
        return [{name: rows[at] for name, rows in by_head.items()} for at in range(len(states))]

    def values_of(self, row: Mapping[str, Sequence[float]]) -> dict[str, Any]:
        """The values of one utterance by field, from its row. Raises MercError for a head that gives other fields than
        its own, or what is no JSON, such as NaN."""
        values: dict[str, Any] = {}
        for name, numbers in row.items():
            head = self.components[name]
            parts = dict(head.values(numbers))
            if set(parts) != set(head.fields()):
                has = ", ".join(map(str, parts)) or "nothing"
                raise MercError(f"heads.{name}: values() gives {has}; fields() says {', '.join(head.fields())}")
            try:
                json.dumps(parts, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise MercError(f"heads.{name}: values() gives {parts}, which is no plain JSON: {error}") from None
            values.update(parts)
        return values

    def outputs(self, states: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        """The outputs ``[prompts, outputs]`` of some heads, from the states ``[prompts, width]``.

        Raises MercError for a head that gives another shape.
        """
        by_head = {}
        with torch.autocast(states.device.type, enabled=False):
            for name in names:
                values = self[name](states.float())
                if not isinstance(values, Tensor) or values.ndim != 2 or len(values) != len(states):
                    shape = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
                    raise MercError(
                        f"heads.{name} gives {shape} for {len(states)} prompts; it must give [prompts, outputs]"
                    )
                by_head[name] = values.float()
        return by_head
