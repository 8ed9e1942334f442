"""``whisper`` and ``hubert`` against transformers' own forward pass; tokens; sound of every kind."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from merc_audio.hubert import Hubert
from merc_audio.nets import fit
from merc_audio.whisper import Whisper
from safetensors.torch import load_file

import merc.testing
from merc import AudioClip, Conversation, MercError, Missing, Utterance
from merc.features import FeatureStore, encode
from merc.recipe import ComponentRef, load_recipe
from tests.media.clips import write_clip
from tests.tiny_backbone import save_tiny_backbone

CLASSES = {"whisper": Whisper, "hubert": Hubert}


class TestWhisper(merc.testing.EncoderContract):
    name = "whisper"

    @pytest.fixture(autouse=True)
    def _component(self, request, models):
        request.cls.component = Whisper(path=str(models["whisper"]))


class TestHubert(merc.testing.EncoderContract):
    name = "hubert"

    @pytest.fixture(autouse=True)
    def _component(self, request, models):
        request.cls.component = Hubert(path=str(models["hubert"]))


@pytest.mark.parametrize("name", CLASSES)
def test_the_gradient_is_that_of_finite_differences(name, models):
    """Of a sum of features along a random direction of all weights that learn."""
    network = CLASSES[name](path=str(models[name]), tokens=4).build().double().eval()
    given = [torch.from_numpy(sound(0.4).samples)]
    learning = [p for p in network.parameters() if p.requires_grad]
    generator = torch.Generator().manual_seed(0)
    ways = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in learning]

    def total() -> torch.Tensor:
        return network(given)[0].double().square().sum()

    def at(step: float) -> float:
        with torch.no_grad():
            for parameter, way in zip(learning, ways, strict=True):
                parameter.add_(step * way)
            return float(total())

    gradients = torch.autograd.grad(total(), learning)
    along = sum(float((g * way).sum()) for g, way in zip(gradients, ways, strict=True))
    measured = (at(1e-4) - at(-2e-4)) / 2e-4
    assert measured == pytest.approx(along, rel=0.02) and abs(along) > 1e-3


@pytest.mark.parametrize("name", CLASSES)
def test_it_learns_at_the_rate_of_encoders(name, models, tmp_path):
    """A run moves the weights that may learn and predicts with them; openSMILE is refused with the reason."""
    save_tiny_backbone(tmp_path / "backbone")
    for number in range(4):
        write_clip(tmp_path / f"{number}.mp4", frames=8, tone=220.0 * (number + 1))
    talks = [
        {"id": f"{split}{n}", "split": split, "utterances": [
            {"id": f"{split}{n}", "text": "Hm.", "label": ("joy", "anger")[n], "audio": f"{n}.mp4"}]}
        for split in ("train", "dev") for n in range(2)
    ]  # fmt: skip
    (tmp_path / "talk.jsonl").write_text("".join(json.dumps(one) + "\n" for one in talks))
    recipe = {
        "corpus": {"name": "jsonl", "path": str(tmp_path / "talk.jsonl")}, "labels": ["joy", "anger"],
        "backbone": {"name": "hf", "path": str(tmp_path / "backbone")},
        "encoders": {"ear": {"name": name, "path": str(models[name]), "tokens": 2}},
        "connectors": {"ear": {"name": "linear"}},
        "stages": [{"id": "learn", "prompter": {"name": "conversation", "media": ["ear"]},
                    "trainable": ["encoders.ear", "connectors.ear"],
                    "trainer": {"name": "sft", "lr": 1e-3, "encoder_lr": 1e-2, "batch_conversations": 2}}],
        "features": {"store": str(tmp_path / "store")}, "strategy": {"device": "cpu", "threads": 1},
    }  # fmt: skip
    merc.run(recipe, run_dir=tmp_path / "run")
    (file,) = (tmp_path / "run" / "stages" / "learn").glob("encoders*.safetensors")
    learned = load_file(file)
    before = dict(CLASSES[name](path=str(models[name]), tokens=2).build().named_parameters())
    moved = {key.removeprefix("ear."): value for key, value in learned.items()}
    assert set(moved) >= {key for key, parameter in before.items() if parameter.requires_grad}
    assert any(not torch.equal(value, before[key]) for key, value in moved.items() if key in before)
    assert merc.load(tmp_path / "run").predict({"text": "Hm.", "audio": tmp_path / "0.mp4"})[0].label in (
        "joy",
        "anger",
    )
    recipe["encoders"]["ear"] = {"name": "opensmile"}
    with pytest.raises(MercError, match="openSMILE computes its functionals by formulas"):
        load_recipe(recipe)


@pytest.mark.parametrize("name", CLASSES)
def test_features_are_found_by_the_weights_of_a_folder(name, models):
    assert "model.safetensors" in CLASSES[name](path=str(models[name])).identity()["files"]


def sound(seconds: float, seed: int = 0) -> AudioClip:
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * 16_000)) / 16_000
    tone = 0.3 * np.sin(2 * np.pi * (120 + 40 * seed) * times) * (1 + np.sin(2 * np.pi * 2 * times)) / 2
    return AudioClip(samples=(tone + 0.02 * rng.standard_normal(len(times))).astype(np.float32), rate=16_000)


@torch.inference_mode()
def heard_by_whisper(folder: Path, samples: np.ndarray) -> np.ndarray:
    """A window of at most 2 s, by the whole published model's own encoder and its feature extractor."""
    net = transformers.WhisperForConditionalGeneration.from_pretrained(folder)
    mel = transformers.WhisperFeatureExtractor(feature_size=80, chunk_length=2)(
        samples, sampling_rate=16_000, return_tensors="pt"
    )
    return net.model.encoder(mel.input_features).last_hidden_state[0].numpy()


