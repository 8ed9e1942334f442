"""A conversation that goes on and keeps its last 30 utterances: one more, against scoring its whole prompt."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import merc
from bench.conftest import THREADS, Times
from bench.test_session import run  # noqa: F401 - a fixture: SmolLM2 as it is, in float32
from bench.workload import joined
from merc.session.shared_model import SharedModel

HISTORY = 30
CYCLE = HISTORY // 2 + 1


def test_going_on(run: Path, found: Any, benchmark: Any, say: Any) -> None:  # noqa: F811
    """To reach: 5 times where 30 utterances are kept. Measured over all utterances from one that makes the conversation
    forget its older half to the next such one, since that one costs what is computed anew."""
    torch.set_num_threads(THREADS)
    session = merc.load(run)
    model = session.load()
    asks = SharedModel(model=model, prompter=session.setup.prompter, labels=session.labels)
    spoken = joined(found.conversations, HISTORY + CYCLE + 1, seed=0).utterances
    live = session.live(history=HISTORY)
    mine, whole = Times(), Times()
    kept: list[int] = []

    def both(utterance: merc.Utterance) -> None:
        talk = replace(live.conversation, utterances=(*live.conversation.utterances, utterance))
        *_, query = session.setup.queries([talk])[0]
        plain = whole.measure(lambda: asks.score([query]).values.softmax(-1)[0].tolist())
        said = {"id": utterance.id, "text": utterance.text, "speaker": utterance.speaker}
        own = mine.measure(lambda: live.predict(said))
        kept.append(len(talk.utterances) - 1)
        assert list((own.probabilities or {}).values()) == pytest.approx(plain, abs=1e-5)

    for utterance in spoken[:HISTORY]:
        live.predict({"id": utterance.id, "text": utterance.text, "speaker": utterance.speaker})
    benchmark.pedantic(lambda: [both(utterance) for utterance in spoken[HISTORY : HISTORY + CYCLE]], rounds=1)
    full = [at for at, count in enumerate(kept) if count == HISTORY]
    assert full and min(kept) == HISTORY + 1 - HISTORY // 2
    for what, times in (("on the clock", lambda t: t.elapsed), ("of CPU", lambda t: t.cpu)):
        at_most = statistics.median(times(whole)[at] / times(mine)[at] for at in full)
        every = sum(times(whole)) / sum(times(mine))
        say(f"one more utterance, {HISTORY} kept: {at_most:.1f} times {what} (to reach: 5); {every:.1f} over {CYCLE}")
    say(f"    whole prompts {whole.text(1, 'utterances')}; going on {mine.text(1, 'utterances')}")
