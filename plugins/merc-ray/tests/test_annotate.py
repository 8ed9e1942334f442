"""``merc annotate`` on a cluster of two nodes."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

pytest.importorskip("ray")

pytestmark = pytest.mark.slow


def answers(folder) -> dict[str, str]:
    """The answers in the store, by utterance."""
    lines = [json.loads(line) for path in folder.path.glob("store/cues/*.jsonl") for line in path.open()]
    assert len(lines) == len({line["utterance"] for line in lines}), "an answer stands twice"
    return {line["utterance"]: line["fields"]["length"] for line in lines}


def test_two_nodes_ask_as_one_process_does_and_a_killed_worker_loses_nothing(cluster, folder):
    alone = folder(40)
    plain = alone.record("annotate", "recipe.yaml", "--json")
    spread = folder(40)
    spread.set(seconds=0.1)
    process = spread.start("annotate", "recipe.yaml", *cluster.named, "--json")
    while len(spread.traced("answer")) < 8 and process.poll() is None:
        time.sleep(0.05)
    os.kill(spread.traced("answer")[-1], signal.SIGKILL)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert "a worker was lost on" in err, err
    record, before = json.loads(out)["annotators"]["teacher"], plain["annotators"]["teacher"]
    assert {**record, "asked": 40} == before
    assert answers(spread) == answers(alone) and answers(alone)["u6"] == "6 after 2"
    assert len(set(spread.traced("answer"))) >= 2

    again = spread.record("annotate", "recipe.yaml", *cluster.named, "--json")
    assert again["annotators"]["teacher"]["asked"] == 0
