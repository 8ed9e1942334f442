"""The recipes of Emotion-LLaMAv2: the paper's number of parameters, and every row of its README."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc import Conversation, LabelSpace, Query, Text, Utterance
from merc.cli.main import app
from merc.errors import MercError
from merc.model.build import build_meta
from merc.model.parameters import count_parameters
from merc.recipe import load_recipe
from merc.registry import get_registry

FOLDER = Path(__file__).parents[3] / "recipes/emotion-llama-v2"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
NAMES = dict(re.findall(r'^([A-Z_]+)="(.*)"$', README, re.MULTILINE))
ROWS = re.findall(r"^\|.*`merc run emotion-llama-v2/(.*)` \|$", README, re.MULTILINE)


def spelled_out(row: str) -> list[str]:
    """The recipe and the changes of a command, names of the shell put in and options left out."""
    while "$" in row:
        row = re.sub(r"\$([A-Z_]+)", lambda found: NAMES[found[1]], row)
    return shlex.split(re.sub(r" --[a-z-]+ \S+", "", row))


@pytest.fixture(autouse=True)
def _parts() -> None:
    for kind, name in (("encoder", "eva"), ("encoder", "whisper"), ("encoder", "whisper-tiny"), ("corpus", "mmeverse"),
                       ("annotator", "observer")):  # fmt: skip
        try:
            get_registry().resolve(kind, name)
        except MercError as error:
            pytest.skip(str(error))


def test_the_papers_parameters_and_its_share() -> None:
    """Section 5.1: 71 million, 0.92 %; of the LLM, EVA and what learns, without the audio encoder."""
    done = CliRunner().invoke(app, ["params", str(FOLDER / "paper.yaml"), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["trainable"] == 71_536_387
    counted = {name: part["total"] for name, part in found["parts"].items() if name != "encoders.audio"}
    assert counted["backbone"] == 6_738_415_616 and counted["encoders.cls+image+video"] == 985_952_256
    assert counted["backbone.adapters"] == 32 * 2 * 64 * (4096 + 4096)
    assert counted["connectors.image"] == (4 * 1408 + 1) * 4096
    share = found["shares"]["all but audio encoders"]
    assert share["total"] == sum(counted.values()) and round(share["percent"], 2) == 0.92
    assert round(100 * found["trainable"] / sum(counted.values()), 2) == 0.92


RATIOS = {
    "mer2023": 60, "meld": 150, "iemocap": 120, "caer": 135, "e3": 195, "dfew": 135, "mafw": 105, "mc-eiu": 120,
    "cmu-mosi": 45, "cmu-mosei": 240, "ch-sims-v2": 60, "bold": 135,
}  # fmt: skip
"""sample_ratio of the authors' emotion_llama_v2_pretrain.yaml; in ..._finetune.yaml MC-EIU has 150."""


def test_each_set_is_a_task_with_the_ratio_batch_and_patches_of_the_authors() -> None:
    recipe = load_recipe(str(FOLDER / "paper.yaml"))
    perception, cognition = recipe.stages
    assert {t.data.datasets[0]: t.share for t in perception.tasks} == RATIOS  # type: ignore[index]
    assert {t.data.datasets[0]: t.share for t in cognition.tasks} == {**RATIOS, "mc-eiu": 150}  # type: ignore[index]
    assert [stage.trainer.params["batch_conversations"] for stage in recipe.stages] == [4, 4]
    assert recipe.encoders["image"].params["merge"] == "row"
    pools = recipe.evaluate.prompter.params["instructions"]  # type: ignore[union-attr]
    assert {task: len(texts) for task, texts in pools.items()} == {"emotion": 8, "reason": 5, "think": 5}
    assert all(t.prompter.params["instructions"] == pools for stage in recipe.stages for t in stage.tasks)
    asked = [(t.data.datasets, t.share, t.prompter.params["task"]) for t in cognition.tasks]
    tasks = [(sets, task) for sets, _, task in asked[:12]]
    assert tasks == [(t.data.datasets, t.prompter.params["task"]) for t in perception.tasks]
    assert [(sets, share) for sets, share, _ in asked[12:]] == [(sets, share) for sets, share, _ in asked[:12]]
    assert {task for *_, task in asked[:12]} == {"emotion", "sentiment", "multi"}
    assert {task for *_, task in asked[12:]} == {"think", "reason"}


