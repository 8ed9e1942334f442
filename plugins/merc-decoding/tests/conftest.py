from __future__ import annotations

from tests.session.test_predicting import model

__all__ = ["model"]
