"""Faces put together over frames: by place within a shot, by looks across a cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from merc_embedded.face import Box
from merc_embedded.face_tracking import FaceTrack, follow_faces

RED, BLUE = (200, 40, 40), (40, 40, 200)


def box(x, y=60, size=30, score=0.9) -> Box:
    return Box(x - size // 2, y - size // 2, size, score)


def clip(*persons, width=320, height=160) -> tuple[np.ndarray, list[list[Box]]]:
    """Frames of persons, each a colour and where its face is in every frame (None: it is not seen)."""
    count = len(persons[0][1])
    frames = np.full((count, height, width, 3), 128, np.uint8)
    boxes: list[list[Box]] = [[] for _ in range(count)]
    for colour, places in persons:
        for at, x in enumerate(places):
            if x is not None:
                frames[at, 40:130, max(0, x - 25) : x + 25] = colour
                boxes[at].append(box(x))
    return frames, boxes


def no_cuts(frames) -> np.ndarray:
    return np.zeros(max(0, len(frames) - 1), bool)


def places(track: FaceTrack) -> dict[int, int]:
    return {at: int(box.middle[0]) for at, box in track.boxes.items()}


def test_two_faces_are_followed_each_for_itself():
    frames, boxes = clip((RED, [50, 60, 70, 80]), (BLUE, [250, 245, 240, 235]))
    boxes = [list(reversed(one)) if at % 2 else one for at, one in enumerate(boxes)]
    tracks = follow_faces(frames, boxes, no_cuts(frames))
    assert sorted(map(str, map(places, tracks))) == sorted(
        map(str, [{0: 50, 1: 60, 2: 70, 3: 80}, {0: 250, 1: 245, 2: 240, 3: 235}])
    )
    assert tracks[0].beside(tracks[1])


def test_a_face_in_the_place_of_another_is_another():
    frames, boxes = clip((RED, [100, 100, None, None]), (BLUE, [None, None, 100, 100]))
    tracks = follow_faces(frames, boxes, no_cuts(frames))
    assert [places(track) for track in tracks] == [{0: 100, 1: 100}, {2: 100, 3: 100}]
    assert not tracks[0].beside(tracks[1])


@pytest.mark.parametrize("colour", [RED, BLUE])
def test_across_a_cut_a_face_goes_on_where_it_looks_the_same(colour):
    frames, boxes = clip((RED, [60, 60, None, None]), (colour, [None, None, 250, 250]))
    tracks = follow_faces(frames, boxes, np.array([False, True, False]))
    assert len(tracks) == (1 if colour == RED else 2)


def test_a_face_that_is_lost_for_a_frame_goes_on():
    frames, boxes = clip((RED, [100, None, 110, 115]))
    (track,) = follow_faces(frames, boxes, no_cuts(frames))
    assert places(track) == {0: 100, 2: 110, 3: 115}


def test_what_is_a_face_in_one_frame_of_many_is_none():
    frames, boxes = clip((RED, [100] * 10), (BLUE, [None] * 4 + [250] + [None] * 5))
    assert [len(track.boxes) for track in follow_faces(frames, boxes, no_cuts(frames))] == [10]
    alone, seen = clip((BLUE, [None] * 4 + [250] + [None] * 5))
    assert [len(track.boxes) for track in follow_faces(alone, seen, no_cuts(alone))] == [1]


def test_the_largest_and_surest_comes_first():
    frames, boxes = clip((RED, [60, 60]), (BLUE, [250, 250]))
    sure = [[one[0]._replace(score=0.5), one[1]] for one in boxes]
    assert places(follow_faces(frames, sure, no_cuts(frames))[0]) == {0: 250, 1: 250}


def test_without_faces_there_is_no_track():
    frames, _ = clip((RED, [None, None]))
    assert follow_faces(frames, [[], []], no_cuts(frames)) == []
    assert follow_faces(frames[:0], [], no_cuts([])) == []


@given(st.lists(st.lists(st.tuples(*[st.integers(-40, 340)] * 2, st.integers(1, 90)), max_size=4), max_size=6))
def test_no_face_is_made_up_or_used_twice(rows):
    frames = np.random.default_rng(0).integers(0, 256, (len(rows), 60, 90, 3), dtype=np.uint8)
    boxes = [[box(*one) for one in row] for row in rows]
    tracks = follow_faces(frames, boxes, no_cuts(frames))
    used = [(at, one) for track in tracks for at, one in track.boxes.items()]
    for at, row in enumerate(boxes):
        got = [one for place, one in used if place == at]
        assert len(got) <= len(row) and all(got.count(one) <= row.count(one) for one in got)
    assert bool(tracks) == any(boxes)
