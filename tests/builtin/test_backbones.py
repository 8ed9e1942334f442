"""The backbone ``hf``: a folder or a hub name, and what a user reads when it is neither."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from merc.builtin.backbones import HuggingFace
from merc.errors import MercError
from merc.testing import BackboneContract
from tests.prompting.tokenizers import byte_level


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model as transformers saves it."""
    path = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=400, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(path)
    byte_level().save_pretrained(path)
    return path


class TestHuggingFace(BackboneContract):
    name = "hf"
    component = HuggingFace(path="replaced")

    @pytest.fixture(autouse=True)
    def _component(self, folder: Path) -> None:
        type(self).component = HuggingFace(path=str(folder))


class TestHuggingFaceInBfloat16(TestHuggingFace):
    @pytest.fixture(autouse=True)
    def _component(self, folder: Path) -> None:
        type(self).component = HuggingFace(path=str(folder), dtype="bfloat16")


def test_a_path_may_be_relative_or_in_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    for path in ("./tiny", "~/tiny", str(folder)):
        assert HuggingFace(path=path).config().hidden_size == 16


def test_a_name_that_could_be_either_is_not_guessed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    with pytest.raises(MercError) as caught:
        HuggingFace(path="tiny").config()
    assert str(caught.value) == (
        "backbone.path: tiny is a name on the hub, and there is a folder of that name here too; for the folder write "
        "./tiny, for the hub start merc elsewhere"
    )


def test_identity_is_what_a_run_records() -> None:
    assert HuggingFace(path="a/b", revision="main").identity() == {"path": "a/b", "revision": "main"}


@pytest.mark.parametrize("path", ["/nowhere/model", "./model", "~/model", "../model"])
def test_a_folder_that_is_not_there(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for part in (
        HuggingFace(path=path).config,
        HuggingFace(path=path).tokenizer,
        lambda: HuggingFace(path=path).load("cpu"),
    ):
        with pytest.raises(MercError) as caught:
            part()
        assert str(caught.value) == (
            f"backbone.path: there is no folder {path}; give the folder of a transformers model or a hub name"
        )


def check_not_loaded(error: MercError, path: Path) -> None:
    message = str(error)
    assert message.startswith(f"backbone.path: {str(path)!r} could not be loaded: ")
    assert message.endswith("Give the folder of a transformers model, or a hub name on a machine that reaches the hub")
    assert "\n" not in message


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    backbone = HuggingFace(path=str(tmp_path))
    for part in (backbone.config, backbone.tokenizer, lambda: backbone.load("cpu")):
        with pytest.raises(MercError) as caught:
            part()
        check_not_loaded(caught.value, tmp_path)


def copy(folder: Path, target: Path, without: str = "") -> Path:
    target.mkdir()
    for file in folder.iterdir():
        if file.name != without:
            (target / file.name).write_bytes(file.read_bytes())
    return target


def test_a_folder_with_a_configuration_that_is_no_model(folder: Path, tmp_path: Path) -> None:
    path = copy(folder, tmp_path / "model")
    (path / "config.json").write_text(json.dumps({"model_type": "no-such-architecture"}))
    with pytest.raises(MercError, match="no-such-architecture") as caught:
        HuggingFace(path=str(path)).config()
    check_not_loaded(caught.value, path)
    (path / "config.json").write_text("{half")
    with pytest.raises(MercError) as caught:
        HuggingFace(path=str(path)).config()
    check_not_loaded(caught.value, path)


def test_weights_that_are_absent_or_damaged(folder: Path, tmp_path: Path) -> None:
    path = copy(folder, tmp_path / "absent", without="model.safetensors")
    damaged = copy(folder, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:100])
    for backbone, where in ((HuggingFace(path=str(path)), path), (HuggingFace(path=str(damaged)), damaged)):
        for part in (backbone.check, lambda one=backbone: one.load("cpu")):
            with pytest.raises(MercError) as caught:
                part()
            check_not_loaded(caught.value, where)


