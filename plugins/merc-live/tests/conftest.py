"""A run in memory, and recordings with known loud parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import merc
from merc.testing.examples import transcriber
from tests.conftest import program, senses, trained, words_run  # noqa: F401 - fixtures
from tests.media.late import write_late
from tests.senses import senses_here
from tests.toys.loud import LiveLoud

RATE = 16_000


def sound(*parts: float) -> np.ndarray:
    """Tones of so many seconds; a negative number is a silence."""
    return np.concatenate(
        [np.zeros(round(-s * RATE)) if s < 0 else 0.4 * np.sin(np.arange(round(s * RATE)) * (0.1 + s)) for s in parts]
    ).astype("float32")


@pytest.fixture(scope="module")
def session(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[merc.Session]:  # noqa: F811
    """The run of ``tests.senses``, which looks at voices and faces."""
    with senses_here(tmp_path_factory):
        yield merc.load(trained)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, and four loud parts between silences."""
    return write_late(
        tmp_path_factory.mktemp("film") / "talk.mkv", late=0.0, sound=sound(-1, 1.2, -0.8, 2.1, -0.6, 0.7, -1, 1.5, -1)
    )


@pytest.fixture
def listener() -> merc.Listener:
    """Hears loud parts, and "la" in each."""
    return merc.Listener(LiveLoud(), transcriber.Example())
