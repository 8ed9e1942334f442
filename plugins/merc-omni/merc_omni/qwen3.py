"""Qwen3-VL and the thinker of Qwen3-Omni: deeper layers of the tower give something to the language model's first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import merc
from merc_omni.family import Medium, Piece, Rows
from merc_omni.qwen_vision import Qwen2VL, Qwen25Omni

if TYPE_CHECKING:
    from torch import Tensor, nn

_HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "patch_size": 16}
_VIDEO_SIZE = {"shortest_edge": 128 * 32 * 32, "longest_edge": 32 * 32 * 768}


class DeepStack(Qwen2VL):
    """What some layers of the tower give is added to the states after the language model's first layers (DeepStack),
    so a token is as wide as all of these together; the first of its numbers are the token itself."""

    @property
    def _deeper(self) -> int:
        return len(self.config.vision_config.deepstack_visual_indexes)

    @property
    def width(self) -> int:
        """That of the language model, once for the token and once for each layer that is given something."""
        return self.hidden * (1 + self._deeper)

    def tokens(self, model: Any, medium: Medium, rows: Tensor) -> Tensor:
        """The tower's tokens, and beside each what its deeper layers give."""
        import torch

        values, grid = self.patched(medium, rows)
        name = "video" if medium == "video" else "image"
        made = getattr(model, f"get_{name}_features")(values, grid)
        return torch.cat([torch.cat(list(part)) for part in (made.pooler_output, *made.deepstack_features)], dim=-1)

    def with_wide_input(self, model: Any) -> Any:
        """A word's embedding has zeros for the deeper layers."""
        widen(model.model.language_model, self.hidden, self._deeper)
        return model


class Qwen3VL(DeepStack):
    """Qwen3-VL (Bai et al., 2025): each two frames of a video stand after their time in words and lie as a picture
    does."""

    classes: ClassVar = {
        "qwen3_vl": "Qwen3VLForConditionalGeneration",
        "qwen3_vl_moe": "Qwen3VLMoeForConditionalGeneration",
    }
    image_defaults: ClassVar = {
        **Qwen2VL.image_defaults, **_HALF, "size": {"shortest_edge": 65_536, "longest_edge": 2**24},
    }  # fmt: skip
    video_defaults: ClassVar = {**Qwen2VL.video_defaults, **_HALF, "size": _VIDEO_SIZE}

    def share(self, edge: int, frames: int) -> int:
        """Its settings bound the pixels of all frames together."""
        return edge // max(1, frames)

    def seconds(self, times: Any, span: int) -> Any:
        """When each step of time is: in the middle between its first and its last frame."""
        padded = np.concatenate([times, np.repeat(times[-1:], -len(times) % span)]).reshape(-1, span)
        return (padded[:, 0] + padded[:, -1]) / 2

    def layout(self, medium: Medium, slot: merc.SlotTokens) -> Sequence[Piece]:
        """A picture as Qwen2-VL's; of a video each step of time after its seconds."""
        if medium == "image" or slot.where is None:
            return super().layout(medium, slot)
        before, after = (merc.Control(text) for text in self.controls["video"])
        pieces: list[Piece] = []
        for number in np.unique(slot.where[:, 0]):
            one = slot.where[slot.where[:, 0] == number]
            pieces += [merc.Text(f"<{one[0, 3]:.1f} seconds>"), before, self.run(np.zeros(len(one), int), one), after]
        return pieces


class Qwen3Omni(DeepStack, Qwen25Omni):
    """The thinker of Qwen3-Omni (Xu et al., 2025): as Qwen2.5-Omni's, with DeepStack, an ear of 13 tokens a second that
    hears a second at a time, and experts. Its talker and vocoder are left out."""

    classes: ClassVar = {
        "qwen3_omni_moe": "Qwen3OmniMoeThinkerForConditionalGeneration",
        "qwen3_omni_moe_thinker": "Qwen3OmniMoeThinkerForConditionalGeneration",
    }
    controls: ClassVar = {**Qwen2VL.controls, "audio": ("<|audio_start|>", "<|audio_end|>")}
    image_defaults: ClassVar = {**Qwen2VL.image_defaults, **_HALF}
    video_defaults: ClassVar = {**Qwen2VL.video_defaults, **_HALF, "size": _VIDEO_SIZE}
    longest = None
    beside: ClassVar[tuple[Piece, ...]] = ()

    def seconds(self, times: Any, span: int) -> Any:
        """How long a step lasts, as a whole number of positions, the nearest one: the steps of its own processor are 26
        positions each, and between frames at any distance transformers would leave fractions."""
        rate = self.config.position_id_per_seconds
        return np.maximum(np.rint(super().seconds(times, span) * rate), 1) / rate

    def times(self, where: Rows) -> Any:
        """Seconds times ``position_id_per_seconds``."""
        return np.rint(where[:, 0] * where[:, 3] * self.config.position_id_per_seconds).astype(int)

    def tokens(self, model: Any, medium: Medium, rows: Tensor) -> Tensor:
        """The tower's tokens; sound has zeros for the deeper layers."""
        import torch

        if medium != "audio":
            return super().tokens(model, medium, rows)
        heard = Qwen25Omni.tokens(self, model, medium, rows)
        return torch.nn.functional.pad(heard, (0, self.hidden * self._deeper))

    def heard(self, columns: int) -> int:
        """13 tokens of each whole second, and an eighth of the columns of what is left."""
        window = 2 * int(self.config.audio_config.n_window)
        return columns // window * 13 + -(-(columns % window) // 8)

    def turns(self, seen: Sequence[int], heard: int) -> Iterable[tuple[str, int, int]]:
        """Pictures before the sound of their time, token by token."""
        order = sorted([(time, 0) for time in seen] + [(time, 1) for time in range(heard)])
        at = [0, 0]
        for which, group in groupby(order, key=itemgetter(1)):
            first = at[which]
            at[which] += len(list(group))
            yield ("video", "audio")[which], first, at[which]


def widen(text: nn.Module, hidden: int, deeper: int) -> None:
    """Give a language model with DeepStack the input ``[rows, length, hidden * (1 + deeper)]``."""
    import torch

    words: Any = text.embed_tokens
    narrow = type(words)

    def forward(self: Any, ids: Tensor) -> Tensor:
        return torch.nn.functional.pad(narrow.forward(self, ids), (0, hidden * deeper))

    words.__class__ = type(narrow.__name__, (narrow,), {"forward": forward, "__module__": narrow.__module__})
    words.embedding_dim = hidden * (1 + deeper)

    def split(module: Any, args: Any, inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        ids = args[0] if args else inputs.get("input_ids")
        wide = inputs.get("inputs_embeds")
        wide = module.embed_tokens(ids) if wide is None else wide
        if wide.shape[-1] == hidden:  # what a tuning puts before the words has no deeper part
            wide = torch.nn.functional.pad(wide, (0, hidden * deeper))
        own, *others = wide.split(hidden, dim=-1)
        everywhere = torch.ones(wide.shape[:2], dtype=torch.bool, device=wide.device)
        deep = [one.flatten(0, 1) for one in others]
        more = {
            "input_ids": None,
            "inputs_embeds": own,
            "visual_pos_masks": everywhere,
            "deepstack_visual_embeds": deep,
        }
        return (), {**inputs, **more}

    text.register_forward_pre_hook(split, with_kwargs=True)
