"""``merc plugins new``: what it writes works as it is, for every kind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from merc.cli.main import app
from merc.errors import MercError
from merc.registry import KINDS
from merc.testing.scaffold import plugin_files, write_plugin
from tests.testing.environment import environment_of, make_environment, pip_install


def new(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["plugins", "new", *arguments, "--folder", str(folder)])


def test_a_new_encoder_installs_and_its_own_test_passes(tmp_path: Path) -> None:
    shown = new(tmp_path, "sighs", "--kind", "encoder")
    assert shown.exit_code == 0, shown.output
    plugin = tmp_path / "merc-sighs"
    assert f"pip install -e '{plugin}[test]'" in shown.stdout
    bin_folder = make_environment(tmp_path / "venv")
    pip_install(bin_folder, "-e", str(plugin))
    environment = environment_of(bin_folder)
    done = subprocess.run(
        [bin_folder / "python", "-m", "pytest", "-q"], cwd=plugin, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "skipped" not in done.stdout
    listed = subprocess.run(
        [bin_folder / "python", "-m", "merc", "plugins"], env=environment, capture_output=True, text=True
    )
    assert "merc-sighs" in listed.stdout and "encoder: sighs" in listed.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_formatted_and_passes_the_linter(kind: str, tmp_path: Path) -> None:
    plugin = write_plugin("two-words", kind, tmp_path)
    rules = ["--select", "E,F,W,I,B,UP,SIM,D1", "--ignore", "D103,D105,D107", "--per-file-ignores", "tests/*:D1"]
    for check in (["check", *rules], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check, "--line-length", "120", "--isolated", "."]
        done = subprocess.run(command, capture_output=True, text=True, cwd=plugin)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_example_is_left_in_it(kind: str) -> None:
    files = plugin_files("loudness", kind)
    for path, text in files.items():
        assert not re.search(r"(?<!merc\.)\bExample\b|type: ignore|noqa", text), path
    assert {"pyproject.toml", "README.md", "tests/test_loudness.py", "merc_loudness/plugin.py"} <= files.keys()


def test_name_may_have_the_prefix_of_its_distribution(tmp_path: Path) -> None:
    assert write_plugin("merc-sighs", "metric", tmp_path) == tmp_path / "merc-sighs"


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("sighs", "encodr", "unknown kind 'encodr'. Did you mean 'encoder'? The kinds are: encoder, connector,"),
        ("My Encoder", "encoder", "the name 'My Encoder' does not serve; use small letters and digits, with '-'"),
        ("linear", "connector", "there is a connector 'linear' already, of plugin 'merc' (merc 0.1.0); choose another"),
        ("merc", "connector", "there is a plugin 'merc' already; choose another name"),
    ],
)
def test_mistakes_are_refused_and_nothing_is_written(tmp_path: Path, name: str, kind: str, said: str) -> None:
    with pytest.raises(MercError) as caught:
        write_plugin(name, kind, tmp_path)
    assert str(caught.value).startswith(said)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "merc-sighs").mkdir()
    shown = new(tmp_path, "sighs")
    assert shown.exit_code == 2
    assert shown.stderr == (
        f"error: {tmp_path}{os.sep}merc-sighs exists already; choose another name, or another folder with --folder\n"
    )
    assert list((tmp_path / "merc-sighs").iterdir()) == []
