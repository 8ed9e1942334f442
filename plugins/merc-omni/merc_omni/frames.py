"""Families that take frames of one size: LLaVA-NeXT-Video, LLaVA-OneVision, InternVL and SmolVLM2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import merc
from merc_omni.family import Family, Medium, Piece, Prepare, Rows
from merc_omni.numerals import in_words
from merc_omni.pictures import BICUBIC, LANCZOS, Pixels, cropped, normalised, resized, settings, shortest_to

if TYPE_CHECKING:
    from torch import Tensor

_HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "rescale_factor": 1 / 255}
_CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "rescale_factor": 1 / 255,
}


class OfFrames(Family):
    """What they share: a row is a picture ``[3 * side * side]`` and the numbers that stand beside it."""

    beside: ClassVar[Mapping[Medium, int]]
    """By medium, how many numbers of a row are no pixels."""
    processor: ClassVar[str]
    """transformers' image processor that needs Pillow alone, ``module:class`` in ``transformers.models``."""

    def pictures(self, medium: Medium, rows: Tensor) -> Tensor:
        """The pictures of rows, ``[rows, 3, side, side]``."""
        values = rows[:, : rows.shape[1] - self.beside[medium]]
        side = round((values.shape[1] / 3) ** 0.5)
        return values.reshape(len(rows), 3, side, side)

    def processing(self, pretrained: merc.Pretrained) -> Any:
        """The image processor with the model's settings."""
        from importlib import import_module

        module, _, name = self.processor.partition(":")
        kind = getattr(import_module(f"transformers.models.{module}"), name)
        return kind(**{k: v for k, v in settings(pretrained, "image", {}).items() if k not in _NO_OPTIONS})

    @staticmethod
    def rows_of(pixels: Pixels, beside: Any) -> Rows:
        """Pictures and what stands beside each, as rows."""
        return np.concatenate([pixels.reshape(len(pixels), -1), np.asarray(beside)], axis=1).astype(np.float32)


_NO_OPTIONS = ("image_processor_type", "processor_class", "feature_extractor_type", "auto_map")


