"""Example, a tuning: replace what learns with yours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Tuning):
    """The scales of the backbone's normalisations learn, held in float32; ``last`` of its layers alone, or all."""

    last: int | None = None

    def apply(self, llm: Any) -> Any:
        """Mark what learns."""
        llm.requires_grad_(False)
        layers = list(llm.get_decoder().layers)
        chosen = layers[-self.last :] if self.last is not None else layers
        scales = [p for layer in chosen for name, p in layer.named_parameters() if "norm" in name]
        if not scales:
            raise merc.MercError(f"backbone.tuning: {type(llm).__name__} has no normalisation in its layers")
        for scale in scales:
            scale.data = scale.data.float()
            scale.requires_grad_(True)
        return llm
