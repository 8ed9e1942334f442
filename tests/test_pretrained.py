"""Published models: folders and hub names, their configuration, their weights, and what a user reads otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ViTConfig, ViTForImageClassification, ViTModel
from transformers.utils import logging

from merc import MercError, Pretrained, quiet


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ViT with a classifier, as transformers saves it."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "vit"
    config = ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=4, patch_size=2
    )
    ViTForImageClassification(config).save_pretrained(path)
    return path


def of(path: Path | str) -> Pretrained:
    return Pretrained(str(path), "encoder 'x', path")


def copied(folder: Path, target: Path) -> Path:
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_a_network_is_read_frozen_and_whole(folder: Path) -> None:
    net = of(folder).network(ViTModel, add_pooling_layer=False)
    kept = load_file(folder / "model.safetensors")
    assert torch.equal(net.state_dict()["layernorm.weight"], kept["vit.layernorm.weight"])
    assert not net.training and not any(p.requires_grad for p in net.parameters())


def test_loading_says_nothing_of_parts_that_are_not_wanted(folder: Path) -> None:
    code = (
        "from merc import Pretrained\nfrom transformers import ViTModel\n"
        f"Pretrained({str(folder)!r}, 'x').network(ViTModel, add_pooling_layer=False)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("bars", [True, False])
def test_transformers_tells_as_much_after_a_quiet_block_as_before(bars: bool) -> None:
    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    (logging.enable_progress_bar if bars else logging.disable_progress_bar)()
    logging.set_verbosity_info()
    try:
        with pytest.raises(OSError), quiet():
            assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (logging.ERROR, False)
            raise OSError
        assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (logging.INFO, bars)
    finally:
        logging.set_verbosity(level)
        (logging.enable_progress_bar if shown else logging.disable_progress_bar)()


def test_what_the_weights_lack_is_never_made_up(folder: Path, tmp_path: Path) -> None:
    other = copied(folder, tmp_path / "other")
    state = load_file(other / "model.safetensors")
    for name in ("vit.layernorm.weight", "vit.layernorm.bias"):
        del state[name]
    save_file(state, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(MercError) as caught:
        of(other).network(ViTModel, add_pooling_layer=False)
    message = str(caught.value)
    assert message.startswith(f"encoder 'x', path: '{other}' holds other weights than a ViTModel's: it lacks 2 of ")
    assert "layernorm.bias, layernorm.weight" in message and "give one that holds a whole ViTModel" in message
    allowed = ["layernorm.bias", "layernorm.weight"]
    assert of(other).network(ViTModel, unused=allowed, add_pooling_layer=False) is not None
    with pytest.raises(MercError, match=r"it lacks 2 of \d+ tensors: pooler.dense.bias, pooler.dense.weight"):
        of(folder).network(ViTModel)


def test_tensors_of_another_shape(folder: Path, tmp_path: Path) -> None:
    other = copied(folder, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"intermediate_size": 12}))
    with pytest.raises(MercError, match=r"\d of \d+ tensors have another shape; ") as caught:
        of(other).network(ViTModel, add_pooling_layer=False)
    assert "has [8], not [12]" in str(caught.value)


def test_weights_are_looked_after_without_reading_them(folder: Path, tmp_path: Path) -> None:
    of(folder).check_weights(ViTForImageClassification)
    other = copied(folder, tmp_path / "other")
    state = load_file(other / "model.safetensors")
    del state["classifier.bias"]
    save_file(state, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(MercError, match=r"lacks 1 of \d+ tensors: classifier.bias;"):
        of(other).check_weights(ViTForImageClassification)
    of(other).check_weights(ViTForImageClassification, unused=["classifier.bias"])


@pytest.mark.parametrize("before", [None, "no"])
def test_no_service_is_asked_to_convert_weights(
    folder: Path, before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "DISABLE_SAFETENSORS_CONVERSION"
    monkeypatch.delenv(name, raising=False)
    if before:
        monkeypatch.setenv(name, before)
    inside: list[str | None] = []

    class Watched(ViTModel):
        @classmethod
        def from_pretrained(cls, *args: object, **more: object) -> object:
            inside.append(os.environ.get(name))
            return ViTModel.from_pretrained(*args, **more)

    of(folder).network(Watched, add_pooling_layer=False)
    assert inside == ["true"] and os.environ.get(name) == before


def test_a_folder_with_an_adapter_is_refused(folder: Path, tmp_path: Path) -> None:
    other = copied(folder, tmp_path / "other")
    (other / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "google/vit"}))
    with pytest.raises(MercError, match=r"encoder 'x', path: .* adapter of PEFT of google/vit .*merge"):
        of(other).network(ViTModel, add_pooling_layer=False)


class Harm:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, ("harmed",))


def test_of_a_pickle_nothing_but_tensors_is_read(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = copied(folder, tmp_path / "other")
    torch.save(load_file(other / "model.safetensors"), other / "pytorch_model.bin")
    (other / "model.safetensors").unlink()
    net, safe = (of(path).network(ViTModel, add_pooling_layer=False) for path in (other, folder))
    assert all(torch.equal(one, two) for one, two in zip(net.parameters(), safe.parameters(), strict=True))
    monkeypatch.chdir(tmp_path)
    torch.save({"vit.layernorm.weight": Harm()}, other / "pytorch_model.bin")
    with pytest.raises(MercError, match="could not be loaded"):
        of(other).network(ViTModel, add_pooling_layer=False)
    assert not (tmp_path / "harmed").exists()


def test_a_folder_without_weights_or_damaged_ones(folder: Path, tmp_path: Path) -> None:
    other = copied(folder, tmp_path / "other")
    (other / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:64])
    with pytest.raises(MercError, match=r"^encoder 'x', path: .* could not be loaded: "):
        of(other).network(ViTModel, add_pooling_layer=False)
    (other / "model.safetensors").unlink()
    with pytest.raises(MercError, match=r"could not be loaded: .*Give the folder of a transformers model"):
        of(other).network(ViTModel, add_pooling_layer=False)


def test_a_folder_that_is_not_there_and_a_name_that_could_be_either(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    with pytest.raises(MercError) as caught:
        of("./gone").config()
    assert str(caught.value) == (
        "encoder 'x', path: there is no folder ./gone; give the folder of a transformers model or a hub name"
    )
    with pytest.raises(MercError, match=r"^encoder 'x', path: vit is a name on the hub, and there is a folder"):
        of("vit").config()
    assert of("./vit").config()["hidden_size"] == 8


def test_the_configuration_is_read_without_torch(folder: Path) -> None:
    code = (
        "import sys, merc\n"
        f"assert merc.Pretrained({str(folder)!r}, 'x').config()['hidden_size'] == 8\n"
        "assert merc.Pretrained('a/b', 'x').config({'a/b': {'hidden_size': 3}}) == {'hidden_size': 3}\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_configuration_that_is_not_one(tmp_path: Path) -> None:
    with pytest.raises(MercError) as caught:
        of(tmp_path).config()
    assert str(caught.value) == (
        f"encoder 'x', path: '{tmp_path}' has no config.json; give the folder of a transformers model"
    )
    (tmp_path / "config.json").write_text("{half")
    with pytest.raises(MercError, match="could not be loaded"):
        of(tmp_path).config()
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(MercError, match=r"config\.json holds no mapping"):
        of(tmp_path).config()
    assert of(tmp_path).read_json("preprocessor_config.json") is None


def test_a_folder_is_known_by_its_content(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    other = copied(folder, tmp_path / "other")
    before = of(other).identity()
    assert before == of(folder).identity() and set(before["files"]) == {"config.json", "model.safetensors"}
    (other / "README.md").write_text("words about it")
    assert of(other).identity() == before
    state = load_file(other / "model.safetensors")
    save_file({name: value + 1 for name, value in state.items()}, other / "model.safetensors")  # of the same size
    after = of(other).identity()
    assert after["files"]["config.json"] == before["files"]["config.json"]
    assert after["files"]["model.safetensors"] != before["files"]["model.safetensors"]
    assert of("somebody/some-model").identity() == {}
    with pytest.raises(MercError, match="encoder 'x', path: there is no folder"):
        of(tmp_path / "nowhere").identity()


def test_a_settled_file_is_hashed_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    other = copied(folder, tmp_path / "other")
    monkeypatch.setattr("merc.files._SETTLED_SECONDS", -1.0)
    read: list[str] = []
    monkeypatch.setattr("merc.files.hash_file", lambda path: read.append(path.name) or "0")
    assert of(other).identity() == of(other).identity()
    assert sorted(read) == ["config.json", "model.safetensors"]


def test_a_file_that_cannot_be_read_is_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("merc.files.hash_file", locked)
    with pytest.raises(MercError, match=r"encoder 'x', path: .*config\.json cannot be read: Permission denied"):
        of(folder).identity()


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A hub that nobody answers for, and a cache of what was fetched from it before; the folder of the cache."""
    from huggingface_hub import constants

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path / "hub"), raising=False)

    def wait(seconds: float) -> None:
        raise AssertionError(f"the hub is asked again after {seconds} s")

    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", wait)
    return tmp_path / "hub"


