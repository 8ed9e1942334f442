"""The shapes of public native multimodal models, so that a recipe that names one can be counted without the hub.

They are what the ``config.json`` of each says, as far as it makes parameters or positions. Weights are always loaded
with their own configuration.
"""

from __future__ import annotations

from typing import Any

Shape = dict[str, Any]


def _text(hidden: int, inner: int, layers: int, heads: int, kv_heads: int, vocabulary: int, **more: Any) -> Shape:
    return {
        "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "vocab_size": vocabulary, "tie_word_embeddings": False, **more,
    }  # fmt: skip


_MROPE = {"rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1_000_000.0}}
_QWEN_SMALL, _QWEN_3B, _QWEN_7B, _QWEN_32B, _QWEN_72B = (
    (1536, 8960, 28, 12, 2, 151_936),
    (2048, 11_008, 36, 16, 2, 151_936),
    (3584, 18_944, 28, 28, 4, 152_064),
    (5120, 27_648, 64, 40, 8, 152_064),
    (8192, 29_568, 80, 64, 8, 152_064),
)
_LLAMA_7B = (4096, 11_008, 32, 32, 32)
_WHISPER = {
    "d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120,
    "num_mel_bins": 128, "max_source_positions": 1500,
}  # fmt: skip
_CLIP_L = {
    "model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
    "num_attention_heads": 16, "image_size": 336, "patch_size": 14, "projection_dim": 768,
}  # fmt: skip
_SIGLIP = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
}
_GRIDS = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]


def _qwen2_vl(text: tuple[int, ...], **more: Any) -> Shape:
    vision = {"depth": 32, "embed_dim": 1280, "hidden_size": text[0], "mlp_ratio": 4, "num_heads": 16}
    return {
        "model_type": "qwen2_vl", "vision_config": vision,
        "text_config": _text(*text, max_position_embeddings=32_768, **_MROPE, **more), **more,
    }  # fmt: skip


def _vision_2_5(width: int, inner: int = 3420) -> Shape:
    return {
        "depth": 32, "hidden_size": 1280, "intermediate_size": inner, "num_heads": 16, "out_hidden_size": width,
        "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31], "tokens_per_second": 2, "patch_size": 14,
        "spatial_merge_size": 2, "temporal_patch_size": 2,
    }  # fmt: skip


def _qwen2_5_vl(text: tuple[int, ...], inner: int = 3420, **more: Any) -> Shape:
    return {
        "model_type": "qwen2_5_vl", "vision_config": _vision_2_5(text[0], inner),
        "text_config": _text(*text, max_position_embeddings=128_000, **_MROPE, **more), **more,
    }  # fmt: skip


def _qwen2_5_omni(text: tuple[int, ...]) -> Shape:
    return {
        "model_type": "qwen2_5_omni_thinker", "vision_config": _vision_2_5(text[0]),
        "audio_config": {**_WHISPER, "n_window": 100, "output_dim": text[0]},
        "text_config": _text(*text, max_position_embeddings=32_768, **_MROPE), "tie_word_embeddings": False,
    }  # fmt: skip


_QWEN3_OMNI = {
    "model_type": "qwen3_omni_moe_thinker", "position_id_per_seconds": 13, "tie_word_embeddings": False,
    "vision_config": {
        "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16, "patch_size": 16,
        "out_hidden_size": 2048, "num_position_embeddings": 2304, "deepstack_visual_indexes": [8, 16, 24],
    },
    "audio_config": {**_WHISPER, "n_window": 50, "output_dim": 2048, "downsample_hidden_size": 480},
    "text_config": _text(
        2048, 768, 48, 32, 4, 152_064, head_dim=128, moe_intermediate_size=768, num_experts=128, num_experts_per_tok=8,
        max_position_embeddings=65_536,
        rope_parameters={"rope_type": "default", "mrope_section": [24, 20, 20], "rope_theta": 1_000_000.0},
    ),
}  # fmt: skip


def _smolvlm(text: tuple[int, ...], vision: Shape, scale: int) -> Shape:
    return {
        "model_type": "smolvlm", "vision_config": {"model_type": "smolvlm_vision", **vision}, "scale_factor": scale,
        "image_token_id": 49_190, "tie_word_embeddings": False,
        "text_config": {"model_type": "llama", **_text(*text, 49_280, max_position_embeddings=8192)},
    }  # fmt: skip


_SMOL_VISION = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "image_size": 512, "patch_size": 16,
}  # fmt: skip
_LLAVA = {"tie_word_embeddings": False, "image_token_index": 32_000, "projector_hidden_act": "gelu"}
_QWEN2_AUDIO = {
    "model_type": "qwen2_audio", "audio_config": {"model_type": "qwen2_audio_encoder", **_WHISPER},
    "text_config": {"model_type": "qwen2", **_text(*_LLAMA_7B, 156_032, max_position_embeddings=8192)},
}  # fmt: skip

