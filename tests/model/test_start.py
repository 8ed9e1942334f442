"""A new model that starts from the weights of another run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from merc.builtin.tunings import LoRA
from merc.components import Frozen
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.start import start_from
from merc.model.state import save_stage, trained_state
from tests.model.test_state import scores, trained
from tests.model.tiny import tuned_model
from tests.tunings import tuning_of

LORA = LoRA(r=4, alpha=8)
MEDIA = ["connectors.both", "connectors.face", "connectors.voice", "fusers.both"]


def make(tuning: str) -> Callable[[], EmotionModel]:
    return lambda: tuned_model(tuning=tuning)


@pytest.mark.parametrize("tuning", ["frozen", "lora", "full"])
def test_a_model_alike_takes_everything(tuning: str, tmp_path: Path) -> None:
    model, other = trained(make(tuning)), tuned_model(tuning=tuning)
    save_stage(model, tmp_path)
    taken, new = start_from(other, tmp_path, model.tuning)
    assert sorted(taken) == [*(["backbone"] if tuning != "frozen" else []), *MEDIA] and new == []
    assert torch.equal(scores(other), scores(model))


def test_what_the_other_run_does_not_have_stays_as_it_is(tmp_path: Path) -> None:
    save_stage(trained(make("frozen")), tmp_path)
    state = load_file(tmp_path / "connectors.safetensors")
    without = {name: value for name, value in state.items() if not name.startswith("voice.")}
    save_file(without, tmp_path / "connectors.safetensors")
    model = tuned_model(tuning="lora")
    before = trained_state(model)
    taken, new = start_from(model, tmp_path, Frozen())
    assert sorted(taken) == ["connectors.both", "connectors.face", "fusers.both"]
    assert new == ["backbone", "connectors.voice"]
    after = trained_state(model)
    for name, value in after.items():
        own = "lora_" in name or "connectors.voice." in name
        expected = before[name] if own else load_file(tmp_path / f"{name.split('.')[1]}.safetensors")[
            name.split(".", 2)[2]
        ]  # fmt: skip
        assert torch.equal(value, expected), name


@pytest.mark.parametrize(("saved", "new"), [("lora", "frozen"), ("lora", "full"), ("full", "lora")])
def test_a_trained_backbone_is_not_left_out(saved: str, new: str, tmp_path: Path) -> None:
    save_stage(trained(make(saved)), tmp_path)
    by, model = tuning_of(saved, r=4, alpha=8), tuned_model(tuning=new)
    with pytest.raises(MercError) as caught:
        start_from(model, tmp_path, by)
    for needed in (type(by).__name__, type(model.tuning).__name__, "backbone.tuning"):
        assert needed in str(caught.value)


def test_an_adapter_that_would_weigh_otherwise(tmp_path: Path) -> None:
    save_stage(trained(make("lora")), tmp_path)
    with pytest.raises(MercError, match=r"alpha 16.*backbone\.tuning\.alpha=16"):
        start_from(tuned_model(), tmp_path, LoRA(r=4, alpha=16))


def test_an_adapter_of_other_layers_or_another_rank(tmp_path: Path) -> None:
    save_stage(trained(make("lora")), tmp_path)
    with pytest.raises(MercError) as caught:
        start_from(tuned_model(targets=("q_proj",)), tmp_path, LORA)
    assert str(caught.value).startswith(
        "what the tuning learned is built otherwise there: 36 parameters are not in both ("
    )
    assert str(caught.value).endswith(" in it alone); set backbone.tuning to that of the run")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    half = {n: v[:2] if "lora_A" in n else v[:, :2] for n, v in load_file(file).items()}
    save_file({n: v.contiguous() for n, v in half.items()}, file)
    with pytest.raises(
        MercError, match=r"what the tuning learned has another size there: .* is \[2, 48\], and \[4, 48\] in"
    ):
        start_from(tuned_model(), tmp_path, LORA)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda name, value: (name.replace("voice.", "sound."), value),
         "it has connectors.sound, which the recipe has not; give the recipe one like it (it has: "),
        (lambda name, value: (name + "_2" if name.startswith("voice.") and name.endswith("bias") else name, value),
         "connectors.voice is built otherwise there: "),
        (lambda name, value: (name, value[:3].clone() if name.startswith("face.") and value.ndim else value),
         "connectors.face has another size there: "),
    ],
)  # fmt: skip
def test_a_connector_that_does_not_fit_changes_nothing(
    change: Callable[[str, torch.Tensor], tuple[str, torch.Tensor]], error: str, tmp_path: Path
) -> None:
    save_stage(trained(make("lora")), tmp_path)
    file = tmp_path / "connectors.safetensors"
    save_file(dict(change(name, value) for name, value in load_file(file).items()), file)
    model = tuned_model()
    before = trained_state(model)
    with pytest.raises(MercError) as caught:
        start_from(model, tmp_path, LORA)
    assert str(caught.value).startswith(error)
    assert all(torch.equal(value, before[name]) for name, value in trained_state(model).items())


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    save_stage(trained(make("frozen")), tmp_path)
    (tmp_path / "fusers.safetensors").write_bytes(b"no tensors")
    with pytest.raises(MercError, match=r"fusers\.safetensors is damaged \(.*\); train that run again"):
        start_from(tuned_model(tuning="frozen"), tmp_path, Frozen())


def test_statistics_that_came_along_are_kept() -> None:
    media = tuned_model().media
    assert media.fit(["u0", "u1"], but=["connectors.face"]) == []
    assert media.fit(["u0", "u1"]) == ["connectors.face"]
