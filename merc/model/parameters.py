"""How many parameters a model has, by part, and how many of them learn."""

from __future__ import annotations

from dataclasses import dataclass

from merc.model.emotion_model import EmotionModel


@dataclass(frozen=True)
class PartCount:
    """Parameters of one part: all, and those that learn."""

    part: str
    total: int
    trainable: int


def count_parameters(model: EmotionModel) -> list[PartCount]:
    """A count for the backbone, for its adapters, and for each connector and fuser. Works on the meta device."""
    backbone = [p for n, p in model.llm.named_parameters() if "lora_" not in n]
    adapters = [p for n, p in model.llm.named_parameters() if "lora_" in n]
    parts = {"backbone": backbone}
    if adapters:
        parts["backbone.adapters"] = adapters
    parts.update({f"connectors.{n}": list(m.parameters()) for n, m in model.media.connectors.items()})
    parts.update({f"fusers.{n}": list(m.parameters()) for n, m in model.media.fusers.items()})
    return [
        PartCount(name, sum(p.numel() for p in ps), sum(p.numel() for p in ps if p.requires_grad))
        for name, ps in parts.items()
    ]
