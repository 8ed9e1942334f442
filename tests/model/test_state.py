"""The trained state, in files and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from merc.errors import MercError
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.model.state import load_stage, load_trained_state, save_stage, trained_state
from tests.model.architectures import TREE, build
from tests.model.test_tree_exact import two_talks
from tests.model.tiny import tiny_llama, tuned_model

MODELS: dict[str, Callable[[], EmotionModel]] = {
    "frozen": lambda: tuned_model(tuning="frozen"),
    "lora": lambda: tuned_model(tuning="lora"),
    "lora, bfloat16": lambda: tuned_model(tiny_llama(torch.bfloat16)),
    "full": lambda: tuned_model(tuning="full"),
    "full, experts": lambda: tuned_model(build(TREE["mixtral"]), "full"),
    "full, gpt2": lambda: tuned_model(build(TREE["gpt2"]), "full"),
}  # fmt: skip


def scores(model: EmotionModel) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        return torch.cat([model.score(make_batch(*g), 3) for g in model.trees(two_talks(), 10_000)])


def trained(make: Callable[[], EmotionModel]) -> EmotionModel:
    """The model after what training may do to all that learns."""
    model = make()
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


@pytest.mark.parametrize("name", MODELS)
def test_a_stage_saved_and_loaded_gives_the_same_scores(name: str, tmp_path: Path) -> None:
    model = trained(MODELS[name])
    save_stage(model, tmp_path / "stages" / "merc")
    files = sorted(p.name for p in (tmp_path / "stages" / "merc").iterdir())
    part = {"l": ["adapter"], "f": ["backbone"]}["f" if name.startswith("full") else "l"] if name != "frozen" else []
    assert files == [*part, "connectors.safetensors", "fusers.safetensors"]
    assert not [p for p in tmp_path.rglob("*") if p.suffix in (".bin", ".pt", ".pkl", ".md")]
    other = MODELS[name]()
    assert not torch.equal(scores(other), scores(model))
    load_stage(other, tmp_path / "stages" / "merc")
    assert torch.equal(scores(other), scores(model))
    save_stage(model, tmp_path / "stages" / "merc")  # over what is there


@pytest.mark.parametrize("name", MODELS)
def test_the_state_in_memory_gives_the_same_scores(name: str) -> None:
    model = trained(MODELS[name])
    other = MODELS[name]()
    state = trained_state(model)
    assert {v.device.type for v in state.values()} == {"cpu"}
    load_trained_state(other, state)
    assert torch.equal(scores(other), scores(model))
    # A copy: later training does not change it.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    again = MODELS[name]()
    load_trained_state(again, state)
    assert torch.equal(scores(again), scores(other))


def test_the_adapter_is_one_that_peft_reads_itself(tmp_path: Path) -> None:
    from peft import PeftModel

    model = trained(MODELS["lora"])
    save_stage(model, tmp_path)
    read = PeftModel.from_pretrained(tiny_llama(), tmp_path / "adapter").eval()
    tokens = torch.tensor([[1, 5, 9, 2]])
    with torch.no_grad():
        assert torch.equal(read(tokens).logits, model.llm(tokens).logits)
        assert not torch.equal(read(tokens).logits, tiny_llama()(tokens).logits)


def test_the_backbone_is_one_that_transformers_reads_itself(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = trained(MODELS["full"])
    save_stage(model, tmp_path)
    read = AutoModelForCausalLM.from_pretrained(tmp_path / "backbone").eval()
    tokens = torch.tensor([[1, 5, 9, 2]])
    with torch.no_grad():
        assert torch.equal(read(tokens).logits, model.llm(tokens).logits)


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("lora", "adapter/adapter_model.safetensors"),
        ("full", "backbone"),
        ("frozen", "connectors.safetensors"),
        ("frozen", "fusers.safetensors"),
    ],
)
def test_a_file_that_is_not_there_is_named(name: str, gone: str, tmp_path: Path) -> None:
    import shutil

    model = MODELS[name]()
    save_stage(model, tmp_path)
    path = tmp_path / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(MercError) as caught:
        load_stage(model, tmp_path)
    assert str(caught.value) == (
        f"{path} is not there: the stage was not trained to its end; run it again with --resume"
    )


def test_a_stage_of_another_recipe_is_refused(tmp_path: Path) -> None:
    save_stage(MODELS["lora"](), tmp_path)
    with pytest.raises(MercError, match=r"adapter_model\.safetensors does not fit the recipe's model: .*unknown"):
        load_stage(tuned_model(targets=("q_proj",)), tmp_path)
    save_stage(tuned_model(targets=("q_proj",)), tmp_path)
    with pytest.raises(MercError, match=r"adapter_model\.safetensors does not fit the recipe's model: .*absent"):
        load_stage(MODELS["lora"](), tmp_path)


def test_a_connector_of_another_shape_is_refused(tmp_path: Path) -> None:
    model = MODELS["frozen"]()
    save_stage(model, tmp_path)
    file = tmp_path / "connectors.safetensors"
    save_file({n: v[..., :2].contiguous() for n, v in load_file(file).items()}, file)
    with pytest.raises(MercError, match=r"connectors\.safetensors does not fit the recipe's model: .*size mismatch"):
        load_stage(model, tmp_path)


@pytest.mark.parametrize("name", ["lora", "full", "frozen"])
def test_damaged_files_are_named(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    save_stage(model, tmp_path)
    file = {
        "lora": tmp_path / "adapter" / "adapter_model.safetensors",
        "full": tmp_path / "backbone" / "model.safetensors",
        "frozen": tmp_path / "fusers.safetensors",
    }[name]
    file.write_bytes(file.read_bytes()[:50])
    shown = file if name != "full" else file.parent
    with pytest.raises(MercError) as caught:
        load_stage(model, tmp_path)
    assert str(caught.value).startswith(
        f"{shown} does not fit the recipe's model: it is damaged, or was trained with another recipe ("
    )


def test_a_state_that_does_not_fit_is_refused() -> None:
    model = MODELS["lora"]()
    state = trained_state(model)
    adapter = next(n for n in state if "lora_A" in n)
    with pytest.raises(
        MercError, match=r"0 saved parameters are unknown \(\), 1 are absent \(media\.fusers\.both\.absent\.face\)"
    ):
        load_trained_state(model, {n: v for n, v in state.items() if n != "media.fusers.both.absent.face"})
    with pytest.raises(MercError, match=r"0 saved parameters are unknown \(\), 1 are absent \(llm\..*lora_A"):
        load_trained_state(model, {n: v for n, v in state.items() if n != adapter})
    with pytest.raises(MercError, match=r"1 saved parameters are unknown \(media\.odd\), 0 are absent"):
        load_trained_state(model, {**state, "media.odd": torch.zeros(1)})
    with pytest.raises(MercError, match=r"lora_A.* has shape \(4, 3\), the model wants \(4, 32\)"):
        load_trained_state(model, {**state, adapter: torch.zeros(4, 3)})
