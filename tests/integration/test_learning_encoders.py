"""Whole runs in which an encoder learns: what is kept, what moves, and who computes with what was learned."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.integration.comparing import log_of, same_numbers
from tests.integration.forking import Forks
from tests.learning import Look
from tests.media.clips import write_clip
from tests.senses import talk, write_talk
from tests.tiny_backbone import save_tiny_backbone

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
labels: [joy, anger, sadness]
backbone: {name: hf, path: FOLDER/backbone, tuning: {name: lora, r: 4, alpha: 8}}
encoders:
  face: {name: look}
connectors:
  face: {name: linear}
stages:
  - id: align
    prompter: {name: conversation, media: [face]}
    trainable: [connectors.face]
    trainer: {name: sft, lr: 5e-3, batch_conversations: 2}
  - id: learn
    prompter: {name: conversation, media: [face]}
    trainable: [encoders.face, connectors.*]
    trainer: {name: sft, lr: 5e-3, encoder_lr: 2e-2, batch_conversations: 2, epochs: 2}
  - id: rest
    prompter: {name: conversation, media: [face]}
    trainer: {name: sft, lr: 5e-3, batch_conversations: 2}
evaluate: {metrics: [classification]}
features: {store: store}
strategy: {device: cpu, threads: 1, batch_tokens: 512}
"""


def lay_out(folder: Path) -> Path:
    save_tiny_backbone(folder / "backbone")
    (folder / "clips").mkdir()
    for number in range(4):
        write_clip(folder / "clips" / f"{number}.mp4", frames=8 + number, tone=220.0 * (number + 1))
    talks = [talk(s, n) for s, count in (("train", 3), ("dev", 1), ("test", 2)) for n in range(count)]
    write_talk(folder / "talk.jsonl", talks)
    (folder / "learn.yaml").write_text(RECIPE.replace("FOLDER", str(folder)))
    return folder


@pytest.fixture(scope="module")
def learned(models: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of the three stages."""
    folder = lay_out(tmp_path_factory.mktemp("learned"))
    ended = models(folder, "run", "learn.yaml", "--run-dir", "run", watch=folder / "run")
    assert ended.code == 0, ended.err
    (folder / "err.txt").write_text(ended.err)
    (folder / "changes.txt").write_text(str(ended.changes))
    return folder


def weights(folder: Path, stage: str) -> dict[str, Any]:
    return load_file(folder / "run/stages" / stage / "encoders.safetensors")


def test_it_moves_in_the_stage_that_names_it_alone(learned: Path) -> None:
    begin = {f"face.{name}": value for name, value in Look().build().state_dict().items()}
    align, learn, rest = (weights(learned, stage) for stage in ("align", "learn", "rest"))
    assert align.keys() == learn.keys() == begin.keys()
    moved = {name for name in begin if not learn[name].equal(begin[name])}
    assert moved == {f"face.{name}" for name, _ in Look().build().named_parameters()}
    assert all(align[name].equal(begin[name]) and rest[name].equal(learn[name]) for name in begin)


def test_the_cost_is_said(learned: Path) -> None:
    said = [record["text"] for record in log_of(learned / "run", "note")]
    for stage in ("align", "learn", "rest"):
        start = (
            f"stage {stage}: features of encoder face are computed in every step and not stored: 6 utterances an epoch"
        )
        (line,) = [text for text in said if text.startswith(start)]
        assert line.endswith(" s") and ", about " in line
        assert line.split(": ", 1)[1] in (learned / "err.txt").read_text().replace("\n", " ")


def test_no_feature_is_stored(learned: Path) -> None:
    """What is kept are frames, as bytes: nothing that depends on what was learned."""
    kinds = []
    for file in (learned / "store").rglob("*.safetensors"):
        with file.open("rb") as opened:
            header = json.loads(opened.read(struct.unpack("<Q", opened.read(8))[0]))
        kinds.append((header["features"]["dtype"], header["features"]["shape"][1:]))
    assert kinds == [("U8", [8, 8, 3])] * 4


def test_others_compute_with_what_was_learned(models: Forks, learned: Path) -> None:
    kept = {row["id"]: row for row in _rows(learned / "run/predictions.jsonl")}
    ended = models(learned, "predict", "run", "talk.jsonl")
    assert ended.code == 0, ended.err
    again = {row["id"]: row for row in map(json.loads, ended.out.splitlines())}
    assert all(
        again[name]["probabilities"] == pytest.approx(row["probabilities"], abs=1e-6) for name, row in kept.items()
    )
    ended = models(learned, "evaluate", "run", "--name", "again")
    assert ended.code == 0, ended.err
    for row in _rows(learned / "run/evaluations/again/predictions.jsonl"):
        assert row["probabilities"] == pytest.approx(kept[row["id"]]["probabilities"], abs=1e-6)
    shutil.rmtree(learned / "run/evaluations")  # other tests compare the run's files


ARRAYS = """
import json, sys
import numpy as np
import merc
session = merc.load("run")
frames = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3)).astype("uint8")
clip = merc.VideoClip(frames=frames, times=np.arange(3) / 2)
for _ in range(2):
    (found,) = session.predict(clip, text="It was so.")
    print(json.dumps([dict(found.probabilities), dict(found.missing)]))
