"""What a session adds to the forward pass: the second prediction of one text utterance against the pass alone, and the
first prediction of a loaded session against the command ``merc predict``."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import merc
from bench.conftest import THREADS, Times
from bench.workload import LABELS, rounds
from merc.model.batch import make_batch
from merc.session.shared_model import SharedModel

SAID = "Could she have left the keys in the kitchen? Oh, look at this!"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of SmolLM2 as it is, whose prompts show words."""
    folder = tmp_path_factory.mktemp("session")
    talk = {"id": "talk", "split": "test", "utterances": [{"id": "u0", "text": SAID, "label": "surprise"}]}
    (folder / "talk.jsonl").write_text(json.dumps(talk) + "\n")
    recipe = {
        "corpus": {"name": "jsonl", "path": str(folder / "talk.jsonl")},
        "labels": list(LABELS.labels),
        "backbone": {"name": "smollm2", "dtype": "float32"},
        "evaluate": {"splits": ["test"], "prompter": {"name": "conversation"}},
        "strategy": {"device": "cpu", "threads": THREADS},
    }
    try:
        return merc.run(recipe, run_dir=folder / "run").path
    except merc.MercError as error:
        pytest.skip(f"the backbone smollm2 is not installed: {error}")


def test_second_prediction(run: Path, benchmark: Any, say: Any) -> None:
    """To reach: at most 1.2 times the forward pass alone."""
    session = merc.load(run)
    (first,) = session.predict({"text": SAID})
    model = session.load()
    talk = merc.Conversation(id="input-1", utterances=(merc.Utterance(id="input-1", text=SAID),))
    asks = SharedModel(model=model, prompter=session.setup.prompter, labels=session.labels)
    ((query,),) = session.setup.queries([talk])
    (trees,) = model.trees([[asks.encode(query)]], session.recipe.strategy.batch_tokens)
    batch = make_batch(*trees)
    alone, mine = Times(), Times()

    def forward() -> Any:
        with torch.no_grad():
            return torch.softmax(model.score_with_states(batch, len(session.labels))[0].double(), -1)[0]

    def once() -> None:
        (second,) = mine.measure(lambda: session.predict({"text": SAID}))
        assert second == first

    def plain() -> None:
        chances = alone.measure(forward).tolist()
        assert chances == pytest.approx(list((first.probabilities or {}).values()), abs=1e-6)

    plain()
    benchmark.pedantic(once, setup=plain, rounds=max(rounds(), 15))
    del alone.elapsed[0], alone.cpu[0]
    clock, cpu = mine.over(alone)
    benchmark.extra_info |= {"ratio": clock, "cpu_ratio": cpu}
    what = "second prediction of one text utterance"
    say(f"{what}: {clock:.2f} times the forward pass alone (CPU {cpu:.2f}; to reach: at most 1.2)")
    say(f"    {1000 * statistics.median(mine.elapsed):.1f} ms against {1000 * statistics.median(alone.elapsed):.1f} ms")


def test_first_prediction(run: Path, benchmark: Any, say: Any) -> None:
    """The first prediction of a loaded session, and the command, which starts, loads and predicts."""
    (run.parent / "new.jsonl").write_text(json.dumps({"id": "new", "utterances": [{"text": SAID}]}) + "\n")
    took, session = [], merc.load(run)

    def command() -> None:
        since = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "merc", "predict", str(run), str(run.parent / "new.jsonl")], check=True,
            capture_output=True,
        )  # fmt: skip
        took.append(time.perf_counter() - since)

    mine = Times()
    benchmark.pedantic(lambda: mine.measure(lambda: session.predict({"text": SAID})), setup=command, rounds=1)
    say(f"first prediction of a loaded session: {1000 * mine.elapsed[0]:.0f} ms, merc predict {took[0]:.1f} s")
