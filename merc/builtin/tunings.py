"""Tunings that merc brings: ``full`` and ``lora``. ``frozen`` is the default of the contract itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from merc.components import LowRankTuning, Tuning
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
class LoRA(LowRankTuning):
    """Low-rank adapters of peft beside linear layers, held in float32 whatever the backbone's dtype. They are saved in
    peft's own format, in ``adapter/``.

    >>> LoRA(r=0)
    Traceback (most recent call last):
    ValueError: r counts from 1, not 0
    """

    weighs: ClassVar[tuple[str, ...]] = ("alpha", "rank_stabilized")
    dora: bool = False
    """Whether a layer's weights are split into directions, which the adapter changes, and their lengths, which learn
    too."""
    rank_stabilized: bool = False
    """Whether an adapter's output is multiplied by ``alpha / sqrt(r)``, which suits large ranks, in place of ``alpha /
    r``."""

    def options(self) -> Mapping[str, Any]:
        """DoRA and the scale of rank-stabilised adapters."""
        return {"use_dora": self.dora, "use_rslora": self.rank_stabilized}

    def peft_config(self, llm: nn.Module) -> Any:
        """PEFT's ``LoraConfig``, with a layer of merc's that is quicker on a CPU."""
        from torch import nn

        from merc.model.lora_layer import AdaptedLinear

        config = super().peft_config(llm)
        config._register_custom_module({nn.Linear: AdaptedLinear})
        return config
