"""Golden tensors of the video processors' arithmetic, written out plainly: transformers' own need torchvision.

    python make.py

A filter of support a is stretched by how much a picture is made smaller; each pixel is the weighted mean of those
under it, first along rows and then along columns, each rounded to a whole level (Keys, 1981, with a = -1/2; Lanczos
with three lobes).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def keys(x: Any) -> Any:
    x, a = np.abs(x), -0.5
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def lanczos(x: Any) -> Any:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


def weights(before: int, after: int, kernel: Any, support: float) -> Any:
    """``[after, before]``: what each new pixel takes of the old ones."""
    scale = before / after
    stretch = max(scale, 1.0)
    made = np.zeros((after, before))
    for place in range(after):
        centre = (place + 0.5) * scale
        first, end = max(0, int(centre - support * stretch + 0.5)), min(before, int(centre + support * stretch + 0.5))
        taken = kernel((np.arange(first, end) + 0.5 - centre) / stretch)
        made[place, first:end] = taken / taken.sum()
    return made


def resize(frames: Any, height: int, width: int, kernel: Any, support: float) -> Any:
    def levels(values: Any) -> Any:
        return np.floor(values + 0.5).clip(0, 255)

    rows = levels(np.einsum("nhwc,vw->nhvc", frames.astype(float), weights(frames.shape[2], width, kernel, support)))
    return levels(np.einsum("nhwc,uh->nuwc", rows, weights(frames.shape[1], height, kernel, support))).astype(np.uint8)


def main() -> None:
    here = Path(__file__).parent
    frames = np.random.default_rng(0).integers(0, 256, (2, 30, 44, 3)).astype(np.uint8)
    np.savez_compressed(here / "bicubic.npz", frames=frames, resized=resize(frames, 14, 28, keys, 2))
    np.savez_compressed(here / "lanczos.npz", frames=frames, resized=resize(frames, 16, 16, lanczos, 3))
    width = int(16 * frames.shape[2] / frames.shape[1])
    small = resize(frames, 16, width, keys, 2)
    left = (width - 16) // 2
    middle = small[:, :, left : left + 16].transpose(0, 3, 1, 2) / 255
    mean, std = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
    pixels = (middle - np.reshape(mean, (1, 3, 1, 1))) / np.reshape(std, (1, 3, 1, 1))
    np.savez_compressed(here / "llava.npz", frames=frames, pixels=pixels.astype(np.float32))


if __name__ == "__main__":
    main()
