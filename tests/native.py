"""Two small native multimodal backbones and their towers: random Qwen2-VL and Qwen2.5-VL by transformers' own code.

Both lay the tokens of a video out on three axes (time, row, column); Qwen2.5-VL aligns the first with seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import merc

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

Kind = Literal["qwen2-vl", "qwen2.5-vl"]
KINDS: tuple[Kind, ...] = ("qwen2-vl", "qwen2.5-vl")
HIDDEN, PATCH, MERGE, SPAN, PER_SECOND = 32, 4, 2, 2, 5
CONTROLS = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|video_pad|>", "<|image_pad|>")
CHAT = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    """A token a byte, and the control tokens of Qwen2-VL."""
    from tests.prompting.tokenizers import bytes_and_controls

    return bytes_and_controls(CONTROLS, CHAT, "<|im_end|>")


def config(kind: Kind) -> Any:
    import transformers

    ids = {f"{name}_token_id": CONTROLS.index(f"<|{text}|>") for name, text in (
        ("video", "video_pad"), ("image", "image_pad"), ("vision_start", "vision_start"), ("vision_end", "vision_end")
    )}  # fmt: skip
    text = {
        "vocab_size": len(tokenizer()), "hidden_size": HIDDEN, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 2048, "initializer_range": 0.2,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10_000.0},
        "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 1,
    }  # fmt: skip
    vision = {
        "depth": 2, "num_heads": 2, "patch_size": PATCH, "spatial_merge_size": MERGE, "temporal_patch_size": SPAN,
        "initializer_range": 0.2,
    }  # fmt: skip
    if kind == "qwen2-vl":
        vision |= {"embed_dim": 16, "hidden_size": HIDDEN, "mlp_ratio": 2}
        return transformers.Qwen2VLConfig(text_config=text, vision_config=vision, **ids)
    vision |= {
        "hidden_size": 16, "out_hidden_size": HIDDEN, "intermediate_size": 32, "window_size": 16,
        "fullatt_block_indexes": [1], "tokens_per_second": PER_SECOND,
    }  # fmt: skip
    return transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids)


def whole_model(kind: Kind, seed: int = 0) -> Any:
    """The model class as transformers has it, its tower included."""
    import torch
    import transformers

    names = {"qwen2-vl": "Qwen2VLForConditionalGeneration", "qwen2.5-vl": "Qwen2_5_VLForConditionalGeneration"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return getattr(transformers, names[kind])(config(kind)).eval()


def without_tower(model: Any) -> Any:
    import torch

    model.model.visual = torch.nn.Identity()
    return model


@dataclass(frozen=True, kw_only=True)
class Native(merc.Backbone):
    """The language model of a small random ``model``, ``qwen2-vl`` or ``qwen2.5-vl``, its weights drawn from
    ``seed``."""

    model: Kind = "qwen2-vl"
    seed: int = 0
    axes = 3

    def config(self) -> Any:
        return config(self.model)

    def tokenizer(self) -> Any:
        return tokenizer()

    def load(self, device: str) -> Any:
        import torch

        return without_tower(whole_model(self.model, self.seed)).to(device=device, dtype=getattr(torch, self.dtype))

    def shape(self) -> Any:
        return without_tower(whole_model(self.model, self.seed))

    def slot(self, slot: merc.SlotTokens) -> Sequence[merc.Control | merc.Text | merc.MediaRun]:
        """A video between its two control tokens. Words after it go on as far as it is high or wide."""
        if not isinstance(slot.encoder, Tower) or slot.where is None:
            return super().slot(slot)
        seconds, rows, columns = slot.where.T
        if self.model == "qwen2-vl":
            times = np.unique(seconds, return_inverse=True)[1]
        else:
            times = (seconds * PER_SECOND).astype(int)
        places = np.stack([times, rows, columns], axis=1).astype(int).tolist()
        run = merc.MediaRun(slot.count, tuple(map(tuple, places)), int(max(rows.max(), columns.max())) + 1)
        return (merc.Control("<|vision_start|>"), run, merc.Control("<|vision_end|>"))


@dataclass(frozen=True, kw_only=True)
class Tower(merc.Encoder):
    """The vision tower of the same ``model`` and ``seed``: of ``frames`` frames a token ``[32]`` a square of 8 pixels
    and two frames, and where it lies."""

    modality = "video"
    model: Kind = "qwen2-vl"
    seed: int = 0
    frames: int = 4

    def sampling(self) -> merc.Frames:
        return merc.Frames(count=self.frames)

    def spec(self) -> merc.FeatureSpec:
        return merc.FeatureSpec(dim=HIDDEN, axes=("seconds", "row", "column"))

    def load(self, device: str) -> Any:
        import torch

        model = whole_model(self.model, self.seed).to(device)

        @torch.inference_mode()
        def encode(clips: Sequence[merc.VideoClip]) -> list[Any]:
            return [self._encode(model, clip) for clip in clips]

        return encode

    @staticmethod
    def _encode(model: Any, clip: merc.VideoClip) -> Any:
        import torch

        values, grid = patches(clip.frames)
        tokens = model.get_video_features(values, video_grid_thw=torch.tensor([grid])).pooler_output[0]
        times, rows, columns = grid[0], grid[1] // MERGE, grid[2] // MERGE
        where = np.stack(np.meshgrid(np.arange(times), np.arange(rows), np.arange(columns), indexing="ij"), -1)
        where = where.reshape(-1, 3) * [seconds_of(clip), 1, 1]
        return np.concatenate([tokens.numpy(), where], axis=1).astype("float32")


def seconds_of(clip: merc.VideoClip) -> float:
    """How long the two frames of a token last."""
    return float(SPAN * (clip.times[-1] - clip.times[0]) / max(1, len(clip.times) - 1))


def patches(frames: np.ndarray) -> tuple[Tensor, list[int]]:
    """The patches of a video as Qwen2-VL's processor orders them, and their grid: time, rows, columns. A frame that
    lacks its pair is shown twice."""
    import torch

    side = PATCH * MERGE
    height, width = (size // side * side for size in frames.shape[1:3])
    paired = np.concatenate([frames, frames[-1:]]) if len(frames) % SPAN else frames
    video = torch.from_numpy(paired[:, :height, :width].astype("float32") / 127.5 - 1)
    grid = [len(video) // SPAN, height // PATCH, width // PATCH]
    parts = video.permute(0, 3, 1, 2).reshape(
        grid[0], SPAN, 3, grid[1] // MERGE, MERGE, PATCH, grid[2] // MERGE, MERGE, PATCH
    )
    return parts.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(int(np.prod(grid)), -1), grid


def clip(seed: int, frames: int = 4, height: int = 16, width: int = 24, rate: float = 2.0) -> merc.VideoClip:
    """Noise of a size of its own, ``rate`` frames a second."""
    draw = np.random.default_rng(seed)
    pictures = draw.integers(0, 256, (frames, height, width, 3)).astype("uint8")
    return merc.VideoClip(frames=pictures, times=np.arange(frames) / rate)
