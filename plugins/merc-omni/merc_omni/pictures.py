"""Pictures as towers take them: made larger or smaller, normalised, cut into patches.

transformers' video processors need torchvision, which merc keeps out; pictures are resized by Pillow, as
transformers' image processors without torchvision do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import merc

Frames = npt.NDArray[np.uint8]
"""``[n, height, width, 3]`` RGB."""
Pixels = npt.NDArray[np.float32]
"""``[n, 3, height, width]``, normalised."""

BICUBIC, LANCZOS = 3, 1
"""Filters, by Pillow's numbers."""
_SETTINGS = {
    "image": ("preprocessor_config.json", "processor_config.json:image_processor"),
    "video": (
        "video_preprocessor_config.json",
        "processor_config.json:video_processor",
        "preprocessor_config.json",
        "processor_config.json:image_processor",
    ),
    "audio": ("preprocessor_config.json", "processor_config.json:feature_extractor"),
}


def settings(pretrained: merc.Pretrained, medium: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What a model's files say of how a medium is prepared, with ``defaults`` where they say nothing. The files that
    are looked in are those that transformers writes, the more particular one first."""
    for name in _SETTINGS[medium]:
        file, _, part = name.partition(":")
        values = pretrained.read_json(file)
        if part and values is not None:
            values = values.get(part)
        if values is not None:
            return {**defaults, **{key: value for key, value in values.items() if value is not None}}
    return dict(defaults)


def resized(frames: Frames, height: int, width: int, resample: int) -> Frames:
    """Frames of another size, by Pillow."""
    from PIL import Image

    if frames.shape[1:3] == (height, width):
        return frames
    scaled = [Image.fromarray(frame).resize((width, height), Image.Resampling(resample)) for frame in frames]
    return np.stack([np.asarray(picture) for picture in scaled])


def normalised(frames: Frames, mean: Sequence[float], std: Sequence[float], scale: float = 1 / 255) -> Pixels:
    """Pixels from 0 to 1, less the mean of their colour, divided by its deviation."""
    values = frames.transpose(0, 3, 1, 2).astype(np.float32) * np.float32(scale)
    middle, spread = (np.asarray(one, np.float32).reshape(1, -1, 1, 1) for one in (mean, std))
    return np.asarray((values - middle) / spread, np.float32)


def cropped(frames: Frames, height: int, width: int) -> Frames:
    """The middle of frames that are at least as large."""
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    return frames[:, top : top + height, left : left + width]


def shortest_to(frames: Frames, edge: int, resample: int) -> Frames:
    """Frames whose shorter side is ``edge``, of the same shape."""
    height, width = frames.shape[1:3]
    if height <= width:
        return resized(frames, edge, int(edge * width / height), resample)
    return resized(frames, int(edge * height / width), edge, resample)


def patches(pixels: Pixels, side: int, merge: int, span: int) -> tuple[npt.NDArray[np.float32], tuple[int, int, int]]:
    """The patches of a video ``[patches, 3 * span * side * side]``, and its grid in patches: time, rows, columns.

    ``span`` frames make one patch, the last frame once more where one is short; the ``merge`` x ``merge`` patches that
    become one token stand side by side (Qwen2-VL, section 2.1).
    """
    short = -len(pixels) % span
    video = np.concatenate([pixels, *[pixels[-1:]] * short])
    grid = (len(video) // span, video.shape[2] // side, video.shape[3] // side)
    parts = video.reshape(grid[0], span, 3, grid[1] // merge, merge, side, grid[2] // merge, merge, side)
    ordered = parts.transpose(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return np.ascontiguousarray(ordered).reshape(int(np.prod(grid)), -1), grid


def tokens_of_grid(times: int, rows: int, columns: int) -> npt.NDArray[np.float32]:
    """Where the tokens of a grid lie ``[tokens, 3]``: time, row, column, the columns first."""
    where = np.stack(np.meshgrid(np.arange(times), np.arange(rows), np.arange(columns), indexing="ij"), -1)
    return where.reshape(-1, 3).astype(np.float32)
