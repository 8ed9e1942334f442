"""Twenty workers of a cluster are killed, and nothing is lost: ``MERC_KILLS=1 pytest -m kills plugins/merc-ray``."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import pytest

pytest.importorskip("ray")

pytestmark = [
    pytest.mark.kills,
    pytest.mark.skipif(not os.environ.get("MERC_KILLS"), reason="twenty kills take minutes: MERC_KILLS=1"),
]

KILLS, CLIPS = 20, 400


def test_nothing_is_lost_in_twenty_kills(cluster, folder):
    chance = random.Random(0)
    alone = folder(CLIPS)
    alone.record("encode", "recipe.yaml", "--json")
    spread = folder(CLIPS)
    spread.set(seconds=0.5)
    workers = f"workers={{name: ray, address: {cluster.address!r}, cpus: 0.5, attempts: 20}}"
    process = spread.start("encode", "recipe.yaml", workers, "--allow", f"http://{cluster.address}", "--json")
    killed: set[int] = set()
    while len(killed) < KILLS and process.poll() is None:
        time.sleep(2)
        clips = spread.traced("clip")
        at_work = [one for one in set(clips) - killed if clips.count(one) > 1]
        if at_work:
            victim = chance.choice(at_work)
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
    out, err = process.communicate(timeout=550)
    assert process.returncode == 0, err
    assert len(killed) == KILLS, f"it was done after {len(killed)} kills"
    assert err.count("a worker was lost on") == KILLS, err
    assert spread.features() == alone.features() and len(alone.features()) == CLIPS
    assert not spread.leavings()
    again = Counter(spread.traced("clip")).total() - CLIPS
    print(f"\n{KILLS} kills: {CLIPS} of {CLIPS} clips are there, {again} were encoded twice")
    assert out
