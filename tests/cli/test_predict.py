"""``merc predict``: what stands on standard output, and what a person reads who gave something else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from merc.files import checksums_of
from tests.integration.forking import Forks
from tests.media.clips import cut, write_clip
from tests.media.damage import endless_table
from tests.senses import LABELS, install_senses, mistake, read_lines, talk, write_talk


def test_conversations_give_what_the_run_itself_predicted(program: Forks, trained: Path, senses: Path, tmp_path: Path):
    ended = program(tmp_path, "predict", str(trained), str(senses / "talk.jsonl"))
    assert ended.code == 0, ended.err
    rows = read_lines(ended.out)
    conversations = read_lines((senses / "talk.jsonl").read_text())
    assert [row["id"] for row in rows] == [u["id"] for c in conversations for u in c["utterances"]]
    keys = ["id", "conversation", "speaker", "text", "label", "probabilities", "missing"]
    assert all(list(row) == keys for row in rows)
    spoken = {u["id"]: (c["id"], u["speaker"], u["text"]) for c in conversations for u in c["utterances"]}
    assert {row["id"]: (row["conversation"], row["speaker"], row["text"]) for row in rows} == spoken
    found = {row["id"]: row for row in rows}
    own = read_lines((trained / "predictions.jsonl").read_text())
    assert len(own) == 6
    for prediction in own:
        row = found[prediction["id"]]
        assert row["label"] == prediction["label"] and row["missing"] == {}
        assert row["probabilities"] == pytest.approx(prediction["probabilities"], abs=1e-5)
        assert max(row["probabilities"], key=row["probabilities"].get) == row["label"]
    assert len({json.dumps(row["probabilities"]) for row in rows}) == len(rows)


def test_trained_weights_are_used(program: Forks, own_run: Path, senses: Path, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    done = own_run / "stages" / "merc" / "done.json"
    before = program(tmp_path, "predict", str(own_run), str(senses / "talk.jsonl")).out
    done = own_run / "stages" / "merc" / "done.json"
    done.write_text(json.dumps({**json.loads(done.read_text()), "files": {}}))  # they are changed on purpose
    for file in (own_run / "stages" / "merc").rglob("*.safetensors"):
        save_file({name: value * 0 for name, value in load_file(file).items()}, file)
        kept = {**json.loads(done.read_text()), "files": checksums_of(done.parent, "**/*.safetensors")}
        done.write_text(json.dumps(kept))
        after = program(tmp_path, "predict", str(own_run), str(senses / "talk.jsonl")).out
        assert after != before, file
        before = after


def test_unlabelled_input_without_media(program: Forks, trained: Path, tmp_path: Path):
    said = [{"text": "Great."}, {"text": ""}]
    write_talk(tmp_path / "new.jsonl", [{"id": "b", "utterances": said}, {"id": "a", "utterances": said[:1]}])
    ended = program(tmp_path, "predict", str(trained), "new.jsonl")
    assert ended.code == 0, ended.err
    rows = read_lines(ended.out)
    assert [row["id"] for row in rows] == ["b_u0", "b_u1", "a_u0"]
    missing = {"seen": "the utterance has no video file", "heard": "the utterance has no audio file"}
    assert all(row["missing"] == missing and row["label"] in LABELS for row in rows)
    assert "1 of 3 utterances has an empty text" in ended.err
    assert "seen: b_u0: the utterance has no video file" in ended.err


def test_what_libraries_print_is_not_among_the_results(senses: Path, trained: Path, tmp_path: Path):
    site = install_senses(tmp_path)
    environment = {
        **os.environ, "PYTHONPATH": str(site), "MERC_PLUGINS": "tiny", "MERC_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "ascii",
    }  # fmt: skip
    conversation = talk("test", 0)
    conversation["utterances"][0]["id"] = "é\u2028"
    conversation["utterances"][0]["video"] = str(senses / "clips" / "0.mp4")
    write_talk(tmp_path / "new.jsonl", [conversation])
    done = subprocess.run(
        [str(Path(sys.executable).with_name("merc")), "predict", str(trained), str(tmp_path / "new.jsonl")],
        env=environment, capture_output=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.decode("utf-8").strip("\n").split("\n")]
    assert [row["id"] for row in rows] == ["é\u2028", "test0_u1"]
    assert b"a library says hello" in done.stderr and b"so does its C code" in done.stderr
    # Nor do libraries say what nobody can do anything about.
    for noise in (b"Warning", b"Setting accelerator", b"Loading weights"):
        assert noise not in done.stderr


@pytest.mark.parametrize("command", ["run", "evaluate", "encode"])
def test_nor_are_they_among_those_of_other_commands(program: Forks, own_run: Path, tmp_path: Path, command: str):
    made = ["seed=1", "--run-dir", "again"] if command == "run" else ["--json"] if command == "encode" else []
    what = own_run if command == "evaluate" else own_run / "recipe.yaml"
    ended = program(tmp_path, command, str(what), "features.store=fresh", *made)
    assert ended.code == 0, ended.err
    assert "says hello" not in ended.out and "C code" not in ended.out
    assert "a library says hello" in ended.err and "so does its C code" in ended.err
    if made == ["--json"]:
        json.loads(ended.out)
    else:
        assert ended.out.splitlines()[-1].startswith("report: ")


def test_output_file(program: Forks, trained: Path, senses: Path, tmp_path: Path):
    printed = program(tmp_path, "predict", str(trained), str(senses / "talk.jsonl")).out
    ended = program(tmp_path, "predict", str(trained), str(senses / "talk.jsonl"), "--output", "out.jsonl")
    assert (ended.code, ended.out) == (0, "")
    assert (tmp_path / "out.jsonl").read_text() == printed
    told = mistake(program(tmp_path, "predict", str(trained), str(senses / "talk.jsonl"), "--output", "no/out.jsonl"))
    assert told.startswith("--output no/out.jsonl: there is no folder ")
    told = mistake(program(tmp_path, "predict", str(trained), str(senses / "talk.jsonl"), "--output", "."))
    assert told == "--output . is a folder; give a file in it\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl"]


def test_generated_answers(program: Forks, trained: Path, senses: Path, tmp_path: Path):
    changes = ["evaluate.decoder={name: generate, max_new_tokens: 3, parser: first-label}"]
    ended = program(tmp_path, "predict", str(trained), str(senses / "talk.jsonl"), *changes)
    assert ended.code == 0, ended.err
    for row in read_lines(ended.out):
        assert list(row) == ["id", "conversation", "speaker", "text", "label", "answer", "missing"]
        assert isinstance(row["answer"], str) and row["label"] in (None, *LABELS)


def test_a_clip_with_its_words(program: Forks, trained: Path, senses: Path, tmp_path: Path):
    # The clip is the first utterance of a conversation of the test split, so it gives the run's own numbers.
    first = talk("test", 0)["utterances"][0]
    clip = senses / first["video"]
    ended = program(
        tmp_path, "predict", str(trained), str(clip), "--text", first["text"], "--speaker", first["speaker"]
    )
    assert ended.code == 0, ended.err
    (row,) = read_lines(ended.out)
    own = next(p for p in read_lines((trained / "predictions.jsonl").read_text()) if p["id"] == first["id"])
    assert (row["id"], row["label"], row["missing"]) == (clip.stem, own["label"], {})
    assert row["probabilities"] == pytest.approx(own["probabilities"], abs=1e-5)
    other = read_lines(program(tmp_path, "predict", str(trained), str(clip), "--text", "").out)
    assert other[0]["probabilities"] != pytest.approx(row["probabilities"], abs=1e-5)


def test_a_clip_needs_its_words_where_the_prompt_shows_them(
    program: Forks, trained: Path, senses: Path, tmp_path: Path
):
    told = mistake(program(tmp_path, "predict", str(trained), str(senses / "clips" / "0.mp4")))
    assert told.startswith("this run goes by the words too: say what is said in ")
    assert '--text "' in told and "--text '' if nothing is" in told


def test_what_is_missing_of_a_clip(program: Forks, trained: Path, tmp_path: Path):
    write_clip(tmp_path / "mute.MP4", frames=2, audio=None)
    ended = program(tmp_path, "predict", str(trained), "mute.MP4", "--text", "Hm.")
    assert ended.code == 0, ended.err
    (row,) = read_lines(ended.out)
    assert row["missing"] == {"heard": "mute.MP4 has no audio track"}
    assert "heard: mute.MP4 has no audio track" in ended.err
    assert "seen: 1 of 1 clip has fewer than 4 frames: mute (2)" in ended.err
    write_clip(tmp_path / "voice.wav", video=None, audio="pcm_s16le", seconds=1.0)
    (row,) = read_lines(program(tmp_path, "predict", str(trained), "voice.wav", "--text", "Hm.").out)
    assert row["missing"] == {"seen": "the utterance has no video file"}


def test_a_clip_of_which_nothing_can_be_used(program: Forks, trained: Path, tmp_path: Path):
    (tmp_path / "letter.mp4").write_text("Dear all, this is no video.\n" * 50)
    told = mistake(program(tmp_path, "predict", str(trained), "letter.mp4", "--text", "Hm."))
    assert told.startswith("letter.mp4 cannot be read as video or audio (")
    (tmp_path / "empty.mp4").touch()
    told = mistake(program(tmp_path, "predict", str(trained), "empty.mp4", "--text", "Hm."))
    assert told == "empty.mp4 is empty (0 bytes)\n"
    told = mistake(program(tmp_path, "predict", str(trained), "gone.mp4", "--text", "Hm."))
    assert told.endswith("gone.mp4 does not exist\n")
    write_clip(tmp_path / "whole.mkv", frames=100, gop=100)
    cut(tmp_path / "whole.mkv", tmp_path / "torn.mkv")
    told = mistake(program(tmp_path, "predict", str(trained), "torn.mkv", "--text", "Hm."))
    assert told.startswith("nothing of torn.mkv can be used: ") and "seen: " in told and "heard: " in told
    write_clip(tmp_path / "blink.wav", video=None, audio="pcm_s16le", seconds=0.02)
    told = mistake(program(tmp_path, "predict", str(trained), "blink.wav", "--text", "Hm."))
    assert "heard: blink.wav: 0.02 s of audio; at least 0.10 s are needed" in told


def test_a_run_that_shows_words_alone(program: Forks, words_run: Path, senses: Path, tmp_path: Path):
    clip = senses / "clips" / "0.mp4"
    ended = program(tmp_path, "predict", str(words_run), str(clip), "--text", "Hm.")
    assert ended.code == 0, ended.err
    assert f"the prompts of this run show words alone: nothing of {clip} but --text counts" in ended.err
    assert read_lines(ended.out)[0]["missing"] == {}


def test_labels_outside_the_runs_are_counted_and_left_aside(program: Forks, trained: Path, tmp_path: Path):
    plain = [talk("test", 1), talk("test", 0)]
    write_talk(tmp_path / "plain.jsonl", plain)
    plain[1]["utterances"][1]["label"] = "joyful"
    write_talk(tmp_path / "new.jsonl", plain)
    ended = program(tmp_path, "predict", str(trained), "new.jsonl")
    assert ended.code == 0, ended.err
    assert ended.out == program(tmp_path, "predict", str(trained), "plain.jsonl").out
    assert "utterances has a label that the run does not know: joyful (1); " in ended.err
    assert "(the run's are joy, anger, sadness)" in ended.err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "new.jsonl, line 1: not JSON"),
        ('{"id": "a", "utterances": [{"speaker": "Ann"}]}', "new.jsonl, line 1: utterance 'a_u0': lacks 'text'"),
        ("", "new.jsonl is empty"),
    ],
)
def test_a_file_that_holds_no_conversations(program: Forks, trained: Path, tmp_path: Path, content: str, says: str):
    (tmp_path / "new.jsonl").write_text(content)
    assert says in mistake(program(tmp_path, "predict", str(trained), "new.jsonl"))


def test_input_of_another_kind(program: Forks, trained: Path, senses: Path, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("Hm.")
    told = mistake(program(tmp_path, "predict", str(trained), "notes.txt"))
    assert told.startswith("notes.txt is neither conversations nor a clip: conversations come")
    told = mistake(program(tmp_path, "predict", str(trained), "gone.jsonl"))
    assert "the conversations file gone.jsonl is not there" in told
    told = mistake(program(tmp_path, "predict", str(trained), str(senses / "talk.jsonl"), "--text", "Hm."))
    assert told.startswith("--text and --speaker belong to a clip; ")
    (tmp_path / "empty").mkdir()
    told = mistake(program(tmp_path, "predict", str(trained), "empty"))
    assert told.startswith("the folder empty holds no clip; ")


def test_a_folder_that_holds_no_trained_run(program: Forks, own_run: Path, senses: Path, tmp_path: Path):
    talk_file = str(senses / "talk.jsonl")
    told = mistake(program(tmp_path, "predict", "gone", talk_file))
    assert told == "gone is not there; give the directory of a run, as merc run has made it\n"
    told = mistake(program(tmp_path, "predict", str(senses), talk_file))
    assert told == f"{senses} holds no run; give the directory of a run, as merc run has made it\n"
    told = mistake(program(tmp_path, "predict", talk_file, talk_file))
    assert told == f"{talk_file} is not a folder; give the directory of a run, as merc run has made it\n"
    (own_run / "stages" / "merc" / "done.json").unlink()
    told = mistake(program(tmp_path, "predict", str(own_run), talk_file))
    assert told.startswith(f"{own_run} is unfinished: stage 'merc' was not trained to its end; go on with merc run ")
    assert "--resume" in told


def test_what_can_be_changed(program: Forks, trained: Path, senses: Path, tmp_path: Path):
    for change in ("seed=1", "corpus.path=x.jsonl", "backbone={name: hf, path: x}"):
        told = mistake(program(tmp_path, "predict", str(trained), str(senses / "talk.jsonl"), change))
        assert told.startswith(f"{change!r}: a trained run keeps what it is; what can be changed here is evaluate.*, ")
    told = mistake(
        program(tmp_path, "predict", str(trained), str(senses / "talk.jsonl"), "evaluate.decodr={name: generate}")
    )
    assert "Did you mean 'decoder'?" in told


def test_the_training_corpus_and_its_plugin_are_not_needed(program: Forks, own_run: Path, senses: Path, tmp_path: Path):
    recipe = own_run / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("name: jsonl", "name: from-a-plugin-that-is-gone"))
    ended = program(tmp_path, "predict", str(own_run), str(senses / "talk.jsonl"))
    assert ended.code == 0, ended.err
    assert len(read_lines(ended.out)) == 12


def test_the_plugins_of_its_trainer_and_metrics_are_not_needed(
    program: Forks, own_run: Path, senses: Path, tmp_path: Path
):
    whole = program(tmp_path, "predict", str(own_run), str(senses / "talk.jsonl"))
    recipe = own_run / "recipe.yaml"
    text = recipe.read_text().replace("name: sft", "name: gone-trainer").replace("name: classification", "name: gone")
    assert "gone-trainer" in text and "name: gone\n" in text
    recipe.write_text(text)
    ended = program(tmp_path, "predict", str(own_run), str(senses / "talk.jsonl"))
    assert ended.code == 0, ended.err
    assert ended.out == whole.out
    told = mistake(program(tmp_path, "evaluate", str(own_run)))  # which measures with it
    assert "unknown metric 'gone'" in told and "gone-trainer" not in told
    measured = ("evaluate", str(own_run), "evaluate.metrics=[classification]", "--split", "test", "--name", "by-mine")
    ended = program(tmp_path, *measured)
    assert ended.code == 0, ended.err
    assert "gone-trainer" in (own_run / "evaluations" / "by-mine" / "recipe.yaml").read_text()


def test_what_is_longer_than_the_context_alone_has_no_answer(program: Forks, trained: Path, tmp_path: Path):
    short = {"id": "short", "utterances": [{"text": "Well."}, {"text": "On it goes."}]}
    write_talk(tmp_path / "short.jsonl", [short])
    alone = read_lines(program(tmp_path, "predict", str(trained), "short.jsonl").out)
    said = [{"text": "On and on it goes, and nobody stops it."} for _ in range(60)]
    write_talk(tmp_path / "new.jsonl", [{"id": "long", "utterances": said}, short])
    ended = program(tmp_path, "predict", str(trained), "new.jsonl")
    assert ended.code == 0, ended.err
    found = read_lines(ended.out)
    assert [one["id"] for one in found] == [f"long_u{n}" for n in range(60)] + ["short_u0", "short_u1"]
    without = [one["id"] for one in found if "unanswered" in one]
    assert without == [f"long_u{n}" for n in range(60 - len(without), 60)] and 20 < len(without) < 60
    assert all((one["label"] is None) == ("unanswered" in one) for one in found)
    assert found[59]["probabilities"] == {} and "longer than the model's context" in found[59]["unanswered"]
    assert [one["label"] for one in found[60:]] == [one["label"] for one in alone]
    sentence = (
        f"{len(without)} of 62 utterances have no answer, since their prompts are longer than the model's context"
    )
    assert f"{sentence} of 512 tokens: {without[0]} (" in ended.err and f"and {len(without) - 5} more" in ended.err


def test_input_that_is_longer_than_the_context_as_a_whole(program: Forks, trained: Path, tmp_path: Path):
    write_talk(tmp_path / "new.jsonl", [{"id": "long", "utterances": [{"text": "on and on " * 300}]}])
    told = mistake(program(tmp_path, "predict", str(trained), "new.jsonl"))
    assert told.startswith(
        "1 of 1 utterances has no answer, since its prompt is longer than the model's context of 512"
    )
    assert "long_u0 (" in told


def test_a_clip_whose_decoder_crashes_costs_its_own_pictures(program: Forks, trained: Path, tmp_path: Path):
    whole = write_clip(tmp_path / "whole.mp4", frames=10)
    endless_table(whole, tmp_path / "clip.mp4")
    ended = program(tmp_path, "predict", str(trained), "clip.mp4", "--text", "Hi")
    assert ended.code == 0, ended.err
    (row,) = read_lines(ended.out)
    assert list(row["missing"]) == ["seen"] and row["missing"]["seen"].startswith("clip.mp4: its decoder crashed")
    talk = {"id": "c", "utterances": [{"id": name, "text": "Hi", "video": f"{name}.mp4"} for name in ("clip", "whole")]}
    (tmp_path / "talk.jsonl").write_text(json.dumps(talk) + "\n")
    ended = program(tmp_path, "predict", str(trained), "talk.jsonl")
    assert ended.code == 0 and "seen: clip: clip.mp4: its decoder crashed" in ended.err
    assert [list(row["missing"]) for row in read_lines(ended.out)] == [["seen"], []]


def test_what_a_clip_may_cost_can_be_set(program: Forks, trained: Path, tmp_path: Path):
    write_clip(tmp_path / "whole.mp4", frames=13)  # no other test has put its features into the store
    ended = program(tmp_path, "predict", str(trained), "whole.mp4", "--text", "Hi", "features.decode_megapixels=0.001")
    assert ended.code == 0, ended.err
    assert "whole.mp4: its pictures are 64 x 48; at most 0.001 million pixels are decoded" in ended.err
    ended = program(tmp_path, "predict", str(trained), "whole.mp4", "--text", "Hi", "features.decode_seconds=-1")
    assert ended.code == 2 and "decode_seconds is more than 0, not -1" in ended.err
