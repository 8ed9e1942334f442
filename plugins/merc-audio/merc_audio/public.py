"""The shapes of public weights by their hub names, as their ``config.json`` says them, so that recipes which name them
are counted where no hub is reached. Weights are always loaded with their own configuration."""

from __future__ import annotations

from typing import Any


def _whisper(width: int, layers: int, heads: int, mels: int = 80) -> dict[str, Any]:
    return {
        "model_type": "whisper", "d_model": width, "encoder_layers": layers, "encoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * width, "num_mel_bins": mels, "max_source_positions": 1500,
    }  # fmt: skip


WHISPER = {
    "openai/whisper-tiny": _whisper(384, 4, 6),
    "openai/whisper-base": _whisper(512, 6, 8),
    "openai/whisper-small": _whisper(768, 12, 12),
    "openai/whisper-medium": _whisper(1024, 24, 16),
    "openai/whisper-large-v2": _whisper(1280, 32, 20),
    "openai/whisper-large-v3": _whisper(1280, 32, 20, 128),
    "openai/whisper-large-v3-turbo": _whisper(1280, 32, 20, 128),
}


def _hubert(width: int, layers: int, heads: int) -> dict[str, Any]:
    return {
        "model_type": "hubert", "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
        "intermediate_size": 4 * width,
    }  # fmt: skip


_LARGE = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}
HUBERT = {
    "facebook/hubert-base-ls960": _hubert(768, 12, 12),
    "facebook/hubert-large-ll60k": _hubert(1024, 24, 16) | _LARGE,
    "facebook/hubert-large-ls960-ft": _hubert(1024, 24, 16) | _LARGE,
    "facebook/hubert-xlarge-ll60k": _hubert(1280, 48, 16) | _LARGE,
    "TencentGameMate/chinese-hubert-large": _hubert(1024, 24, 16) | _LARGE,
}
