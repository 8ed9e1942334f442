from typing import Any

import numpy as np
import pytest
from merc_bemerc.face_tracking import FaceTrack
from merc_bemerc.verbalize import tell
from merc_embedded import CLASSES, Box, SeenFace

SWAYS = [20, -20] * 4 + [0]


def face(**chances: float) -> SeenFace:
    """A face with these probabilities; the rest is shared by the other classes."""
    rest = (1 - sum(chances.values())) / (len(CLASSES) - len(chances))
    values = np.array([chances.get(name, rest) for name in CLASSES], np.float32)
    return SeenFace(Box(10, 10, 40, 20), np.zeros(128, np.float32), values)


def sight(
    faces=(), *, x=0.5, y=0.4, size=0.3, tilts=0.0, moved=0.0, right=0.0, down=0.0, count=1, side="", cuts=0, n=9
) -> FaceTrack:
    """A sight of n frames: x, y, size and tilts are one number, or one a frame; moved, right and down one a step."""
    faces = list(faces) if faces else [face(happy=0.9)] * n
    places = np.stack([np.broadcast_to(np.asarray(v, float), (n,)) for v in (x, y, size)], 1).copy()
    places[[one is None for one in faces]] = np.nan
    strides = np.stack([np.broadcast_to(np.asarray(v, float), (n - 1,)) for v in (right, down)], 1).copy()
    strides[[one is None for one in faces[:-1]]] = np.nan
    there: Any = np.broadcast_to(np.asarray(tilts, float), (n,)).tolist()
    return FaceTrack(
        times=np.arange(n) / 4,
        faces=faces,
        count=count,
        side=side,
        tilts=[None if one is None else value for one, value in zip(faces, there, strict=True)],
        places=places,
        strides=strides,
        moved=np.broadcast_to(np.asarray(moved, float), (n - 1,)).copy(),
        cuts=cuts,
    )


@pytest.mark.parametrize(
    ("faces", "text"),
    [
        ([face(happy=0.9)] * 9, "The face looks clearly happy throughout."),
        ([face(sad=0.6)] * 9, "The face looks mostly sad throughout."),
        ([face(fear=0.45, surprise=0.4)] * 9, "The face looks between afraid and surprised throughout."),
        (
            [face(sad=0.45, neutral=0.4)] * 5 + [face(sad=0.4, neutral=0.45)] * 4,
            "The face looks between sad and neutral throughout.",
        ),
        ([face(angry=p) for p in np.linspace(0.15, 0.49, 9)], "The face looks between angry and disgusted throughout."),
        ([face(angry=p) for p in np.linspace(0.5, 1, 9)], "The face looks clearly angry, more and more so."),
        ([face(angry=p) for p in np.linspace(1, 0.5, 9)], "The face looks clearly angry, less and less so."),
        (
            [face(neutral=0.8)] * 3 + [face(happy=0.8)] * 6,
            "At first the face looks clearly neutral, then clearly happy.",
        ),
        (
            [face(neutral=0.8)] * 3 + [face(surprise=0.8)] * 3 + [face(neutral=0.6)] * 3,
            "At first the face looks clearly neutral, then clearly surprised, at the end mostly neutral.",
        ),
        (
            [face(disgust=0.8)] * 3 + [None] * 6,
            "The face looks clearly disgusted throughout. It is seen in 3 of 9 frames, mostly at the beginning.",
        ),
    ],
)
def test_the_course_of_the_face(faces, text):
    assert tell(sight(faces))["face"] == text


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        ({}, "The head hardly moves. The body below it hardly moves."),
        (
            {"right": 0.015 * np.sin(np.arange(8)), "down": 0.001, "moved": 0.05},
            "The head moves a little, from side to side. The body below it moves a little.",
        ),
        (
            {"down": [0.1, 0.1, 0, 0, 0, 0, 0, 0], "moved": [0, 0, 0, 0, 0, 0, 0.4, 0.4]},
            "The head moves, up and down, mostly at the beginning. The body below it moves, mostly towards the end.",
        ),
        (
            {"moved": [0.5, 0.5, 0.5, 0, 0, 0, 0, 0], "cuts": 2},
            "The head hardly moves. The body below it moves, mostly at the beginning. "
            "The picture cuts to another view 2 times.",
        ),
        ({"moved": 0.3, "right": 0.1, "down": 0.1}, "The head moves a lot. The body below it moves a lot."),
    ],
)
def test_how_much_and_when_the_body_moves(measured, text):
    assert tell(sight(**measured))["body"] == text


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        ({}, "in the middle of the picture, near, held upright."),
        ({"x": 0.2, "size": 0.1}, "on the left of the picture, at some distance, held upright."),
        ({"x": 0.8, "size": 0.05, "tilts": 8}, "on the right of the picture, far away, tilted slightly to the right."),
        ({"size": 0.5, "tilts": -15}, "in the middle of the picture, very near, tilted clearly to the left."),
        (
            {"tilts": [20, -20] * 4 + [0]},
            "in the middle of the picture, near, tilted now to one side, now to the other.",
        ),
        ({"size": np.linspace(0.2, 0.3, 9)}, "in the middle of the picture, near, held upright. It comes nearer."),
        ({"size": np.linspace(0.3, 0.2, 9)}, "in the middle of the picture, near, held upright. It draws back."),
        ({"y": np.linspace(0.3, 0.5, 9)}, "in the middle of the picture, near, held upright. It sinks."),
        ({"y": np.linspace(0.5, 0.3, 9)}, "in the middle of the picture, near, held upright. It rises."),
    ],
)
def test_where_and_how_the_head_is_held(measured, text):
    assert tell(sight(**measured))["posture"] == f"The head is {text}"


def test_what_is_seen_in_less_than_half_of_the_frames_says_in_how_many():
    seldom = [face(happy=0.9)] * 3 + [None] * 6
    moved = np.array([0.05, 0.05, 0.05] + [np.nan] * 5)
    texts = tell(sight(seldom, right=0.01, moved=moved))
    assert "(as far as seen, in 3 of 8 steps between frames)" in texts["body"].split(".")[0]
    assert "(as far as seen, in 3 of 8 steps between frames)" in texts["body"].split(".")[1]
    assert "(as far as seen, in 3 of 9 frames)" in texts["posture"]
    assert "It is seen in 3 of 9 frames" in texts["face"]
    often = tell(sight([face(happy=0.9)] * 5 + [None] * 4, right=0.01, moved=np.array([0.05] * 5 + [np.nan] * 3)))
    assert not [text for text in (often["body"], often["posture"]) if "as far as seen" in text]


def test_of_two_faces_every_field_says_which_it_is_about():
    texts = tell(sight(count=2, side="left"))
    assert set(texts) == {"face", "body", "posture"}
    assert all(text.startswith("Of two faces, the one on the left is described. The ") for text in texts.values())
    assert tell(sight(count=7, side="middle"))["face"].startswith("Of several faces, the one in the middle is")


def test_without_a_face_only_movement_is_told():
    texts = tell(sight([None] * 9, count=0, moved=0.1))
    assert texts == {"body": "No face is found. The picture as a whole moves."}


def test_a_single_frame_shows_no_movement():
    assert set(tell(sight([face(happy=0.9)], n=1))) == {"face", "posture"}
    assert tell(sight([face(happy=0.9)], n=1))["face"] == "The face looks clearly happy."
    assert tell(sight([None], n=1, count=0)) == {}


def test_where_every_step_is_a_cut_no_movement_is_told():
    assert "body" not in tell(sight([None] * 3, n=3, count=0, moved=np.nan, cuts=2))