(found,) = session.predict("clips/1.mp4", text="It was so.")
print(json.dumps([dict(found.probabilities), dict(found.missing)]))
"""


def test_a_session_computes_with_what_was_learned_from_arrays_too(models: Forks, learned: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ARRAYS], cwd=learned, env=models.environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one, two, file = map(json.loads, done.stdout.splitlines())
    assert one == two
    assert one[1] == file[1] == {} and one[0] != file[0]


def test_predictions_depend_on_what_was_learned(models: Forks, learned: Path, tmp_path: Path) -> None:
    """With the weights that it began from, the same run predicts other numbers."""
    shutil.copytree(learned / "run", tmp_path / "run")
    stages = tmp_path / "run/stages"
    shutil.copyfile(stages / "align/encoders.safetensors", stages / "rest/encoders.safetensors")
    done = json.loads((stages / "rest/done.json").read_text())
    del done["files"]
    (stages / "rest/done.json").write_text(json.dumps(done))
    ended = models(learned, "predict", str(tmp_path / "run"), "talk.jsonl")
    assert ended.code == 0, ended.err
    other = {row["id"]: row["probabilities"] for row in map(json.loads, ended.out.splitlines())}
    assert any(other[row["id"]] != pytest.approx(row["probabilities"], abs=1e-4)
               for row in _rows(learned / "run/predictions.jsonl"))  # fmt: skip


@pytest.mark.parametrize("share", [0.4, 0.6])
def test_a_run_that_was_killed_goes_on_to_the_same_numbers(
    models: Forks, learned: Path, tmp_path: Path, share: float
) -> None:
    folder = lay_out(tmp_path)
    kill_at = int(share * int((learned / "changes.txt").read_text()))
    ended = models(folder, "run", "learn.yaml", "--run-dir", "run", kill_at=kill_at, watch=folder / "run")
    assert ended.code == -signal.SIGKILL, ended.err
    ended = models(folder, "run", "learn.yaml", "--run-dir", "run", "--resume")
    assert ended.code == 0, ended.err
    same_numbers(learned / "run", folder / "run")


def test_another_run_starts_from_it(models: Forks, learned: Path, tmp_path: Path) -> None:
    """The encoder comes along; a recipe in which it never learns is refused, and told what to name."""
    common = ("run", "learn.yaml", f"init_from={learned / 'run'}", f"features.store={tmp_path / 'store'}")
    still = [f"stages.{n}.trainer.lr=1e-12" for n in range(3)]
    ended = models(learned, *common, *still, "stages.1.trainer.encoder_lr=1e-12", "--run-dir", str(tmp_path / "two"))
    assert ended.code == 0, ended.err
    found = load_file(tmp_path / "two/stages/rest/encoders.safetensors")
    assert all((found[name] - value).abs().max() < 1e-6 for name, value in weights(learned, "rest").items())
    ended = models(learned, *common, "stages.1.trainable=[connectors.face]", "--run-dir", str(tmp_path / "three"))
    assert ended.code == 2
    assert "'face'" in ended.err and "encoders.face" in ended.err and "trainable" in ended.err


def test_params_counts_it_as_trainable(models: Forks, learned: Path) -> None:
    ended = models(learned, "params", "learn.yaml", "--json")
    assert ended.code == 0, ended.err
    size = sum(p.numel() for p in Look().build().parameters())
    assert json.loads(ended.out)["parts"]["encoders.face"] == {"total": size, "trainable": size}
    ended = models(learned, "params", "learn.yaml", "stages.1.trainable=[connectors.face]", "--json")
    assert json.loads(ended.out)["parts"]["encoders.face"] == {"total": size, "trainable": 0}


def test_encode_fills_the_store_that_a_run_reads(models: Forks, learned: Path, tmp_path: Path) -> None:
    ended = models(learned, "encode", "learn.yaml", f"features.store={tmp_path / 'store'}", "--json")
    assert ended.code == 0, ended.err
    names = [
        {file.name for file in folder.rglob("*.safetensors")} for folder in (learned / "store", tmp_path / "store")
    ]
    assert names[0] == names[1] != set()


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("encoders.voice", ("encoders.voice", "encoders.face")),
        ("encoders.video", ("'tower'", "encoders.video", "cannot learn", "prepare()", "register_encoders")),
    ],
)
def test_what_cannot_learn_is_named_before_anything_is_loaded(
    models: Forks, learned: Path, named: str, words: tuple[str, ...]
) -> None:
    change = f"stages.1.trainable=[{named}, connectors.face]"
    ended = models(learned, "validate", "learn.yaml", "encoders.video={name: tower}", change)
    assert ended.code == 2
    assert all(word in ended.err for word in words), ended.err


@pytest.mark.slow
@pytest.mark.parametrize("zero", [1, 3])
def test_two_processes_learn_what_one_learns(models: Forks, learned: Path, tmp_path: Path, zero: int) -> None:
    pytest.importorskip("deepspeed")
    folder = lay_out(tmp_path)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "merc")
    more = ("strategy.name=deepspeed", f"strategy.zero={zero}", "--run-dir", "run")
    done = subprocess.run(
        [sys.executable, *launcher, "run", "learn.yaml", *more],
        cwd=folder, env={**os.environ, **models.environment}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("features of encoder face are computed in every step") == 3
    one, two = (log_of(run / "run", "step") for run in (learned, folder))
    assert [row["step"] for row in one] == [row["step"] for row in two]
    for mine, other in zip(one, two, strict=True):
        assert other["loss"] == pytest.approx(mine["loss"], rel=2e-3)
    for stage in ("align", "learn", "rest"):
        mine, other = weights(learned, stage), weights(folder, stage)
        assert mine.keys() == other.keys()
        assert all((other[name] - value).abs().max() < 2e-3 for name, value in mine.items())
    for mine, other in zip(
        _rows(learned / "run/predictions.jsonl"), _rows(folder / "run/predictions.jsonl"), strict=True
    ):
        assert other["probabilities"] == pytest.approx(mine["probabilities"], abs=2e-3)


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]
