"""``clip``, ``mae`` and ``eva`` against transformers' own forward pass, and their three views."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from merc_vision import network as networks
from merc_vision.families import CLIP_DEVIATION, CLIP_MEAN, FAMILIES, IMAGENET_DEVIATION, IMAGENET_MEAN, shape
from merc_vision.images import Clip, Eva, Mae
from merc_vision.views import neighbours, pooled

import merc.testing
from merc import Conversation, MercError, Missing, Utterance, VideoClip
from merc.features import FeatureStore, encode
from merc.recipe import ComponentRef, load_recipe
from tests.media.clips import write_clip

CLASSES = {"clip": Clip, "mae": Mae, "eva": Eva}
NORMAL = {
    "clip": (CLIP_MEAN, CLIP_DEVIATION),
    "mae": (IMAGENET_MEAN, IMAGENET_DEVIATION),
    "eva": (CLIP_MEAN, CLIP_DEVIATION),
}


class Contract(merc.testing.EncoderContract):
    view = "global"

    @pytest.fixture(autouse=True)
    def _component(self, request, models):
        request.cls.component = CLASSES[self.name](path=str(models[self.name]), view=self.view, size=32, frames=6)


class TestClipGlobal(Contract):
    name = "clip"


class TestMaeCls(Contract):
    name, view = "mae", "cls"


class TestMaeGlobal(Contract):
    name = "mae"


class TestEvaTemporal(Contract):
    name, view = "eva", "temporal"


def noise(count: int, size: int, seed: int = 0) -> VideoClip:
    frames = np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return VideoClip(frames=frames, times=np.arange(count, dtype=float))


def as_shown(frames: np.ndarray, mean, deviation) -> torch.Tensor:
    pictures = (frames / 255.0 - np.array(mean)) / np.array(deviation)
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float()


@torch.inference_mode()
def own_forward(name: str, folder: Path, pictures: torch.Tensor) -> torch.Tensor:
    """The last hidden state by transformers alone: the whole published model is loaded, and its vision part asked."""
    more = {"interpolate_pos_encoding": pictures.shape[-1] != 16}
    if name == "eva":
        return transformers.Blip2ForConditionalGeneration.from_pretrained(folder).vision_model(
            pictures, **more
        ).last_hidden_state  # fmt: skip
    if name == "clip":
        return transformers.CLIPModel.from_pretrained(folder).vision_model(pictures, **more).last_hidden_state
    net = transformers.ViTMAEForPreTraining.from_pretrained(folder, mask_ratio=0.0).vit
    given = net(pictures, **more)
    # it shuffles the patches and says how to put them back
    back = given.ids_restore[..., None].expand(-1, -1, given.last_hidden_state.shape[-1])
    patches = given.last_hidden_state[:, 1:].gather(1, back)
    return torch.cat([given.last_hidden_state[:, :1], patches], 1)


@pytest.mark.parametrize("size", [16, 32])
@pytest.mark.parametrize("name", CLASSES)
def test_the_views_are_of_transformers_own_states(name, size, models):
    clip, folder = noise(3, size), models[name]
    states = own_forward(name, folder, as_shown(clip.frames, *NORMAL[name])).numpy()
    side = size // 4
    assert states.shape == (3, 1 + side**2, 8)

    def given(view: str, frames: VideoClip, **more) -> np.ndarray:
        encoder = CLASSES[name](path=str(folder), view=view, size=size, **more)
        (got,) = encoder.load("cpu")([frames])
        assert got.shape[1] == encoder.spec().dim and len(got) <= encoder.spec().tokens
        return got

    first = VideoClip(frames=clip.frames[:1], times=clip.times[:1])
    np.testing.assert_allclose(given("cls", first), states[0, :1], atol=1e-5)
    grid = states[:, 1:].reshape(3, side, side, 8)
    fours = [
        np.concatenate([grid[0, y, x], grid[0, y, x + 1], grid[0, y + 1, x], grid[0, y + 1, x + 1]])
        for y in range(0, side, 2)
        for x in range(0, side, 2)
    ]
    np.testing.assert_allclose(given("global", first), np.stack(fours), atol=1e-5)
    row = grid[0].reshape(side * side // 4, 4 * 8)  # four patches that follow each other, as the authors' program
    np.testing.assert_allclose(given("global", first, merge="row"), row, atol=1e-5)
    assert not np.allclose(row, np.stack(fours))
    half = side // 2
    quarters = [
        grid[n, y * half : (y + 1) * half, x * half : (x + 1) * half].mean((0, 1))
        for n in range(3) for y in range(2) for x in range(2)
    ]  # fmt: skip
    np.testing.assert_allclose(given("temporal", clip), np.stack(quarters), atol=1e-5)
    np.testing.assert_allclose(given("global", first, merge=1), states[0, 1:], atol=1e-5)
    np.testing.assert_allclose(given("temporal", clip, pool=1), grid.mean((1, 2)), atol=1e-5)


@pytest.mark.parametrize("name", ["clip", "eva"])
def test_the_vision_part_alone_is_read_as_well(name, models, tmp_path):
    alone = getattr(transformers, FAMILIES[name].model).from_pretrained(models[f"{name}-alone"])
    clip = noise(1, 16)
    with torch.inference_mode():
        own = alone(as_shown(clip.frames, *NORMAL[name])).last_hidden_state[0, 0].numpy()
    (got,) = CLASSES[name](path=str(models[f"{name}-alone"]), view="cls", size=16).load("cpu")([clip])
    np.testing.assert_allclose(got[0], own, atol=1e-5)


def test_fresh_clips_of_many_lengths_keep_their_places(models):
    def clips() -> list[VideoClip]:
        return [noise(count, 32, seed) for seed, count in enumerate((5, 0, 1, 9))]

    encode_clips = Clip(path=str(models["clip"]), view="temporal", size=32, frames=9).load("cpu")
    got = encode_clips(clips())
    assert [getattr(one, "shape", one) for one in got] == [(20, 8), Missing("it has no frames"), (4, 8), (36, 8)]
    for place in (0, 2, 3):
        np.testing.assert_allclose(got[place], encode_clips([clips()[place]])[0], atol=1e-5)
    assert encode_clips([]) == []


def test_neighbours_and_pools_by_plain_numbers():
    grid = torch.arange(16.0).reshape(4, 4, 1)
    squares = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    assert neighbours(grid, 2, 2).tolist() == squares
    assert neighbours(grid, 1, 4).tolist() == [[4 * y + x for x in range(4)] for y in range(4)]
    assert pooled(grid[None], 2)[:, 0].tolist() == [sum(four) / 4 for four in squares]


@pytest.mark.parametrize(
    ("encoder", "spec"),
    [
        (Eva(path="Salesforce/blip2-opt-2.7b"), (4 * 1408, 256)),
        (Eva(path="Salesforce/blip2-opt-2.7b", view="cls"), (1408, 1)),
        (Eva(path="Salesforce/blip2-opt-2.7b", view="temporal"), (1408, 64)),
        (Clip(path="openai/clip-vit-large-patch14"), (4 * 1024, 256)),
        (Clip(path="openai/clip-vit-large-patch14", view="temporal"), (1024, 64)),
        (Mae(path="facebook/vit-mae-large"), (4 * 1024, 196)),
        (Mae(path="facebook/vit-mae-large", view="temporal"), (1024, 64)),
    ],
)
def test_the_papers_shapes_are_known_without_weights(encoder, spec):
    assert (encoder.spec().dim, encoder.spec().tokens) == spec


def test_the_papers_sampling():
    middle, moving = Eva(path="a/b").sampling(), Eva(path="a/b", view="temporal").sampling()
    assert (middle.count, middle.strategy, middle.size) == (1, "middle", (448, 448))
    assert (moving.count, moving.strategy, moving.size) == (16, "uniform", (224, 224))
    # the same frame at the same size is decoded once for both
    assert Eva(path="a/b", view="cls").sampling() == middle


def test_eva_is_counted_by_its_equations():
    width, inner, layers, patches = 1408, 6144, 39, 16 * 16
    layer = (3 * width**2 + 3 * width) + (width**2 + width) + (2 * width * inner + inner + width) + 4 * width
    whole = layers * layer + 3 * 14 * 14 * width + width + width + (patches + 1) * width + 2 * width
    network = Eva(path="Salesforce/blip2-opt-2.7b").network()
    assert network.parameters == whole == 985_952_256
    assert network == Eva(path="Salesforce/blip2-opt-2.7b", view="temporal", size=336).network()
    assert network != Eva(path="Salesforce/blip2-opt-6.7b").network()


@pytest.mark.parametrize("name", CLASSES)
def test_a_count_is_that_of_the_loaded_network(name, models):
    encoder = CLASSES[name](path=str(models[name]), size=16)
    encode_clips = encoder.load("cpu")
    loaded = networks.shared(name, str(models[name]), None, "float32", "cpu")
    assert encoder.network().parameters == sum(p.numel() for p in loaded.net.parameters())
    del encode_clips


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_configuration_leaves_out_is_what_transformers_takes(name, tmp_path):
    family = FAMILIES[name]
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family.types[-1]}))
    usual = getattr(transformers, family.config)()
    found = shape(name, str(tmp_path), None)
    assert (found.dim, found.patch, found.image) == (usual.hidden_size, usual.patch_size, usual.image_size)
    if name == "videomae":
        assert (found.frames, found.tubelet) == (usual.num_frames, usual.tubelet_size)


def test_the_weights_own_normalisation_is_used_and_the_usual_one_is_said(models, tmp_path, caplog):
    folder = shutil.copytree(models["clip"], tmp_path / "clip")
    clip = noise(1, 16)
    with caplog.at_level("INFO", logger="merc_vision"):
        Clip(path=str(folder), view="cls", size=16).load("cpu")
    assert "says no image_mean and image_std" in caplog.text and "[0.48145466, 0.4578275, 0.40821073]" in caplog.text
    mean, deviation = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]
    for file, told in (
        ("preprocessor_config.json", {"image_mean": mean, "image_std": deviation}),
        ("processor_config.json", {"image_processor": {"image_mean": mean, "image_std": deviation}}),
    ):
        own = shutil.copytree(models["clip"], tmp_path / file)
        (own / file).write_text(json.dumps(told))
        caplog.clear()
        with caplog.at_level("INFO", logger="merc_vision"):
            (got,) = Clip(path=str(own), view="cls", size=16).load("cpu")([clip])
        expected = own_forward("clip", own, as_shown(clip.frames, mean, deviation))[0, :1]
        np.testing.assert_allclose(got, expected.numpy(), atol=1e-5)
        assert f"normalised as {file} of {own} says" in caplog.text


def test_streams_of_one_backbone_share_weights_and_the_middle_frame(models, tmp_path, monkeypatch):
    """Through merc's own pass: `global` and `cls` see each frame once between them, `temporal` its own frames."""
    films = [write_clip(tmp_path / f"u{i}.mp4", frames=20 + i) for i in range(3)]
    talks = [Conversation(id="c", utterances=tuple(Utterance(id=f.stem, text="x", video=f) for f in films))]
    seen, loaded = [], []
    forward, init = networks.Network._forward, networks.Network.__init__

    def counted(self, frames):
        seen.append(frames.shape[:2])
        return forward(self, frames)

    def counting(self, *given):
        loaded.append(given)
        init(self, *given)

    monkeypatch.setattr(networks.Network, "_forward", counted)
    monkeypatch.setattr(networks.Network, "__init__", counting)
    views = {
        "image": {"view": "global", "size": 32},
        "cls": {"view": "cls", "size": 32},
        "video": {"view": "temporal", "size": 16, "frames": 4},
    }
    parts = {
        n: ComponentRef(name="eva", params={}, component=Eva(path=str(models["eva"]), batch=2, **v))
        for n, v in views.items()
    }
    table = encode(FeatureStore(tmp_path / "store"), parts, talks, seed=0)
    assert [table.get(name, "u1").shape for name in views] == [(16, 32), (1, 8), (16, 8)]
    assert len(loaded) == 1
    assert sorted(seen) == [(1, 32), (2, 32), (4, 16), (8, 16)]
    alone = encode(FeatureStore(tmp_path / "alone"), {"cls": parts["cls"]}, talks, seed=0)
    np.testing.assert_allclose(alone.get("cls", "u1"), table.get("cls", "u1"), atol=1e-5)