@torch.inference_mode()
def heard_by_hubert(folder: Path, samples: np.ndarray, normal: bool = True) -> np.ndarray:
    extract = transformers.Wav2Vec2FeatureExtractor(do_normalize=normal)
    values = extract(samples, sampling_rate=16_000, return_tensors="pt").input_values
    return transformers.HubertModel.from_pretrained(folder)(values).last_hidden_state[0].numpy()


def means(states: np.ndarray, tokens: int) -> np.ndarray:
    """Adaptive average pooling written out: part i goes from floor(i n / tokens) to ceil((i + 1) n / tokens)."""
    n = len(states)
    return np.stack([states[i * n // tokens : -(-(i + 1) * n // tokens)].mean(0) for i in range(tokens)])


def test_whisper_hears_what_transformers_does_and_no_silence_after_it(models):
    clip = sound(1.5)
    whole = heard_by_whisper(models["whisper"], clip.samples)
    assert whole.shape == (100, 8)
    every = Whisper(path=str(models["whisper"]), tokens=None).load("cpu")([clip])[0]
    np.testing.assert_allclose(every, whole[:75], atol=1e-5)  # 1.5 s of 50 states each, of 2 s
    (got,) = Whisper(path=str(models["whisper"])).load("cpu")([clip])
    assert got.shape == (64, 8)
    np.testing.assert_allclose(got, means(whole[:75], 64), atol=1e-5)


def test_longer_sound_is_heard_in_windows_to_its_end(models):
    clip = sound(4.61)
    parts = [clip.samples[:32_000], clip.samples[32_000:64_000], clip.samples[64_000:]]
    whole = np.concatenate([heard_by_whisper(models["whisper"], part) for part in parts])[: 200 + 31]
    every = Whisper(path=str(models["whisper"]), tokens=None).load("cpu")([clip])[0]
    np.testing.assert_allclose(every, whole, atol=1e-5)
    (got,) = Whisper(path=str(models["whisper"]), tokens=8).load("cpu")([clip])
    np.testing.assert_allclose(got, means(whole, 8), atol=1e-5)


def test_whisper_without_its_head_is_read_as_well(models):
    own = transformers.WhisperModel.from_pretrained(models["whisper-bare"])
    clip = sound(2.0)
    mel = transformers.WhisperFeatureExtractor(feature_size=80, chunk_length=2)(
        clip.samples, sampling_rate=16_000, return_tensors="pt"
    )
    with torch.inference_mode():
        states = own.encoder(mel.input_features).last_hidden_state[0].numpy()
    (got,) = Whisper(path=str(models["whisper-bare"]), tokens=None).load("cpu")([clip])
    np.testing.assert_allclose(got, states, atol=1e-5)


@pytest.mark.parametrize("name", ["hubert", "hubert-large"])
def test_hubert_hears_what_transformers_does(name, models):
    clip = sound(1.9)
    own = heard_by_hubert(models[name], clip.samples)
    (every,) = Hubert(path=str(models[name]), tokens=None).load("cpu")([clip])
    np.testing.assert_allclose(every, own, atol=1e-4)
    (got,) = Hubert(path=str(models[name])).load("cpu")([clip])
    np.testing.assert_allclose(got, means(own, 64), atol=1e-4)


def test_hubert_in_windows_and_the_rest_belongs_to_the_last(models):
    clip = sound(2.05)
    normal = (clip.samples - clip.samples.mean()) / np.sqrt(clip.samples.var() + 1e-7)
    parts = [normal[:16_000], normal[16_000:]]  # 0.05 s would be too short for a window
    own = np.concatenate([heard_by_hubert(models["hubert"], part.astype("float32"), normal=False) for part in parts])
    (every,) = Hubert(path=str(models["hubert"]), tokens=None, window=1.0).load("cpu")([clip])
    np.testing.assert_allclose(every, own, atol=1e-4)


def test_huberts_own_preprocessor_may_leave_the_loudness_alone(models, tmp_path):
    folder = shutil.copytree(models["hubert"], tmp_path / "own")
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False}))
    clip = sound(0.8)
    (got,) = Hubert(path=str(folder), tokens=None).load("cpu")([clip])
    np.testing.assert_allclose(got, heard_by_hubert(folder, clip.samples, normal=False), atol=1e-4)
    (other,) = Hubert(path=str(models["hubert"]), tokens=None).load("cpu")([clip])
    assert not np.allclose(got, other, atol=1e-3)


