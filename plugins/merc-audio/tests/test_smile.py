import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from merc_audio.smile import LEAST, SIZES, OpenSmile

import merc.testing
from merc import AudioClip, Conversation, MercError, Missing, Utterance
from merc.features import FeatureStore, encode
from merc.recipe import ComponentRef, load_recipe
from tests.media.clips import write_clip

opensmile = pytest.importorskip("opensmile", reason="opensmile is not installed")


class TestContract(merc.testing.EncoderContract):
    component = OpenSmile(features="eGeMAPSv02")
    name = "opensmile"


def sound(seconds: float, pitch: float = 150.0, seed: int = 0) -> AudioClip:
    """A humming that comes and goes, with some noise."""
    times = np.arange(round(seconds * 16_000)) / 16_000
    hum = sum(np.sin(2 * np.pi * pitch * k * times) / k for k in range(1, 6)) * (1 + np.sin(2 * np.pi * 3 * times))
    noise = np.random.default_rng(seed).standard_normal(len(times))
    return AudioClip(samples=(0.08 * hum + 0.01 * noise).astype(np.float32), rate=16_000)


def described(samples: np.ndarray, features: str) -> np.ndarray:
    """What openSMILE's own package says of a stretch of sound."""
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet[features], feature_level=opensmile.FeatureLevel.Functionals
    )
    return smile.process_signal(samples, 16_000).to_numpy("float32")[0]


@pytest.mark.parametrize("features", SIZES)
def test_a_token_is_what_opensmile_says_of_a_window(features):
    clip = sound(3.3)
    (got,) = OpenSmile(features=features).load("cpu")([clip])
    assert got.shape == (2, SIZES[features]) and got.dtype == np.float32
    assert np.array_equal(got[0], described(clip.samples[:32_000], features))
    assert np.array_equal(got[1], described(clip.samples[32_000:], features))


@pytest.mark.parametrize(
    ("seconds", "lengths"),
    [(0.1, [0.1]), (2.0, [2.0]), (2.4, [2.4]), (2.5, [2.0, 0.5]), (4.49, [2.0, 2.49]), (6.0, [2.0, 2.0, 2.0])],
)
def test_a_short_rest_belongs_to_the_window_before(seconds, lengths):
    clip = sound(seconds)
    (got,) = OpenSmile(features="IS09").load("cpu")([clip])
    ends = np.cumsum([round(length * 16_000) for length in lengths])
    parts = np.split(clip.samples, ends[:-1])
    assert ends[-1] == len(clip.samples)
    np.testing.assert_array_equal(got, [described(part, "IS09") for part in parts])


def test_windows_and_rests_of_other_lengths():
    (got,) = OpenSmile(features="IS09", window=0.5, shortest=0.1).load("cpu")([sound(1.65)])
    assert len(got) == 4


def test_clips_of_many_lengths_keep_their_order():
    encode_clips = OpenSmile(features="eGeMAPSv02", window=0.5, shortest=0.2).load("cpu")
    clips = [sound(0.3 + 0.4 * i, pitch=100 + 30 * i, seed=i) for i in range(6)]
    got = encode_clips(clips)
    assert [len(tokens) for tokens in got] == [1, 2, 2, 3, 4, 5]
    for clip, tokens in zip(clips, got, strict=True):
        assert np.array_equal(tokens, encode_clips([clip])[0])
    pitches = [tokens[0, 0] for tokens in got]  # F0semitoneFrom27.5Hz, its mean
    assert pitches == sorted(pitches)


def test_several_threads_get_the_same_numbers():
    encode_clips = OpenSmile(features="eGeMAPSv02").load("cpu")
    clips = [sound(1.0, pitch=100 + 20 * i, seed=i) for i in range(8)]
    alone = [encode_clips([clip])[0] for clip in clips]
    start = threading.Barrier(4)

    def all_of_them(_: int) -> list[np.ndarray]:
        start.wait()
        return encode_clips(clips)

    with ThreadPoolExecutor(4) as pool:
        for given in pool.map(all_of_them, range(4)):
            assert all(np.array_equal(one, other) for one, other in zip(alone, given, strict=True))


def test_the_loudest_sound_is_not_turned_upside_down():
    samples = np.clip(5 * sound(1.0).samples, -1, 1)
    assert samples.max() == 1.0
    softer = np.minimum(samples, np.float32(32767 / 32768))
    (got,) = OpenSmile(features="eGeMAPSv02").load("cpu")([AudioClip(samples=samples, rate=16_000)])
    assert np.array_equal(got[0], described(softer, "eGeMAPSv02"))
    # what openSMILE's package makes of a sample of 1 is why: the waveform jumps, and everything sounds harsher
    assert not np.allclose(got[0], described(samples, "eGeMAPSv02"), rtol=0.1)


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.09])
def test_sound_that_is_too_short_has_a_reason(seconds):
    encode_clips = OpenSmile(features="IS10").load("cpu")
    short, fine = encode_clips([sound(seconds), sound(LEAST)])
    assert short == Missing(f"{seconds:.2f} s of sound; openSMILE needs 0.1 s")
    assert np.isfinite(fine).all()


