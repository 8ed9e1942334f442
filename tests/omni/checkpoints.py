"""Small random checkpoints of native multimodal models: the real architectures, two layers, tokenizers made here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.prompting.tokenizers import bytes_and_controls

HIDDEN = 32
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for part in m['content'] %}{{ part['text'] }}{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_CHAT = ("<|im_start|>", "<|im_end|>")
_VISION = ("<|vision_start|>", "<|vision_end|>", "<|video_pad|>", "<|image_pad|>")
_OMNI = ("<|vision_bos|>", "<|vision_eos|>", "<|VIDEO|>", "<|IMAGE|>", "<|audio_bos|>", "<|audio_eos|>", "<|AUDIO|>")
_EARS = ("<|audio_start|>", "<|audio_end|>", "<|audio_pad|>")
_WHISPER = {"feature_size": 16, "sampling_rate": 16_000, "hop_length": 160, "n_fft": 400, "padding_value": 0.0}


@dataclass(frozen=True)
class Small:
    """A family's small model. ``config`` takes the numbers of control tokens by their text."""

    kind: str
    """The class in transformers."""
    controls: tuple[str, ...]
    config: Callable[[Mapping[str, int]], Any]
    media: tuple[str, ...]
    placeholders: Mapping[str, str]
    """By medium, the token that stands for its tokens in the model class's own input."""
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The preprocessors' settings, by file."""
    template: str = CHATML

    @property
    def ids(self) -> dict[str, int]:
        return {text: number for number, text in enumerate(self.controls)}

    def tokenizer(self) -> Any:
        return bytes_and_controls(self.controls, self.template, self.controls[1])

    def model(self, dtype: str = "float32", seed: int = 0, **more: Any) -> Any:
        """The model class as transformers has it, towers included."""
        import torch
        import transformers

        config = self.config(self.ids)
        for name, value in more.items():
            setattr(config.get_text_config(), name, value)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = getattr(transformers, self.kind)(config)
            for parameter in model.parameters():  # no bias or norm stays at what it begins with
                parameter.data += 0.05 * torch.randn_like(parameter)
        return model.eval().to(getattr(torch, dtype))


def _text(**more: Any) -> dict[str, Any]:
    return {
        "vocab_size": 300, "hidden_size": HIDDEN, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 2048, "initializer_range": 0.2,
        "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 1, "tie_word_embeddings": False, **more,
    }  # fmt: skip


