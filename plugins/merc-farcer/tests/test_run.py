"""FARCER with pictures in whole runs: its recipes for MELD themselves, with a small language model, a small ViT and
real clips. All conversations have the same words, so that whatever tells them apart came through the pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from merc.cli.main import app
from merc.errors import MercError
from merc.model.build import build_model
from merc.recipe import load_recipe
from merc.registry import get_registry
from tests.integration.comparing import log_of
from tests.media.clips import write_clip
from tests.tiny_backbone import save_tiny_backbone

RECIPES = Path(__file__).parents[3] / "recipes/farcer"
# What the middle frame of a clip shows is its number.
FRAMES = {"joy": 9, "anger": 23}

# How far the same chances lie apart at most; a picture among hundreds of tokens moves them by about 1e-4.
SAME = 3e-6


def said(split: str, number: int, labels: list[str]) -> dict[str, Any]:
    """A conversation of which only the pictures differ from any other."""
    utterances = [
        {"id": f"{split}{number}_{i}", "speaker": "Ann", "text": "so it is", "label": x, "video": f"{x}.mp4"}
        for i, x in enumerate(labels)
    ]
    return {"id": f"{split}{number}", "split": split, "utterances": utterances}


def talks() -> list[dict[str, Any]]:
    """Conversations of five utterances of either label, the last ones in turn."""
    made = []
    for split, count in (("train", 8), ("dev", 2), ("test", 4)):
        for number in range(count):
            draws = [("joy", "anger")[(number >> bit) & 1] for bit in (1, 2, 1, 2, 0)]
            made.append(said(split, number, draws))
    return made


def merc(*arguments: str) -> Result:
    done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def lines(text: str) -> dict[str, dict[str, Any]]:
    return {record["id"]: record for record in map(json.loads, text.splitlines())}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``backbone/``, ``vit/``, two clips and ``talk.jsonl``."""
    try:
        get_registry().resolve("encoder", "vit-cls")
    except MercError as error:
        pytest.skip(str(error))
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("farcer")
    save_tiny_backbone(folder / "backbone", context=4096)
    shape = {
        "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 16,
        "patch_size": 4,
    }  # fmt: skip
    torch.manual_seed(2)
    net = transformers.ViTForImageClassification(transformers.ViTConfig(**shape))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn_like(parameter))  # so that pictures differ in what is made of them
    net.save_pretrained(folder / "vit")
    for label, frames in FRAMES.items():
        write_clip(folder / f"{label}.mp4", frames=frames, audio=None)
    (folder / "talk.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks()))
    return folder


@pytest.fixture(scope="module", params=["meld", "meld-fine-tuned"])
def run(folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A run of a recipe; changed is what it cannot have here: its corpus, its weights, its size."""
    changes = [
        f"corpus={{name: jsonl, path: {folder / 'talk.jsonl'}}}", f"backbone.path={folder / 'backbone'}",
        "backbone.dtype=float32", f"encoders.image.path={folder / 'vit'}", "encoders.image.size=16",
        "stages.0.demonstrations.k=2", "stages.0.trainer.epochs=2", "stages.0.trainer.lr=0.05",
        "evaluate.demonstrations.k=2", "evaluate.decoder={name: verbalizer}", "strategy={device: cpu, threads: 1}",
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MERC_CACHE", str(folder / "cache"))
        merc("run", str(RECIPES / f"{request.param}.yaml"), *changes, "--run-dir", str(folder / request.param))
        yield folder / request.param


def asked(run: Path, place: Path, swapped: Sequence[int] = (), *changes: str) -> dict[str, dict[str, Any]]:
    """Predictions of the test split's conversations, some of whose utterances show the other clip."""
    folder = run.parent
    other = {"joy.mp4": "anger.mp4", "anger.mp4": "joy.mp4"}
    given = [talk for talk in talks() if talk["split"] == "test"]
    for talk in given:
        for index, utterance in enumerate(talk["utterances"]):
            video = utterance["video"]
            utterance["video"] = str(folder / (other[video] if index in swapped else video))
            del utterance["label"]
    file = place / "new.jsonl"
    file.write_text("".join(json.dumps(talk) + "\n" for talk in given))
    return lines(merc("predict", str(run), str(file), *changes).stdout)


def chances(found: dict[str, dict[str, Any]]) -> dict[str, float]:
    return {name: record["probabilities"]["joy"] for name, record in found.items()}


def connector_of(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "stages/merc/connectors.safetensors")


def test_the_connector_learns_and_is_kept(run: Path) -> None:
    kept, recipe = connector_of(run), load_recipe(str(run / "recipe.yaml"))
    before = build_model(recipe, "cpu", recipe.seed).media.connectors.state_dict()
    shapes = {name: tuple(value.shape) for name, value in kept.items()}
    assert shapes == {"image.network.1.weight": (32, 8), "image.network.1.bias": (32,)}
    for name, value in kept.items():
        # Without a gradient AdamW would leave it, or shrink it by at most 16 times 0.05 * 0.01 of its size.
        assert ((value - before[name]).abs() > 0.1 * before[name].abs()).float().mean() > 0.5, name
    tuned = run.name == "meld-fine-tuned"
    assert (run / "stages/merc/adapter/adapter_model.safetensors").is_file() == tuned
    steps = log_of(run, "step")
    assert len(steps) == 16 and all(step["grad_norm"] > 0 for step in steps)
    first, second = (sum(step["loss"] for step in epoch) for epoch in (steps[:8], steps[8:]))
    assert second < first


def test_a_kept_run_predicts_and_evaluates_as_it_did(run: Path, tmp_path: Path) -> None:
    written = lines((run / "predictions.jsonl").read_text())
    found = asked(run, tmp_path)
    assert len(found) == 20 and not any(record["missing"] for record in found.values())
    assert chances(found) == pytest.approx({name: chances(written)[name] for name in found}, abs=SAME)
    merc("evaluate", str(run), "evaluate.splits=[test]")
    again = json.loads((run / "evaluations/test/metrics.json").read_text())["test"]
    assert again == json.loads((run / "metrics.json").read_text())["test"]


def test_pictures_change_predictions_past_ones_too(run: Path, tmp_path: Path) -> None:
    own, first, last = (chances(asked(run, tmp_path, swapped)) for swapped in ((), (0,), (4,)))
    for name, chance in own.items():
        assert abs(first[name] - chance) > SAME
        assert (abs(last[name] - chance) > SAME) == name.endswith("_4")
    # Conversations 0 and 1, and 2 and 3, differ in their last picture alone.
    for one, other in (("test0_4", "test1_4"), ("test2_4", "test3_4")):
        assert own[one] != pytest.approx(own[other], abs=SAME)
        assert own[one] == pytest.approx(last[other], abs=SAME) and own[other] == pytest.approx(last[one], abs=SAME)


def test_the_kept_connector_is_what_predicts(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, run.parent / f"{run.name}-other"))
    other = {name: -value for name, value in connector_of(run).items()}
    save_file(other, copy / "stages/merc/connectors.safetensors")
    done = copy / "stages/merc/done.json"  # changed on purpose, so what was written is not compared
    done.write_text(json.dumps({k: v for k, v in json.loads(done.read_text()).items() if k != "files"}))
    own, changed = chances(asked(run, tmp_path)), chances(asked(copy, tmp_path))
    assert all(abs(changed[name] - own[name]) > 10 * SAME for name in own)


def test_answers_are_written(run: Path, tmp_path: Path) -> None:
    found = asked(run, tmp_path, (), "evaluate.decoder={name: generate, max_new_tokens: 2}")
    assert len(found) == 20 and all(record["text"] and "probabilities" not in record for record in found.values())
