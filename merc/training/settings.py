"""The settings of a supervised fine-tuning. Light: a recipe is checked with it, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Parameters of supervised fine-tuning.

    ``epochs`` passes over the train split, with AdamW at the learning rate ``lr`` (if given, ``connector_lr`` for
    connectors and fusers, ``encoder_lr`` for encoders that learn), which ``schedule`` lowers after it rose for
    ``warmup_steps`` steps. ``weight_decay`` is AdamW's, decoupled from the loss. Gradients are clipped to the norm
    ``max_grad_norm``. ``activation_checkpointing`` computes activations again in the backward pass: less memory, more
    time.

    How much is learned at once: ``batch_conversations`` in one optimizer step, computed in as many forward passes of at
    most ``batch_tokens`` places as they need; with ``batch_conversations: null`` a step is ``gradient_accumulation``
    forward passes, each
    filled to ``batch_tokens``.

    ``precision``: ``model`` computes in the backbone's dtype, the others under autocast. ``select_by`` names the dev
    metric whose best state is kept (never a test metric; ``mine.kappa`` for the number ``kappa`` of a metric ``mine``),
    evaluated every ``evaluate_every`` steps, or after each epoch if ``null``; ``patience`` stops after so many
    evaluations without a better one. A checkpoint to resume from is written every ``checkpoint_every`` steps and after
    each epoch.
    """

    epochs: int = 1
    lr: float = 2e-4
    connector_lr: float | None = None
    encoder_lr: float | None = None
    weight_decay: float = 0.0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_steps: int = 0
    max_grad_norm: float | None = 1.0
    batch_conversations: int | None = 4
    batch_tokens: int = 4096
    gradient_accumulation: int = 1
    precision: Literal["model", "float32", "bfloat16", "float16"] = "model"
    activation_checkpointing: bool = False
    select_by: str = "weighted_f1"
    evaluate_every: int | None = None
    patience: int | None = None
    checkpoint_every: int = 200

    def chooses_by(self) -> str:
        """The dev metric whose best state is kept."""
        return self.select_by

    def __post_init__(self) -> None:
        counts = (
            "epochs",
            "batch_tokens",
            "gradient_accumulation",
            "checkpoint_every",
            "batch_conversations",
            "evaluate_every",
            "patience",
        )
        for name in counts:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} counts from 1, not {value}")
        for name in ("lr", "connector_lr", "encoder_lr", "max_grad_norm"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is above 0, not {value}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay is 0 or above, not {self.weight_decay}")
        if self.warmup_steps < 0:
            raise ValueError(f"warmup_steps counts from 0, not {self.warmup_steps}")
        if self.batch_conversations is not None and self.gradient_accumulation > 1:
            raise ValueError(
                f"gradient_accumulation: {self.gradient_accumulation} needs batch_conversations: null; with "
                f"batch_conversations: {self.batch_conversations} a step is as many passes as they need"
            )