PUBLIC: dict[str, Shape] = {
    "Qwen/Qwen2-VL-2B-Instruct": _qwen2_vl(_QWEN_SMALL, tie_word_embeddings=True),
    "Qwen/Qwen2-VL-7B-Instruct": _qwen2_vl(_QWEN_7B),
    "Qwen/Qwen2-VL-72B-Instruct": _qwen2_vl(_QWEN_72B),
    "Qwen/Qwen2.5-VL-3B-Instruct": _qwen2_5_vl(_QWEN_3B, tie_word_embeddings=True),
    "Qwen/Qwen2.5-VL-7B-Instruct": _qwen2_5_vl(_QWEN_7B),
    "Qwen/Qwen2.5-VL-32B-Instruct": _qwen2_5_vl(_QWEN_32B, 3456),
    "Qwen/Qwen2.5-VL-72B-Instruct": _qwen2_5_vl(_QWEN_72B, 3456),
    "Qwen/Qwen2.5-Omni-3B": _qwen2_5_omni(_QWEN_3B),
    "Qwen/Qwen2.5-Omni-7B": _qwen2_5_omni(_QWEN_7B),
    "Qwen/Qwen3-Omni-30B-A3B-Instruct": _QWEN3_OMNI,
    "Qwen/Qwen2-Audio-7B": _QWEN2_AUDIO,
    "Qwen/Qwen2-Audio-7B-Instruct": _QWEN2_AUDIO,
    "llava-hf/LLaVA-NeXT-Video-7B-hf": {
        "model_type": "llava_next_video", "vision_config": _CLIP_L, "image_grid_pinpoints": _GRIDS,
        "video_token_index": 32_000, **_LLAVA, "image_token_index": 32_001,
        "text_config": {"model_type": "llama", **_text(*_LLAMA_7B, 32_064, max_position_embeddings=4096)},
    },
    "llava-hf/llava-v1.6-vicuna-7b-hf": {
        "model_type": "llava_next", "vision_config": _CLIP_L, "image_grid_pinpoints": _GRIDS, **_LLAVA,
        "text_config": {"model_type": "llama", **_text(*_LLAMA_7B, 32_064, max_position_embeddings=4096)},
    },
    "LanguageBind/Video-LLaVA-7B-hf": {
        "model_type": "video_llava", "vision_config": {**_CLIP_L, "image_size": 224}, **_LLAVA,
        "video_token_index": 32_001, "image_token_index": 32_000,
        "text_config": {"model_type": "llama", **_text(*_LLAMA_7B, 32_064, max_position_embeddings=4096)},
    },
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": {
        "model_type": "llava_onevision", "image_token_index": 151_646, "video_token_index": 151_647,
        "vision_config": {
            "model_type": "siglip_vision_model", **_SIGLIP, "num_hidden_layers": 26, "vision_use_head": False,
        },
        "text_config": {"model_type": "qwen2", **_text(*_QWEN_7B[:5], 152_128, max_position_embeddings=32_768)},
        "tie_word_embeddings": False,
    },
    "OpenGVLab/InternVL3-8B-hf": {
        "model_type": "internvl", "image_token_id": 151_667,
        "vision_config": {
            "model_type": "internvl_vision", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
            "num_attention_heads": 16, "image_size": [448, 448], "patch_size": [14, 14], "attention_bias": True,
        },
        "text_config": {"model_type": "qwen2", **_text(*_QWEN_7B[:5], 151_674, max_position_embeddings=32_768)},
        "tie_word_embeddings": False,
    },
    "HuggingFaceTB/SmolVLM2-2.2B-Instruct": _smolvlm((2048, 8192, 24, 32, 32), {**_SIGLIP, "num_hidden_layers": 27}, 3),
    "HuggingFaceTB/SmolVLM2-500M-Video-Instruct": _smolvlm((960, 2560, 32, 15, 5), _SMOL_VISION, 4),
    "HuggingFaceTB/SmolVLM2-256M-Video-Instruct": _smolvlm((576, 1536, 30, 9, 3), _SMOL_VISION, 4),
    "mistralai/Voxtral-Mini-3B-2507": {
        "model_type": "voxtral", "audio_token_id": 24,
        "audio_config": {
            "model_type": "voxtral_encoder", "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32,
            "num_attention_heads": 20, "num_mel_bins": 128, "max_source_positions": 1500,
        },
        "text_config": {
            "model_type": "llama", "head_dim": 128,
            **_text(3072, 8192, 30, 32, 8, 131_072, max_position_embeddings=131_072),
        },
        "tie_word_embeddings": False,
    },
}  # fmt: skip
