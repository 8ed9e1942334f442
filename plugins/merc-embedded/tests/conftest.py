import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """A photograph with one face: Grace Hopper, in the sample data of matplotlib."""
    from matplotlib import cbook
    from PIL import Image

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        return np.asarray(Image.open(file).convert("RGB"))


@pytest.fixture(scope="session")
def clips() -> list[Path]:
    """Real clips of people who speak, where they are at hand."""
    root = Path(__file__).parents[3].parent / "shared" / "data"
    found = sorted((Path(os.environ.get("MERC_TEST_DATA", root)) / "clips").glob("*.mp4"))
    if not found:
        pytest.skip("the real clips are not here; name their folder in MERC_TEST_DATA")
    return found
