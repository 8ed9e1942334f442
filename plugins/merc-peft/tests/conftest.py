from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_backbone import save_tiny_backbone
from tests.training.conftest import _one_thread, dev, talk_file, talks

__all__ = ["_one_thread", "dev", "talk_file", "talks"]


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As wide as a layer in four bits must be."""
    return save_tiny_backbone(tmp_path_factory.mktemp("backbone"), hidden=64)
