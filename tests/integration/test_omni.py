"""Whole runs with a native multimodal model in a folder: tuned, with its towers, in four bits, in two processes, beside
other encoders, and what bad checkpoints get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.integration.forking import Ended, Forks
from tests.integration.test_deepspeed import finish, start
from tests.media.clips import write_clip
from tests.omni.checkpoints import save
from tests.registry.distributions import Distribution, install
from tests.senses import PARTS, talk, write_talk

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
labels: [joy, anger, sadness]
backbone: {name: omni, path: ./model, tuning: {name: lora, r: 4, alpha: 8}}
encoders:
  video: {name: omni-video, path: "${backbone.path}", frames: 4}
  audio: {name: omni-audio, path: "${backbone.path}"}
connectors:
  video: {name: identity}
  audio: {name: identity}
stages:
  - id: merc
    prompter: {name: conversation, media: [video, audio], chat: true}
    trainer: {name: sft, lr: 5e-3, batch_conversations: 2}
evaluate: {metrics: [classification]}
features: {store: store}
strategy: {device: cpu, threads: 1, batch_tokens: 1024}
"""
SENSES = """\
import merc

@merc.hookimpl
def register_encoders(register):
    register("brightness", "merc_tiny.parts:Brightness")
"""


@pytest.fixture(scope="module")
def merc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    site = install([Distribution("tiny", SENSES, {"parts.py": PARTS})], tmp_path_factory.mktemp("tiny"))
    forks = Forks(site, tmp_path_factory.mktemp("omni-cache"), plugins="tiny,merc-omni,merc-peft")
    yield forks
    forks.close()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # 64 numbers go into each layer's last matrix, which is what four bits need
    return save("qwen2.5-omni", tmp_path_factory.mktemp("checkpoint"), intermediate_size=64)


@pytest.fixture
def work(checkpoint: Path, tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    for number in range(4):
        write_clip(tmp_path / "clips" / f"{number}.mp4", frames=8 + number, tone=220.0 * (number + 1))
    talks = [talk(s, n) for s, count in (("train", 3), ("dev", 1), ("test", 2)) for n in range(count)]
    for one in (u for conversation in talks for u in conversation["utterances"]):
        one["audio"] = one["video"]
    write_talk(tmp_path / "talk.jsonl", talks)
    (tmp_path / "model").symlink_to(checkpoint)
    (tmp_path / "omni.yaml").write_text(RECIPE)
    return tmp_path


def run(merc: Forks, work: Path, *changes: str) -> Ended:
    return merc(work, "run", "omni.yaml", *changes, "--run-dir", "run")


def log(work: Path, event: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (work / "run/log.jsonl").read_text().splitlines())
    return [one for one in lines if one["event"] == event]


def rows(work: Path) -> dict[str, dict[str, float]]:
    lines = map(json.loads, (work / "run/predictions.jsonl").read_text().splitlines())
    return {one["id"]: one["probabilities"] for one in lines}


def predicts_the_same(merc: Forks, work: Path) -> None:
    ended = merc(work, "predict", "run", "talk.jsonl")
    assert ended.code == 0, ended.err
    again = {row["id"]: row["probabilities"] for row in map(json.loads, ended.out.splitlines())}
    for name, probabilities in rows(work).items():
        assert again[name] == pytest.approx(probabilities, abs=1e-5)


@pytest.mark.slow
def test_the_language_model_is_tuned_and_the_towers_tokens_are_kept(merc: Forks, work: Path) -> None:
    ended = run(merc, work)
    assert ended.code == 0, ended.err
    assert "on its own" not in ended.err  # it takes the tree
    assert {r["stream"]: r["encoded"] for r in log(work, "encode")} == {"video": 12, "audio": 12}
    predicts_the_same(merc, work)
    # other weights of the same name are other features
    (work / "model").unlink()
    save("qwen2.5-omni", work / "model", intermediate_size=64)
    weights = load_file(work / "model/model.safetensors")
    (name,) = (name for name in weights if name.endswith("visual.merger.ln_q.weight"))
    weights[name] *= 2
    save_file(weights, work / "model/model.safetensors", {"format": "pt"})
    ended = merc(work, "run", "omni.yaml", "--run-dir", "other")
    assert ended.code == 0, ended.err
    lines = map(json.loads, (work / "other/log.jsonl").read_text().splitlines())
    assert {r["stream"]: r["encoded"] for r in lines if r["event"] == "encode"} == {"video": 12, "audio": 12}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "learns"),
    [
        ("encoders.video.lora=2", "lora_"),
        ("stages.0.trainable=[encoders.video.model.model.visual.merger.*]", ".merger."),
    ],
)
def test_a_tower_or_its_projector_learns_by_name(merc: Forks, work: Path, change: str, learns: str) -> None:
    ended = run(merc, work, "stages.0.trainable=[backbone,encoders.video]", change)
    assert ended.code == 0, ended.err
    assert "features of encoder video are computed in every step and not stored" in ended.err
    assert {r["stream"]: r["encoded"] for r in log(work, "encode")} == {"video": 12, "audio": 12}  # its inputs, once
    kept = load_file(work / "run/stages/merc/encoders.safetensors")
    before = load_file(work / "model/model.safetensors")
    moved = set()
    for name, weight in kept.items():
        (_, _, own) = name.replace(".base_layer", "").partition("visual.")
        first = next((w for n, w in before.items() if n.endswith(f"visual.{own}")), None)
        if first is None or not torch.equal(first, weight):
            moved.add(name)
    assert moved and all(learns in name for name in moved), sorted(moved)[:3]
    predicts_the_same(merc, work)