_MROPE = {"rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10_000.0}}
_PATCHES = {
    "depth": 2, "num_heads": 2, "patch_size": 4, "spatial_merge_size": 2, "temporal_patch_size": 2,
    "initializer_range": 0.2,
}  # fmt: skip
_WINDOWS = {
    "hidden_size": 16, "out_hidden_size": HIDDEN, "intermediate_size": 32, "window_size": 16,
    "fullatt_block_indexes": [1],
}  # fmt: skip
_QWEN_FILES = {
    "preprocessor_config.json": {
        "image_processor_type": "Qwen2VLImageProcessor", "patch_size": 4, "merge_size": 2, "temporal_patch_size": 2,
        "size": {"shortest_edge": 128, "longest_edge": 512}, "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    },
}  # fmt: skip


_QWEN3_FILES = {
    "preprocessor_config.json": {**_QWEN_FILES["preprocessor_config.json"], "image_mean": [0.5] * 3},
    "video_preprocessor_config.json": {
        **_QWEN_FILES["preprocessor_config.json"], "size": {"shortest_edge": 512, "longest_edge": 2048},
    },
}  # fmt: skip


def _qwen_ids(ids: Mapping[str, int]) -> dict[str, int]:
    return {
        "video_token_id": ids["<|video_pad|>"], "image_token_id": ids["<|image_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"], "vision_end_token_id": ids["<|vision_end|>"],
    }  # fmt: skip


def _qwen2_vl(ids: Mapping[str, int]) -> Any:
    from transformers import Qwen2VLConfig

    vision = {**_PATCHES, "embed_dim": 16, "hidden_size": HIDDEN, "mlp_ratio": 2}
    return Qwen2VLConfig(text_config=_text(**_MROPE), vision_config=vision, **_qwen_ids(ids))


def _qwen2_5_vl(ids: Mapping[str, int]) -> Any:
    from transformers import Qwen2_5_VLConfig

    vision = {**_PATCHES, **_WINDOWS, "tokens_per_second": 5}
    return Qwen2_5_VLConfig(text_config=_text(**_MROPE), vision_config=vision, **_qwen_ids(ids))


_DEEP = {
    "depth": 3, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "patch_size": 4,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": HIDDEN, "num_position_embeddings": 64,
    "deepstack_visual_indexes": [0, 1], "initializer_range": 0.2,
}  # fmt: skip


def _qwen3_vl(ids: Mapping[str, int]) -> Any:
    from transformers import Qwen3VLConfig

    return Qwen3VLConfig(text_config=_text(head_dim=8, **_MROPE), vision_config=_DEEP, **_qwen_ids(ids))


def _qwen3_omni(ids: Mapping[str, int]) -> Any:
    from transformers import Qwen3OmniMoeThinkerConfig

    audio = {
        "d_model": 16, "num_mel_bins": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
        "n_window": 50, "n_window_infer": 100, "output_dim": HIDDEN, "max_source_positions": 200,
        "downsample_hidden_size": 8,
    }  # fmt: skip
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
    return Qwen3OmniMoeThinkerConfig(
        text_config=_text(head_dim=8, **experts, **_MROPE), vision_config=_DEEP, audio_config=audio,
        audio_token_id=ids["<|audio_pad|>"], audio_start_token_id=ids["<|audio_start|>"], position_id_per_seconds=13,
        **_qwen_ids(ids),
    )  # fmt: skip


def _qwen2_5_omni(ids: Mapping[str, int]) -> Any:
    from transformers import Qwen2_5OmniThinkerConfig

    audio = {
        "d_model": 16, "num_mel_bins": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
        "n_window": 10, "output_dim": HIDDEN, "max_source_positions": 200,
    }  # fmt: skip
    return Qwen2_5OmniThinkerConfig(
        text_config=_text(**_MROPE), vision_config={**_PATCHES, **_WINDOWS}, audio_config=audio,
        audio_token_index=ids["<|AUDIO|>"], image_token_index=ids["<|IMAGE|>"], video_token_index=ids["<|VIDEO|>"],
        position_id_per_seconds=25, seconds_per_chunk=2, audio_start_token_id=ids["<|audio_bos|>"],
        audio_end_token_id=ids["<|audio_eos|>"], vision_start_token_id=ids["<|vision_bos|>"],
        vision_end_token_id=ids["<|vision_eos|>"],
    )  # fmt: skip


_EAR = {"num_mel_bins": 16, "max_source_positions": 100}
_WINDOW = {**_WHISPER, "chunk_length": 2, "feature_extractor_type": "WhisperFeatureExtractor"}
_EYE = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 16,
    "patch_size": 4,
}  # fmt: skip
_GRIDS = [[16, 32], [32, 16], [32, 32]]
_SQUARE = {"height": 16, "width": 16}


def _qwen2_audio(ids: Mapping[str, int]) -> Any:
    from transformers import Qwen2AudioConfig

    audio = {
        **_EAR, "d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
        "model_type": "qwen2_audio_encoder",
    }  # fmt: skip
    return Qwen2AudioConfig(
        audio_config=audio, text_config=_text(model_type="qwen2"), audio_token_index=ids["<|AUDIO|>"]
    )


def _voxtral(ids: Mapping[str, int]) -> Any:
    from transformers import VoxtralConfig

    audio = {
        **_EAR, "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "model_type": "voxtral_encoder",
    }  # fmt: skip
    return VoxtralConfig(
        audio_config=audio, text_config=_text(model_type="llama", head_dim=8), audio_token_id=ids["[AUDIO]"]
    )


def _llava_next_video(ids: Mapping[str, int]) -> Any:
    from transformers import LlavaNextVideoConfig

    return LlavaNextVideoConfig(
        vision_config={**_EYE, "model_type": "clip_vision_model"}, text_config=_text(model_type="llama"),
        image_grid_pinpoints=_GRIDS, image_token_index=ids["<image>"], video_token_index=ids["<video>"],
    )  # fmt: skip


def _llava_next(ids: Mapping[str, int]) -> Any:
    from transformers import LlavaNextConfig

    return LlavaNextConfig(
        vision_config={**_EYE, "model_type": "clip_vision_model"}, text_config=_text(model_type="llama"),
        image_grid_pinpoints=_GRIDS, image_token_index=ids["<image>"],
    )  # fmt: skip


def _video_llava(ids: Mapping[str, int]) -> Any:
    from transformers import VideoLlavaConfig

    return VideoLlavaConfig(
        vision_config={**_EYE, "model_type": "clip_vision_model"}, text_config=_text(model_type="llama"),
        image_token_index=ids["<image>"], video_token_index=ids["<video>"],
    )  # fmt: skip


def _llava_onevision(ids: Mapping[str, int]) -> Any:
    from transformers import LlavaOnevisionConfig

    return LlavaOnevisionConfig(
        vision_config={**_EYE, "model_type": "siglip_vision_model", "vision_use_head": False},
        text_config=_text(model_type="qwen2"), image_grid_pinpoints=_GRIDS, image_token_index=ids["<image>"],
        video_token_index=ids["<video>"],
    )  # fmt: skip


def _internvl(ids: Mapping[str, int]) -> Any:
    from transformers import InternVLConfig

    vision = {**_EYE, "image_size": [16, 16], "patch_size": [4, 4], "model_type": "internvl_vision"}
    return InternVLConfig(
        vision_config=vision, text_config=_text(model_type="qwen2"), image_token_id=ids["<IMG_CONTEXT>"]
    )


def _smolvlm(ids: Mapping[str, int]) -> Any:
    from transformers import SmolVLMConfig

    return SmolVLMConfig(
        vision_config={**_EYE, "model_type": "smolvlm_vision"}, text_config=_text(model_type="llama"), scale_factor=2,
        image_token_id=ids["<image>"], pad_token_id=1,
    )  # fmt: skip


_SMOL = ("<image>", "<fake_token_around_image>", "<global-img>", *(f"<row_{r}_col_{c}>" for r in "123" for c in "123"))
_OF_SMOL = {
    "size": {"longest_edge": 32}, "max_image_size": {"longest_edge": 16}, "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3, "do_image_splitting": True,
}  # fmt: skip
_LLAVA_FILES = {
    "preprocessor_config.json": {
        "size": {"shortest_edge": 16}, "crop_size": _SQUARE, "image_grid_pinpoints": _GRIDS,
        "image_processor_type": "LlavaNextImageProcessor",
    },
    "video_preprocessor_config.json": {"size": {"shortest_edge": 16}, "crop_size": _SQUARE},
}  # fmt: skip

SMALL: dict[str, Small] = {
    "qwen2-vl": Small(
        "Qwen2VLForConditionalGeneration", (*_CHAT, *_VISION), _qwen2_vl, ("image", "video"),
        {"image": "<|image_pad|>", "video": "<|video_pad|>"}, _QWEN_FILES,
    ),
    "qwen2.5-vl": Small(
        "Qwen2_5_VLForConditionalGeneration", (*_CHAT, *_VISION), _qwen2_5_vl, ("image", "video"),
        {"image": "<|image_pad|>", "video": "<|video_pad|>"}, _QWEN_FILES,
    ),
    "qwen3-vl": Small(
        "Qwen3VLForConditionalGeneration", (*_CHAT, *_VISION), _qwen3_vl, ("image", "video"),
        {"image": "<|image_pad|>", "video": "<|video_pad|>"}, _QWEN3_FILES,
    ),
    "qwen2.5-omni": Small(
        "Qwen2_5OmniThinkerForConditionalGeneration", (*_CHAT, *_OMNI), _qwen2_5_omni, ("image", "video", "audio"),
        {"image": "<|IMAGE|>", "video": "<|VIDEO|>", "audio": "<|AUDIO|>"},
        {"preprocessor_config.json": {**_QWEN_FILES["preprocessor_config.json"], **_WHISPER, "chunk_length": 300}},
    ),
    "qwen3-omni": Small(
        "Qwen3OmniMoeThinkerForConditionalGeneration", (*_CHAT, *_VISION, *_EARS), _qwen3_omni,
        ("image", "video", "audio"),
        {"image": "<|image_pad|>", "video": "<|video_pad|>", "audio": "<|audio_pad|>"},
        {"preprocessor_config.json": {**_QWEN3_FILES["preprocessor_config.json"], **_WHISPER, "chunk_length": 1}},
    ),
    "qwen2-audio": Small(
        "Qwen2AudioForConditionalGeneration", (*_CHAT, "<|audio_bos|>", "<|audio_eos|>", "<|AUDIO|>"), _qwen2_audio,
        ("audio",), {"audio": "<|AUDIO|>"}, {"preprocessor_config.json": _WINDOW},
    ),
    "llava-next-video": Small(
        "LlavaNextVideoForConditionalGeneration", (*_CHAT, "<image>", "<video>"), _llava_next_video,
        ("image", "video"), {"image": "<image>", "video": "<video>"}, _LLAVA_FILES,
    ),
    "smolvlm2": Small(
        "SmolVLMForConditionalGeneration", (*_CHAT, *_SMOL), _smolvlm, ("image", "video"),
        {"image": "<image>", "video": "<image>"},
        {"preprocessor_config.json": _OF_SMOL, "video_preprocessor_config.json": _OF_SMOL},
    ),
    "llava-onevision": Small(
        "LlavaOnevisionForConditionalGeneration", (*_CHAT, "<image>", "<video>"), _llava_onevision,
        ("image", "video"), {"image": "<image>", "video": "<video>"},
        {
            "preprocessor_config.json": {"size": _SQUARE, "image_grid_pinpoints": _GRIDS},
            "video_preprocessor_config.json": {"size": _SQUARE},
        },
    ),
    "llava-next": Small(
        "LlavaNextForConditionalGeneration", (*_CHAT, "<image>"), _llava_next, ("image",), {"image": "<image>"},
        _LLAVA_FILES,
    ),
    "video-llava": Small(
        "VideoLlavaForConditionalGeneration", (*_CHAT, "<image>", "<video>"), _video_llava, ("image", "video"),
        {"image": "<image>", "video": "<video>"}, _LLAVA_FILES,
    ),
    "internvl": Small(
        "InternVLForConditionalGeneration", (*_CHAT, "<img>", "</img>", "<IMG_CONTEXT>"), _internvl,
        ("image", "video"), {"image": "<IMG_CONTEXT>", "video": "<IMG_CONTEXT>"},
        {
            "preprocessor_config.json": {"size": _SQUARE, "max_patches": 4},
            "video_preprocessor_config.json": {"size": _SQUARE},
        },
    ),
    "voxtral": Small(
        "VoxtralForConditionalGeneration", (*_CHAT, "[AUDIO]", "[BEGIN_AUDIO]"), _voxtral, ("audio",),
        {"audio": "[AUDIO]"}, {"preprocessor_config.json": _WINDOW},
    ),
}  # fmt: skip


def save(name: str, folder: Path, dtype: str = "float32", **more: Any) -> Path:
    """Write a family's small checkpoint; gives the folder. ``more`` are values of the language model's
    configuration."""
    small = SMALL[name]
    small.model(dtype, **more).save_pretrained(folder)
    small.tokenizer().save_pretrained(folder)
    for file, values in small.files.items():
        (folder / file).write_text(json.dumps(values))
    return folder