@pytest.mark.parametrize("name", CLASSES)
def test_short_sound_is_filled_up_and_that_is_said(name, models):
    clip = sound(0.5)
    cls, path = CLASSES[name], str(models[name])
    (every,) = cls(path=path, tokens=None).load("cpu")([clip])
    assert len(every) in (24, 25)
    (padded,) = cls(path=path).load("cpu")([clip])
    told = "filled up to 64 states with zeros, as the paper does; pad: false keeps those that there are"
    assert cls(path=path).remark(clip, padded) == told
    assert padded.shape == (64, 8) and not padded[len(every) :].any()
    np.testing.assert_allclose(padded[: len(every)], every, atol=1e-5)
    (kept,) = cls(path=path, pad=False).load("cpu")([clip])
    np.testing.assert_allclose(kept, every, atol=1e-5)
    assert cls(path=path, pad=False).remark(clip, kept) is None
    long = sound(1.5)
    (full,) = cls(path=path).load("cpu")([long])
    assert cls(path=path).remark(long, full) is None


@pytest.mark.parametrize("name", CLASSES)
def test_clips_of_many_lengths_keep_their_places(name, models):
    def clips() -> list[AudioClip]:
        return [sound(seconds, seed) for seed, seconds in enumerate((0.3, 2.7, 0.02, 0.1, 5.0))]

    encode_clips = CLASSES[name](path=str(models[name]), tokens=5).load("cpu")
    got = encode_clips(clips())
    assert got[2] == Missing(f"0.02 s of sound; {name} needs 0.1 s")
    for place in (0, 1, 3, 4):
        assert got[place].shape == (5, 8) and got[place].dtype == np.float32
        np.testing.assert_allclose(got[place], encode_clips([clips()[place]])[0], atol=1e-4)
    assert encode_clips([]) == []


@given(count=st.integers(1, 200), tokens=st.integers(1, 90), pad=st.booleans())
def test_every_state_counts_whatever_the_number_of_tokens(count, tokens, pad):
    states = torch.rand(count, 3)
    got = fit(states, tokens, pad)
    if count > tokens:
        np.testing.assert_allclose(got, means(states.numpy(), tokens), atol=1e-5)
    else:
        assert torch.equal(got[:count], states)
        assert len(got) == (tokens if pad else count) and not got[count:].any()


def test_files_of_8_khz_and_of_six_channels(models, tmp_path):
    files = [
        write_clip(tmp_path / "telephone.wav", video=None, audio="pcm_s16le", rate=8_000, layout="mono", seconds=1.5),
        write_clip(tmp_path / "cinema.mkv", frames=40, audio="ac3", rate=48_000, layout="5.1"),
        write_clip(tmp_path / "deaf.mp4", audio=None),
    ]
    said = tuple(Utterance(id=file.stem, text="x", video=file) for file in files)
    parts = {
        name: ComponentRef(name=name, params={}, component=cls(path=str(models[name]))) for name, cls in CLASSES.items()
    }
    table = encode(FeatureStore(tmp_path / "store"), parts, [Conversation(id="c", utterances=said)], seed=0)
    for name in CLASSES:
        for stem in ("telephone", "cinema"):
            assert table.get(name, stem).shape == (64, 8) and np.isfinite(table.get(name, stem)).all()
        assert table.missing[name, "deaf"] == "deaf.mp4 has no audio track"


