import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from merc_vision import densenet
from merc_vision.densenet import DenseNet
from merc_vision.densenet_net import build
from merc_vision.weights import Published

import merc.testing
from merc import Conversation, MercError, Missing, Utterance, VideoClip
from merc.features import FeatureStore, encode
from merc.recipe import ComponentRef, load_recipe
from tests.media.clips import write_clip


class TestContract(merc.testing.EncoderContract):
    name = "densenet"

    @pytest.fixture(autouse=True)
    def with_weights(self, request, weights):
        request.cls.component = DenseNet(weights=weights, frames=4, size=64)


def clip(frames) -> VideoClip:
    frames = np.asarray(frames, np.uint8)
    return VideoClip(frames=frames, times=np.arange(len(frames), dtype=float))


def noise(count: int, size: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_the_defaults_are_the_papers(weights):
    encoder = DenseNet(weights=weights)
    wants = encoder.sampling()
    assert (wants.count, wants.size, wants.strategy, wants.draws) == (64, (336, 336), "random", 1)
    assert (encoder.spec().dim, encoder.spec().tokens) == (1024, 64)


def test_pictures_are_normalised_as_for_imagenet(weights):
    frames = noise(3)
    (got,) = DenseNet(weights=weights, size=64).load("cpu")([clip(frames)])
    pictures = torch.from_numpy(frames / 255.0).permute(0, 3, 1, 2)
    # red, green and blue of ImageNet's photographs
    pictures = (pictures - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    with torch.inference_mode():
        expected = build(torch.load(weights, weights_only=True))(pictures.float())
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected.numpy(), atol=1e-4, rtol=1e-3)


def test_a_batch_gives_what_each_clip_gives_alone(weights):
    encode_clips = DenseNet(weights=weights, size=64).load("cpu")
    batch = [clip(noise(5, seed=1)), clip(noise(0)), clip(noise(1, seed=2)), clip(noise(13, seed=3))]
    got = encode_clips(batch)
    assert [getattr(tokens, "shape", tokens) for tokens in got] == [
        (5, 1024),
        Missing("it has no frames"),
        (1, 1024),
        (13, 1024),
    ]
    assert encode_clips([]) == []
    for number in (0, 2, 3):
        np.testing.assert_allclose(got[number], encode_clips([batch[number]])[0], atol=1e-4)


@pytest.mark.usefixtures("computing_bfloat16")
def test_bfloat16_is_nearly_the_same_and_comes_as_float32(weights):
    (whole,), (half,) = (
        DenseNet(weights=weights, size=64, dtype=dtype).load("cpu")([clip(noise(2))])
        for dtype in ("float32", "bfloat16")
    )
    assert half.dtype == np.float32
    cosine = (whole * half).sum(1) / np.linalg.norm(whole, axis=1) / np.linalg.norm(half, axis=1)
    assert (cosine > 0.99).all() and not np.array_equal(whole, half)


def test_real_films_give_a_token_a_drawn_frame(weights, tmp_path):
    films = [write_clip(tmp_path / f"u{i}.mp4", frames=frames) for i, frames in enumerate((12, 30))]
    said = tuple(Utterance(id=film.stem, text="x", video=film) for film in films)
    talks = [Conversation(id="c", split="train", utterances=said)]

    def table(seed: int, **params):
        encoder = DenseNet(weights=weights, size=64, frames=16, **params)
        store = FeatureStore(tmp_path / f"store{seed}")
        return encode(store, {"video": ComponentRef(name="densenet", params={}, component=encoder)}, talks, seed=seed)

    once = table(0, draws=3)
    drawn = [once.get("video", "u1", draw) for draw in range(4)]
    assert [tokens.shape for tokens in drawn] == [(16, 1024)] * 4
    assert len({tokens.tobytes() for tokens in drawn[:3]}) == 3
    assert np.array_equal(drawn[0], drawn[3])
    # a film that has fewer frames gives those that it has, and that is said
    assert once.get("video", "u0").shape == (12, 1024)
    assert [note for note in once.notes if "fewer" in note] == [
        "video: 1 of 2 clips have fewer than 16 frames: u0 (12)"
    ]
    assert not np.array_equal(table(1).get("video", "u1"), drawn[0])


def recipe(folder, encoder: str) -> str:
    path = folder / "r.yaml"
    path.write_text(
        "corpus: {name: jsonl, path: talk.jsonl}\nbackbone: {name: hf, path: a-model}\n"
        f"encoders:\n  video: {encoder}\nconnectors:\n  video: {{name: linear}}\n"
        "stages:\n  - {id: learn, prompter: {name: conversation, media: [video]}, trainer: {name: sft}}\n"
    )
    return str(path)


def test_a_recipe_names_the_weights_by_path_or_asks_for_the_download(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = load_recipe(recipe(tmp_path, "{name: densenet, weights: w.pth, sampling: uniform}")).encoders["video"]
    assert found.component == DenseNet(weights=tmp_path / "w.pth", sampling_="uniform")
    assert found.params["sampling"] == "uniform"
    found = load_recipe(recipe(tmp_path, "{name: densenet, weights: download}")).encoders["video"]
    assert found.component.weights == "download"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{name: densenet}", "weights .* is required by encoder 'densenet': a path or 'download'"),
        ("{name: densenet, weights: download, sampling: randm}", "Did you mean 'random'"),
        ("{name: densenet, weights: download, size: 16}", "size is 32 pixels at least, not 16"),
        ("{name: densenet, weights: download, frames: 0}", "frames and draws count from 1, not 0 and 1"),
        ("{name: densenet, weights: download, batch: 0}", "batch counts from 1, not 0"),
        ("{name: densenet, weights: download, sampling: uniform, draws: 2}", "draws: 2 needs sampling: random"),
    ],
)
def test_a_recipes_mistakes_are_told(tmp_path, given, message):
    with pytest.raises(MercError, match=message):
        load_recipe(recipe(tmp_path, given))


