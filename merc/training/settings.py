"""The settings of a supervised fine-tuning. Light: a recipe is checked with it, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Parameters of training with AdamW, for any trainer: how long, how fast, how much in a step, and which state is
    kept.

    A trainer of a plugin inherits from it and from ``merc.Trainer``, adds its own fields, and gives itself to
    ``merc.training.fit``. Counts are 1 or more, or ``null`` where that is allowed; anything else raises ValueError.

    >>> Settings(epochs=3, lr=1e-4).batch_conversations
    4
    """

    epochs: int = 1
    """How many times all of the train split is learned from."""
    lr: float = 2e-4
    """The highest learning rate of AdamW, for everything that has no rate of its own."""
    connector_lr: float | None = None
    """The learning rate of connectors and fusers; ``lr`` if null."""
    encoder_lr: float | None = None
    """The learning rate of encoders that learn; ``lr`` if null."""
    weight_decay: float = 0.0
    """AdamW's weight decay, decoupled from the loss."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after the warm-up: along a cosine or a line to 0, or not at all."""
    warmup_steps: int = 0
    """Optimizer steps in which the learning rate rises from 0 to its highest; a stage that has fewer says so."""
    max_grad_norm: float | None = 1.0
    """The norm to which the gradients of a step are clipped; null clips nothing."""
    batch_conversations: int | None = 4
    """Conversations in an optimizer step, computed in as many forward passes as they need. With null a step is
    ``gradient_accumulation`` full forward passes."""
    batch_tokens: int = 4096
    """The most places of a forward pass. It bounds the memory of a step."""
    gradient_accumulation: int = 1
    """Forward passes in an optimizer step where ``batch_conversations`` is null; of no effect elsewhere."""
    precision: Literal["model", "float32", "bfloat16", "float16"] = "model"
    """What is computed in: ``model`` is the backbone's dtype, the others are autocast. bfloat16 is float32 on a CPU
    that has no instructions for it."""
    activation_checkpointing: bool = False
    """Whether activations are computed again in the backward pass: less memory, more time."""
    select_by: str = "weighted_f1"
    """The dev metric whose best state is kept, never a test metric; ``mine.kappa`` is the number ``kappa`` of a metric
    ``mine``."""
    evaluate_every: int | None = None
    """Optimizer steps between two evaluations of the dev split; null evaluates after each epoch."""
    ema_decay: float | None = None
    """The decay of an exponential moving average of all that learns, such as 0.99; what is evaluated and kept is the
    average. null keeps none. In one process alone (strategy torch)."""
    soup: int | None = None
    """How many states of evaluations are averaged when training has ended; the average is kept if it is better on dev
    than the best state of all evaluations. null averages none."""
    soup_of: Literal["best", "last"] = "best"
    """Which states the soup is of: those that are ``best`` on dev, or those of the ``last`` evaluations, of which the
    best state need not be one."""
    patience: int | None = None
    """Training stops after so many evaluations without a better one; null never stops early."""
    checkpoint_every: int = 200
    """Optimizer steps between two checkpoints to resume from; one more is written after each epoch."""

    def chooses_by(self) -> str:
        """The dev metric whose best state is kept."""
        return self.select_by

    def one_process(self) -> str | None:
        """``ema_decay``, where it is set: the average moves after each step."""
        return None if self.ema_decay is None else "ema_decay"

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
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ValueError(f"ema_decay is between 0 and 1, such as 0.99, not {self.ema_decay}")
        if self.soup is not None and self.soup < 2:
            raise ValueError(f"soup averages 2 states at least, not {self.soup}")
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
