"""The transformer blocks of a backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import merc

if TYPE_CHECKING:
    from torch import nn


def blocks_of(llm: Any, tuning: merc.Tuning) -> nn.ModuleList:
    """The blocks, from the first to the last. Raises MercError for a backbone of which they cannot be found."""
    from torch import nn

    count = getattr(llm.config.get_text_config(), "num_hidden_layers", None)
    for module in llm.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise merc.MercError(
        f"backbone.tuning: {type(tuning).__name__} finds no list of transformer blocks in {type(llm).__name__}; choose "
        "another tuning, such as lora with targets"
    )
