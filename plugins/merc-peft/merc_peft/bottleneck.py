"""Bottleneck adapters, which PEFT does not bring: a narrow network of two layers after each block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import merc
from merc_peft.blocks import blocks_of


@dataclass(frozen=True, kw_only=True)
class BottleneckAdapter(merc.Tuning):
    """Adapters h' = h + W_f σ(W_i h) on what each transformer block gives, held in float32; they alone learn."""

    width: int = 64
    """The inner width, the number of rows of W_i."""
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu"
    """σ, the function between the two layers."""
    targets: tuple[str, ...] = ()
    """Modules inside the blocks whose outputs have an adapter in place of the blocks': ``[self_attn, mlp]`` are the two
    of each block that Houlsby et al. have, ``[mlp]`` is Pfeiffer's one."""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width counts from 1, not {self.width}")

    def apply(self, llm: Any) -> Any:
        """Put the adapters in. Raises MercError for a target that the blocks do not have."""
        from torch import nn

        from merc_peft.modules import Bottleneck, adapt

        llm.requires_grad_(False)
        hidden = int(llm.config.get_text_config().hidden_size)
        device = next(llm.parameters()).device
        for block in blocks_of(llm, self):
            for module in self._adapted(block, llm):
                dim = module.out_features if isinstance(module, nn.Linear) else hidden
                module.bottleneck = Bottleneck(dim, self.width, self.activation).float().to(device)
                module.register_forward_hook(adapt)
        return llm

    def _adapted(self, block: Any, llm: Any) -> list[Any]:
        """The modules of a block whose outputs have an adapter."""
        if not self.targets:
            return [block]
        inside = {name: module for name, module in block.named_modules() if name}
        chosen: list[Any] = []
        for target in self.targets:
            matching = [m for name, m in inside.items() if name == target or name.endswith(f".{target}")]
            if not matching:
                names = ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in inside))
                raise merc.MercError(
                    f"backbone.tuning.targets: the blocks of {type(llm).__name__} have no module {target!r}; they "
                    f"have: {names}"
                )
            chosen += matching
        return chosen
