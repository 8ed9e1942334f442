"""merc space: a folder that docker builds, with the run and what it needs."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from merc_hub.space import command
from typer.testing import CliRunner

import merc.testing
from merc.cli.main import app


class TestCommand(merc.testing.CommandContract):
    component = command
    name = "space"


def test_a_folder_with_the_run_and_what_serves_it(run: Path, tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["space", str(run), str(tmp_path / "page"), "--port", "7000"])
    assert made.exit_code == 0 and "docker build" in made.output, made.output
    folder = tmp_path / "page"
    head = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    assert head["sdk"] == "docker" and head["app_port"] == 7000 and head["title"] == "Words of a few talks"
    steps = (folder / "Dockerfile").read_text()
    assert (
        'CMD ["merc", "serve", "run", "--host", "0.0.0.0", "--port", "7000"]' in steps
        and "COPY --chown=user run run" in steps
    )
    assert (folder / "requirements.txt").read_text().split()[:2] == ["merc", "merc-serve"]
    assert (folder / "run" / "stages/words/adapter/adapter_model.safetensors").is_file()
    assert not (folder / "run" / "log.jsonl").exists()
    again = CliRunner().invoke(app, ["space", str(run), str(folder)])
    assert again.exit_code == 2 and "is there already" in again.output


def test_requirements_are_plugins_that_are_installed_here_and_nothing_else_of_the_record(
    run: Path, tmp_path: Path
) -> None:
    record = json.loads((run / "provenance.json").read_text())
    names = ["merc", "merc_hub", "torch", "merc-of-nobody", "--index-url https://evil.example.org\nevil"]
    record["plugins"] = [*({"name": "x", "distribution": name, "version": "1"} for name in names), "merc-sweep", 3]
    (run / "provenance.json").write_text(json.dumps(record))
    made = CliRunner().invoke(app, ["space", str(run), str(tmp_path / "page")])
    assert made.exit_code == 0, made.output
    assert (tmp_path / "page" / "requirements.txt").read_text() == "merc\nmerc-serve\nmerc-hub\nmerc-sweep\n"
    (said,) = [line for line in made.output.splitlines() if "left out" in line]
    assert "'torch'" in said and "'merc-of-nobody'" in said and r"'--index-url https://evil.example.org\nevil'" in said