def test_weights_that_are_others_or_not_there(tmp_path, weights):
    state = torch.load(weights, weights_only=True)
    del state["features.conv0.weight"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(MercError) as caught:
        DenseNet(weights=tmp_path / "w.pth").load("cpu")
    assert str(caught.value) == (
        f"{tmp_path / 'w.pth'} does not hold the weights of torchvision's densenet121: it lacks features.conv0.weight; "
        "give a file that does, or weights: download"
    )
    with pytest.raises(MercError, match=r"gone\.pth is not there"):
        DenseNet(weights=tmp_path / "gone.pth").load("cpu")


def test_the_download_is_what_is_read(tmp_path, weights, monkeypatch):
    # what the server gives is tested with the downloads; here it lies in the cache already
    monkeypatch.setenv("MERC_CACHE", str(tmp_path))
    content = weights.read_bytes()
    published = Published(url="https://nowhere.invalid/net.pth", sha256=hashlib.sha256(content).hexdigest()[:8])
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "net.pth").write_bytes(content)
    monkeypatch.setattr(densenet, "IMAGENET", published)
    frames = clip(noise(1))
    (fetched,), (given,) = (DenseNet(weights=w, size=64).load("cpu")([frames]) for w in ("download", weights))
    assert np.array_equal(fetched, given)


def test_the_published_address_states_the_hash():
    assert densenet.IMAGENET.url == "https://download.pytorch.org/models/densenet121-a639ec97.pth"
    assert densenet.IMAGENET.name.removesuffix(".pth").endswith(densenet.IMAGENET.sha256)


def test_a_recipe_is_checked_without_torch():
    code = (
        "import sys, merc_vision.densenet, merc_vision.plugin, merc_vision.weights\n"
        "merc_vision.densenet.DenseNet(weights='download').spec()\n"
        "print([name for name in ('torch', 'torchvision', 'safetensors') if name in sys.modules])"
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
    encoder = load_recipe(str(path), [f"data_root={tmp_path}"]).encoders["video"].component
    assert encoder == DenseNet(weights=tmp_path / "densenet121-a639ec97.pth")
