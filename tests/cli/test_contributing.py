"""CONTRIBUTING.md is true to the letter: its commands are run, in their order, in a copy of the repository."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloning import ROOT, copy_files, git, newcomers_environment
from tests.testing.environment import make_environment

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def installed(environment: Path) -> list[Path]:
    """What an environment has of the encoder that the page makes."""
    return list(environment.glob("lib/python*/site-packages/*merc_pauses*"))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of the repository as it is now, uncommitted files included, with an origin of its own."""
    folder, origin = tmp_path / "merc", tmp_path / "origin.git"
    copy_files(folder)
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(origin))
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "A Contributor")
    git(folder, "config", "user.email", "contributor@example.org")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "As it is")
    git(folder, "remote", "add", "origin", str(origin))
    git(folder, "push", "-q", "-u", "origin", "main")
    # What is installed here need not be fetched again: the commands find their requirements satisfied.
    make_environment(folder / ".venv")
    return folder


@pytest.mark.slow
def test_commands_run_as_they_stand(clone: Path) -> None:
    script = "set -e\n" + "\n".join(BLOCKS)
    done = subprocess.run(
        ["bash", "-x", "-c", script], cwd=clone, env=newcomers_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert re.search(r"\b\d+ passed", done.stdout) and " failed" not in done.stdout
    assert git(clone, "status", "--porcelain") == ""
    assert installed(clone / ".venv"), "the new encoder was not installed where the page says"
    assert not installed(Path(sys.prefix)), "the environment of this test has the new encoder"
    pushed = git(clone, "ls-tree", "-r", "--name-only", "origin/encoder-pauses", "plugins/merc-pauses").splitlines()
    assert "plugins/merc-pauses/merc_pauses/encoder.py" in pushed
    assert not [name for name in pushed if "__pycache__" in name or ".egg-info" in name]


def test_page_has_the_steps() -> None:
    script = "\n".join(BLOCKS)
    for step in ("python3.11 -m venv", "git switch -c", "merc plugins new", "pip install -e", "pytest", "git push"):
        assert step in script


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([\w./-]+)\)", PAGE):
        assert (ROOT / target).exists(), target
