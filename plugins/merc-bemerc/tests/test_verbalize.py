import numpy as np
import pytest
from merc_bemerc.measuring import Measures
from merc_bemerc.verbalize import tell
from merc_embedded import CLASSES, Box, SeenFace

ALL = "The face is seen in all 9 frames."
UNREAD = "Its emotion could not be read clearly."


def face(**chances: float) -> SeenFace:
    """A face with these probabilities; the rest is shared by the other classes."""
    rest = (1 - sum(chances.values())) / (len(CLASSES) - len(chances))
    values = np.array([chances.get(name, rest) for name in CLASSES], np.float32)
    return SeenFace(Box(10, 10, 40, 0.9), np.zeros(128, np.float32), values)


def measures(faces=(), *, x=0.5, y=0.4, size=0.3, n=9, aspect=1.5, count=1, side="", why="only", cuts=0, **more):
    """Measures of n frames: x, y, size, turns and tilts are one number, or one a frame; moved, around and changed one,
    or one a step."""
    faces = list(faces) if faces else [face(happy=0.9)] * n
    gone = np.array([one is None for one in faces])

    def row(value, length=n):
        return np.broadcast_to(np.asarray(value, float), (length,)).copy()

    places = np.stack([row(x), row(y), row(size)], 1)
    turns, tilts = row(more.get("turns", 0)), row(more.get("tilts", 0))
    places[gone] = turns[gone] = tilts[gone] = np.nan
    steps = {name: row(more.get(name, 0), n - 1) for name in ("moved", "around", "changed")}
    for name in ("moved", "around"):
        steps[name][gone[1:] & gone[:-1]] = np.nan
    return Measures(
        times=np.arange(n) / 4, faces=faces, count=count, side=side, why=why, places=places, turns=turns, tilts=tilts,
        aspect=aspect, cuts=cuts, **steps,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("faces", "text"),
    [
        ([face(happy=0.9)] * 9, "It looks clearly happy."),
        ([face(sad=0.65)] * 9, "It looks mostly sad."),
        # the likeliest class of a face that is read as nothing is not told, and neither is the second one
        ([face(fear=0.45, surprise=0.4)] * 9, UNREAD),
        ([face(angry=0.19)] * 9, UNREAD),
        # a mean over frames that do not agree is none
        ([face(happy=0.9)] * 4 + [face(neutral=0.9), face(sad=0.9)] + [face(neutral=0.9)] * 3, UNREAD),
        ([face(happy=1.0), face(sad=0.9, happy=0.1)] * 4 + [face(happy=1.0)], UNREAD),
        ([face(angry=p) for p in np.linspace(0.5, 1, 9)], "It looks clearly angry, more and more so."),
        ([face(angry=p) for p in np.linspace(1, 0.5, 9)], "It looks clearly angry, less and less so."),
        ([face(neutral=0.8)] * 3 + [face(happy=0.8)] * 6, "At first it looks clearly neutral, then clearly happy."),
        (
            [face(neutral=0.8)] * 3 + [face(surprise=0.8)] * 3 + [face(neutral=0.65)] * 3,
            "At first it looks clearly neutral, then clearly surprised, at the end mostly neutral.",
        ),
    ],
)
def test_what_a_face_looks_like_is_told_where_its_frames_agree(faces, text):
    assert tell(measures(faces))["face"] == f"{ALL} {text}"


def test_how_many_frames_show_the_face_and_which_third_never_does():
    seldom = [face(disgust=0.8)] * 3 + [None] * 6
    texts = tell(measures(seldom))
    part = "in 3 of 9 frames, none of them in the middle or towards the end"
    assert texts["face"] == f"The face is seen {part}. It looks clearly disgusted."
    assert f"({part})" in texts["body"] and f"({part})" in texts["posture"]
    most = tell(measures([None] + [face(disgust=0.8)] * 8))
    assert most["face"].startswith("The face is seen in 8 of 9 frames. ")


@pytest.mark.parametrize("count", [1, 2])
def test_a_face_in_too_few_frames_is_counted_and_not_described(count):
    faces = [face(happy=0.9)] * count + [None] * (9 - count)
    expected = f"A face is seen in only {count} of 9 frames and is not described."
    assert tell(measures(faces, moved=0.5)) == {"body": expected}


