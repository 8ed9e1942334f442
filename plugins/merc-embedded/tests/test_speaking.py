"""Who speaks: a mesh of our own says how far mouths are open, so that the choice alone is tested."""

import numpy as np
import pytest
from merc_embedded.face import Box
from merc_embedded.face_tracking import FaceTrack
from merc_embedded.mesh import CHIN, FOREHEAD, LOWER_LIP, UPPER_LIP
from merc_embedded.speaking import loudness, mouth_movement, who_speaks

from merc import AudioClip, VideoClip

TALKS, CLOSED = [0, 0.1, 0, 0.1, 0, 0.1], [0.01] * 6


class Mouths:
    """In place of the network: how far the mouth of each box is open, frame by frame, by the box's left edge. None is a
    face that the network does not see."""

    def __init__(self, **openings):
        self.openings = openings

    def points(self, frame, box):
        opening = self.openings[f"at{box.left}"][int(frame[0, 0, 0])]
        if opening is None:
            return None
        points = np.zeros((468, 3))
        points[CHIN], points[FOREHEAD] = (0, 1, 0), (0, 0, 0)
        points[LOWER_LIP], points[UPPER_LIP] = (0, opening, 0), (0, 0, 0)
        return points


def clip(count=6) -> VideoClip:
    """Frames that hold their number."""
    frames = np.zeros((count, 4, 4, 3), np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
    return VideoClip(frames=frames, times=np.arange(count, dtype=float))


def track(left, size=50, count=6) -> FaceTrack:
    return FaceTrack(boxes={at: Box(left, 0, size, 0.9) for at in range(count)})


def test_the_one_whose_mouth_moves_speaks_though_another_is_larger():
    large, small = track(0, 90), track(200, 40)
    person = who_speaks(Mouths(at0=CLOSED, at200=TALKS), clip(), [large, small])
    assert person.track is small and person.why == "mouth"


@pytest.mark.parametrize(
    "openings",
    [
        {"at0": CLOSED, "at200": CLOSED},  # nobody's mouth moves
        {"at0": TALKS, "at200": TALKS},  # both do
        {"at0": [None] * 6, "at200": [None] * 6},  # none can be measured
        {"at0": [0.0, 0.1] + [None] * 4, "at200": CLOSED},  # one, in too few steps
    ],
)
def test_where_mouths_do_not_tell_it_is_the_largest_and_said_so(openings):
    large, small = track(0, 90), track(200, 40)
    person = who_speaks(Mouths(**openings), clip(), [large, small])
    assert person.track is large and person.why == "largest"


def test_a_face_alone_is_the_only_one_and_no_mouth_is_looked_at():
    only = track(0)
    assert who_speaks(Mouths(), clip(), [only]).why == "only"
    assert who_speaks(Mouths(), clip(), []) is None


def test_a_mouth_that_moves_in_silence_does_not_speak():
    chews, talks = [0, 0.2, 0, 0.2, 0.2, 0.2], [0, 0, 0, 0, 0.1, 0]
    sound = AudioClip(samples=np.repeat([0, 0, 0, 0.5, 0.5], 10).astype("float32"), rate=10)
    first, second = track(0), track(200)
    mouths = Mouths(at0=chews, at200=talks)
    assert who_speaks(mouths, clip(), [first, second]).track is first
    person = who_speaks(mouths, clip(), [first, second], sound)
    assert person.track is second and person.why == "mouth"


def test_movement_is_the_mean_step_weighed_by_how_loud_it_is():
    sound = AudioClip(samples=np.repeat([0.1, 0.4, 0.2, 0.0, 0.0], 10).astype("float32"), rate=10)
    openings = [0, 0.1, 0.3, 0.2, 0.9, 0.0]
    expected = (0.1 * 0.25 + 0.2 * 1 + 0.1 * 0.5) / 1.75
    assert mouth_movement(Mouths(at0=openings), clip(), track(0), sound) == pytest.approx(expected)
    assert mouth_movement(Mouths(at0=openings), clip(), track(0)) == pytest.approx((0.1 + 0.2 + 0.1 + 0.7 + 0.9) / 5)


def test_sound_that_is_silent_or_too_short_tells_of_no_mouth():
    silent = AudioClip(samples=np.zeros(50, "float32"), rate=10)
    assert np.isnan(mouth_movement(Mouths(at0=TALKS), clip(), track(0), silent))
    short = AudioClip(samples=np.ones(10, "float32"), rate=10)
    assert loudness(short, np.arange(6.0)).tolist() == [1, 0, 0, 0, 0]