def test_there_is_a_row_for_every_combination() -> None:
    assert len(ROWS) == 4 + 9 + 8 + 12 + 8 + 19


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_a_recipe_whose_streams_are_those_that_it_shows(row: str) -> None:
    name, *changes = spelled_out(row)
    recipe = load_recipe(str(FOLDER / f"{name}.yaml"), changes)
    shown = recipe.evaluate.prompter.params["media"]  # type: ignore[union-attr]
    assert all(list(task.prompter.params["media"]) == list(shown) for task in recipe.tasks)
    assert set(recipe.connectors) == set(shown)
    used = {*shown, *(i for part in recipe.fusers.values() for i in part.params.get("inputs", ()))} - {"fusion"}
    assert set(recipe.encoders) - {"cls"} == used - {"cls"}


@pytest.mark.parametrize("row", [row for row in ROWS if row.startswith("training-set")])
def test_a_training_set_is_asked_for_what_its_clips_have(row: str) -> None:
    name, *changes = spelled_out(row)
    recipe = load_recipe(str(FOLDER / f"{name}.yaml"), changes)
    (task,) = recipe.tasks
    (dataset,) = task.data.datasets or ()
    known = {
        "merr": Utterance(id="merr/a", text="Oh.", label="doubt", cues={"multimodal": "He frowns."}),
        "mer-caption-plus": Utterance(id="mer-caption-plus/a", text="Oh.", open_labels=("worried", "at a loss")),
    }
    query = Query(
        conversation=Conversation(id="a", utterances=(known[dataset],)), index=0, labels=LabelSpace(("doubt", "happy"))
    )
    assert task.prompter.component.has_target(query)  # type: ignore[attr-defined]
    segments = task.prompter.component.prompt(query).segments  # type: ignore[attr-defined]
    asked, answer = "".join(one.text for one in segments if isinstance(one, Text)), segments[-1]
    if dataset == "merr":
        assert "doubt" in asked and "happy" in asked and answer.text is None
    else:
        assert "doubt" not in asked and answer.text == "worried, at a loss"


def test_figure_3_changes_how_many_tokens_a_clip_has() -> None:
    """(a) audio tokens, (b) frames, (c) the grid of a frame: tokens of the stream that each row shows."""
    rows = re.findall(r"^\| \(([abc])\) (\d+).*`merc run (emotion-llama-v2/perception .*)` \|$", README, re.MULTILINE)
    assert len(rows) == 11
    for part, count, command in rows:
        recipe = load_recipe(str(FOLDER / "perception.yaml"), command.split()[1:])
        tokens = {name: recipe.encoders[name].component.spec().tokens for name in ("audio", "video")}  # type: ignore[attr-defined]
        wanted = {"a": int(count), "b": 4 * int(count), "c": 16 * int(count) ** 2}[part]
        assert tokens == {"audio": 64, "video": 64} | {"audio" if part == "a" else "video": wanted}


@pytest.mark.parametrize("row", [row for row in ROWS if row.startswith("embedded-perception")])
def test_a_fuser_has_its_module(row: str) -> None:
    name, *changes = spelled_out(row)
    recipe = load_recipe(str(FOLDER / f"{name}.yaml"), changes)
    parts = {part.part: part.trainable for part in count_parameters(build_meta(recipe))}
    assert ("fusers.fusion" in parts) == ("connectors.fusion" in parts) == ("fusion" in recipe.fusers)
    assert all(parts[name] for name in parts if name != "backbone")
