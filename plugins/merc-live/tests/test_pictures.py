"""Pictures as they come from a camera."""

from __future__ import annotations

import io

import numpy as np
import pytest
from merc_live import pictures
from merc_live.pictures import Pictures, clip_of
from PIL import Image

import merc


def jpeg(level: int, size: tuple[int, int] = (48, 32)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, (level, level, level)).save(data, "JPEG")
    return data.getvalue()


def test_a_clip_holds_the_pictures_of_its_time() -> None:
    kept = Pictures()
    for number in range(10):
        kept.add(number / 10, jpeg(20 * number))
    clip = clip_of(kept.between(0.35, 0.75), 0.35)
    assert clip is not None and clip.frames.shape == (4, 32, 48, 3) and clip.frames.dtype == np.uint8
    assert clip.times == pytest.approx([0.05, 0.15, 0.25, 0.35])
    assert clip.frames[:, 0, 0, 0] == pytest.approx([80, 100, 120, 140], abs=2)
    on_show = clip_of(kept.between(0.42, 0.45), 0.42)
    assert on_show is not None and len(on_show.frames) == 1 and on_show.times.tolist() == [0.0]
    assert clip_of([], 0.0) is None


def test_what_is_old_is_let_go() -> None:
    kept = Pictures()
    for number in range(100):
        kept.add(number / 10, jpeg(0))
        kept.forget(number / 10)
    assert len(kept.between(0, 100)) == 11


def test_of_too_many_every_second_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_BYTES", 8 * 32 * 48 * 3)
    kept = Pictures()
    for number in range(9):
        kept.add(number, jpeg(0))
    assert [at for at, _ in kept.between(0, 100)] == [0, 2, 4, 6, 8] and kept.thinned


def test_a_camera_that_is_turned_gives_the_new_size() -> None:
    clip = clip_of([(0.0, np.zeros((4, 6, 3), np.uint8)), (0.1, np.zeros((6, 4, 3), np.uint8))], 0.0)
    assert clip is not None and clip.frames.shape == (1, 6, 4, 3)


@pytest.mark.parametrize(
    ("at", "data", "said"),
    [
        (0.0, b"no picture", "10 bytes that came as a picture are no JPEG"),
        (0.0, b"", "0 bytes"),
        (0.0, jpeg(0)[:100], "no JPEG"),
        (float("nan"), jpeg(0), "in order, in seconds from 0"),
        (-1.0, jpeg(0), "in order, in seconds from 0"),
        (0.5, jpeg(0), "after one of 1 s"),
        (2.0, jpeg(0, (5000, 4000)), "5000 x 4000"),
    ],
)
def test_what_is_no_picture(at: float, data: bytes, said: str) -> None:
    kept = Pictures()
    kept.add(0.0 if said != "after one of 1 s" else 1.0, jpeg(0))
    with pytest.raises(merc.MercError, match=said):
        kept.add(at, data)
