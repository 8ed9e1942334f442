"""Voices that overlap: one speaks above 1.5 kHz and one below, and the model is a pair of filters."""

from importlib.util import find_spec

import numpy as np
import pytest
from merc_speech import separate_overlaps
from scipy.signal import firwin

import merc
from tests.spoken import ANN, BEN, RATE, SENTENCES, say, write_wav

onnx = pytest.importorskip("onnx")
needs_vectors = pytest.mark.skipif(find_spec("resemblyzer") is None, reason="resemblyzer is not installed")
TAPS = 255
LOW, HIGH = firwin(TAPS, 1500, fs=RATE), firwin(TAPS, 1500, fs=RATE, pass_zero=False)


def filters(path, *banks, rank=3):
    """A model that convolves a sound with each of some filters."""
    helper, kinds = onnx.helper, onnx.TensorProto
    weights = onnx.numpy_helper.from_array(np.stack(banks).astype(np.float32)[:, None], "weights")
    axes = onnx.numpy_helper.from_array(np.array([1], np.int64), "axes")
    nodes = [
        helper.make_node("Unsqueeze", ["mix", "axes"], ["wide"]),
        helper.make_node("Conv", ["wide", "weights"], ["voices"], pads=[TAPS // 2, TAPS // 2]),
    ]
    graph = helper.make_graph(
        nodes, "filters", [helper.make_tensor_value_info("mix", kinds.FLOAT, [1, None])],
        [helper.make_tensor_value_info("voices", kinds.FLOAT, [1, len(banks), None])], [weights, axes],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """Ann alone, Ben alone, then both at once; what each says then, by speaker."""
    high = {text: np.convolve(say(text, ANN), HIGH, "same").astype(np.float32) for text in SENTENCES}
    low = {text: np.convolve(say(text, BEN), LOW, "same").astype(np.float32) for text in SENTENCES}
    a, b = high[SENTENCES[0]], low[SENTENCES[1]]
    both = {"Ann": high[SENTENCES[2]], "Ben": low[SENTENCES[2]]}
    length = min(map(len, both.values()))
    both = {who: sound[:length] for who, sound in both.items()}
    sound = np.concatenate([a, b, both["Ann"] + both["Ben"]])
    edges = np.cumsum([0, len(a), len(b), length]) / RATE
    path = write_wav(tmp_path_factory.mktemp("talk") / "talk.wav", sound)
    spans = [("Ann", edges[0], edges[1]), ("Ben", edges[1], edges[2]), ("Ben", edges[2], edges[3]),
             ("Ann", edges[2], edges[3])]  # fmt: skip
    said = [{"id": f"t_u{n}", "speaker": who, "start": s, "end": e} for n, (who, s, e) in enumerate(spans)]
    return path, said, both


@needs_vectors
def test_each_speaker_is_heard_alone(talk, tmp_path):
    path, said, both = talk
    utterances = [dict(one) for one in said]
    note = separate_overlaps(path, utterances, filters(tmp_path / "m.onnx", LOW, HIGH), tmp_path)
    assert note == "voices overlap in 2 utterances; 2 of them were told apart"
    assert all("own_sound" not in one for one in utterances[:2])
    for one, other in (("Ann", "Ben"), ("Ben", "Ann")):
        (found,) = [u for u in utterances[2:] if u["speaker"] == one]
        sound = np.concatenate([w.clip.samples for w in merc.listen(tmp_path / found["own_sound"])])
        own, foreign = (np.corrcoef(sound, both[who])[0, 1] for who in (one, other))
        assert own > 0.9 and abs(foreign) < 0.2


@needs_vectors
def test_who_is_never_heard_alone_stays_as_it_is(talk, tmp_path):
    path, said, _ = talk
    utterances = [dict(one) for one in said[1:]]  # nobody hears Ann alone
    note = separate_overlaps(path, utterances, filters(tmp_path / "m.onnx", LOW, HIGH), tmp_path)
    assert note == "voices overlap in 2 utterances; 1 of them were told apart"


def test_without_overlap_no_model_is_read(talk, tmp_path):
    path, said, _ = talk
    assert separate_overlaps(path, [dict(one) for one in said[:2]], tmp_path / "gone.onnx", tmp_path) == ""


@needs_vectors
def test_other_models_are_refused(talk, tmp_path):
    path, said, _ = talk
    with pytest.raises(merc.MercError, match=r"separate: there is no model .*gone\.onnx"):
        separate_overlaps(path, [dict(one) for one in said], tmp_path / "gone.onnx", tmp_path)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(merc.MercError, match=r"text\.onnx is no ONNX model"):
        separate_overlaps(path, [dict(one) for one in said], tmp_path / "text.onnx", tmp_path)
    one_voice = filters(tmp_path / "one.onnx", LOW)
    with pytest.raises(merc.MercError, match=r"one\.onnx made \[1, 1, \d+\] of a sound of \d+ samples; merc takes"):
        separate_overlaps(path, [dict(one) for one in said], one_voice, tmp_path)
