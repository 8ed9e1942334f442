import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from merc_embedded import litert
from merc_embedded.blazeface import SHORT_RANGE
from merc_embedded.litert import LiteNetwork

from merc import MercError

pytestmark = pytest.mark.skipif(
    find_spec("mediapipe") is None or find_spec("ai_edge_litert") is None,
    reason="mediapipe, which carries the weights, or ai-edge-litert, which reads them, is not installed",
)


def test_a_picture_in_and_the_outputs_of_the_file_out():
    network = LiteNetwork.load(SHORT_RANGE.weights)
    assert network.side == 128
    picture = np.zeros((128, 128, 3), np.float32)
    places, logits = network(picture)
    assert places.shape == (896, 16) and logits.shape == (896, 1)
    kept = places.copy()
    network(picture + 1)
    np.testing.assert_array_equal(places, kept)


def test_it_says_nothing_of_itself_and_swallows_nothing():
    code = (
        "import os\n"
        "from merc_embedded import litert\n"
        "from merc_embedded.blazeface import SHORT_RANGE\n"
        "litert.LiteNetwork.load(SHORT_RANGE.weights)\n"
        "with litert._without_chatter(): os.write(2, b'something is wrong\\n')\n"
        "os.write(2, b'after\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "something is wrong\nafter\n"


def test_without_litert_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(litert, "find_spec", lambda name: None)
    with pytest.raises(MercError, match=r"ai-edge-litert, which reads .* install it with: pip install ai-edge-litert"):
        LiteNetwork.load(SHORT_RANGE.weights)
