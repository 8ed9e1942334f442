"""What a person gets for bad input: one clear sentence, exit code 2, no traceback, and nothing half written."""

from __future__ import annotations

import json
import shutil
import subprocess
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.forking import Forks
from tests.media.clips import write_clip
from tests.senses import MEDIA, mistake, read_lines, talk, write_talk


@pytest.fixture
def work(senses: Path, tmp_path: Path) -> Path:
    """A folder of a test's own, with all that ``media.yaml`` needs."""
    (tmp_path / "clips").symlink_to(senses / "clips")
    (tmp_path / "talk.jsonl").write_bytes((senses / "talk.jsonl").read_bytes())
    (tmp_path / "media.yaml").write_text(MEDIA.format(folder=senses))
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def append(line: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with (folder / "talk.jsonl").open("a") as file:
            file.write(line + "\n")

    return change


def recipe(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / "media.yaml").read_text()
        assert old in text
        (folder / "media.yaml").write_text(text.replace(old, new))

    return change


def empty(folder: Path) -> None:
    write_talk(folder / "talk.jsonl", [])


def only_train(folder: Path) -> None:
    write_talk(folder / "talk.jsonl", [talk("train", n) for n in range(3)])


def unlabelled(folder: Path) -> None:
    (folder / "talk.jsonl").write_text((folder / "talk.jsonl").read_text().replace('"label"', '"was_label"'))
    recipe("labels: [joy, anger, sadness]\n", "")(folder)


def train_without_media(folder: Path) -> None:
    talks = [json.loads(line) for line in (folder / "talk.jsonl").read_text().splitlines()]
    for one in talks:
        for said in one["utterances"] if one["split"] == "train" else ():
            said["video"] = f"clips/gone-{said['id']}.mp4"
    write_talk(folder / "talk.jsonl", talks)


def nothing(folder: Path) -> None:
    """The files are fine."""


@dataclass(frozen=True)
class Case:
    says: str
    arguments: tuple[str, ...] = ()
    change: Callable[[Path], None] = field(default=nothing)


CASES = {
    "an unknown key in the recipe": Case(
        "sede (media.yaml:2): a recipe has no 'sede'. Did you mean 'seed'?",
        change=recipe("labels:", "sede: 1\nlabels:"),
    ),
    "an unknown key on the command line": Case("strategy.batch_token", ("strategy.batch_token=4",)),
    "a parameter that a component does not take": Case(
        "encoder 'brightness' takes no 'frame'. Did you mean 'frames'?", ("encoders.seen.frame=2",)
    ),
    "a value of the wrong type": Case("stages.0.trainer.epochs", ("stages.0.trainer.epochs=many",)),
    "a component that does not exist": Case(
        "unknown encoder 'brightnes'. Did you mean 'brightness'?", ("encoders.seen.name=brightnes",)
    ),
    "a corpus that does not exist": Case("unknown corpus 'jsonnl'. Did you mean 'jsonl'?", ("corpus.name=jsonnl",)),
    "a corpus path that is not there": Case(
        "talks.jsonl is not there. Did you mean 'talk.jsonl'?", ("corpus.path=talks.jsonl",)
    ),
    "a line that is not JSON": Case("talk.jsonl, line 7: not JSON", change=append('{"id": "new", ')),
    "a line that lacks a field": Case(
        "talk.jsonl, line 7: utterance 'new_u0': lacks 'text'",
        change=append('{"id": "new", "utterances": [{"label": "joy"}]}'),
    ),
    "a label outside the label space": Case(
        "talk.jsonl, line 7: utterance 'new_u0' has the label 'joyful'. Did you mean 'joy'?",
        change=append('{"id": "new", "utterances": [{"text": "Hm.", "label": "joyful"}]}'),
    ),
    "an id that stands twice": Case(
        "line 7: utterance 'train0_u0': the utterance id 'train0_u0' is taken already",
        change=append('{"id": "new", "utterances": [{"text": "Hm.", "id": "train0_u0"}]}'),
    ),
    "an empty corpus": Case("talk.jsonl is empty", change=empty),
    "a split without conversations": Case(
        "no conversation in the split 'dev'; the splits with some are: train (3)", change=only_train
    ),
    "media that no utterance of training has": Case(
        "seen: none of the 6 utterances that are learned from has features; the commonest reason (6 of 6), of train0",
        change=train_without_media,
    ),
    "labels that differ by capitals alone": Case(
        "1 of 3 labels are spelled in ways that differ by capitals alone",
        change=append('{"id": "new", "utterances": [{"text": "Hm.", "label": "Joy"}]}'),
    ),
    "no label anywhere": Case("no labels are known", change=unlabelled),
    "a prompt longer than the context": Case(
        "stages.0.prompter: 6 prompts are longer than the model's context of 512 tokens; the longest, for utterance ",
        ("stages.0.prompter.question=" + "so " * 600,),
    ),
    "an evaluation prompt longer than the context": Case(
        "evaluate, split dev: 2 prompts are longer than the model's context of 512 tokens",
        ("evaluate.prompter={name: conversation, question: " + "so " * 600 + "}",),
    ),
    "a model that is not there": Case("backbone.path: there is no folder /no/model", ("backbone.path=/no/model",)),
    "a folder that holds no model": Case("clips' could not be loaded: ", ("backbone.path=./clips",)),
    "an adapter for layers that do not exist": Case(
        "backbone.tuning.targets: LlamaForCausalLM has no layer 'q_prj'. Did you mean 'q_proj'?",
        ("backbone.tuning.targets=[v_proj, q_prj]",),
    ),
    "a recipe that is not there": Case("no recipe", ("--run-dir", "run")),
    "a run directory that is a file": Case(
        "talk.jsonl is a file, not a folder for a run; give another --run-dir", ("--run-dir", "talk.jsonl")
    ),
    "a run directory with other things": Case(
        "clips is not empty and holds no run; give another --run-dir", ("--run-dir", "clips")
    ),
    "a run directory that cannot be made": Case(
        "the run directory talk.jsonl/run cannot be written to (", ("--run-dir", "talk.jsonl/run")
    ),
    "a feature store that cannot be made": Case(
        "talk.jsonl/store cannot be made: Not a directory; set features.store", ("features.store=talk.jsonl/store",)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_one_sentence_and_leaves_nothing(program: Forks, work: Path, name: str):
    case = CASES[name]
    case.change(work)
    before = files(work)
    file = "medai.yaml" if name == "a recipe that is not there" else "media.yaml"
    where = () if "--run-dir" in case.arguments else ("--run-dir", "run")
    told = mistake(program(work, "run", file, *case.arguments, *where))
    assert case.says in told
    assert files(work) == before
    assert not (work / "run").exists()


def test_a_gpu_that_is_not_there(program: Forks, work: Path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    told = mistake(program(work, "run", "media.yaml", "strategy.device=cuda", "--run-dir", "run"))
    assert told.startswith("strategy.device=cuda: ") and "set strategy.device=cpu" in told
    assert not (work / "run").exists()


def test_a_run_directory_of_another_recipe(program: Forks, work: Path, own_run: Path):
    before = files(own_run)
    told = mistake(program(work, "run", "media.yaml", "seed=5", "stages.0.trainer.lr=1e-3", "--run-dir", str(own_run)))
    assert told.startswith(f"{own_run} belongs to another recipe: ")
    assert "seed, stages differ; give another --run-dir" in told
    assert files(own_run) == before


def test_a_run_directory_with_a_finished_run(program: Forks, senses: Path, own_run: Path, tmp_path: Path):
    before = files(own_run)
    told = mistake(program(tmp_path, "run", str(senses / "media.yaml"), "--run-dir", str(own_run)))
    assert told == (
        f"{own_run} already holds a finished run of this recipe; add --resume to go on, or give another --run-dir\n"
    )
    assert files(own_run) == before


@pytest.mark.parametrize("what", ["files", "streams"])
def test_media_that_are_not_there_end_a_run_before_anything_is_encoded_or_loaded(program: Forks, work: Path, what: str):
    changes = []
    if what == "files":
        train_without_media(work)
    else:
        changes = ["evaluate.prompter={name: conversation, media: [seen, heard]}", "stages.0.prompter.media=[seen]"]
    ended = program(work, "run", "media.yaml", *changes, "--run-dir", "run")
    told = {"files": "none of the 6 utterances", "streams": "it shows 'heard', which no stage's prompts show"}[what]
    assert told in mistake(ended)
    lines = ended.err.splitlines()
    assert "conversations" in lines and "features" not in lines and "model" not in lines


def test_a_mended_recipe_can_take_the_same_folder(program: Forks, work: Path):
    mistake(program(work, "run", "media.yaml", "corpus.path=talks.jsonl", "--run-dir", "run"))
    mistake(program(work, "run", "media.yaml", "stages.0.prompter.question=" + "so " * 600, "--run-dir", "run"))
    ended = program(work, "run", "media.yaml", "--run-dir", "run")
    assert ended.code == 0, ended.err


BAD_MEDIA = {
    "letter": "letter.mp4 cannot be read as video or audio (",
    "empty": "empty.mp4 is empty (0 bytes)",
    "gone": "gone.mp4 is not there",
    "mute": "mute.mp4 has no audio track",
    "silence": "silence.wav has an audio track that holds no sound",
    "blink": "blink.wav: 0.02 s of audio; at least 0.10 s are needed",
}


def write_bad_media(work: Path) -> None:
    (work / "letter.mp4").write_text("This is no video.\n" * 100)
    (work / "empty.mp4").touch()
    write_clip(work / "mute.mp4", frames=8, audio=None)
    write_clip(work / "few.mp4", frames=2, fps=10)
    with wave.open(str(work / "silence.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
    write_clip(work / "blink.wav", video=None, audio="pcm_s16le", seconds=0.02)
    said = []
    for name in ("letter", "empty", "gone", "mute", "few"):
        said.append({"id": name, "text": "Hm.", "label": "joy", "video": f"{name}.mp4"})
    for name in ("silence", "blink"):
        said.append({"id": name, "text": "Hm.", "label": "joy", "audio": f"{name}.wav"})
    append(json.dumps({"id": "bad", "split": "test", "utterances": said}))(work)


def test_bad_media_in_a_corpus_are_counted_and_listed(program: Forks, work: Path):
    write_bad_media(work)
    ended = program(work, "run", "media.yaml", "--run-dir", "run")
    assert ended.code == 0, ended.err
    assert "Traceback" not in ended.err
    predictions = {p["id"]: p for p in read_lines((work / "run" / "predictions.jsonl").read_text())}
    seen = {name: predictions[name]["missing"].get("seen", "") for name in (*BAD_MEDIA, "few")}
    heard = {name: predictions[name]["missing"].get("heard", "") for name in (*BAD_MEDIA, "few")}
    for name in ("letter", "empty", "gone"):
        assert BAD_MEDIA[name] in seen[name] and BAD_MEDIA[name] in heard[name]
    assert seen["mute"] == "" and heard["mute"] == BAD_MEDIA["mute"]
    assert seen["few"] == "" and heard["few"] == ""
    for name in ("silence", "blink"):
        assert seen[name] == "the utterance has no video file" and BAD_MEDIA[name] in heard[name]
    assert predictions["test0_u0"]["missing"] == {}

    assert "seen: 5 of 19 utterances have no features: 2 × the utterance has no video file" in ended.err
    assert "heard: 6 of 19 utterances have no features: " in ended.err
    assert "seen: 1 of 19 clips have fewer than 4 frames: few (2)" in ended.err
    records = [json.loads(line) for line in (work / "run" / "log.jsonl").read_text().splitlines()]
    listed = {r["stream"]: {m["utterance"] for m in r["missing"]} for r in records if r["event"] == "encode"}
    assert listed == {
        "seen": {"letter", "empty", "gone", "silence", "blink"},
        "heard": {"letter", "empty", "gone", "mute", "silence", "blink"},
    }
    page = (work / "run" / "report.html").read_text()
    for reason in (seen["letter"], heard["mute"], heard["blink"]):
        assert reason.replace("'", "&#39;") in page or reason in page
    assert "few (2)" in page


def test_bad_media_given_to_predict(program: Forks, work: Path, trained: Path):
    write_bad_media(work)
    before = files(work)
    for name, reason in BAD_MEDIA.items():
        if name == "mute":
            continue
        file = next(iter(work.glob(f"{name}.*")), Path("gone.mp4")).name
        told = mistake(program(work, "predict", str(trained), file, "--text", "Hm."))
        assert (reason if name != "gone" else "gone.mp4 does not exist") in told
    ended = program(work, "predict", str(trained), "few.mp4", "--text", "Hm.")
    assert ended.code == 0 and read_lines(ended.out)[0]["missing"] == {}
    assert files(work) == before


def test_a_disk_that_fills_up_while_features_are_written(program: Forks, work: Path):
    small = work / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        told = mistake(program(work, "run", "media.yaml", f"features.store={small}/store", "--run-dir", "run"))
        assert told.startswith("the disk is full: ") and "free some space and run the same command again" in told
        assert not (work / "run").exists()
        assert not list(small.rglob("*.tmp"))
        subprocess.run(["mount", "-o", "remount,size=4m", small], check=True)
        ended = program(work, "run", "media.yaml", f"features.store={small}/store", "--run-dir", "run")
        assert ended.code == 0, ended.err
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_disk_that_is_full_before_the_run_directory(program: Forks, work: Path):
    small = work / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        told = mistake(program(work, "run", "media.yaml", "--run-dir", str(small / "run")))
        assert "disk is full" in told or "No space left on device" in told
        left = [path for path in (small / "run").rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"]
        assert not left
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_damaged_stage(program: Forks, own_run: Path, senses: Path, tmp_path: Path):
    adapter = own_run / "stages" / "merc" / "adapter" / "adapter_model.safetensors"
    adapter.write_bytes(adapter.read_bytes()[:200])
    told = mistake(program(tmp_path, "predict", str(own_run), str(senses / "talk.jsonl")))
    assert str(adapter) in told and "damaged" in told
    shutil.rmtree(adapter.parent)
    told = mistake(program(tmp_path, "predict", str(own_run), str(senses / "talk.jsonl")))
    assert str(adapter) in told and "is not there" in told
