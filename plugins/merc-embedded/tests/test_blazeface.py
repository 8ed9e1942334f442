"""BlazeFace: its anchors, what its numbers mean, and how boxes of one face become one."""

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from merc_embedded import blazeface
from merc_embedded.blazeface import FULL_RANGE, SHORT_RANGE, BlazeFace, anchors, decode, merge

needs_weights = pytest.mark.skipif(
    find_spec("mediapipe") is None or find_spec("ai_edge_litert") is None,
    reason="mediapipe, which carries the weights, or ai-edge-litert, which reads them, is not installed",
)


@pytest.mark.parametrize(("grid", "count"), [(FULL_RANGE, 2304), (SHORT_RANGE, 896)])
def test_anchors_are_the_middles_of_cells(grid, count):
    got = anchors(grid.layers)
    expected = [
        ((column + 0.5) / cells, (row + 0.5) / cells)
        for cells, each in grid.layers
        for row in range(cells)
        for column in range(cells)
        for _ in range(each)
    ]
    assert got.shape == (count, 2)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_what_the_network_gives_is_relative_to_the_anchor_but_for_the_size():
    raw = np.arange(16, dtype=np.float32)[None]
    (place,) = decode(raw, np.array([[0.25, 0.5]], np.float32), 100)
    np.testing.assert_allclose(place[0], [0.25 + 0 / 100, 0.5 + 1 / 100], rtol=1e-6)
    np.testing.assert_allclose(place[1], [2 / 100, 3 / 100], rtol=1e-6)
    for point in range(6):
        own = [0.25 + (4 + 2 * point) / 100, 0.5 + (5 + 2 * point) / 100]
        np.testing.assert_allclose(place[2 + point], own, rtol=1e-6)


def boxes(*rows) -> np.ndarray:
    """Places of boxes (x, y, side), with all points in the middle."""
    return np.array([[[x, y], [side, side], *[[x, y]] * 6] for x, y, side in rows], np.float32)


def test_boxes_that_overlap_are_one_face_weighed_by_their_scores():
    places = boxes((0.3, 0.3, 0.2), (0.8, 0.8, 0.1), (0.34, 0.3, 0.2))
    (one, score), (other, second) = merge(places, np.array([0.9, 0.8, 0.6], np.float32))
    np.testing.assert_allclose(one[0], [(0.9 * 0.3 + 0.6 * 0.34) / 1.5, 0.3], rtol=1e-6)
    np.testing.assert_allclose(one[1], [0.2, 0.2], rtol=1e-6)
    assert (score, second) == (pytest.approx(0.9), pytest.approx(0.8))
    np.testing.assert_allclose(other, places[1], rtol=1e-6)


def test_boxes_that_overlap_by_less_are_two():
    # they share a fifth of a side: 0.2 / 1.8 of their union
    assert len(merge(boxes((0.3, 0.3, 0.2), (0.46, 0.3, 0.2)), np.array([0.9, 0.8], np.float32))) == 2


def test_a_box_without_an_area_ends_nothing():
    faces = merge(boxes((0.5, 0.5, 0.0), (0.2, 0.2, 0.1)), np.array([0.9, 0.8], np.float32))
    assert [round(score, 1) for _, score in faces] == [0.9, 0.8]


@given(
    st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 2, st.floats(0.0625, 1, width=32)), max_size=12).flatmap(
        lambda rows: st.tuples(
            st.just(rows), st.lists(st.floats(0.5, 1, width=32), min_size=len(rows), max_size=len(rows))
        )
    )
)
def test_merging_keeps_the_best_scores_in_order_and_makes_up_no_place(case):
    rows, scores = case
    places = boxes(*rows).reshape(-1, 8, 2)
    faces = merge(places, np.array(scores, np.float32))
    got = [score for _, score in faces]
    assert got == sorted(got, reverse=True)
    assert bool(faces) == bool(rows) and (not rows or got[0] == max(np.float32(scores)))
    for place, _ in faces:
        assert (place >= places.min(0) - 1e-5).all() and (place <= places.max(0) + 1e-5).all()


@needs_weights
@pytest.mark.parametrize("grid", [FULL_RANGE, SHORT_RANGE])
def test_the_points_are_eyes_nose_mouth_and_ears(grid, portrait):
    (box,) = BlazeFace.load(grid, 0.5).detect(portrait)
    right_eye, left_eye, nose, mouth, right_ear, left_ear = np.array(box.points)
    assert right_ear[0] < right_eye[0] < nose[0] < left_eye[0] < left_ear[0]
    assert right_eye[1] < nose[1] < mouth[1]
    assert np.hypot(*(nose - box.middle)) < 0.25 * box.size
    assert box.score > 0.7


@needs_weights
@pytest.mark.parametrize("grid", [FULL_RANGE, SHORT_RANGE])
def test_a_frame_of_any_shape_keeps_its_proportions(grid, portrait):
    """The network sees a square; a wide frame and a high one have bars there, and boxes are in pixels of the frame."""
    detector = BlazeFace.load(grid, 0.5)
    (alone,) = detector.detect(portrait)
    height, width = portrait.shape[:2]
    wide = np.zeros((height, 2 * width, 3), np.uint8)
    wide[:, width:] = portrait
    high = np.zeros((2 * height, width, 3), np.uint8)
    high[height:] = portrait
    for frame, shift in ((wide, (width, 0)), (high, (0, height))):
        (box,) = detector.detect(frame)
        np.testing.assert_allclose(np.array(box.middle) - shift, alone.middle, atol=0.12 * alone.size)
        assert box.size == pytest.approx(alone.size, rel=0.25)


@needs_weights
def test_a_surer_detector_finds_fewer(portrait):
    (box,) = BlazeFace.load(FULL_RANGE, 0.5).detect(portrait)
    assert BlazeFace.load(FULL_RANGE, min(0.999, box.score + 0.01)).detect(portrait) == []


def test_weights_that_are_missing_are_named_with_the_command(monkeypatch):
    import merc_embedded.weights as weights

    from merc import MercError

    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    gone = blazeface._weights("gone", "0" * 64)
    with pytest.raises(MercError, match=r"'mediapipe', which carries .*gone\.tflite, is not installed.*pip install"):
        BlazeFace.load(blazeface.Grid(gone, ((1, 1),)), 0.5)
