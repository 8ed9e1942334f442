"""``merc sweep`` as a user runs it: real tiny runs, several at once, one that fails, and test that stays hidden."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from merc_sweep import running
from merc_sweep.command import command
from merc_sweep.running import Job, _environment

import merc.testing
from merc import MercError
from merc.cli.main import load_command
from merc.consent import forget
from tests.tiny_backbone import save_tiny_backbone, save_tiny_corpus

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
backbone: {name: hf, path: ./backbone, tuning: {name: lora, r: 4, alpha: 8}}
labels: [joy, anger, sadness]
stages:
  - id: merc
    prompter: {name: conversation}
    trainer: {name: sft, epochs: 1, lr: 5e-3, batch_conversations: 3, batch_tokens: 128}
evaluate: {metrics: [classification]}
strategy: {device: cpu, batch_tokens: 256}
"""
LR = "stages.0.trainer.lr=[1e-3, 1e-2]"


class TestSweep(merc.testing.CommandContract):
    component = command
    name = "sweep"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    save_tiny_backbone(folder / "backbone")
    save_tiny_corpus(folder / "talk.jsonl", 6, 2, 2)
    (folder / "mine.yaml").write_text(RECIPE)
    return folder


def start(folder: Path, *argv: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "COLUMNS": "200",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": "1",
        "MERC_PLUGINS": "merc-sweep",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "merc", "sweep", *argv], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def sweep(folder: Path, *argv: str) -> tuple[int, str, str]:
    process = start(folder, *argv)
    out, err = process.communicate()
    return process.returncode, out, err


@pytest.mark.slow
def test_runs_are_made_and_shown_by_dev_and_test_stays_hidden(folder: Path) -> None:
    code, out, err = sweep(folder, "mine.yaml", LR, "--processes", "2")
    assert code == 0, err
    home = folder / "sweeps" / "mine"
    numbers = {run: json.loads((home / run / "metrics.json").read_text()) for run in ("001", "002")}
    dev = sorted((one["dev"]["weighted_f1"] for one in numbers.values()), reverse=True)
    assert [line.split("│")[3].strip() for line in out.splitlines() if line.startswith("│")] == [
        f"{n:.4f}" for n in dev
    ]
    assert "dev weighted f1" in out and "test weighted" not in out and "Test is hidden" in out
    assert "test" not in json.loads((home / "results.json").read_text())["rows"][0]
    assert not (home / "test-read.json").exists()
    assert "threads: 1" in (home / "001" / "recipe.yaml").read_text()
    logged = (home / "001.log").read_text()
    assert "predict dev" in logged and "weighted f1" not in logged  # nor do the runs' own words show test

    # What is finished is not run again, and whoever looks at test leaves a trace.
    code, out, err = sweep(folder, "mine.yaml", LR, "--show-test", "--by", "-accuracy")
    assert code == 0 and err.startswith("0 of 2 runs to do") and "test accuracy" in out
    read = json.loads((home / "test-read.json").read_text())
    assert (read["finished"], read["of"]) == (2, 2)
    assert json.loads((home / "results.json").read_text())["rows"][0]["test"]["accuracy"]
    _, out, _ = sweep(folder, "mine.yaml", LR)
    assert f"Test was first read at {read['first']}, when 2 of 2 runs were finished." in " ".join(out.split())

    (folder / "mine.yaml").write_text(RECIPE.replace("r: 4", "r: 2"))
    code, _, err = sweep(folder, "mine.yaml", LR)
    (folder / "mine.yaml").write_text(RECIPE)
    assert code == 2 and "holds another sweep: content of the recipe differ" in err


@pytest.mark.slow
def test_a_run_that_fails_is_named_and_tried_again(folder: Path) -> None:
    (folder / "torn.jsonl").write_text("{")
    argv = ("mine.yaml", "corpus.path=[talk.jsonl, torn.jsonl]", "--sweep-dir", "failing")
    code, out, err = sweep(folder, *argv)
    assert code == 1 and "1 of 2 runs failed; the same command tries them again" in err
    assert f"{Path('failing', '002')} failed: error:" in err and "torn.jsonl" in err and "(0 of 1)" in out
    (folder / "torn.jsonl").write_text((folder / "talk.jsonl").read_text())
    code, out, err = sweep(folder, *argv)
    assert code == 0 and err.startswith("1 of 2 runs to do"), err


