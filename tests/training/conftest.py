from __future__ import annotations

from pathlib import Path

import pytest
import torch

from merc.conversation import Conversation
from tests.tiny_backbone import save_tiny_backbone, save_tiny_corpus
from tests.training.jobs import conversations


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="session")
def talk_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_corpus(tmp_path_factory.mktemp("corpus") / "talk.jsonl")


@pytest.fixture(scope="session")
def talks(talk_file: Path) -> list[Conversation]:
    """Twelve conversations of the train split."""
    return conversations(talk_file)


@pytest.fixture(scope="session")
def dev(talk_file: Path) -> list[Conversation]:
    return conversations(talk_file, "dev")