def test_a_course_needs_every_third_of_the_clip():
    faces = [face(neutral=0.9)] * 3 + [None] * 3 + [face(happy=0.9)] * 3
    assert "At first" not in tell(measures(faces))["face"]
    assert tell(measures(faces))["face"].endswith(UNREAD)


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        ({}, "The head keeps its place in the picture (in all 9 frames). The body below it hardly moves."),
        ({"x": np.linspace(0.46, 0.54, 9)}, "The head moves a little in the picture (in all 9 frames)."),
        ({"x": np.linspace(0.3, 0.6, 9)}, "The head moves in the picture, to the right (in all 9 frames)."),
        ({"y": np.linspace(0.8, 0.1, 9)}, "The head moves far in the picture, upwards (in all 9 frames)."),
        ({"moved": 0.1}, "The body below it moves a little."),
        ({"moved": 0.3}, "The body below it moves."),
        ({"moved": 0.9}, "The body below it moves a lot."),
        ({"moved": 0.4, "around": 0.3}, "The picture around it moves too, so how much the body moves is not known."),
        ({"moved": [0.4] * 4 + [np.nan] * 4}, "below it moves (in 4 of 8 steps, none of them towards the end)."),
        ({"cuts": 1}, "hardly moves. The picture cuts to another view once."),
        ({"cuts": 2}, "hardly moves. The picture cuts to another view 2 times."),
    ],
)
def test_how_the_head_and_the_body_move(measured, text):
    assert text in tell(measures(**measured))["body"]


def test_movement_that_was_measured_in_too_few_steps_is_not_told():
    assert "body below" not in tell(measures(moved=[0.4] * 2 + [np.nan] * 6))["body"]


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        ({}, "in the middle of the picture, its face about a third of the picture's height"),
        ({"x": 0.2, "size": 0.1}, "on the left of the picture, its face about a tenth of the picture's height"),
        ({"x": 0.8, "size": 0.05}, "on the right of the picture, its face less than a tenth of the picture's height"),
        ({"x": 0.36}, "between the left and the middle of the picture"),
        ({"x": np.linspace(0.5, 0.75, 9)}, "between the middle and the right of the picture"),
        ({"x": [0.1] * 5 + [0.9] * 4}, "now on the left, now on the right of the picture"),
        ({"turns": 0.1, "tilts": 2}, "It faces the camera and is held upright."),
        ({"turns": 0.4, "tilts": 10}, "It is turned to the right of the picture and is tilted slightly to the right."),
        ({"turns": -0.4, "tilts": -16}, "It is turned to the left of the picture and is tilted clearly to the left."),
        ({"turns": -0.9, "tilts": np.nan}, "It is turned far to the left of the picture."),
        ({"turns": [0.5, -0.5] * 4 + [0]}, "It is turned now to the left of the picture, now to the right"),
        ({"turns": 0.28, "tilts": [20, -20] * 4 + [0]}, "It is tilted now to one side, now to the other."),
        ({"size": np.linspace(0.2, 0.34, 9)}, "It comes nearer."),
        ({"size": np.linspace(0.34, 0.2, 9)}, "It draws back."),
    ],
)
def test_where_and_how_the_head_is_held(measured, text):
    assert text in tell(measures(**measured))["posture"]


@pytest.mark.parametrize("measured", [{"turns": np.nan, "tilts": np.nan}, {"turns": 0.28, "tilts": 7}])
def test_how_the_head_is_held_is_not_told_where_it_is_not_known_or_not_clear(measured):
    assert tell(measures(**measured))["posture"].count(".") == 1


def test_a_tilt_that_was_measured_in_some_frames_alone_is_not_told():
    tilts = np.array([12.0] * 4 + [np.nan] * 5)
    assert "tilted" not in tell(measures(tilts=tilts))["posture"]


@pytest.mark.parametrize(
    ("why", "text"),
    [
        ("mouth", "what follows is of the one on the left, whose mouth moves most. "),
        ("largest", "what follows is of the one that is seen best, on the left; who speaks is not known. "),
    ],
)
def test_of_two_faces_every_field_says_which_it_is_about_and_why(why, text):
    texts = tell(measures(count=2, side="left", why=why))
    assert set(texts) == {"face", "body", "posture"}
    assert all(one.startswith(f"Two faces are seen; {text}") for one in texts.values())
    assert tell(measures(count=7, side="middle", why=why))["face"].startswith("Several faces are seen; ")


def test_without_a_face_only_change_is_told():
    texts = tell(measures([None] * 9, count=0, why="", changed=0.1))
    assert texts == {"body": "No face is found. The picture as a whole changes."}


def test_a_single_frame_shows_no_movement():
    texts = tell(measures([face(happy=0.9)], n=1))
    assert set(texts) == {"face", "posture"}
    assert texts["face"] == "The face is seen in its one frame. It looks clearly happy."
    assert tell(measures([None], n=1, count=0)) == {}


def test_where_every_step_is_a_cut_no_movement_is_told():
    assert tell(measures([None] * 3, n=3, count=0, changed=np.nan, cuts=2)) == {}
