"""Whether the networks that find faces are here."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


def need_faces() -> None:
    """Skip a test without them. The package need not be importable: its own dependencies are not installed."""
    for package in ("mediapipe", "ai_edge_litert"):
        if find_spec(package) is None:
            pytest.skip(f"{package}, which the networks that find faces need, is not installed")
