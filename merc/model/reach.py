"""How far a backbone reaches, as its configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def context_of(config: PretrainedConfig) -> int | None:
    """The longest path of tokens that a backbone was made for, if its configuration says."""
    value = getattr(config.get_text_config(), "max_position_embeddings", None)
    return int(value) if value else None


def window_of(config: PretrainedConfig) -> int | None:
    """How many tokens a backbone's attention sees at once, if its layers look through a window or in chunks."""
    config = config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    windows = []
    for name, kind in (("sliding_window", "sliding_attention"), ("attention_chunk_size", "chunked_attention")):
        value = getattr(config, name, None)
        used = kind in kinds if kinds else getattr(config, "use_sliding_window", True) is not False
        if value and used:
            windows.append(int(value))
    return min(windows, default=None)