@pytest.mark.parametrize("features", SIZES)
@pytest.mark.parametrize(
    "samples", [np.zeros(8000), np.full(8000, 0.5), np.eye(1, 8000)[0]], ids=["silence", "dc", "click"]
)
def test_silence_and_clicks_give_numbers(features, samples):
    (got,) = OpenSmile(features=features).load("cpu")([AudioClip(samples=samples.astype("float32"), rate=16_000)])
    assert np.isfinite(got).all()


def test_what_is_no_number_does_not_pass():
    # too little for openSMILE, let through to see that its silent NaN is told
    from merc_audio.smile import _fault

    tokens = np.ones((3, 4), np.float32)
    assert _fault(tokens, [(0, 32_000), (32_000, 64_000), (64_000, 72_000)], ["a", "b", "c", "d"]) is None
    tokens[1, 2], tokens[2, 0] = np.nan, np.inf
    assert _fault(tokens, [(0, 32_000), (32_000, 64_000), (64_000, 72_000)], ["a", "b", "c", "d"]) == Missing(
        "openSMILE gives no number for 1 of 4 features from 2.0 to 4.0 s, the first of them c"
    )


def test_files_go_through_the_pass(tmp_path):
    film = write_clip(tmp_path / "film.mp4", frames=75)
    click = write_clip(tmp_path / "click.wav", video=None, audio="pcm_s16le", seconds=0.02)
    deaf = write_clip(tmp_path / "deaf.mp4", audio=None)
    said = tuple(Utterance(id=path.stem, text="x", video=path) for path in (film, click, deaf))
    part = ComponentRef(name="opensmile", params={}, component=OpenSmile())
    table = encode(FeatureStore(tmp_path / "store"), {"audio": part}, [Conversation(id="c", utterances=said)], seed=0)
    assert table.get("audio", "film").shape == (2, 6373)
    assert table.missing == {
        ("audio", "click"): "click.wav: 0.02 s of audio; at least 0.10 s are needed",
        ("audio", "deaf"): "deaf.mp4 has no audio track",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{name: opensmile, features: ComParE2016}", "Did you mean 'ComParE_2016'"),
        ("{name: opensmile, window: 0.2}", r"window \(0.2 s\) is shorter than the shortest \(0.5 s\)"),
        ("{name: opensmile, shortest: 0.05}", "shortest is 0.1 seconds at least, not 0.05"),
        ("{name: opensmile, batch: 0}", "batch counts from 1, not 0"),
    ],
)
def test_a_recipes_mistakes_are_told(tmp_path, given, message):
    path = tmp_path / "r.yaml"
    path.write_text(
        "corpus: {name: jsonl, path: talk.jsonl}\nbackbone: {name: hf, path: a-model}\n"
        f"encoders:\n  audio: {given}\nconnectors:\n  audio: {{name: linear}}\n"
        "stages:\n  - {id: learn, prompter: {name: conversation, media: [audio]}, trainer: {name: sft}}\n"
    )
    with pytest.raises(MercError, match=message):
        load_recipe(str(path))


def test_a_recipe_is_checked_without_opensmile():
    code = (
        "import sys, merc_audio.smile, merc_audio.plugin\n"
        "merc_audio.smile.OpenSmile().spec()\n"
        "print([name for name in ('torch', 'opensmile', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_readmes_recipe_is_one(tmp_path):
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    path = tmp_path / "r.yaml"
    path.write_text(
        "corpus: {name: jsonl, path: talk.jsonl}\nbackbone: {name: hf, path: a-model}\n"
        + readme.split("```yaml\n")[1].split("```")[0]
    )
    assert load_recipe(str(path)).encoders["audio"].component == OpenSmile()


def test_the_train_splits_statistics_bring_all_features_to_one_scale():
    import torch

    from merc import FeatureSpec, Stream
    from merc.builtin.connectors import Linear

    tokens = OpenSmile().load("cpu")([sound(4.0, pitch=90 + 25 * i, seed=i) for i in range(8)])
    features = np.concatenate(tokens).astype("float64")
    assert np.abs(features).max() > 1e7  # what this test is about
    connector = Linear(normalize="train").build(FeatureSpec(6373), 8)
    connector.fit(torch.from_numpy(one) for one in tokens)
    mean, deviation = (connector.state_dict()[name].double().numpy() for name in ("mean", "deviation"))
    scaled, spread = (features - mean) / deviation, features.std(0)
    seen = spread > 1e-6
    np.testing.assert_allclose(scaled[:, seen].mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(scaled[:, seen].std(0), 1, rtol=1e-5)
    assert np.abs(scaled[:, ~seen]).max() < 1e-3
    whole = torch.from_numpy(np.concatenate(tokens))[None]
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype):
            given = connector(Stream(whole, torch.ones(1, whole.shape[1], dtype=torch.bool)))
        assert torch.isfinite(given.values).all()
