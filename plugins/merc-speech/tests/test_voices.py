"""The speaker network against its equations written out, and what its vectors tell."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from merc_speech.voices import BANDS, FRAMES, RATE, WIDTH, build, loud, mel, network, voice_function

from tests.spoken import ANN, BEN, SENTENCES, say

needs_weights = pytest.mark.skipif(find_spec("resemblyzer") is None, reason="resemblyzer is not installed")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(net, mels):
    """Three LSTM layers, step by step; the last state through a linear layer and a ReLU, of length 1 (GE2E)."""
    state = {name: value.double().numpy() for name, value in net.state_dict().items()}
    sequence = mels.double().numpy()
    for layer in range(3):
        hidden = cell = np.zeros(WIDTH)
        outputs = []
        for x in sequence:
            gates = (
                state[f"lstm.weight_ih_l{layer}"] @ x + state[f"lstm.bias_ih_l{layer}"]
                + state[f"lstm.weight_hh_l{layer}"] @ hidden + state[f"lstm.bias_hh_l{layer}"]
            )  # fmt: skip
            i, f, g, o = np.split(gates, 4)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            hidden = sigmoid(o) * np.tanh(cell)
            outputs.append(hidden)
        sequence = np.array(outputs)
    raw = np.maximum(state["linear.weight"] @ sequence[-1] + state["linear.bias"], 0)
    return raw / np.linalg.norm(raw)


def test_the_network_computes_its_equations():
    torch.manual_seed(0)
    net = build().eval()
    mels = torch.rand(12, BANDS)
    with torch.no_grad():
        assert np.allclose(net(mels[None])[0].numpy(), by_hand(net, mels), atol=1e-5)


def test_a_tone_lies_in_its_band():
    """Slaney's scale is linear below 1 kHz: a band of 40 is about 81 Hz there."""
    time = np.arange(RATE) / RATE
    bands = [int(mel(np.sin(2 * np.pi * hz * time).astype("float32")).mean(0).argmax()) for hz in (200, 400, 800)]
    assert bands[0] < bands[1] < bands[2] and abs((bands[2] - bands[1]) - 2 * (bands[1] - bands[0])) <= 2


def test_quiet_sound_is_made_louder_and_loud_sound_is_left():
    tone = np.sin(np.arange(RATE) / 10).astype("float32")
    assert np.sqrt(np.mean(loud(tone * 0.001) ** 2)) == pytest.approx(10 ** (-30 / 20), rel=1e-3)
    assert np.array_equal(loud(tone * 0.5), tone * 0.5) and not loud(tone * 0).any()


@needs_weights
def test_a_voice_is_like_itself_and_unlike_another():
    voices = voice_function(network(), "cpu", 0.4)
    means = {}
    for voice in (ANN, BEN):
        for text in SENTENCES[:2]:
            vectors = voices(say(text, voice))
            assert vectors.shape[1] == WIDTH and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
            mean = vectors.mean(0)
            means[voice, text] = mean / np.linalg.norm(mean)
    own = [means[v, SENTENCES[0]] @ means[v, SENTENCES[1]] for v in (ANN, BEN)]
    other = [means[ANN, one] @ means[BEN, two] for one in SENTENCES[:2] for two in SENTENCES[:2]]
    assert min(own) > 0.85 > 0.75 > max(other)


@needs_weights
def test_a_short_span_has_one_vector():
    voices = voice_function(network(), "cpu", 0.4)
    assert voices(np.ones(100, np.float32) * 0.1).shape == (1, WIDTH)
    assert voices(np.ones(FRAMES * 160 + 6400, np.float32) * 0.1).shape == (2, WIDTH)
