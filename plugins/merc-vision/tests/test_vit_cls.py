"""``vit-cls``: the CLS vector of one picture an utterance, and which picture."""

import sys

import numpy as np
import pytest
import torch
import transformers
from merc_vision import vit_cls
from merc_vision.vit_cls import ViTCls

import merc.testing
from merc import MercError, Missing, VideoClip


class TestContract(merc.testing.EncoderContract):
    name = "vit-cls"

    @pytest.fixture(autouse=True)
    def _component(self, request, models):
        request.cls.component = ViTCls(path=str(models["vit-cls"]), size=16)


def noise(count: int, size: int, seed: int = 0) -> VideoClip:
    frames = np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return VideoClip(frames=frames, times=np.arange(count, dtype=float))


@pytest.mark.parametrize("size", [16, 32])
def test_the_token_is_index_one_of_the_last_hidden_state(size, models):
    """Equation 3 counts from 1: the first vector is CLS."""
    net = transformers.ViTForImageClassification.from_pretrained(models["vit-cls"]).vit
    clips = [noise(1, size, seed) for seed in range(3)]
    encoder = ViTCls(path=str(models["vit-cls"]), size=size)
    got = encoder.load("cpu")([*clips, noise(0, size)])
    assert got[3] == Missing("it has no frames")
    for tokens, clip in zip(got[:3], clips, strict=True):
        pictures = torch.from_numpy((clip.frames / 255.0 - 0.5) / 0.5).permute(0, 3, 1, 2).float()
        with torch.inference_mode():
            own = net(pictures, interpolate_pos_encoding=size != 16).last_hidden_state[:, 0].numpy()
        np.testing.assert_allclose(tokens, own, atol=1e-5)
    assert (encoder.spec().dim, encoder.spec().tokens) == (8, 1)


def test_the_papers_weights_are_known_by_name():
    encoder = ViTCls(path="trpakov/vit-face-expression")
    assert (encoder.spec().dim, encoder.spec().tokens) == (768, 1)
    wants = encoder.sampling()
    assert (wants.count, wants.strategy, wants.size) == (1, "middle", (224, 224))
    layer = 4 * (768**2 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768
    assert encoder.network().parameters == 12 * layer + 3 * 16 * 16 * 768 + 768 + 768 + 197 * 768 + 2 * 768


def test_features_are_found_by_the_weights_of_a_folder(models):
    assert "model.safetensors" in ViTCls(path=str(models["vit-cls"])).identity()["files"]
    assert ViTCls(path="trpakov/vit-face-expression").identity() == {}


def test_candidates_come_in_the_videos_own_size():
    pytest.importorskip("merc_embedded")
    wants = ViTCls(path="a/b", frame="sharpest-face", candidates=5).sampling()
    assert (wants.count, wants.strategy, wants.size) == (5, "uniform", None)


def test_without_a_face_finder_the_recipe_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "merc_embedded", None)
    monkeypatch.setattr(vit_cls, "find_spec", lambda name: None)
    with pytest.raises(ValueError) as caught:
        ViTCls(path="a/b", frame="sharpest-face")
    assert str(caught.value) == (
        "frame: sharpest-face needs merc-embedded to find faces; install it with: pip install merc-vision[faces], or "
        "take frame: middle"
    )
    ViTCls(path="a/b")


@pytest.fixture(scope="module")
def face(clips_folder) -> np.ndarray:
    """A frame of a real clip that shows a face."""
    from merc_vision.sharpest import FaceChooser

    from merc.media import decode_file
    from merc.media.decode import Want

    chooser = FaceChooser(16)
    for path in sorted(clips_folder.glob("*.mp4")):
        clip = decode_file(path, [Want(merc.Frames(count=4))], seed=0)[0].clip
        for place, _ in chooser.sharpnesses(clip):
            return clip.frames[place]
    pytest.skip("no face in any clip")


@pytest.mark.data
def test_of_blurred_copies_of_a_face_the_sharp_one_is_taken(face, models):
    import cv2

    blurred, softer = cv2.GaussianBlur(face, (0, 0), 3), cv2.GaussianBlur(face, (0, 0), 1.5)
    wall = np.random.default_rng(0).integers(0, 256, face.shape, dtype=np.uint8)  # sharp throughout, and no face
    clip = VideoClip(frames=np.stack([blurred, wall, face, softer]), times=np.arange(4.0))

    from merc_vision.sharpest import FaceChooser

    chooser = FaceChooser(16)
    order = sorted(chooser.sharpnesses(clip), key=lambda found: found[1])
    assert [place for place, _ in order] == [0, 3, 2]
    chosen = chooser(clip)
    assert chosen.frames.shape == (1, 16, 16, 3) and chosen.times.tolist() == [2.0]
    small = cv2.resize(face, (16, 16), interpolation=cv2.INTER_AREA)
    assert np.abs(chosen.frames[0].astype(int) - small).mean() < 8

    encode_clips = ViTCls(path=str(models["vit-cls"]), frame="sharpest-face", size=16).load("cpu")
    (got,) = encode_clips([clip])
    (alone,) = ViTCls(path=str(models["vit-cls"]), size=16).load("cpu")([chosen])
    np.testing.assert_allclose(got, alone, atol=1e-5)


def test_without_a_face_the_middle_candidate_is_taken_and_said_so(models):
    pytest.importorskip("merc_embedded")
    rng = np.random.default_rng(0)
    walls = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(5)]
    faceless = VideoClip(frames=np.stack(walls), times=np.arange(5.0))
    empty = VideoClip(frames=faceless.frames[:0], times=np.zeros(0))
    encoder = ViTCls(path=str(models["vit-cls"]), frame="sharpest-face", size=16)
    got, none = encoder.load("cpu")([faceless, empty])
    small = VideoClip(frames=scaled(walls[2])[None], times=np.array([2.0]))
    (alone,) = ViTCls(path=str(models["vit-cls"]), size=16).load("cpu")([small])
    np.testing.assert_allclose(got, alone, atol=1e-5)
    assert none == Missing("it has no frames")
    assert "no face" in encoder.remark(faceless, got) and "middle" in encoder.remark(faceless, got)
    assert encoder.remark(VideoClip(frames=faceless.frames, times=faceless.times), got) is None
    assert ViTCls(path=str(models["vit-cls"])).remark(faceless, got) is None


def scaled(frame: np.ndarray) -> np.ndarray:
    from merc_vision.sharpest import FaceChooser

    return FaceChooser(16)._scaled(frame)


@pytest.mark.parametrize(
    ("params", "message"),
    [({"size": 0}, "size counts from 1, not 0"), ({"candidates": 0}, "candidates counts from 1, not 0")],
)
def test_numbers_count_from_one(params, message):
    with pytest.raises(ValueError, match=message):
        ViTCls(path="a/b", **params)


def test_a_size_that_does_not_suit_the_weights(models):
    with pytest.raises(MercError) as caught:
        ViTCls(path=str(models["vit-cls"]), size=18).load("cpu")
    assert str(caught.value) == (
        "encoder 'vit-cls': size: 18 pixels are not whole patches of 4 pixels a side; 16 would do"
    )
