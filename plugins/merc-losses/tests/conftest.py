from __future__ import annotations

from tests.training.conftest import _one_thread, backbone, dev, talk_file, talks

__all__ = ["_one_thread", "backbone", "dev", "talk_file", "talks"]
