from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from merc.media.scaling import Scaler


@pytest.mark.parametrize("native", [(720, 1280), (360, 640), (101, 67), (24, 32)])
def test_a_size_looks_the_same_whatever_is_wanted_beside_it(native):
    picture = np.random.default_rng(0).integers(0, 255, (*native, 3), dtype=np.uint8)
    sizes = [None, (224, 224), (24, 32), native, (300, 40)]
    together = Scaler().at(picture, sizes)
    assert np.array_equal(together[None], picture) and np.array_equal(together[native], picture)
    for size in sizes:
        assert np.array_equal(Scaler().at(picture, [size])[size], together[size])
        assert together[size].shape == ((*size, 3) if size else picture.shape)


def test_scaling_is_close_to_what_pillow_does():
    coarse = np.random.default_rng(0).integers(0, 255, (18, 32, 3), dtype=np.uint8)
    picture = np.asarray(Image.fromarray(coarse).resize((1280, 720), Image.Resampling.BICUBIC))
    for size in [(224, 224), (336, 336), (48, 48)]:
        pillow = np.asarray(Image.fromarray(picture).resize(size[::-1], Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(Scaler().at(picture, [size])[size] - pillow).mean() < 2


def test_fine_stripes_become_grey_and_do_not_flicker():
    stripes = np.zeros((480, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    small = Scaler().at(stripes, [(100, 100)])[100, 100].astype(int)
    assert abs(small.mean() - 127) < 3 and small.std() < 12
