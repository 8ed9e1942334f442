"""What several folders of tests use: the program in processes of its own, and a run that it trained."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.forking import Forks
from tests.senses import install_senses, write_senses


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """``merc`` in a process of its own, with the plugin of ``tests.senses`` installed."""
    forks = Forks(install_senses(tmp_path_factory.mktemp("senses")), tmp_path_factory.mktemp("cache"))
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def senses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ``tests.senses``: tests read it and write elsewhere."""
    return write_senses(tmp_path_factory.mktemp("talk"))


@pytest.fixture(scope="session")
def trained(program: Forks, senses: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of ``media.yaml``: tests read it and copy it to change it."""
    run = tmp_path_factory.mktemp("trained") / "run"
    ended = program(run.parent, "run", str(senses / "media.yaml"), "--run-dir", str(run))
    assert ended.code == 0, ended.err
    return run


@pytest.fixture
def own_run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained run, to do anything with."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture(scope="session")
def words_run(program: Forks, senses: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of ``words.yaml``, whose prompts show no media and need no training."""
    run = tmp_path_factory.mktemp("words") / "run"
    ended = program(run.parent, "run", str(senses / "words.yaml"), "--run-dir", str(run))
    assert ended.code == 0, ended.err
    return run