@pytest.mark.slow
def test_a_sweep_that_is_stopped_goes_on(folder: Path) -> None:
    argv = ("mine.yaml", LR, "seed=[0,1]", "--sweep-dir", "stopped", "stages.0.trainer.epochs=30")
    process = start(folder, *argv)
    recipe = folder / "stopped" / "001" / "recipe.yaml"
    while not recipe.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert not (folder / "stopped" / "001" / "metrics.json").exists()
    assert not (folder / "stopped" / "002").exists()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["mine.yaml", LR, "--by", "weighted_f2"], "--by weighted_f2: the evaluation's metrics have no number"),
        (["mine.yaml", LR, "--by", "-regression.mae"], "no number 'regression.mae' to choose by"),
        (["mine.yaml", "stages.0.trainer.lr=[1e-3, 0.001]"], "lr=0.001 are the same recipe, whose numbers would count"),
        (["mine.yaml", "seed=3"], "nothing is swept over"),
        (["mine.yaml", "seed=[1,2]", "evaluate.splits=[[test]]"], "let evaluate.splits name dev"),
        (["mine.yaml", "stages.0.trainer.lrr=[1,2]"], "stages.0.trainer.lrr=1: 1 error in mine.yaml"),
        (["none.yaml", "seed=[1,2]"], "none.yaml"),
    ],
)
def test_mistakes_are_said_before_anything_runs(folder: Path, argv: list[str], said: str) -> None:
    code, _, err = sweep(folder, *argv, "--sweep-dir", "mistaken")
    assert code == 2 and said in " ".join(err.split()) and not (folder / "mistaken").exists()


def test_help_shows_the_brackets(folder: Path) -> None:
    code, out, _ = sweep(folder, "--help")
    words = " ".join(out.replace("│", " ").split())
    assert code == 0 and "key=[a, b] tries each; one,other=[[a, b], [c, d]] changes both together" in words


@pytest.mark.parametrize(
    ("changes", "threads"),
    [
        (["strategy={device: cpu, threads: 4}"], []),
        (["strategy.threads=null"], ["strategy.threads=null"]),
        ([], ["strategy.threads=1"]),
    ],
)
def test_runs_have_one_thread_unless_it_is_given_and_are_allowed_what_the_sweep_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: list[str], threads: list[str]
) -> None:
    jobs: list[Job] = []
    environment: dict[str, str] = {}

    def run_all(unfinished: Sequence[Job], *_: object) -> dict[str, str]:
        jobs.extend(unfinished)
        environment.update(_environment())
        return {}

    monkeypatch.chdir(folder)
    monkeypatch.setenv("MERC_ALLOW", "example.org")
    monkeypatch.setattr(running, "run_all", run_all)
    options = ["--allow", "localhost:8000", "--allow-env", "EXAMPLE_KEY", "--sweep-dir", str(tmp_path / "sweep")]
    try:
        load_command("sweep").main(["mine.yaml", LR, *changes, *options], standalone_mode=False)
    finally:
        forget()
    assert len(jobs) == 2 and [one for one in jobs[0].arguments if one.startswith("strategy.threads")] == threads
    assert set(environment["MERC_ALLOW"].split(",")) >= {"localhost:8000", "env:EXAMPLE_KEY", "example.org"}


def test_failures_are_listed_before_a_number_that_there_is_not(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A metric that does not list its numbers beforehand is asked for one that it does not give."""

    def run_all(unfinished: Sequence[Job], *_: object) -> dict[str, str]:
        unfinished[0].folder.mkdir(parents=True)
        (unfinished[0].folder / "metrics.json").write_text('{"dev": {"weighted_f1": 0.5}}')
        return {unfinished[1].name: "error: it broke"}

    monkeypatch.chdir(folder)
    monkeypatch.setattr(running, "run_all", run_all)
    with pytest.raises(MercError, match="has no number 'unparsed_rate' on dev"):
        load_command("sweep").main(
            ["mine.yaml", LR, "--by", "-unparsed_rate", "--sweep-dir", str(tmp_path / "sweep")], standalone_mode=False
        )
    assert "002 failed: error: it broke" in capsys.readouterr().err


def test_a_sweep_goes_on_with_another_store_of_features_and_not_with_other_frames(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sweep_with(features: str) -> None:
        (folder / "changed.yaml").write_text(f"{RECIPE}features: {features}\n")
        arguments = ["changed.yaml", LR, "--sweep-dir", str(tmp_path / "sweep")]
        load_command("sweep").main(arguments, standalone_mode=False)

    monkeypatch.chdir(folder)
    monkeypatch.setattr(running, "run_all", lambda *_: {})
    sweep_with("{seed: 0}")
    sweep_with("{store: elsewhere, workers: 1}")
    with pytest.raises(MercError, match="holds another sweep: content of the recipe differ"):
        sweep_with("{seed: 1}")


def test_what_earlier_starts_of_a_run_said_stays_in_its_log(tmp_path: Path) -> None:
    (tmp_path / "001.log").write_text("error: of before\n")
    failed = running.run_all([Job("001", tmp_path / "001", [str(tmp_path / "none.yaml")])], 1, lambda _: None)
    assert "of before" not in failed["001"] and "none.yaml" in failed["001"]
    assert (tmp_path / "001.log").read_text().startswith("error: of before\nerror: ")