def without(folder: Path, target: Path, *names: str, prefix: str = "") -> Path:
    """A copy of a model whose weights lack some tensors, or have their names behind a prefix."""
    copy(folder, target)
    state = load_file(target / "model.safetensors")
    kept = {prefix + name: weight for name, weight in state.items() if name not in names}
    save_file(kept, target / "model.safetensors", {"format": "pt"})
    return target


def test_weights_that_lack_are_never_made_up(folder: Path, tmp_path: Path) -> None:
    lacking = ("model.layers.1.mlp.up_proj.weight",)
    one = HuggingFace(path=str(without(folder, tmp_path / "one", *lacking)))
    foreign = HuggingFace(path=str(without(folder, tmp_path / "foreign", prefix="language_model.llama.")))
    for backbone, words in (
        (one, ("lacks 1 of 21 tensors: model.layers.1.mlp.up_proj.weight;", "LlamaForCausalLM")),
        (foreign, ("lacks 21 of 21 tensors: ", " and 18 more", "and has language_model.llama.model.")),
    ):
        for part in (backbone.check, lambda one=backbone: one.load("cpu")):
            with pytest.raises(MercError) as caught:
                part()
            assert all(word in str(caught.value) for word in (f"backbone.path: {backbone.path!r}", *words))


def test_checking_reads_no_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM

    made = []
    real = AutoModelForCausalLM.from_pretrained

    def kept(*args: object, **more: object) -> object:
        made.append(real(*args, **more))
        return made[-1]

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", kept)
    HuggingFace(path=str(folder)).check()
    assert [weight.device.type for weight in made[0][0].parameters()] == ["meta"] * 20


def test_a_folder_that_holds_an_adapter(folder: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    llm = HuggingFace(path=str(folder)).load("cpu")
    tuned = get_peft_model(llm, LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    tuned.save_pretrained(tmp_path / "adapter")
    beside = copy(folder, tmp_path / "beside")
    for file in (tmp_path / "adapter").iterdir():
        (beside / file.name).write_bytes(file.read_bytes())
    for path in (tmp_path / "adapter", beside):
        for part in (HuggingFace(path=str(path)).check, lambda path=path: HuggingFace(path=str(path)).load("cpu")):
            with pytest.raises(MercError) as caught:
                part()
            assert all(w in str(caught.value) for w in ("backbone.path", str(path), "adapter_config.json", "merge"))


def test_a_tokenizer_that_is_absent(folder: Path, tmp_path: Path) -> None:
    path = copy(folder, tmp_path / "model", without="tokenizer.json")
    (path / "tokenizer_config.json").unlink()
    with pytest.raises(MercError) as caught:
        HuggingFace(path=str(path)).tokenizer()
    check_not_loaded(caught.value, path)


def test_a_hub_name_where_the_hub_is_not_reached(tmp_path: Path) -> None:
    """A process of its own, for the hub's address is read when it starts. Port 9 answers nothing."""
    code = (
        "from merc.builtin.backbones import HuggingFace\nfrom merc.errors import MercError\n"
        "try:\n    HuggingFace(path='somebody/some-model').config()\nexcept MercError as e:\n    print(e)"
    )
    environment = {
        **os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "0",
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "backbone.path: 'somebody/some-model' could not be loaded: 127.0.0.1:9 is not reached ("
    )
    assert "not among those that were fetched before" in done.stdout
    assert "Retrying" not in done.stderr
    assert done.stdout.strip().endswith("or a hub name on a machine that reaches the hub")
    assert len(done.stdout.strip().splitlines()) == 1


@pytest.mark.parametrize(("path", "parameters"), [("meta-llama/Llama-2-7b-chat-hf", 6_738_415_616),
                                                  ("meta-llama/Meta-Llama-3-8B-Instruct", 8_030_261_248)])  # fmt: skip
def test_public_models_are_counted_where_no_hub_is_reached(path: str, parameters: int) -> None:
    config = HuggingFace(path=path).config()
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert config.architectures == ["LlamaForCausalLM"]
