"""A run is used with the backbone that it was made with, or not at all; and nothing is encoded for one that lacks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.comparing import log_of
from tests.integration.conftest import lay_out
from tests.integration.forking import Ended, Forks
from tests.tiny_backbone import save_tiny_backbone

SHORT = ("stages.0.trainer.epochs=1", "evaluate.splits=[test]")
OTHER = "the backbone is not the one that the run"


@pytest.fixture(scope="module")
def folder(merc: Forks, parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ``text.yaml`` with a backbone of its own, and its run, ``run``."""
    folder = lay_out(parts, tmp_path_factory.mktemp("changed"))
    (folder / "backbone").unlink()
    shutil.copytree(parts / "backbone", folder / "backbone")
    ended = merc(folder, "run", "text.yaml", *SHORT, "--run-dir", "run")
    assert ended.code == 0, ended.err
    (folder / "one.jsonl").write_text((folder / "talk.jsonl").read_text().splitlines()[0] + "\n")
    return folder


@pytest.fixture
def changed(folder: Path, tmp_path: Path) -> Path:
    """A copy of the folder in which another model lies in the backbone's place, and the run's last stage is undone."""
    copy = Path(shutil.copytree(folder, tmp_path / "copy", symlinks=True))
    for file in (copy / "run" / "recipe.yaml", copy / "text.yaml"):
        file.write_text(file.read_text().replace(str(folder), str(copy)))
    save_tiny_backbone(copy / "backbone", seed=9)
    return copy


def use(merc: Forks, folder: Path, how: str) -> Ended:
    ways = {
        "predict": ("predict", "run", "one.jsonl"),
        "evaluate": ("evaluate", "run"),
        "resume": ("run", "text.yaml", *SHORT, "--run-dir", "run", "--resume"),
        "init_from": ("run", "text.yaml", *SHORT, "init_from=run", "--run-dir", "next"),
    }
    if how == "resume":
        (folder / "run" / "stages" / "merc" / "done.json").unlink()
    return merc(folder, *ways[how])


@pytest.mark.parametrize("how", ["predict", "evaluate", "resume", "init_from"])
def test_another_backbone_is_refused(merc: Forks, changed: Path, how: str) -> None:
    ended = use(merc, changed, how)
    message = " ".join(ended.err.split())
    assert ended.code == 2 and "Traceback" not in message
    assert OTHER in message and str(changed / "backbone") in message and "model.safetensors" in message
    assert not (changed / "next").exists() and ended.out.strip() == ""


@pytest.mark.parametrize("how", ["predict", "evaluate", "resume", "init_from"])
def test_a_run_that_recorded_no_weights_is_used_and_that_is_noted_once(merc: Forks, changed: Path, how: str) -> None:
    file = changed / "run" / "provenance.json"
    found = json.loads(file.read_text())
    del found["backbone"]["weights"], found["chat_date"]
    file.write_text(json.dumps(found))
    for _ in range(2 if how == "resume" else 1):
        ended = use(merc, changed, how)
        assert ended.code == 0, ended.err
    assert " ".join(ended.err.split()).count("does not record the weights of its backbone") == 1
    if how in ("resume", "init_from"):
        run = changed / ("run" if how == "resume" else "next")
        notes = [note["text"] for note in log_of(run, "note")]
        assert sum("does not record the weights" in note for note in notes) == 1
    if how == "resume":
        assert "weights" in json.loads(file.read_text())["resumed"][0]["backbone"]


def test_the_same_backbone_passes_and_is_recorded(merc: Forks, folder: Path) -> None:
    found = json.loads((folder / "run" / "provenance.json").read_text())
    assert len(found["backbone"]["weights"]["model.safetensors"][1]) == 64 and found["chat_date"] == "2024-07-26"
    ended = merc(folder, "predict", "run", "one.jsonl")
    assert ended.code == 0 and "record the weights" not in ended.err
    assert merc(folder, "evaluate", "run", "--name", "same").code == 0
    again = json.loads((folder / "run" / "evaluations" / "same" / "provenance.json").read_text())
    assert again["backbone"] == found["backbone"] and again["chat_date"] == found["chat_date"]


def test_nothing_is_encoded_for_a_backbone_that_cannot_be_loaded(merc: Forks, work: Path, parts: Path) -> None:
    (work / "backbone").unlink()
    shutil.copytree(parts / "backbone", work / "backbone")
    (work / "backbone" / "tokenizer.json").unlink()
    (work / "backbone" / "tokenizer_config.json").unlink()
    ended = merc(work, "run", "media.yaml", "--run-dir", "out", f"features.store={work / 'store'}")
    assert ended.code == 2 and "backbone.path" in ended.err and "Traceback" not in ended.err
    assert not (work / "store").exists() and not (work / "out").exists()


DATED = "{{ strftime_now('%d %b %Y %H:%M:%S.%f') }}{% for m in messages %}{{ m['content'] }}\n{% endfor %}"


def test_a_run_keeps_the_date_of_its_chat_template(merc: Forks, folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy", symlinks=True))
    shutil.rmtree(copy / "run")
    (copy / "backbone" / "chat_template.jinja").write_text(DATED)
    recipe = (copy / "text.yaml").read_text().replace(str(folder), str(copy)).replace("conversation}", "turns}")
    (copy / "text.yaml").write_text(recipe)
    for run in ("a", "b"):
        ended = merc(copy, "run", "text.yaml", *SHORT, "--run-dir", run)
        assert ended.code == 0 and "26 July 2024" in ended.err
    first = (copy / "a" / "predictions.jsonl").read_text()
    assert first == (copy / "b" / "predictions.jsonl").read_text()
    outs = []
    for today in ("2024-07-26", "2024-07-26", "2025-01-01"):
        file = copy / "a" / "provenance.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "chat_date": today}))
        ended = merc(copy, "predict", "a", "one.jsonl")
        assert ended.code == 0, ended.err
        outs.append(ended.out)
    assert outs[0] == outs[1] != outs[2]
