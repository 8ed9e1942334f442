"""docs/tutorial.md to the letter: its files and commands, in a fresh clone, with a cache that is empty."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.cloning import copy_files, git, newcomers_environment
from tests.testing.environment import make_environment
from tests.website.blocks import SHELL, Block, blocks

PAGE = Path("docs/tutorial.md")
BLOCKS = list(blocks(PAGE))


def written(block: Block, folder: Path) -> None:
    """Save a file as the page says; one of the repository is never written over."""
    assert block.file is not None
    with (folder / block.file).open("x", encoding="utf-8") as file:
        file.write(block.text)


@pytest.mark.slow
def test_commands_run_as_they_stand(tmp_path: Path, record_property: pytest.FixtureRequest) -> None:
    """What is installed here is not fetched again; the wall time is written beside the result."""
    folder = tmp_path / "merc"
    copy_files(folder)
    git(folder, "init", "-q", "-b", "main")
    make_environment(folder / ".venv")
    for block in BLOCKS:
        if block.file:
            written(block, folder)
    script = "set -e\n" + "\n".join(block.text for block in BLOCKS if block.language in SHELL)
    environment = {**newcomers_environment(), "MERC_CACHE": str(tmp_path / "cache")}
    begin = time.monotonic()
    done = subprocess.run(["bash", "-x", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
    minutes = (time.monotonic() - begin) / 60
    record_property("minutes", round(minutes, 1))  # type: ignore[operator]
    print(f"the tutorial took {minutes:.1f} minutes")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    for run in ("mine", "words"):
        metrics = json.loads((folder / "runs" / run / "metrics.json").read_text())
        print(run, metrics["test"]["accuracy"])
        assert metrics["test"]["n"] == 40 and (folder / "runs" / run / "report.html").is_file()


def test_nothing_of_the_page_is_left_out() -> None:
    assert not [block.line for block in BLOCKS if block.mark]
    assert {block.file for block in BLOCKS if block.language in ("yaml", "python")} == {
        "make_clips.py", "mine.yaml", "ask.py", "words.yaml"
    }  # fmt: skip
    commands = "\n".join(block.text for block in BLOCKS if block.language in SHELL)
    for step in ("make install", "merc corpus look", "merc validate", "merc run", "merc predict", "merc compare"):
        assert step in commands
