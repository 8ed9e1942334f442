"""The picture of hidden states: kept with their predictions, projected as PCA says, drawn or said why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.evaluation import write_predictions, write_report
from merc.evaluation.projection import MOST_POINTS, project, read_states, write_states


def made(count: int, split: str = "test") -> list[Prediction]:
    labels = ("fear", "joy")
    return [
        Prediction(id=f"{split}{i}", conversation=split, split=split, truth=labels[i % 2], label="joy")
        for i in range(count)
    ]


def test_states_are_kept_by_split_in_the_order_of_the_predictions(tmp_path: Path) -> None:
    said = [*made(3), *made(2, "dev")]
    states = {p.id: np.full(4, i, np.float32) for i, p in enumerate(said)}
    write_states(tmp_path, said, dict(reversed(states.items())))
    found = read_states(tmp_path)
    assert {split: rows[:, 0].tolist() for split, rows in found.items()} == {"test": [0, 1, 2], "dev": [3, 4]}
    assert read_states(tmp_path / "nowhere") == {}
    (tmp_path / "states.safetensors").write_bytes(b"no")
    with pytest.raises(MercError, match=r"states\.safetensors is damaged"):
        read_states(tmp_path)


def test_the_plane_is_the_one_of_most_variance() -> None:
    draw = np.random.default_rng(0)
    states = draw.normal(size=(40, 6)).astype(np.float32) * np.array([9, 5, 1, 1, 0.5, 0.1], np.float32)
    found = project(states, ["joy"] * 40, ["joy"])
    assert found is not None
    values = np.linalg.eigvalsh(np.cov(states.astype(float).T))[::-1]
    assert found.explained == pytest.approx(tuple(values[:2] / values.sum()))


def test_what_has_no_truth_is_not_drawn() -> None:
    states = np.arange(20, dtype=np.float32).reshape(5, 4)
    found = project(states, ["joy", None, "fear", "joy", "joy"], ["fear", "joy"])
    assert found is not None and found.svg.count("<circle") == found.count == 4
    assert found.svg.count("spot-0") == 1 and found.svg.count("spot-1") == 3
    assert project(states, ["joy", "joy", None, None, None], ["joy"]) is None
    assert project(np.ones((5, 4), np.float32), ["joy"] * 5, ["joy"]) is None


def test_of_very_many_some_are_drawn() -> None:
    count = MOST_POINTS + 10
    found = project(np.random.default_rng(1).normal(size=(count, 3)).astype(np.float32), ["joy"] * count, ["joy"])
    assert found is not None and found.count == count
    assert found.svg.count("<circle") == found.drawn == -(-count // 2)


def test_the_report_draws_them_or_says_why_not(tmp_path: Path) -> None:
    from merc.builtin.metrics import Classification
    from merc.evaluation import compute_metrics, write_metrics
    from merc.recipe import ComponentRef

    said = made(6)
    labels = LabelSpace(("fear", "joy"))
    write_predictions(tmp_path / "predictions.jsonl", said)
    own = ComponentRef(name="classification", params={}, component=Classification())
    write_metrics(tmp_path / "metrics.json", compute_metrics(said, labels, {"classification": own}))
    draw = np.random.default_rng(0)
    write_states(tmp_path, said, {p.id: draw.normal(size=4).astype(np.float32) for p in said})
    page = write_report(tmp_path, [], labels).read_text()
    assert page.count('<circle class="spot') == 6 and "principal components" in page
    write_states(tmp_path, said[:5], {p.id: draw.normal(size=4).astype(np.float32) for p in said})
    page = write_report(tmp_path, [], labels).read_text()
    assert '<circle class="spot' not in page
    assert "states.safetensors has 5 states of the test split for 6 predictions, so they are not drawn." in page
