"""``merc encode`` on a cluster of two nodes."""

from __future__ import annotations

import os
import signal
import time

import pytest

pytest.importorskip("ray")

pytestmark = pytest.mark.slow


def test_two_nodes_fill_the_store_as_one_process_does(cluster, folder):
    alone = folder(40)
    plain = alone.record("encode", "recipe.yaml", "--json")
    spread = folder(40)
    spread.set(seconds=0.02)
    told = spread.record("encode", "recipe.yaml", *cluster.named, "--json")
    assert told["streams"] == plain["streams"]
    assert spread.features() == alone.features() and len(alone.features()) == 40
    assert len(spread.traced("clip")) == 40 and len(set(spread.traced("clip"))) == 2
    assert len(spread.traced("load")) == 2, "an encoder is loaded once a worker"
    assert not spread.leavings()

    again = spread.record("encode", "recipe.yaml", *cluster.named, "--json")
    assert again["streams"]["heard"]["encoded"] == 0 and len(spread.traced("clip")) == 40


def test_a_worker_that_is_killed_loses_nothing(cluster, folder):
    spread = folder(40)
    spread.set(seconds=0.1)
    process = spread.start("encode", "recipe.yaml", *cluster.named, "--json")
    while len(spread.traced("clip")) < 8 and process.poll() is None:
        time.sleep(0.05)
    os.kill(spread.traced("clip")[-1], signal.SIGKILL)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert "workers 'ray': a worker was lost on" in err and "done again" in err
    assert len(spread.features()) == 40 and not spread.leavings()
    assert len(set(spread.traced("clip"))) >= 2
