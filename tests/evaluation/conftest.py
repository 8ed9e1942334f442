"""A run directory, made up, with everything that a report shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from merc.builtin.metrics import Classification
from merc.components import Prediction
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.evaluation import compute_metrics, write_metrics, write_predictions
from merc.recipe import ComponentRef

LABELS = LabelSpace(("neutral", "joy", "anger"))
EVIL = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">"


class Run(NamedTuple):
    folder: Path
    conversations: list[Conversation]
    labels: LabelSpace


def classification() -> ComponentRef:
    return ComponentRef(name="classification", params={}, component=Classification())


def talk(split: str, number: int) -> tuple[Conversation, list[Prediction]]:
    """Four turns: right, wrong, unparsed, and one without truth."""
    name = f"{split}{number}"
    said = [
        ("Ada", "What a lovely coffee mug!", "joy", "joy", None, {}),
        (
            "Ben",
            f"You dropped it, number {number}.",
            "anger",
            "neutral",
            None,
            {"face": "no face was found in 8 frames"},
        ),
        ("Ada", EVIL, "neutral", None, "Well </script> & so on", {}),
        ("Ben", "…", None, "anger", None, {"voice": "the clip has no sound"}),
    ]
    turns = tuple(
        Utterance(
            id=f"{name}_u{i}",
            speaker=speaker,
            text=text,
            label=truth,
            cues={"prosody": "fast & high"} if i == 0 else {},
        )
        for i, (speaker, text, truth, *_) in enumerate(said)
    )
    sure = {"neutral": 0.25, "joy": 0.5, "anger": 0.25}
    predictions = [
        Prediction(
            id=f"{name}_u{i}",
            conversation=name,
            split=split,
            truth=truth,
            label=label,
            probabilities=sure if label else None,
            answer=text,
            missing=missing,
        )
        for i, (_, _, truth, label, text, missing) in enumerate(said)
    ]
    return Conversation(id=name, split=split, utterances=turns), predictions  # type: ignore[arg-type]


def records() -> list[dict[str, Any]]:
    steps = [
        {"event": "step", "stage": "merc", "step": s, "epoch": s / 30, "loss": 2 - s / 40, "lr": 1e-4 * s,
         "grad_norm": 1.0, "utterances_per_second": 20.0, "tokens": 100}
        for s in range(1, 31)
    ]  # fmt: skip
    devs = [
        {"event": "dev", "stage": "merc", "step": s, "epoch": s / 30, "metrics": {"weighted_f1": s / 40, "n": 3}}
        for s in (10, 20, 30)
    ]
    gap = {"utterance": "train0_u1", "reason": "no face was found in 8 frames"}
    return [
        {"event": "encode", "stream": "face", "encoded": 41, "missing": [gap]},
        {"event": "note", "text": "2 conversations were split in two <b>parts</b>"},
        *steps,
        *devs,
        {"event": "stage", "stage": "merc", "seconds": 90.0, "steps": 30},
    ]


def make_run(folder: Path, conversations: int = 30) -> Run:
    """Write every file of a run: test has so many conversations, dev five."""
    folder.mkdir(parents=True)
    made = [talk("dev", i) for i in range(5)] + [talk("test", i) for i in range(conversations)]
    predictions = [p for _, group in made for p in group]
    write_predictions(folder / "predictions.jsonl", predictions)
    write_metrics(folder / "metrics.json", compute_metrics(predictions, LABELS, {"classification": classification()}))
    (folder / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records()))
    provenance = {
        "merc": "0.1.0", "python": "3.11.2", "platform": "Linux", "seed": 3, "started": "2026-01-02T03:04:05Z",
        "seconds": 252.0, "command": "merc run talk.yaml", "git": {"commit": "abc123", "dirty": False},
        "plugins": [{"name": "faces", "distribution": "merc-faces", "version": "0.3"}],
        "packages": {"torch": "2.13.0"}, "data": {"talk.jsonl": "sha256 00ff"},
    }  # fmt: skip
    (folder / "provenance.json").write_text(json.dumps(provenance))
    (folder / "recipe.yaml").write_text(
        "name: talk\ntitle: Talk & <Tests>\ndescription: A run that is made up.\n"
        "encoders:\n  face: {name: faces}\n  voice: {name: voices}\n"
    )
    return Run(folder, [conversation for conversation, _ in made], LABELS)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "run")