@pytest.mark.data
def test_the_real_clips(clips_folder, models, tmp_path):
    films = sorted(clips_folder.glob("*.mp4"))
    assert len(films) == 9
    talks = [Conversation(id="c", utterances=tuple(Utterance(id=f.stem, text="x", video=f) for f in films))]
    parts = {
        name: ComponentRef(name=name, params={}, component=cls(path=str(models[name]))) for name, cls in CLASSES.items()
    }
    table = encode(FeatureStore(tmp_path), parts, talks, seed=0)
    assert not table.missing
    for name in CLASSES:
        found = [np.asarray(table.get(name, film.stem)) for film in films]
        assert {tokens.shape for tokens in found} == {(64, 8)}
        assert len({tokens.tobytes() for tokens in found}) == 9


@pytest.mark.parametrize(
    ("encoder", "dim", "parameters"),
    [
        # convolutions over mel bands and time, 1500 places (sines), layers without a bias of the keys
        (Whisper(path="openai/whisper-large-v3"), 1280, 636_968_960),
        (Hubert(path="facebook/hubert-base-ls960"), 768, 94_371_712),
        (Hubert(path="facebook/hubert-large-ls960-ft"), 1024, 315_438_720),
    ],
)
def test_the_papers_shapes_are_known_without_weights(encoder, dim, parameters):
    assert (encoder.spec().dim, encoder.spec().tokens) == (dim, 64)
    assert encoder.network().parameters == parameters


def test_whisper_large_v3_by_its_equations():
    width, layers = 1280, 32
    layer = (4 * width**2 + 3 * width) + (2 * 4 * width**2 + 5 * width) + 4 * width
    whole = layers * layer + (3 * 128 * width + width) + (3 * width**2 + width) + 1500 * width + 2 * width
    assert Whisper(path="openai/whisper-large-v3").network().parameters == whole


@pytest.mark.parametrize("name", CLASSES)
def test_a_count_from_a_configuration_alone(name, models, tmp_path):
    (tmp_path / "config.json").write_text((models[name] / "config.json").read_text())
    alone, real = CLASSES[name](path=str(tmp_path)), CLASSES[name](path=str(models[name]))
    assert alone.spec() == real.spec() and alone.spec().dim == 8
    assert alone.network().parameters == real.network().parameters
    with pytest.raises(MercError, match=rf"^encoder '{name}': path: .* could not be loaded: "):
        alone.load("cpu")


def test_weights_of_another_kind_and_none_at_all(models):
    with pytest.raises(MercError) as caught:
        Hubert(path=str(models["whisper"])).spec()
    assert str(caught.value) == (
        f"encoder 'hubert': path: '{models['whisper']}' is a model of type 'whisper'; one of type 'hubert' is wanted"
    )
    with pytest.raises(MercError, match=r"^encoder 'whisper': path: there is no folder /nowhere; give the folder of"):
        Whisper(path="/nowhere").load("cpu")


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        ("{name: whisper}", "path .* is required by encoder 'whisper'"),
        ("{name: whisper, path: a/b, tokens: 0}", "tokens counts from 1, not 0; null keeps every state"),
        ("{name: hubert, path: a/b, batch: 0}", "batch counts from 1, not 0"),
        ("{name: hubert, path: a/b, window: 0.5}", "window is 1 second at least, not 0.5"),
    ],
)
def test_a_recipes_mistakes_are_told(tmp_path, audio, message):
    (tmp_path / "r.yaml").write_text(
        "corpus: {name: jsonl, path: talk.jsonl}\nbackbone: {name: hf, path: a-model}\n"
        f"encoders:\n  audio: {audio}\nconnectors:\n  audio: {{name: linear}}\n"
        "stages:\n  - {id: learn, prompter: {name: conversation, media: [audio]}, trainer: {name: sft}}\n"
    )
    with pytest.raises(MercError, match=message):
        load_recipe(str(tmp_path / "r.yaml"))
