from importlib.util import find_spec

import numpy as np
import pytest
from merc_embedded import face
from merc_embedded.face import Box, FaceFinder, check_detector, grey_face

NEEDS = {"full-range": "mediapipe", "short-range": "mediapipe", "haar": "fer"}


@pytest.fixture(scope="module", params=list(NEEDS))
def finder(request):
    if find_spec(NEEDS[request.param]) is None or find_spec("ai_edge_litert") is None:
        pytest.skip(f"{NEEDS[request.param]}, which carries the weights, is not installed")
    return FaceFinder.load(request.param)


def test_finds_the_face_in_a_photograph(finder, portrait):
    first, *_ = finder.find(portrait)
    # the middle between eyes and mouth
    assert first.left < 254 < first.left + first.size
    assert first.top < 170 < first.top + first.size
    assert 100 < first.size < 300


def test_boxes_are_in_pixels_of_the_frame_however_large(finder, portrait):
    small, large = finder.find(portrait)[0], finder.find(portrait.repeat(3, 0).repeat(3, 1))[0]
    # the cascade searches sizes in steps of a tenth
    assert np.allclose(np.array(large[:3]) / 3, small[:3], atol=0.1 * small.size)


def test_finds_nothing_where_nothing_is(finder):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    assert finder.find(noise) == []
    assert finder.find(np.zeros((240, 320, 3), np.uint8)) == []
    assert finder.find(np.zeros((8, 8, 3), np.uint8)) == []
    assert finder.find(np.zeros((1, 1, 3), np.uint8)) == []


def beside(portrait) -> np.ndarray:
    """A small face on the left and the whole portrait on the right."""
    small = portrait[::2, ::2]
    wide = np.full((portrait.shape[0], portrait.shape[1] + small.shape[1], 3), 255, np.uint8)
    wide[: small.shape[0], : small.shape[1]] = small
    wide[:, small.shape[1] :] = portrait
    return wide


def test_finds_both_of_two_faces_the_larger_first(finder, portrait):
    boxes = finder.find(beside(portrait))
    assert len(boxes) == 2
    assert boxes[0].size > boxes[1].size
    assert boxes[0].left > portrait.shape[1] // 2 > boxes[1].left


def test_faces_below_the_smallest_do_not_count(finder, portrait):
    (large, small) = finder.find(beside(portrait))
    least = (large.size + small.size) / 2 / portrait.shape[0]
    only = FaceFinder(detector=finder.detector, smallest=least).find(beside(portrait))
    assert [one.size for one in only] == [large.size]


def test_many_faces_are_all_found(portrait):
    if find_spec("mediapipe") is None:
        pytest.skip("mediapipe is not installed")
    boxes = FaceFinder.load(smallest=0.01).find(np.tile(portrait, (3, 4, 1)))
    height, width = portrait.shape[:2]
    assert sorted((box.middle[1] // height, box.middle[0] // width) for box in boxes) == [
        (row, column) for row in range(3) for column in range(4)
    ]


def test_cut_is_the_square_and_its_margin():
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[20:84, 10:74] = 200
    inside = grey_face(frame, Box(10, 20, 64, 0.9), margin=0)
    assert inside.shape == (64, 64)
    assert (inside == 200).all()
    around = grey_face(frame, Box(10, 20, 64, 0.9), margin=0.1)
    assert around[0].max() < 100
    assert around[32, 32] == 200


@pytest.mark.parametrize("box", [Box(0, 0, 64, 0.9), Box(-30, 40, 64, 0.9), Box(60, -70, 64, 0.9)])
def test_cut_beyond_the_frame_repeats_its_edge(box):
    frame = np.full((64, 64, 3), 77, np.uint8)
    assert (grey_face(frame, box, margin=0.5) == 77).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("full-range", 0.0, None, None), "smallest is a share of the frame's shorter side"),
        (("full-range", 0.1, 1.0, None), "certainty is a probability between 0 and 1, not 1.0"),
        (("full-range", 0.1, None, 4), "votes belongs to detector: haar.* set certainty"),
        (("haar", 0.1, 0.5, None), "certainty belongs to BlazeFace.* set votes"),
        (("haar", 0.1, None, 0), "votes counts from 1, not 0"),
    ],
)
def test_parameters_that_do_not_suit_each_other_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        check_detector(*given)


def test_a_recipe_is_told_which_weights_are_missing_and_what_does_without(monkeypatch):
    monkeypatch.setattr(face, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs mediapipe's weights; .* pip install .*, or take detector: haar"):
        check_detector("full-range", 0.1, None, None)
    check_detector("haar", 0.1, None, 4)


@pytest.mark.data
def test_finds_a_face_in_every_frame_of_real_clips(clips_folder):
    import decord

    if find_spec("mediapipe") is None:
        pytest.skip("mediapipe is not installed")
    finder, faces = FaceFinder.load(), {}
    for path in sorted(clips_folder.glob("*.mp4")):
        video = decord.VideoReader(str(path))
        frames = video.get_batch([int((i + 0.5) * len(video) / 8) for i in range(8)]).asnumpy()
        faces[path.name] = sum(bool(finder.find(frame)) for frame in frames)
    # one shows a bent head and one people in profile; the cascade finds 49 of these 72
    assert set(faces.values()) == {8}, faces
