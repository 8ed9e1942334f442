"""How many rounds a fuzzer or a fault test has: few in `make test`, many in `make robustness`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder carries the marker that `make robustness` selects."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.robustness)


@pytest.fixture(scope="session")
def rounds() -> Callable[[int, int], int]:
    """``rounds(small, full)``: how many inputs to try, ``full`` in `make robustness` and ``small`` elsewhere."""
    full_counts = os.environ.get("MERC_ROBUSTNESS") == "full"
    return lambda small, full: full if full_counts else small


@pytest.fixture(scope="session")
def fuzz_seed() -> int:
    """The seed of every mutation, so that a fault comes again; ``MERC_ROBUSTNESS_SEED`` tries others."""
    return int(os.environ.get("MERC_ROBUSTNESS_SEED", "0"))
