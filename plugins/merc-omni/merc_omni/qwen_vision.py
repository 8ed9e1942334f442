"""Qwen2-VL, Qwen2.5-VL and the thinker of Qwen2.5-Omni: patches of any size, and positions of three axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import merc
from merc_omni.family import Family, Medium, Piece, Prepare, Rows
from merc_omni.pictures import BICUBIC, normalised, patches, resized, settings, tokens_of_grid

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PretrainedConfig

_CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "rescale_factor": 1 / 255,
    "resample": BICUBIC,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
}
_IMAGE = _CLIP | {"size": {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280}}
_VIDEO = _CLIP | {"size": {"shortest_edge": 128 * 28 * 28, "longest_edge": 28 * 28 * 768}}


class Qwen2VL(Family):
    """Qwen2-VL (Wang et al., 2024): a video is patches of two frames, a picture is a frame shown twice. Tokens lie on
    the axes time, row and column (M-RoPE); what follows goes on after the larger of the grid's rows and columns."""

    classes: ClassVar = {"qwen2_vl": "Qwen2VLForConditionalGeneration"}
    towers: ClassVar = {"image": ("model.visual",), "video": ("model.visual",)}
    axes = 3
    places_of: ClassVar = {
        "image": ("picture", "row", "column"),
        "video": ("time", "row", "column", "seconds"),
    }
    """``seconds`` is how long one step of ``time`` lasts."""
    image_defaults: ClassVar = _IMAGE
    video_defaults: ClassVar = _VIDEO
    """What its preprocessor does where its files say nothing."""
    controls: ClassVar = {
        "image": ("<|vision_start|>", "<|vision_end|>"),
        "video": ("<|vision_start|>", "<|vision_end|>"),
    }
    """What stands before and after the tokens of a medium."""

    def preparing(self, medium: Medium, pretrained: merc.Pretrained, pixels: int | None) -> Prepare:
        """Frames as patches, each with the place of its token."""
        own = settings(pretrained, medium, self.image_defaults if medium == "image" else self.video_defaults)
        size = dict(own["size"])
        if "min_pixels" in own or "max_pixels" in own:  # the older names
            size = {
                "shortest_edge": own.get("min_pixels", size["shortest_edge"]),
                "longest_edge": own.get("max_pixels", size["longest_edge"]),
            }
        side, merge, span = own["patch_size"], own["merge_size"], own["temporal_patch_size"]

        def rows_of(frames: Any) -> tuple[Rows, tuple[int, int, int]]:
            edges = (self.share(size[name], len(frames)) for name in ("shortest_edge", "longest_edge"))
            least, most = (min(edge, pixels or edge) for edge in edges)
            fitted = resized(frames, *fitting(frames.shape[1:3], side * merge, least, most), own["resample"])
            scaled = normalised(fitted, own["image_mean"], own["image_std"], own["rescale_factor"])
            return patches(scaled, side, merge, span)

        def video(clip: merc.VideoClip) -> Rows:
            values, grid = rows_of(clip.frames)
            seconds = np.repeat(self.seconds(clip.times, span), len(values) // grid[0])[:, None]
            return np.concatenate([values, self._placed(grid, merge), seconds], axis=1).astype(np.float32)

        def pictures(clip: merc.VideoClip) -> Rows:
            made = []
            for number, frame in enumerate(clip.frames):
                values, grid = rows_of(frame[None])
                where = self._placed(grid, merge)
                where[:, 0] = number
                made.append(np.concatenate([values, where], axis=1))
            return np.concatenate(made)

        return video if medium == "video" else pictures

    def share(self, edge: int, frames: int) -> int:
        """The pixels that a bound of its settings leaves to each of so many frames: they are of a frame."""
        return edge

    def seconds(self, times: Any, span: int) -> Any:
        """What is said of the time of each step, ``[steps]``: how long one lasts."""
        lasts = span * (times[-1] - times[0]) / max(1, len(times) - 1)
        return np.full(-(-len(times) // span), lasts, np.float32)

    @staticmethod
    def _placed(grid: tuple[int, int, int], merge: int) -> Rows:
        """Where the token of each patch lies, ``[patches, 3]``."""
        times, rows, columns = grid
        return np.repeat(tokens_of_grid(times, rows // merge, columns // merge), merge**2, axis=0)

    @property
    def _merged(self) -> int:
        """How many patches make a token."""
        return int(self.config.vision_config.spatial_merge_size) ** 2

    def places(self, medium: Medium, rows: Rows) -> Rows:
        """The places that stand in the rows, once a token."""
        axes = len(self.places_named(medium))
        return np.ascontiguousarray(rows[:: self._merged, rows.shape[1] - axes :])

    def tokens(self, model: Any, medium: Medium, rows: Tensor) -> Tensor:
        """The tower's tokens."""
        import torch

        values, grid = self.patched(medium, rows)
        if medium == "video":
            return model.get_video_features(values, video_grid_thw=grid).pooler_output[0]  # type: ignore[no-any-return]
        return torch.cat(model.get_image_features(values, image_grid_thw=grid).pooler_output)

    def patched(self, medium: Medium, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The patches of rows, and their grids in patches: one of a video, one of each picture."""
        import torch

        values = self.values(medium, rows)
        where = rows[:, values.shape[1] :][:, :3].long()
        side = int(self._merged**0.5)
        if medium == "video":
            return values, (where.amax(0) + 1)[None] * where.new_tensor([1, side, side])
        grids = [(where[where[:, 0] == n].amax(0) + 1) * side for n in where[:, 0].unique()]
        return values, torch.stack([torch.stack([one.new_ones(()), one[1], one[2]]) for one in grids])

    def layout(self, medium: Medium, slot: merc.SlotTokens) -> Sequence[Piece]:
        """The tokens between their control tokens; each picture between its own."""
        if slot.where is None:
            return (merc.MediaRun(slot.count),)
        before, after = (merc.Control(text) for text in self.controls[medium])
        if medium == "video":
            return (before, self.run(self.times(slot.where), slot.where), after)
        pieces: list[Piece] = []
        for number in np.unique(slot.where[:, 0]):
            one = slot.where[slot.where[:, 0] == number]
            pieces += [before, self.run(np.zeros(len(one), int), one), after]
        return pieces

    def times(self, where: Rows) -> Any:
        """The position of tokens on the first axis, ``[tokens]`` whole numbers."""
        return where[:, 0].astype(int)

    def run(self, times: Any, where: Rows) -> merc.MediaRun:
        """Tokens side by side."""
        places = np.stack([times, where[:, 1], where[:, 2]], axis=1).astype(int)
        return merc.MediaRun(len(places), tuple(map(tuple, places.tolist())), self.advance(places))

    def advance(self, places: Any) -> int:
        """How far what follows lies."""
        return int(places[:, 1:].max()) + 1


class Qwen25VL(Qwen2VL):
    """Qwen2.5-VL (Bai et al., 2025): as Qwen2-VL, and the first axis goes by seconds."""

    classes: ClassVar = {"qwen2_5_vl": "Qwen2_5_VLForConditionalGeneration"}

    def times(self, where: Rows) -> Any:
        """Seconds times ``tokens_per_second``, in the steps of transformers' own float32."""
        rate = np.float32(self.config.vision_config.tokens_per_second)
        return (where[:, 0] * (rate * where[:, 3])).astype(int)


class Qwen25Omni(Qwen2VL):
    """The thinker of Qwen2.5-Omni (Xu et al., 2025), which hears too: the first axis goes by seconds, a token of sound
    is one step of it (TMRoPE), and what follows goes on after the furthest position on any axis. The talker and its
    vocoder are left out, since merc reads and writes text."""

    classes: ClassVar = {
        "qwen2_5_omni": "Qwen2_5OmniThinkerForConditionalGeneration",
        "qwen2_5_omni_thinker": "Qwen2_5OmniThinkerForConditionalGeneration",
    }
    towers: ClassVar = {**Qwen2VL.towers, "audio": ("model.audio_tower",)}
    controls: ClassVar = {
        "image": ("<|vision_bos|>", "<|vision_eos|>"),
        "video": ("<|vision_bos|>", "<|vision_eos|>"),
        "audio": ("<|audio_bos|>", "<|audio_eos|>"),
    }

    def inner(self, config: PretrainedConfig) -> PretrainedConfig:
        """The thinker's."""
        return getattr(config, "thinker_config", config)

    def times(self, where: Rows) -> Any:
        """Seconds times ``position_id_per_seconds``, in the steps of transformers' own float32."""
        rate = np.float32(self.config.position_id_per_seconds)
        return (where[:, 0] * where[:, 3] * rate).astype(int)

    def advance(self, places: Any) -> int:
        """After the furthest position on any axis."""
        return int(places.max()) + 1

    longest: ClassVar[int | None] = 300
    """The most seconds of sound that it hears where its settings say nothing; None for all, whatever they say."""

    def hears(self, pretrained: merc.Pretrained) -> float | None:
        """Five minutes, where its settings say nothing else."""
        from merc_omni.sound import extractor

        if self.longest is None:
            return None
        return float(extractor(pretrained, self.config.audio_config.num_mel_bins, self.longest).chunk_length)

    def preparing(self, medium: Medium, pretrained: merc.Pretrained, pixels: int | None) -> Prepare:
        """As Qwen2-VL's; sound as a log-mel spectrogram."""
        if medium != "audio":
            return super().preparing(medium, pretrained, pixels)
        from merc_omni.sound import spectrograms

        return spectrograms(pretrained, self.config.audio_config.num_mel_bins, self.longest)

    def tokens(self, model: Any, medium: Medium, rows: Tensor) -> Tensor:
        """The tower's tokens; of sound a quarter of the spectrogram's columns."""
        if medium != "audio":
            return super().tokens(model, medium, rows)
        import torch

        mel = rows.T[None].to(next(model.model.audio_tower.parameters()).dtype)
        mask = torch.ones(1, mel.shape[-1], dtype=torch.long, device=mel.device)
        return model.get_audio_features(mel, feature_attention_mask=mask).last_hidden_state  # type: ignore[no-any-return]

    def places(self, medium: Medium, rows: Rows) -> Rows:
        """Those of pictures; sound has as many as its columns make."""
        if medium != "audio":
            return super().places(medium, rows)
        return np.zeros((self.heard(len(rows)), 0), np.float32)

    def heard(self, columns: int) -> int:
        """How many tokens the columns of a spectrogram become."""
        return ((columns - 1) // 2 + 1 - 2) // 2 + 1

    def layout(self, medium: Medium, slot: merc.SlotTokens) -> Sequence[Piece]:
        """The tokens between their control tokens."""
        if medium != "audio":
            return super().layout(medium, slot)
        before, after = (merc.Control(text) for text in self.controls[medium])
        return (before, merc.MediaRun(slot.count), after)

    beside: ClassVar[tuple[Piece, ...]] = (merc.MediaRun(0, (), -1),)
    """What stands between the two control tokens on either side of a video with its sound: they lie at one position."""

    def together(self, slots: Mapping[Medium, merc.SlotTokens]) -> Sequence[Piece] | None:
        """A video and its sound by turns (``use_audio_in_video``)."""
        if set(slots) != {"video", "audio"} or slots["video"].where is None:
            return None
        where, count = slots["video"].where, slots["audio"].count
        seen = np.stack([self.times(where), where[:, 1], where[:, 2]], axis=1).astype(int)
        places = {"video": seen, "audio": np.repeat(np.arange(count)[:, None], 3, axis=1)}
        runs: list[merc.MediaRun] = []
        for medium, first, end in self.turns(places["video"][:, 0].tolist(), count):
            part = places[medium][first:end]
            stream = slots[medium].stream  # type: ignore[index]
            runs.append(merc.MediaRun(len(part), tuple(map(tuple, part.tolist())), 0, stream))
        positions = runs[-1].positions or ()
        runs[-1] = replace(runs[-1], advance=max(max(one) for one in positions) + 1)
        (before, after), (hear, heard) = (map(merc.Control, self.controls[medium]) for medium in ("video", "audio"))
        return (before, *self.beside, hear, *runs, heard, *self.beside, after)

    def turns(self, seen: Sequence[int], heard: int) -> Iterable[tuple[str, int, int]]:
        """By whose turn it is, which tokens come next: chunks of ``seconds_per_chunk``, pictures before sound.

        Args:
            seen: The time of each token of the video, in steps.
            heard: How many tokens the sound has, one a step.
        """
        size = int(self.config.position_id_per_seconds * self.config.seconds_per_chunk)
        chunks = {"video": _chunks(seen, size), "audio": _chunks(range(heard), size)}
        for number in range(max(map(len, chunks.values()))):
            for medium, own in chunks.items():
                if number < len(own):
                    yield medium, *own[number]


def _chunks(times: Sequence[int], size: int) -> list[tuple[int, int]]:
    """Where chunks of ``size`` steps begin and end, as transformers cuts them: a chunk ends at the first token behind
    its time, and a token ends one chunk at most.

    >>> _chunks([0, 0, 60, 60], 50), _chunks([0, 120, 120, 120], 50)
    ([(0, 2), (2, 4)], [(0, 1), (1, 2), (2, 4)])
    """
    chunks, first = [], 0
    for place, time in enumerate(times):
        if time >= size * (len(chunks) + 1):
            chunks.append((first, place))
            first = place
    return [*chunks, (first, len(times))]


def fitting(size: tuple[int, int], factor: int, least: int, most: int) -> tuple[int, int]:
    """The height and width, multiples of ``factor``, that have between ``least`` and ``most`` pixels and about the
    same shape. Raises MercError for a picture that is no picture: over 200 times longer than wide."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    try:
        height, width = smart_resize(*size, factor=factor, min_pixels=least, max_pixels=most)
    except ValueError as error:
        raise ValueError(f"pictures of {size[1]} x {size[0]} pixels do not fit: {error}") from None
    return int(height), int(width)
