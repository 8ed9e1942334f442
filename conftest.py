"""What all tests need, wherever they are."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest

# Processes of tests side by side share the cores. Two that take all of them each wait for one another: on two cores
# the same tests took over six times as long. What a test starts inherits it.
if processes := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(processes))))

# Tests assert behaviour, never time: a machine that is busy with something else fails none of them.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

# A job that a shell started in the background ignores Ctrl-C, and so would every process that a test starts and
# interrupts. A handler of our own is not inherited: such a process begins as it does for a user.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Gives a folder of the real data, which are not part of the project, by its name: from ``$MERC_TEST_DATA``, else
    from ``shared/data`` here or beside here. A test skips without it."""
    root, named = Path(__file__).resolve().parent, os.environ.get("MERC_TEST_DATA")
    places = [Path(named)] if named else [root / "shared" / "data", root.parent / "shared" / "data"]

    def folder(name: str) -> Path:
        for place in places:
            if (place / name).is_dir():
                return place / name
        pytest.skip(f"the real data are not here: {name}/; name their folder in MERC_TEST_DATA")

    return folder


@pytest.fixture(scope="session")
def clips_folder(real_data: Callable[[str], Path]) -> Path:
    """The folder of real clips of people who speak."""
    return real_data("clips")


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """A photograph with one face: Grace Hopper, in the sample data of matplotlib."""
    from matplotlib import cbook
    from PIL import Image

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        return np.asarray(Image.open(file).convert("RGB"))


@pytest.fixture
def computing_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever CPU this is, merc computes in bfloat16 where it is asked for."""
    monkeypatch.setattr("merc.model.precision.computes_bfloat16", lambda device: True)
