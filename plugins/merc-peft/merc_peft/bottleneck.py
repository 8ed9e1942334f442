"""Bottleneck adapters, which PEFT does not bring: a narrow network of two layers after each block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import merc
from merc_peft.blocks import blocks_of


@dataclass(frozen=True, kw_only=True)
class BottleneckAdapter(merc.Tuning):
    """Adapters h' = h + W_f σ(W_i h) on what each transformer block gives, held in float32; they alone learn."""

    weighs: ClassVar[tuple[str, ...]] = ("activation",)
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
        """Put the adapters in. Raises MercError for a target that the blocks do not have, or whose outputs cannot have
        an adapter."""
        from merc_peft.modules import Bottleneck, adapt

        llm.requires_grad_(False)
        hidden = int(llm.config.get_text_config().hidden_size)
        device = next(llm.parameters()).device
        for block in blocks_of(llm, self):
            for module, dim in self._adapted(block, llm, hidden):
                module.bottleneck = Bottleneck(dim, self.width, self.activation).float().to(device)
                module.register_forward_hook(adapt)
        return llm

    def _adapted(self, block: Any, llm: Any, hidden: int) -> list[tuple[Any, int]]:
        """The modules of a block whose outputs have an adapter, each once, and how wide these are."""
        from merc_peft.modules import output_width

        if not self.targets:
            return [(block, hidden)]
        inside = {name: module for name, module in block.named_modules() if name}
        chosen: dict[str, tuple[Any, int]] = {}
        for target in self.targets:
            matching = [name for name in inside if name == target or name.endswith(f".{target}")]
            if not matching:
                names = ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in inside))
                raise merc.MercError(
                    f"backbone.tuning.targets: the blocks of {type(llm).__name__} have no module {target!r}; they "
                    f"have: {names}"
                )
            for name in matching:
                dim = output_width(inside[name], hidden)
                if dim is None:
                    fit = [one for one, module in inside.items() if output_width(module, hidden) is not None]
                    raise merc.MercError(
                        f"backbone.tuning.targets: {target!r} of {type(llm).__name__} is a "
                        f"{type(inside[name]).__name__}, whose outputs cannot have an adapter: how wide they are is "
                        f"not known. Name others: {', '.join(dict.fromkeys(one.rpartition('.')[2] for one in fit))}"
                    )
                chosen[name] = (inside[name], dim)
        return list(chosen.values())