def test_a_hub_that_is_not_reached_is_not_asked_again_and_again(no_hub: Path) -> None:
    from huggingface_hub import constants

    with pytest.raises(MercError) as caught:
        of("somebody/some-model").config()
    assert "127.0.0.1:9 is not reached" in str(caught.value) and "fetched before" in str(caught.value)
    with pytest.raises(MercError, match=r"127\.0\.0\.1:9 is not reached"):
        of("somebody/some-model").network(ViTModel)
    assert constants.HF_HUB_OFFLINE is False


def test_what_was_fetched_before_is_used_where_the_hub_is_not_reached(no_hub: Path, folder: Path) -> None:
    place = no_hub / "models--somebody--some-model"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("a" * 40)
    (place / "snapshots").mkdir()
    copied(folder, place / "snapshots" / ("a" * 40))
    assert of("somebody/some-model").config()["hidden_size"] == 8
    assert of("somebody/some-model").network(ViTForImageClassification).config.hidden_size == 8


def test_another_fault_of_a_fetched_model_is_its_own(no_hub: Path, folder: Path) -> None:
    place = no_hub / "models--somebody--some-model"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("a" * 40)
    (place / "snapshots").mkdir()
    (copied(folder, place / "snapshots" / ("a" * 40)) / "config.json").write_text("{")
    with pytest.raises(MercError) as caught:
        of("somebody/some-model").network(ViTForImageClassification)
    assert "not reached" not in str(caught.value)
