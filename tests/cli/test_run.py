"""``merc run`` as a command: where the run goes, what is shown, what mistakes get."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from merc.cli.main import app
from merc.registry import get_registry
from tests.tiny_backbone import write_tiny_recipe


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_tiny_recipe(tmp_path_factory.mktemp("tiny"), trainer="epochs: 1")


def _run(*arguments: str) -> Result:
    # The registry of this process is made with MERC_PLUGINS as it is now, and must not be left so to other tests.
    get_registry.cache_clear()
    try:
        return CliRunner(env={"COLUMNS": "160", "MERC_PLUGINS": "merc"}).invoke(app, ["run", *arguments])
    finally:
        get_registry.cache_clear()


def test_a_run(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = _run(str(tiny), "seed=5")
    assert found.exit_code == 0, found.output
    run = Path("runs") / "tiny+seed=5"
    assert f"the run goes to {run}" in found.stderr
    metrics = json.loads((run / "metrics.json").read_text())
    # Standard output has the results and nothing else; the rest goes to standard error.
    rows = [line.replace("│", " ").split() for line in found.stdout.splitlines()]
    for split in ("dev", "test"):
        values = metrics[split]
        numbers = [values[name] for name in ("accuracy", "weighted_f1", "macro_f1", "unparsed_rate")]
        assert [split, str(values["n"]), *(f"{number:.4f}" for number in numbers)] in rows
    assert found.stdout.endswith("report: runs/tiny+seed=5/report.html\n")
    assert "stage merc" in found.stderr and "stage merc" not in found.stdout
    assert "seed: 5" in (run / "recipe.yaml").read_text()
    found = _run(str(tiny), "seed=5")
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.endswith(
        "error: runs/tiny+seed=5 already holds a finished run of this recipe; add --resume to go on, or give another "
        "--run-dir\n"
    )
    found = _run(str(tiny), "seed=6", "stages.0.trainer.lr=0.1", "--resume", "--run-dir", str(run))
    assert found.exit_code == 2
    assert found.stderr.startswith(
        "error: runs/tiny+seed=5 belongs to another recipe: seed, stages differ; give another"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("stages.0.trainer.epoch=2", "Did you mean 'epochs'?"),
        ("stages.0.trainer.epochs=0", "epochs counts from 1, not 0"),
        ("stages.0.trainer.gradient_accumulation=2", "gradient_accumulation: 2 needs batch_conversations: null"),
        ("corpus.path=gone.jsonl", "gone.jsonl"),
        ("backbone.path=/gone", "backbone.path: there is no folder /gone"),
    ],
)
def test_mistakes_leave_nothing(
    change: str, said: str, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = _run(str(tiny), change)
    assert (found.exit_code, found.stdout) == (2, "")
    assert said in found.stderr and "Traceback" not in found.stderr
    assert not Path("runs/tiny").exists() and not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_folder_that_holds_something_else(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    found = _run(str(tiny), "--run-dir", str(tmp_path))
    assert found.exit_code == 2
    assert found.stderr == f"error: {tmp_path} is not empty and holds no run; give another --run-dir\n"
    found = _run(str(tiny), "--run-dir", str(tmp_path / "notes.txt"))
    assert found.exit_code == 2
    assert found.stderr == (
        f"error: {tmp_path / 'notes.txt'} is a file, not a folder for a run; give another --run-dir\n"
    )
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_dry_run_shows_what_a_run_would_take_and_leaves_nothing(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = _run(str(tiny), "--dry-run", "--seeds", "3")
    assert found.exit_code == 0, found.output
    assert not list(tmp_path.iterdir())
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in found.stdout.splitlines() if "│" in line]
    parts = {row[0]: row[1:] for row in rows}
    assert parts["backbone.adapters"][0] == parts["backbone.adapters"][1] == parts["all"][1] or len(parts["all"]) == 4
    assert "of 4 steps, the largest among them" in parts["stage merc, training"][-1]
    assert "these are the numbers of one of 3 runs" in found.stdout
    assert "memory does not count the processes that decode media" in " ".join(found.stdout.split())
