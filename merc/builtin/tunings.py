"""Tunings that merc brings: ``full`` and ``lora``. ``frozen`` is the default of the contract itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from merc.components import PeftTuning, Tuning
from merc.components.peft_tuning import save_pretrained

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Full(Tuning):
    """All of the backbone learns, held in float32. Saved as a model of transformers, in ``backbone/``."""

    saved_as: ClassVar[str] = "backbone"

    def apply(self, llm: nn.Module) -> nn.Module:
        """Switch every parameter on."""
        return llm.float().requires_grad_(True)

    def save(self, llm: nn.Module, learns: frozenset[str], folder: Path) -> None:
        """Write the model as transformers does."""
        save_pretrained(llm, folder / self.saved_as)

    def read(self, llm: Any, folder: Path) -> Mapping[str, Tensor]:
        """Through transformers' own loading, which knows how it named and split what it saved."""
        import torch

        saved = type(llm).from_pretrained(folder / self.saved_as, dtype=torch.float32, use_safetensors=True)
        return dict(saved.named_parameters())


@dataclass(frozen=True, kw_only=True)
class LoRA(PeftTuning):
    """Low-rank adapters of peft beside linear layers, held in float32 whatever the backbone's dtype. They are saved in
    peft's own format, in ``adapter/``.

    ``r`` is the rank, and ``alpha / r`` what an adapter's output is multiplied by; with ``rank_stabilized`` that is
    ``alpha / sqrt(r)``, which suits large ranks. ``dropout`` (0 to below 1) is of the adapter's input. ``targets`` are
    the names of the linear layers, or ``all-linear`` for all but the last of the model. With ``dora`` a layer's weights
    are split into directions, which the adapter changes, and their lengths, which learn too.

    >>> LoRA(r=0)
    Traceback (most recent call last):
    ValueError: r counts from 1, not 0
    """

    r: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    dora: bool = False
    rank_stabilized: bool = False

    def __post_init__(self) -> None:
        for name, value in (("r", self.r), ("alpha", self.alpha)):
            if value < 1:
                raise ValueError(f"{name} counts from 1, not {value}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is from 0 to below 1, not {self.dropout}")
        if not self.targets:
            raise ValueError("targets names no layer; leave it out for all linear layers, or set tuning.name=frozen")

    def peft_config(self, llm: nn.Module) -> Any:
        """peft's ``LoraConfig``."""
        from peft import LoraConfig

        return LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self.targets if isinstance(self.targets, str) else list(self.targets),
            use_dora=self.dora,
            use_rslora=self.rank_stabilized,
            task_type="CAUSAL_LM",
        )

    def fits(self, trained: Tuning) -> str | None:
        """An adapter that was trained with another ``alpha``, or scaled otherwise, would weigh otherwise."""
        if not isinstance(trained, LoRA):
            return super().fits(trained)
        for name in ("alpha", "rank_stabilized"):
            theirs, own = getattr(trained, name), getattr(self, name)
            if theirs != own:
                shown = str(theirs).lower()
                return (
                    f"it has LoRA with {name} {shown}, and this recipe has {str(own).lower()}; its adapter would weigh "
                    f"otherwise, so set backbone.tuning.{name}={shown}"
                )
        return None