@pytest.mark.slow
def test_experts_and_a_deep_stack_are_tuned_as_any_other_model(merc: Forks, work: Path) -> None:
    (work / "model").unlink()
    save("qwen3-omni", work / "model")
    ended = run(merc, work)
    assert ended.code == 0, ended.err
    assert "on its own" not in ended.err  # it takes the tree
    assert all(step["grad_norm"] > 0 for step in log(work, "step"))
    predicts_the_same(merc, work)


@pytest.mark.slow
def test_in_four_bits(merc: Forks, work: Path) -> None:
    pytest.importorskip("bitsandbytes")
    ended = run(merc, work, "backbone.tuning={name: qlora, r: 4, alpha: 8}", "backbone.dtype=bfloat16")
    assert ended.code == 0, ended.err
    assert all(step["grad_norm"] > 0 for step in log(work, "step"))
    predicts_the_same(merc, work)


@pytest.mark.slow
def test_other_encoders_stand_beside_the_models_own(merc: Forks, work: Path) -> None:
    beside = (
        "encoders.face={name: brightness}", "connectors.face={name: linear}",
        "fusers.both={name: concat, width: 8, inputs: [face, audio]}", "connectors.both={name: mlp, width: 16}",
        "stages.0.prompter.media=[both,face,video,audio]",
    )  # fmt: skip
    ended = run(merc, work, *beside)
    assert ended.code == 0, ended.err
    learned = load_file(work / "run/stages/merc/connectors.safetensors")
    assert {name.split(".")[0] for name in learned} == {"face", "both"}
    predicts_the_same(merc, work)


@pytest.mark.slow
def test_zero_3_in_two_processes_learns_what_one_learns(merc: Forks, work: Path) -> None:
    pytest.importorskip("deepspeed")
    assert run(merc, work).code == 0
    alone = rows(work)
    strategy = "strategy={name: deepspeed, zero: 3, device: cpu, threads: 1, batch_tokens: 1024}"
    code, _, err = finish(start(merc, work, "run", "omni.yaml", strategy, "--run-dir", "shared"))
    assert code == 0, err
    lines = map(json.loads, (work / "shared/predictions.jsonl").read_text().splitlines())
    for one in lines:
        assert one["probabilities"] == pytest.approx(alone[one["id"]], abs=2e-3)


def mistake(ended: Ended) -> str:
    assert ended.code == 2 and "Traceback" not in ended.err, ended.err
    sentence = ended.err.partition("error: ")[2]
    assert len(sentence.strip().splitlines()) <= 5, sentence
    return " ".join(sentence.split())


def changed(work: Path, **values: Any) -> None:
    """The checkpoint in a folder of the test's own, with other values in its configuration."""
    folder = work / "model"
    folder.unlink()
    save("qwen2.5-omni", folder, intermediate_size=64)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def test_towers_that_are_missing_or_of_another_size(merc: Forks, work: Path) -> None:
    changed(work)
    file = work / "model/model.safetensors"
    weights = load_file(file)
    save_file({n: w for n, w in weights.items() if "visual." not in n}, file, {"format": "pt"})
    said = mistake(run(merc, work))
    assert "holds other weights than a Qwen2_5OmniThinkerForConditionalGeneration's" in said and "visual" in said
    wider = {n: w.repeat(2, *[1] * (w.ndim - 1)) if "merger.mlp" in n else w for n, w in weights.items()}
    save_file({n: w.contiguous() for n, w in wider.items()}, file, {"format": "pt"})
    said = mistake(run(merc, work))
    assert "have another shape" in said and "merger" in said


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model_type": "llama"}, "is a llama, which omni does not know"),
        ({"model_type": "phi4_multimodal"}, "it switches adapters of its language model"),
        ({"model_type": "minicpmo"}, "is a minicpmo: its code comes with its weights, which merc does not run"),
        ({"model_type": "gemma3n"}, "is a gemma3n: its vision tower is timm's"),
        ({"model_type": "newest", "auto_map": {"AutoModel": "m.M"}}, "code comes with its weights (auto_map"),
    ],
)  # fmt: skip
def test_a_folder_of_another_family(merc: Forks, work: Path, values: dict[str, Any], words: str) -> None:
    changed(work, **values)
    said = mistake(run(merc, work))
    assert words in said and "qwen2_5_omni" in said


def test_a_tower_of_another_family_or_a_medium_that_it_lacks(merc: Forks, work: Path) -> None:
    save("qwen2-vl", work / "other")
    said = mistake(run(merc, work, "encoders.video.path=./other"))
    assert "/other' is a qwen2_vl, and the backbone is a qwen2_5_omni_thinker" in said
    said = mistake(run(merc, work, "encoders.audio.path=./other"))
    assert "is a qwen2_vl, which takes image and video; leave omni-audio out" in said


def test_a_video_longer_than_the_context(merc: Forks, work: Path) -> None:
    (work / "model").unlink()
    save("qwen2.5-omni", work / "model", intermediate_size=64, max_position_embeddings=64)
    said = mistake(run(merc, work))
    assert "64" in said and "context" in said and "_u" in said, said
