"""A part of a picture, and a picture at several sizes, of which what is alike is done once."""

from __future__ import annotations

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from merc.conversation import Region

Picture = npt.NDArray[np.uint8]
Size = tuple[int, int] | None


def part_of(picture: Picture, region: Region | None) -> Picture:
    """The part of a picture that a region names, to the nearest pixels and one at least; ``None`` is the whole.

    >>> part_of(np.arange(18, dtype="uint8").reshape(2, 3, 3), (0.0, 0.5, 0.67, 1.0))[:, :, 0].tolist()
    [[9, 12]]
    """
    if region is None:
        return picture
    height, width = picture.shape[:2]
    left, top = (min(round(at * size), size - 1) for at, size in zip(region[:2], (width, height), strict=True))
    right, bottom = (round(at * size) for at, size in zip(region[2:], (width, height), strict=True))
    return np.ascontiguousarray(picture[top : max(bottom, top + 1), left : max(right, left + 1)])


class Scaler:
    """Brings pictures to sizes (height, width); ``None`` keeps a picture as it is.

    A picture is halved, by the mean of four pixels, as long as it stays no smaller than the size wanted, and then
    brought to it bilinearly over all that a pixel covers, so that nothing flickers. The halves serve all sizes, and a
    size looks the same whatever others are wanted beside it.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[Size, tuple[int, ...]], av.video.reformatter.VideoReformatter] = {}

    def at(self, picture: Picture, sizes: list[Size]) -> dict[Size, Picture]:
        """The picture at each of the sizes."""
        halves = [picture]
        return {size: self._one(halves, size) if size else picture for size in sizes}

    def _one(self, halves: list[Picture], size: tuple[int, int]) -> Picture:
        level = 0
        while halves[level].shape[0] // 2 >= size[0] and halves[level].shape[1] // 2 >= size[1]:
            level += 1
            if level == len(halves):
                halves.append(np.asarray(Image.fromarray(halves[-1]).reduce(2)))
        picture = halves[level]
        if picture.shape[:2] == size:
            return picture
        frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(picture), "rgb24")
        # Each keeps the tables for one way of scaling, which take longer to make than a picture to scale.
        scale = self._last.setdefault((size, picture.shape), av.video.reformatter.VideoReformatter())
        small = scale.reformat(
            frame, width=size[1], height=size[0], format="rgb24", interpolation="BILINEAR", threads=1
        )
        return np.asarray(small.to_ndarray(), "uint8")