class LlavaNextVideo(OfFrames):
    """LLaVA-NeXT-Video (Zhang et al., 2024): of a video the frames' tokens, averaged two by two, one after the other;
    a picture as itself and its parts, whose rows end with a token of their own."""

    classes: ClassVar = {"llava_next_video": "LlavaNextVideoForConditionalGeneration"}
    body: ClassVar = "LlavaNextVideoModel"
    towers: ClassVar = {
        "image": ("model.vision_tower", "model.multi_modal_projector"),
        "video": ("model.vision_tower", "model.multi_modal_projector", "model.vision_resampler"),
    }
    beside: ClassVar = {"image": 3, "video": 0}
    processor: ClassVar = "llava_next.image_processing_pil_llava_next:LlavaNextImageProcessorPil"

    def preparing(self, medium: Medium, pretrained: merc.Pretrained, pixels: int | None) -> Prepare:
        """Frames, or pictures with their parts, and beside each part the number and the size of its picture."""
        if medium == "video":
            return self.framing(pretrained)
        processor = self.processing(pretrained)

        def prepare(clip: merc.VideoClip) -> Rows:
            made = []
            for number, frame in enumerate(clip.frames):
                parts = np.asarray(processor(images=[frame], return_tensors="np")["pixel_values"][0])
                made.append(self.rows_of(parts, [[number, *frame.shape[:2]]] * len(parts)))
            return np.concatenate(made)

        return prepare

    def framing(self, pretrained: merc.Pretrained) -> Prepare:
        """The function from a video to its frames."""
        return _middles(pretrained, "video")

    def tokens(self, model: Any, medium: Medium, rows: Tensor) -> Tensor:
        """The tower's tokens."""
        import torch

        pictures = self.pictures(medium, rows).to(model.dtype)
        if medium == "video":
            return model.get_video_features(pictures[None]).pooler_output[0]  # type: ignore[no-any-return]
        own = []
        for part in self._by_picture(rows):
            size = rows[part][:1, -2:].long()
            own.append(model.get_image_features(pictures[part][None], size).pooler_output[0])
        return torch.cat(own)

    def packing(self) -> dict[str, Any]:
        """How the parts of a picture are put together."""
        return {"vision_feature_select_strategy": self.config.vision_feature_select_strategy}

    @staticmethod
    def _by_picture(rows: Any) -> list[Any]:
        """The rows of each picture, as masks."""
        numbers = rows[:, -3]
        return [numbers == number for number in sorted({*numbers.tolist()})]

    def _grid(self) -> int:
        vision = self.config.vision_config
        return int(vision.image_size) // int(vision.patch_size)

    def frame_tokens(self) -> int:
        """How many tokens a frame of a video has."""
        return (self._grid() // int(self.config.spatial_pool_stride)) ** 2

    def places(self, medium: Medium, rows: Rows) -> Rows:
        """As many as there are, on no axis; of a picture as many as packing its tokens gives."""
        if medium == "video":
            return np.zeros((len(rows) * self.frame_tokens(), 0), np.float32)
        import torch
        import transformers

        strategy = self.config.vision_feature_select_strategy
        class_token = strategy == "full" and self.config.vision_config.model_type.startswith("clip")
        pack, total = getattr(transformers, self.body).pack_image_features, 0
        for part in self._by_picture(rows):
            empty = torch.zeros(int(part.sum()), self._grid() ** 2 + class_token, 1)
            size = torch.from_numpy(rows[part][:1, -2:]).long()
            me, newline = SimpleNamespace(config=self.config), torch.zeros(1)
            made = pack(me, [empty], size, image_newline=newline, **self.packing())
            total += len(made[0][0])
        return np.zeros((total, 0), np.float32)

    def layout(self, medium: Medium, slot: merc.SlotTokens) -> Sequence[Piece]:
        """The tokens and an end of line, as its chat template has it."""
        return (merc.MediaRun(slot.count), merc.Text("\n"))


class LlavaOneVision(LlavaNextVideo):
    """LLaVA-OneVision (Li et al., 2024): as LLaVA-NeXT-Video, with frames scaled to half and one token after a
    video."""

    classes: ClassVar = {"llava_onevision": "LlavaOnevisionForConditionalGeneration"}
    body: ClassVar = "LlavaOnevisionModel"
    towers: ClassVar = {
        "image": ("model.vision_tower", "model.multi_modal_projector"),
        "video": ("model.vision_tower", "model.multi_modal_projector"),
    }
    processor: ClassVar = "llava_onevision.image_processing_pil_llava_onevision:LlavaOnevisionImageProcessorPil"

    def framing(self, pretrained: merc.Pretrained) -> Prepare:
        """The function from a video to its frames."""
        return _squares(pretrained, {**_CLIP, "size": {"height": 384, "width": 384}, "resample": BICUBIC}, beside=0)

    def frame_tokens(self) -> int:
        """A quarter of the patches, rounded up."""
        return int((-(-self._grid() // 2)) ** 2)

    def places(self, medium: Medium, rows: Rows) -> Rows:
        """Those of the frames, and one after a video."""
        own = super().places(medium, rows)
        return own if medium == "image" else np.zeros((len(own) + 1, 0), np.float32)

    def packing(self) -> dict[str, Any]:
        """How the parts of a picture are put together."""
        return {"vision_aspect_ratio": self.config.vision_aspect_ratio}


class LlavaNext(LlavaNextVideo):
    """LLaVA-NeXT (Liu et al., 2024), LLaVA 1.6: pictures alone; frames of a video are pictures one after the other."""

    classes: ClassVar = {"llava_next": "LlavaNextForConditionalGeneration"}
    body: ClassVar = "LlavaNextModel"
    towers: ClassVar = {"image": ("model.vision_tower", "model.multi_modal_projector")}


class VideoLlava(OfFrames):
    """Video-LLaVA (Lin et al., 2023): a tower for pictures and one for videos, whose tokens keep the one that stands
    for all of a frame."""

    classes: ClassVar = {"video_llava": "VideoLlavaForConditionalGeneration"}
    towers: ClassVar = {
        "image": ("model.image_tower", "model.multi_modal_projector"),
        "video": ("model.video_tower", "model.multi_modal_projector"),
    }
    beside: ClassVar = {"image": 0, "video": 0}

    def preparing(self, medium: Medium, pretrained: merc.Pretrained, pixels: int | None) -> Prepare:
        """Frames and pictures alike."""
        return _middles(pretrained, medium)

    def tokens(self, model: Any, medium: Medium, rows: Tensor) -> Tensor:
        """The tower's tokens."""
        pictures = self.pictures(medium, rows).to(model.dtype)
        if medium == "video":
            return model.model.get_video_features(pictures[None]).pooler_output.flatten(0, 1)  # type: ignore[no-any-return]
        return model.model.get_image_features(pictures).pooler_output.flatten(0, 1)  # type: ignore[no-any-return]

    def places(self, medium: Medium, rows: Rows) -> Rows:
        """As many as there are, on no axis."""
        vision = self.config.vision_config
        count = (int(vision.image_size) // int(vision.patch_size)) ** 2
        if medium == "video" or self.config.vision_feature_select_strategy == "full":
            count += 1
        return np.zeros((len(rows) * count, 0), np.float32)

    def layout(self, medium: Medium, slot: merc.SlotTokens) -> Sequence[Piece]:
        """The tokens and an end of line, as its chat template has it."""
        return (merc.MediaRun(slot.count), merc.Text("\n"))


class InternVL(OfFrames):
    """InternVL 3 (Zhu et al., 2025): a video as numbered frames, a picture as its parts and itself."""

    classes: ClassVar = {"internvl": "InternVLForConditionalGeneration"}
    towers: ClassVar = {
        "image": ("model.vision_tower", "model.multi_modal_projector"),
        "video": ("model.vision_tower", "model.multi_modal_projector"),
    }
    places_of: ClassVar = {"image": ("picture",), "video": ("picture",)}
    beside: ClassVar = {"image": 1, "video": 1}
    processor: ClassVar = "got_ocr2.image_processing_pil_got_ocr2:GotOcr2ImageProcessorPil"

    def preparing(self, medium: Medium, pretrained: merc.Pretrained, pixels: int | None) -> Prepare:
        """Frames, or a picture's parts, and beside each which picture it is of."""
        if medium == "video":
            return _squares(pretrained, {**_CLIP, "size": {"height": 384, "width": 384}, "resample": BICUBIC}, beside=1)
        processor = self.processing(pretrained)

        def prepare(clip: merc.VideoClip) -> Rows:
            made = []
            for number, frame in enumerate(clip.frames):
                parts = processor(images=[frame], crop_to_patches=True, return_tensors="np")["pixel_values"]
                made.append(self.rows_of(np.asarray(parts), [[number]] * len(parts)))
            return np.concatenate(made)

        return prepare

    def tokens(self, model: Any, medium: Medium, rows: Tensor) -> Tensor:
        """The tower's tokens."""
        return model.get_image_features(self.pictures(medium, rows)).pooler_output.flatten(0, 1)  # type: ignore[no-any-return]

    def places(self, medium: Medium, rows: Rows) -> Rows:
        """Of each token its picture."""
        vision = self.config.vision_config
        height, width = (int(a) // int(b) for a, b in zip(vision.image_size, vision.patch_size, strict=True))
        count = int(height * width * self.config.downsample_ratio**2)
        return np.repeat(rows[:, -1:], count, axis=0)

    def layout(self, medium: Medium, slot: merc.SlotTokens) -> Sequence[Piece]:
        """Each picture between its control tokens, frames numbered, and an end of line, as its processor has it."""
        assert slot.where is not None
        pieces: list[Piece] = []
        for number, count in enumerate(_counts(slot.where[:, :1])):
            if medium == "video":
                pieces.append(merc.Text(f"{chr(10) if number else ''}Frame{number + 1}: "))
            pieces += [merc.Control("<img>"), merc.MediaRun(count), merc.Control("</img>")]
            if medium == "image":
                pieces.append(merc.Text("\n"))
        return pieces if medium == "image" else (*pieces, merc.Text("\n"))


class SmolVLM(OfFrames):
    """SmolVLM2 (Marafioti et al., 2025): a video as frames with their times, a picture as its parts and itself."""

    classes: ClassVar = {"smolvlm": "SmolVLMForConditionalGeneration"}
    towers: ClassVar = {
        "image": ("model.vision_model", "model.connector"),
        "video": ("model.vision_model", "model.connector"),
    }
    language: ClassVar = ("model.text_model", "lm_head")
    places_of: ClassVar = {"image": ("picture", "row", "column"), "video": ("frame", "seconds")}
    beside: ClassVar = {"image": 3, "video": 2}
    processor: ClassVar = "smolvlm.image_processing_pil_smolvlm:SmolVLMImageProcessorPil"

    def preparing(self, medium: Medium, pretrained: merc.Pretrained, pixels: int | None) -> Prepare:
        """Frames with their times, or a picture's parts with their rows and columns, counted from 1, and itself with
        zeros."""
        return self._framing(pretrained) if medium == "video" else self._picturing(pretrained)

    def _framing(self, pretrained: merc.Pretrained) -> Prepare:
        own = settings(
            pretrained, "video",
            {**_HALF, "size": {"longest_edge": 4 * 364}, "max_image_size": {"longest_edge": 364}, "resample": LANCZOS},
        )  # fmt: skip
        longest = (own.get("video_sampling") or {}).get("video_size", own["size"])["longest_edge"]
        square = own["max_image_size"]["longest_edge"]

        def prepare(clip: merc.VideoClip) -> Rows:
            size = _longest_to(clip.frames.shape[1:3], longest)
            frames = resized(resized(clip.frames, *size, own["resample"]), square, square, own["resample"])
            pixels = normalised(frames, own["image_mean"], own["image_std"], own["rescale_factor"])
            return self.rows_of(pixels, np.stack([np.arange(len(clip.times)), clip.times], axis=1))

        return prepare

    def _picturing(self, pretrained: merc.Pretrained) -> Prepare:
        processor = self.processing(pretrained)

        def prepare(clip: merc.VideoClip) -> Rows:
            made = []
            for number, frame in enumerate(clip.frames):
                one = processor(images=[[frame]], return_row_col_info=True, return_tensors="np")
                parts, rows, columns = one["pixel_values"][0], one["rows"][0][0], one["cols"][0][0]
                where = [[number, row + 1, column + 1] for row in range(rows) for column in range(columns)]
                made.append(self.rows_of(parts, [*where, [number, 0, 0]]))
            return np.concatenate(made)

        return prepare

    def tokens(self, model: Any, medium: Medium, rows: Tensor) -> Tensor:
        """The tower's tokens."""
        return model.get_image_features(self.pictures(medium, rows)[None]).pooler_output[0]  # type: ignore[no-any-return]

    def places(self, medium: Medium, rows: Rows) -> Rows:
        """Of each token the place of its frame or part."""
        beside = self.beside[medium]
        side = round(((rows.shape[1] - beside) / 3) ** 0.5)
        count = (side // int(self.config.vision_config.patch_size)) ** 2 // int(self.config.scale_factor) ** 2
        return np.repeat(rows[:, -beside:], count, axis=0)

    def layout(self, medium: Medium, slot: merc.SlotTokens) -> Sequence[Piece]:
        """Frames after an introduction and their times, or a picture's parts after their rows and columns, as its
        processor has it."""
        assert slot.where is not None
        where = slot.where
        if medium == "image":
            return [piece for number in np.unique(where[:, 0]) for piece in _parts(where[where[:, 0] == number])]
        counts = _counts(where[:, :1])
        times = where[np.cumsum([0, *counts[:-1]]), 1]
        seconds = int(times[-1])
        lasts = f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        pieces: list[Piece] = [
            merc.Text(
                f"You are provided the following series of {in_words(len(counts))} frames from a {lasts} [H:MM:SS] "
                "video.\n"
            )
        ]
        for time, count in zip(times, counts, strict=True):
            pieces += [merc.Text(f"\nFrame from {int(time // 60):02d}:{int(time % 60):02d}:"), *_single(count)]
        return (*pieces, merc.Text("\n\n"))


_AROUND, _WHOLE = merc.Control("<fake_token_around_image>"), merc.Control("<global-img>")


def _single(count: int) -> tuple[Piece, ...]:
    """A whole picture of SmolVLM."""
    return (_AROUND, _WHOLE, merc.MediaRun(count), _AROUND)


def _parts(where: Rows) -> list[Piece]:
    """A picture of SmolVLM: its parts, a line each row, and itself."""
    counts = _counts(where[:, 1:])
    order = where[np.cumsum([0, *counts[:-1]]), 1:].astype(int).tolist()
    count = counts[0]
    pieces: list[Piece] = []
    for place, (row, column) in enumerate(order):
        if not row:
            if pieces:
                pieces.append(merc.Text("\n\n"))
            pieces += _single(count)
            continue
        if place and column == 1:
            pieces.append(merc.Text("\n"))
        pieces += [_AROUND, merc.Control(f"<row_{row}_col_{column}>"), merc.MediaRun(count)]
    return pieces


def _counts(values: Any) -> list[int]:
    """How long each run of equal rows is, of ``[rows, numbers]``."""
    changes = (values[1:] != values[:-1]).any(1)
    return np.bincount(np.concatenate([[0], np.cumsum(changes)])).tolist()  # type: ignore[no-any-return]


def _middles(pretrained: merc.Pretrained, medium: Medium) -> Prepare:
    """The function from a clip to the middles of its frames."""
    defaults = {"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}, "resample": BICUBIC}
    own = settings(pretrained, medium, {**_CLIP, **defaults})
    edge, crop = own["size"]["shortest_edge"], own["crop_size"]

    def prepare(clip: merc.VideoClip) -> Rows:
        frames = cropped(shortest_to(clip.frames, edge, own["resample"]), crop["height"], crop["width"])
        pixels = normalised(frames, own["image_mean"], own["image_std"], own["rescale_factor"])
        return OfFrames.rows_of(pixels, np.zeros((len(pixels), 0)))

    return prepare


def _squares(pretrained: merc.Pretrained, defaults: Mapping[str, Any], beside: int) -> Prepare:
    """The function from a video to frames of one size, with their number beside them where that is wanted."""
    own = settings(pretrained, "video", defaults)
    size = own["size"]

    def prepare(clip: merc.VideoClip) -> Rows:
        frames = resized(clip.frames, size["height"], size["width"], own["resample"])
        pixels = normalised(frames, own["image_mean"], own["image_std"], own["rescale_factor"])
        return OfFrames.rows_of(pixels, np.arange(len(pixels))[:, None][:, :beside])

    return prepare


def _longest_to(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Height and width of the same shape whose longer side is ``longest``; the other one is made even."""
    height, width = size
    if width >= height:
        other = int(longest * height / width)
        return other + other % 2, longest
    other = int(longest * width / height)
    return longest, other + other % 2