def test_weights_leave_memory_with_the_last_encoder(models):
    encode_clips = Clip(path=str(models["clip"]), size=16).load("cpu")
    assert any(key[1] == str(models["clip"]) for key in networks._LOADED)
    del encode_clips
    import gc

    gc.collect()
    assert not any(key[1] == str(models["clip"]) for key in networks._LOADED)


@pytest.mark.usefixtures("computing_bfloat16")
def test_bfloat16_is_nearly_the_same_and_comes_as_float32(models):
    clip = noise(1, 16)
    whole, half = (
        Clip(path=str(models["clip"]), view="cls", size=16, dtype=dtype).load("cpu")([clip])[0]
        for dtype in ("float32", "bfloat16")
    )
    assert half.dtype == np.float32 and not np.array_equal(whole, half)
    assert (whole * half).sum() / np.linalg.norm(whole) / np.linalg.norm(half) > 0.99


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"size": 18}, "encoder 'eva': size: 18 pixels are not whole 2 x 2 patches of 4 pixels a side; 16 would do"),
        ({"size": 2}, "encoder 'eva': size: 2 pixels are not whole 2 x 2 patches of 4 pixels a side; 8 would do"),
        (
            {"size": 18, "view": "cls"},
            "encoder 'eva': size: 18 pixels are not whole patches of 4 pixels a side; 16 would do",
        ),
        (
            {"size": 16, "view": "temporal", "pool": 5},
            "encoder 'eva': pool: 5 cells a side of 4 patches; give as many as there are patches at most",
        ),
    ],
)
def test_sizes_that_do_not_suit_the_weights(models, params, message):
    encoder = Eva(path=str(models["eva"]), **params)
    for ask in (encoder.spec, lambda: encoder.load("cpu")):
        with pytest.raises(MercError) as caught:
            ask()
        assert str(caught.value) == message


