"""Models as Vicuna and LLaMA-2 are published: ``.bin`` weights, whole or in shards, and ``tokenizer.model``."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import sentencepiece
import torch

from merc.builtin.backbones import HuggingFace
from merc.errors import MercError
from merc.testing import BackboneContract
from tests.builtin.vicuna import in_hub_cache, save_vicuna
from tests.integration.forking import ROOT

TEXTS = ("Ann said it is wonderful", "two  spaces and one ", "Émile: 喜び!", "Bo:\njoy")


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("vicuna")
    return {
        "bin": save_vicuna(folder / "bin"),
        "shards": save_vicuna(folder / "shards", shards=3),
        "safetensors": save_vicuna(folder / "safe", safetensors=True),
    }


class TestVicunaLayout(BackboneContract):
    name = "hf"
    component = HuggingFace(path="replaced")

    @pytest.fixture(autouse=True)
    def _component(self, layouts: dict[str, Path]) -> None:
        type(self).component = HuggingFace(path=str(layouts["shards"]))


@pytest.mark.parametrize("layout", ["bin", "shards"])
def test_bin_weights_are_the_same_model(layouts: dict[str, Path], layout: str) -> None:
    found = HuggingFace(path=str(layouts[layout])).load("cpu").state_dict()
    wanted = HuggingFace(path=str(layouts["safetensors"])).load("cpu").state_dict()
    assert found.keys() == wanted.keys() and all(torch.equal(found[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_sentencepieces_own(layouts: dict[str, Path], text: str) -> None:
    own = sentencepiece.SentencePieceProcessor(model_file=str(layouts["bin"] / "tokenizer.model"))
    tokenizer = HuggingFace(path=str(layouts["bin"])).tokenizer()
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == own.encode(text)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (1, 2)


def test_every_shard_counts(layouts: dict[str, Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(layouts["shards"], tmp_path / "copy"))
    backbone = HuggingFace(path=str(copy))
    names = {f"pytorch_model-0000{number}-of-00003.bin" for number in (1, 2, 3)}
    before = backbone.weights()
    assert {*names, "pytorch_model.bin.index.json", "tokenizer.model"} <= set(before)
    shard = copy / "pytorch_model-00002-of-00003.bin"
    state = torch.load(shard, weights_only=True)
    lost = next(key for key in state if key.endswith("proj.weight"))
    torch.save({key: weight + 1 for key, weight in state.items() if key != lost}, shard)
    assert {name for name, value in backbone.weights().items() if before[name] != value} == {shard.name}
    for part in (backbone.check, lambda: backbone.load("cpu")):
        with pytest.raises(MercError, match=rf"lacks 1 of 21 tensors: {lost}"):
            part()
    shard.unlink()
    for part in (backbone.check, lambda: backbone.load("cpu")):
        with pytest.raises(MercError) as caught:
            part()
        assert all(word in str(caught.value) for word in ("backbone.path", shard.name))


class Harm:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.target),))


@pytest.mark.parametrize("layout", ["bin", "shards"])
def test_nothing_but_tensors_is_read(layouts: dict[str, Path], layout: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(layouts[layout], tmp_path / "copy"))
    file = next(copy.glob("*.bin"))
    state = torch.load(file, weights_only=True)
    torch.save({**state, "model.norm.weight": Harm(tmp_path / "harmed")}, file)
    backbone = HuggingFace(path=str(copy))
    for part in (backbone.check, lambda: backbone.load("cpu")):
        with pytest.raises(MercError, match=r"^backbone\.path: "):
            part()
    assert not (tmp_path / "harmed").exists()


def test_a_damaged_tokenizer_is_named(layouts: dict[str, Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(layouts["bin"], tmp_path / "copy"))
    (copy / "tokenizer.model").write_bytes(b"\x00damaged")
    with pytest.raises(MercError) as caught:
        HuggingFace(path=str(copy)).check()
    assert "tokenizer.model" in str(caught.value) and "tiktoken" not in str(caught.value)


def test_a_lacking_sentencepiece_is_named(
    layouts: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(layouts["bin"], tmp_path / "copy"))
    (copy / "tokenizer.model").write_bytes(b"\x00damaged")
    monkeypatch.setattr("merc.builtin.backbones.find_spec", lambda name: None)
    with pytest.raises(MercError, match="pip install sentencepiece"):
        HuggingFace(path=str(copy)).tokenizer()


OFFLINE = """
import json, sys
from merc.builtin.backbones import HuggingFace
from merc.errors import MercError
backbone = HuggingFace(path=sys.argv[1], revision=sys.argv[2] or None)
try:
    backbone.check()
    model = backbone.load("cpu")
except MercError as error:
    print("error:", error)
else:
    ids = backbone.tokenizer()("Ann said", add_special_tokens=False)["input_ids"]
    total = sum(float(w.sum()) for w in model.parameters())
    print(json.dumps({"ids": ids, "sum": total, **backbone.identity(), "files": sorted(backbone.weights())}))
"""


def offline(cache: Path, path: str, revision: str = "") -> str:
    """In a process of its own, for the hub's settings are read when it starts."""
    import subprocess
    import sys

    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1",
                   "MERC_CACHE": str(cache / "merc")}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, path, revision], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("shards", [1, 2])
def test_by_hub_name_where_no_hub_is_reached(layouts: dict[str, Path], tmp_path: Path, shards: int) -> None:
    in_hub_cache(tmp_path, "somebody/tiny-vicuna", shards=shards)
    found = json.loads(offline(tmp_path, "somebody/tiny-vicuna"))
    local = HuggingFace(path=str(layouts["bin"]))
    assert found["sum"] == pytest.approx(sum(float(w.sum()) for w in local.load("cpu").parameters()))
    assert found["ids"] == local.tokenizer()("Ann said", add_special_tokens=False)["input_ids"]
    assert found["commit"] == "a" * 40 and "tokenizer.model" in found["files"]
    assert offline(tmp_path, "somebody/tiny-vicuna", "a" * 40).startswith("{")


def test_what_was_never_fetched_is_named_where_no_hub_is_reached(tmp_path: Path) -> None:
    snapshot = in_hub_cache(tmp_path, "somebody/half", shards=2)
    (snapshot / "pytorch_model-00002-of-00002.bin").unlink()
    for name in ("somebody/half", "somebody/nothing"):
        message = offline(tmp_path, name)
        assert message.startswith(f"error: backbone.path: '{name}' could not be loaded: ") and "\n" not in message
