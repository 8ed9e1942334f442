"""What tests of sessions share."""

from __future__ import annotations

import pytest

from merc.session.wiring import Wiring


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The splits that a model predicts, one after the other."""
    splits: list[str] = []
    real = Wiring.predictions

    def predictions(self, model, setup, material, request):
        splits.append(request.title.removeprefix("predict "))
        return real(self, model, setup, material, request)

    monkeypatch.setattr(Wiring, "predictions", predictions)
    return splits
