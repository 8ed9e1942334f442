import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from merc_embedded.picture import Area, find_cuts, picture_area, shows_nothing


def scene(count=3, height=60, width=80, seed=0) -> np.ndarray:
    """Frames of one shot: a texture, and a little noise of the camera."""
    rng = np.random.default_rng(seed)
    still = rng.integers(40, 200, (height, width, 3))
    return np.clip(still + rng.integers(-4, 5, (count, height, width, 3)), 0, 255).astype(np.uint8)


@given(st.tuples(*[st.integers(0, 20)] * 2), st.tuples(*[st.integers(0, 25)] * 2))
def test_black_bars_are_cut_off_wherever_they_are(rows, columns):
    (above, below), (left, right) = rows, columns
    frames = np.pad(scene(), [(0, 0), (above, below), (left, right), (0, 0)])
    area = picture_area(frames)
    assert area == Area(above, above + 60, left, left + 80)
    assert area.of(frames).shape == (3, 60, 80, 3)


def test_half_a_picture_is_cut_off_and_subtitles_in_a_bar_too():
    frames = np.pad(scene(), [(0, 0), (0, 20), (0, 80), (0, 0)])
    frames[1, 70:76, 20:40] = 255
    assert picture_area(frames) == Area(0, 60, 0, 80)


def test_what_is_black_in_some_frames_alone_is_no_bar():
    frames = scene()
    frames[0, :20] = 0
    assert picture_area(frames) == Area(0, 60, 0, 80)


def test_a_dark_scene_has_noise_and_is_no_bar():
    frames = scene()
    frames[:, :, 40:] = np.random.default_rng(1).integers(0, 12, (3, 60, 40, 3))
    assert picture_area(frames) == Area(0, 60, 0, 80)


def test_a_black_clip_keeps_its_size():
    assert picture_area(np.zeros((2, 6, 8, 3), np.uint8)) == Area(0, 6, 0, 8)


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (np.full((3, 60, 80, 3), 16), "the picture is black in all 3 frames"),
        (np.zeros((1, 60, 80, 3)), "the picture is black in its frame"),
        (np.full((2, 60, 80, 3), 200), "the picture is of one colour in all 2 frames"),
        (scene(), None),
    ],
)
def test_a_picture_that_shows_nothing_says_why(frames, reason):
    assert shows_nothing(frames.astype(np.uint8)) == reason


def test_a_cut_is_where_the_shot_changes():
    dark = (scene(seed=1) // 4).astype(np.uint8)
    assert (
        find_cuts(np.concatenate([scene(), dark, scene()])).tolist()
        == [False] * 2 + [True] + [False] * 2 + [True] + [False] * 2
    )
    assert find_cuts(scene(1)).shape == (0,)


def test_what_moves_within_a_shot_is_no_cut():
    still = scene(1, 120, 160)[0]
    moved = [np.roll(still, 12 * step, axis=1) for step in range(5)]
    assert not find_cuts(np.stack(moved)).any()
