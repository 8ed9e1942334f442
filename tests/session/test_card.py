"""The model card says what the run's own files say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import merc
from merc.session.card import INTERVALS
from tests.senses import senses_here

TEXT = merc.CardText(
    base="someone/tiny-llama", usage="    merc predict RUN talk.mp4", licence="mit", notes=["Beside it."]
)


@pytest.fixture(scope="module", autouse=True)
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with senses_here(tmp_path_factory):
        yield


@pytest.fixture(scope="module")
def run(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained run, with numbers of a larger test split."""
    run = Path(shutil.copytree(trained, tmp_path_factory.mktemp("card") / "run"))
    lines, labels = [], ("joy", "anger", "sadness")
    for n in range(60):
        truth = labels[n % 3]
        label = truth if n % 3 == 0 or n % 5 else "joy"
        lines.append({"id": f"u{n}", "conversation": f"c{n // 4}", "split": "test", "truth": truth, "label": label})
    (run / "predictions.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    metrics = json.loads((run / "metrics.json").read_text())
    own = {"f1": 0.9, "precision": 0.9, "recall": 0.9, "support": 20}
    per_class = {"joy": own, "anger": own, "sadness": {**own, "f1": 0.25}}
    numbers = {"n": 60, "accuracy": 0.87, "weighted_f1": 0.86, "macro_f1": 0.85, "uar": 0.84, "per_class": per_class}
    (run / "metrics.json").write_text(json.dumps({**metrics, "test": numbers}))
    return run


@pytest.fixture(scope="module")
def card(run: Path) -> str:
    return merc.model_card(run, TEXT)


def test_head_is_what_the_hub_reads(card: str) -> None:
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["base_model"] == "someone/tiny-llama" and head["license"] == "mit" and head["library_name"] == "merc"
    (result,) = [one for one in head["model-index"][0]["results"] if one["dataset"]["split"] == "test"]
    assert {one["type"]: one["value"] for one in result["metrics"]} == {
        "weighted_f1": 0.86, "accuracy": 0.87, "macro_f1": 0.85, "uar": 0.84,
    }  # fmt: skip


def test_numbers_have_intervals_and_weak_labels_are_named(card: str) -> None:
    (row,) = [line for line in card.splitlines() if line.startswith("| test | 60 |")]
    first = row.split("|")[3].strip()
    value, low, high = (float(part) for part in first.replace("[", "").replace("]", "").replace(",", "").split())
    assert value == 86.0 and low < 87 < high < 100
    assert "F1 on test is below 40 for sadness (25.0): do not rely on these." in card
    assert "test has 60 utterances: its numbers are rough." in card


def test_it_says_how_it_was_made_and_names_no_place(card: str, run: Path) -> None:
    record = json.loads((run / "provenance.json").read_text())
    for part in (
        "| seed | 7 |" if "seed: 7" in (run / "recipe.yaml").read_text() else "| seed |",
        "merc run media.yaml",
    ):
        assert part in card, card
    assert f"train: {record['data']['train']['conversations']} conversations" in card
    assert "Beside it." in card and "the words and `seen`, `heard`" in card
    assert str(run.parent) not in card and "/tmp" not in card


def test_it_says_of_a_choice_on_dev_what_the_training_says(run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / "run")
    (done,) = other.glob("stages/*/done.json")
    record = json.loads(done.read_text())
    for best, says in ((None, False), ({"step": 2, "value": 0.5}, True)):
        done.write_text(json.dumps({**record, "best": best}))
        assert ("What is learned was chosen on dev" in merc.model_card(other, TEXT)) is says


def test_a_packed_run_keeps_the_intervals_without_the_predictions(run: Path, card: str, tmp_path: Path) -> None:
    packed = merc.pack_run(run, tmp_path / "packed", base="someone/tiny-llama")
    assert set(json.loads((packed / INTERVALS).read_text())["test"]) == {"weighted_f1", "accuracy", "macro_f1", "uar"}
    assert merc.model_card(packed, TEXT) == card


def test_later_utterances_in_the_prompt_and_cues_are_named(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    recipe = yaml.safe_load((copy / "recipe.yaml").read_text())
    recipe["annotators"] = {"sounds": {"name": "ear"}}
    cues = ["pitch", "posture"]
    recipe["evaluate"]["prompter"] = {"name": "conversation", "cues": cues}
    (copy / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    metrics = json.loads((copy / "metrics.json").read_text())
    metrics["test"]["following"] = 2
    (copy / "metrics.json").write_text(json.dumps(metrics))
    card = merc.model_card(copy, TEXT)
    assert "Offline: 2 following utterances (test). The model was shown what is said after the utterance" in card
    assert "`pitch` (a cue of the annotator `ear`), `posture` (a cue that comes with the conversation)" in card


def test_a_card_without_numbers_says_nothing_of_a_measurement(run: Path, card: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    (copy / "metrics.json").unlink()
    assert "test was measured once" in card and "measured once" not in merc.model_card(copy, TEXT)


def test_a_card_without_numbers_says_what_prompts_show_beside_the_conversation(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    (copy / "metrics.json").unlink()
    recipe = yaml.safe_load((copy / "recipe.yaml").read_text())
    recipe["evaluate"]["prompter"] = {"name": "conversation", "following": 2}
    (copy / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    limits = merc.model_card(copy, TEXT).partition("## Limits")[2]
    assert "- Offline: 2 following utterances. The model was shown what is said after the utterance" in limits