def test_weights_of_another_family_and_none_at_all(models, tmp_path):
    with pytest.raises(MercError) as caught:
        Clip(path=str(models["eva"])).spec()
    assert str(caught.value) == (
        f"encoder 'clip': path: '{models['eva']}' is a model of type 'blip-2'; one of type 'clip' or "
        "'clip_vision_model' is wanted"
    )
    with pytest.raises(MercError, match=r"^encoder 'eva': path: there is no folder /nowhere; give the folder of"):
        Eva(path="/nowhere").load("cpu")
    (tmp_path / "config.json").write_text((models["mae"] / "config.json").read_text())
    assert Mae(path=str(tmp_path), size=16).spec().dim == 4 * 8  # a configuration alone is enough to be counted
    with pytest.raises(MercError, match=r"^encoder 'mae': path: .* could not be loaded: "):
        Mae(path=str(tmp_path), size=16).load("cpu")


RECIPE = """\
corpus: {{name: jsonl, path: talk.jsonl}}
backbone: {{name: hf, path: a-model}}
encoders:
  image: {image}
connectors:
  image: {{name: linear}}
stages:
  - {{id: learn, prompter: {{name: conversation, media: [image]}}, trainer: {{name: sft}}}}
"""


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("{name: eva}", "path .* is required by encoder 'eva'"),
        ("{name: clip, path: a/b, view: globl}", "Did you mean 'global'"),
        ("{name: mae, path: a/b, size: 0}", "size counts from 1, not 0"),
        ("{name: mae, path: a/b, frames: 0}", "frames counts from 1, not 0"),
    ],
)
def test_a_recipes_mistakes_are_told(tmp_path, image, message):
    (tmp_path / "r.yaml").write_text(RECIPE.format(image=image))
    with pytest.raises(MercError, match=message):
        load_recipe(str(tmp_path / "r.yaml"))


def test_a_relative_folder_is_where_the_recipe_is(tmp_path):
    (tmp_path / "r.yaml").write_text(RECIPE.format(image="{name: eva, path: ./weights, view: cls}"))
    found = load_recipe(str(tmp_path / "r.yaml")).encoders["image"].component
    assert found == Eva(path=str(tmp_path / "weights"), view="cls")
