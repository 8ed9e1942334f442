"""``videomae`` against transformers' own forward pass."""

import numpy as np
import pytest
import torch
import transformers
from merc_vision.families import IMAGENET_DEVIATION, IMAGENET_MEAN
from merc_vision.videomae import VideoMae

import merc.testing
from merc import MercError, Missing, VideoClip


class TestContract(merc.testing.EncoderContract):
    name = "videomae"

    @pytest.fixture(autouse=True)
    def _component(self, request, models):
        request.cls.component = VideoMae(path=str(models["videomae"]), frames=4, size=16)


def noise(count: int, seed: int = 0) -> VideoClip:
    frames = np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    return VideoClip(frames=frames, times=np.arange(count, dtype=float))


def own_tokens(net, frames: np.ndarray) -> np.ndarray:
    """2 x 2 means of the patches of each pair of frames, by plain loops."""
    pictures = (frames / 255.0 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_DEVIATION)
    with torch.inference_mode():
        states = net(torch.from_numpy(pictures).permute(0, 3, 1, 2)[None].float()).last_hidden_state[0]
    grid = states.reshape(2, 4, 4, 8).numpy()
    return np.stack([
        grid[t, y : y + 2, x : x + 2].mean((0, 1)) for t in range(2) for y in (0, 2) for x in (0, 2)
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"), [("videomae", "VideoMAEForPreTraining"), ("videomae-mean", "VideoMAEForVideoClassification")]
)
def test_tokens_are_of_transformers_own_states(name, kind, models):
    net = getattr(transformers, kind).from_pretrained(models[name]).videomae
    clip = noise(4)
    encoder = VideoMae(path=str(models[name]), frames=4, size=16)
    (got,) = encoder.load("cpu")([clip])
    assert got.shape == (8, 8) == (encoder.spec().tokens, encoder.spec().dim)
    np.testing.assert_allclose(got, own_tokens(net, clip.frames), atol=1e-5)


def test_fewer_frames_are_shown_longer_and_none_are_said(models):
    net = transformers.VideoMAEForPreTraining.from_pretrained(models["videomae"]).videomae
    encode_clips = VideoMae(path=str(models["videomae"]), frames=4, size=16).load("cpu")
    one, none, three = encode_clips([noise(1), noise(0), noise(3, 1)])
    assert none == Missing("it has no frames")
    np.testing.assert_allclose(one, own_tokens(net, noise(1).frames[[0, 0, 0, 0]]), atol=1e-5)
    np.testing.assert_allclose(three, own_tokens(net, noise(3, 1).frames[[0, 0, 1, 2]]), atol=1e-5)


def test_the_published_shape():
    encoder = VideoMae(path="MCG-NJU/videomae-base")
    assert (encoder.spec().dim, encoder.spec().tokens) == (768, 32)
    wants = encoder.sampling()
    assert (wants.count, wants.strategy, wants.size) == (16, "uniform", (224, 224))
    # ViT-B of 12 layers, patches of 2 x 16 x 16, q and v with a bias, no table of places
    layer = 4 * 768**2 + 3 * 768 + 2 * 768 * 3072 + 3072 + 768 + 4 * 768
    assert encoder.network().parameters == 12 * layer + 3 * 2 * 16 * 16 * 768 + 768 + 2 * 768


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"frames": 8, "size": 16}, "frames: 8; these weights have places for 4, and only for them: frames: 4"),
        ({"frames": 4, "size": 32}, "size: 32; these weights have places for 16, and only for them: size: 16"),
        ({"frames": 4, "size": 16, "pool": 5}, "pool: 5 cells a side of 4 patches; give as many as there are patches "
                                               "at most"),
    ],
)  # fmt: skip
def test_what_the_weights_have_no_places_for(models, params, message):
    encoder = VideoMae(path=str(models["videomae"]), **params)
    for ask in (encoder.spec, lambda: encoder.load("cpu")):
        with pytest.raises(MercError) as caught:
            ask()
        assert str(caught.value) == f"encoder 'videomae': {message}"


def test_numbers_count_from_one():
    with pytest.raises(ValueError, match="frames counts from 1, not 0"):
        VideoMae(path="a/b", frames=0)
