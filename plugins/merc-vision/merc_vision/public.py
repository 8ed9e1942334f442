"""The shapes of public weights by their hub names, as their ``config.json`` says them, so that recipes which name them
are counted where no hub is reached. Weights are always loaded with their own configuration."""

from __future__ import annotations

from typing import Any


def _vit(kind: str, width: int, inner: int, layers: int, heads: int, patch: int, **more: Any) -> dict[str, Any]:
    return {
        "model_type": kind, "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers,
        "num_attention_heads": heads, "patch_size": patch, "image_size": 224, **more,
    }  # fmt: skip


def _within(kind: str, vision: dict[str, Any]) -> dict[str, Any]:
    return {"model_type": kind, "vision_config": vision}


_CLIP = "clip_vision_model"
CLIP = {
    "openai/clip-vit-base-patch32": _within("clip", _vit(_CLIP, 768, 3072, 12, 12, 32)),
    "openai/clip-vit-base-patch16": _within("clip", _vit(_CLIP, 768, 3072, 12, 12, 16)),
    "openai/clip-vit-large-patch14": _within("clip", _vit(_CLIP, 1024, 4096, 24, 16, 14)),
    "openai/clip-vit-large-patch14-336": _within("clip", _vit(_CLIP, 1024, 4096, 24, 16, 14) | {"image_size": 336}),
}

# BLIP-2's vision tower: EVA ViT-g/14 without its last layer, hence 39.
_VIT_G = _vit("blip_2_vision_model", 1408, 6144, 39, 16, 14)
EVA = {
    f"Salesforce/blip2-{name}": _within("blip-2", _VIT_G)
    for name in ("opt-2.7b", "opt-6.7b", "flan-t5-xl", "flan-t5-xxl", "itm-vit-g")
}

MAE = {
    "facebook/vit-mae-base": _vit("vit_mae", 768, 3072, 12, 12, 16),
    "facebook/vit-mae-large": _vit("vit_mae", 1024, 4096, 24, 16, 16),
    "facebook/vit-mae-huge": _vit("vit_mae", 1280, 5120, 32, 16, 14),
}

VIDEOMAE = {
    "MCG-NJU/videomae-base": _vit("videomae", 768, 3072, 12, 12, 16, num_frames=16, use_mean_pooling=False),
    "MCG-NJU/videomae-large": _vit("videomae", 1024, 4096, 24, 16, 16, num_frames=16, use_mean_pooling=False),
}

VIT = {
    "trpakov/vit-face-expression": _vit("vit", 768, 3072, 12, 12, 16),
    "google/vit-base-patch16-224": _vit("vit", 768, 3072, 12, 12, 16),
    "google/vit-base-patch16-224-in21k": _vit("vit", 768, 3072, 12, 12, 16),
    "google/vit-large-patch16-224": _vit("vit", 1024, 4096, 24, 16, 16),
}
