"""Whole runs with heads: what is learned, kept, predicted and measured, again after a stop, and what is refused."""

from __future__ import annotations

import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import merc
from tests.integration.comparing import files_of, log_of, same_numbers
from tests.integration.conftest import lay_out
from tests.integration.forking import Forks

VALENCE = {"joy": 0.8, "anger": -0.7, "sadness": -0.6}
AROUSAL = {"joy": 0.5, "anger": 0.9, "sadness": 0.1}
SECTION = """\
heads:
  affect: {name: regression, outputs: {valence: [-1, 1], arousal: [0, 1]}}
  tagger: {name: multi-label, labels: [joy, anger, sadness, surprise], field: tags, threshold: 0.4}
"""
LOSSES = "losses: [token-nll, {name: head, head: affect}, {name: head, head: tagger, weight: 0.5}]"
METRICS = "metrics: [classification, regression, {name: label-sets, field: tags}]"


def lay_out_heads(parts: Path, folder: Path) -> Path:
    """The parts with values beside two utterances of three, and ``heads.yaml``."""
    lay_out(parts, folder)
    draw, lines = random.Random(3), []
    for line in (folder / "talk.jsonl").read_text().splitlines():
        talk = json.loads(line)
        for said in talk["utterances"]:
            label, values = said["label"], {}
            if draw.random() < 0.8:
                values["valence"] = round(VALENCE[label] + draw.uniform(-0.2, 0.2), 3)
            if draw.random() < 0.6:
                values["arousal"] = round(min(1, max(0, AROUSAL[label] + draw.uniform(-0.1, 0.1))), 3)
            if draw.random() < 0.9:
                values["tags"] = [label, *(["surprise"] if draw.random() < 0.3 else [])]
            said["values"] = values
        lines.append(json.dumps(talk))
    (folder / "talk.jsonl").write_text("\n".join(lines) + "\n")
    text = (folder / "text.yaml").read_text().replace("stages:", f"{SECTION}stages:")
    text = text.replace("batch_tokens: 128}", f"batch_tokens: 128, select_by: regression.ccc, {LOSSES}}}")
    (folder / "heads.yaml").write_text(text.replace("metrics: [classification]", METRICS))
    return folder


@pytest.fixture
def heads_work(parts: Path, tmp_path: Path) -> Path:
    return lay_out_heads(parts, tmp_path)


@pytest.fixture(scope="module")
def run(merc: Forks, parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = lay_out_heads(parts, tmp_path_factory.mktemp("heads"))
    ended = merc(folder, "run", "heads.yaml", "--run-dir", "run")
    assert ended.code == 0, ended.err
    assert "utterances have 'valence'" in ended.err and "utterances have 'tags'" in ended.err
    return folder / "run"


def rows(run: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]
    return [{"truths": {}, **row} for row in found]


def values_of(run: Path) -> dict[str, dict[str, Any]]:
    """The values that the corpus has, by utterance."""
    talks = map(json.loads, (run.parent / "talk.jsonl").read_text().splitlines())
    return {u["id"]: u["values"] for talk in talks for u in talk["utterances"]}


def test_heads_are_kept_with_the_stage(run: Path) -> None:
    assert {"stages/merc/heads.safetensors", "stages/merc/done.json"} <= files_of(run)
    state = load_file(run / "stages" / "merc" / "heads.safetensors")
    assert {name.partition(".")[0] for name in state} == {"affect", "tagger"}
    done = json.loads((run / "stages" / "merc" / "done.json").read_text())
    dev = [record["metrics"] for record in log_of(run, "dev")]
    assert done["best"]["metric"] == "regression.ccc" and len(dev) == 2


def test_each_loss_is_in_the_log(run: Path) -> None:
    for record in log_of(run, "step"):
        assert list(record["losses"]) == ["token-nll", "head-affect", "head-tagger"]
        assert record["loss"] == pytest.approx(sum(record["losses"].values()))


def test_every_prediction_has_values_and_what_is_true(run: Path) -> None:
    true = values_of(run)
    assert any("arousal" not in true[row["id"]] for row in rows(run))
    for row in rows(run):
        assert row["truths"] == true[row["id"]]
        assert -1 <= row["values"]["valence"] <= 1 and 0 <= row["values"]["arousal"] <= 1
        tags = row["values"]["tags"]
        assert tags["labels"] == [label for label, chance in tags["probabilities"].items() if chance >= 0.4]


def test_the_numbers_are_those_of_the_predictions(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    for split in ("dev", "test"):
        mine = [row for row in rows(run) if row["split"] == split]
        for name in ("valence", "arousal"):
            errors = [abs(r["values"][name] - r["truths"][name]) for r in mine if name in r["truths"]]
            found = metrics[split]["regression"]["outputs"][name]
            assert found["mae"] == pytest.approx(sum(errors) / len(errors))
            assert (found["n"], found["unlabelled"]) == (len(errors), len(mine) - len(errors))
        tagged = [row for row in mine if "tags" in row["truths"]]
        exact = [set(r["values"]["tags"]["labels"]) == set(r["truths"]["tags"]) for r in tagged]
        sets = metrics[split]["label-sets"]
        assert sets["n"] == len(tagged) and sets["subset_accuracy"] == pytest.approx(sum(exact) / len(exact))
    best = json.loads((run / "stages" / "merc" / "done.json").read_text())["best"]
    assert metrics["dev"]["regression"]["ccc"] == pytest.approx(best["value"])


def test_the_report_shows_them(run: Path) -> None:
    page = (run / "report.html").read_text()
    for word in ("valence", "arousal", "tags", "CCC"):
        assert word in page


def test_predicting_gives_the_same_values_with_every_decoder(run: Path, merc: Forks) -> None:
    known = {row["id"]: row for row in rows(run)}
    shutil.copytree(run, run.parent / "copy")
    for more in ((), ("evaluate.decoder={name: generate, max_new_tokens: 4}",)):
        folder = run.parent
        ended = merc(folder, "evaluate", "copy", *more, "--name", f"again{len(more)}")
        assert ended.code == 0, ended.err
        again = rows(folder / "copy" / "evaluations" / f"again{len(more)}")
        for row in again:
            for field in ("valence", "arousal"):
                assert row["values"][field] == pytest.approx(known[row["id"]]["values"][field], abs=1e-5)


def test_a_line_of_a_prediction_has_values(run: Path, merc: Forks) -> None:
    (run.parent / "new.jsonl").write_text('{"id": "n", "utterances": [{"text": "we love this day"}]}\n')
    ended = merc(run.parent, "predict", "run", "new.jsonl")
    assert ended.code == 0, ended.err
    line = json.loads(ended.out.splitlines()[-1])
    assert list(line["values"]) == ["valence", "arousal", "tags"] and line["label"]


def test_a_run_that_is_killed_goes_on_to_the_same_numbers(run: Path, merc: Forks, heads_work: Path) -> None:
    again = heads_work / "run"
    for kill_at in (25, 45):
        ended = merc(heads_work, "run", "heads.yaml", "--run-dir", "run", "--resume", kill_at=kill_at, watch=again)
        assert ended.code == -signal.SIGKILL, ended.err
    ended = merc(heads_work, "run", "heads.yaml", "--run-dir", "run", "--resume")
    assert ended.code == 0, ended.err
    same_numbers(run, again)


def test_another_run_starts_from_the_heads(run: Path, merc: Forks) -> None:
    more = ("init_from=run", "stages.0.trainer.losses=[token-nll]", "stages.0.trainable=[backbone]")
    ended = merc(run.parent, "run", "heads.yaml", *more, "stages.0.trainer.epochs=1", "--run-dir", "next")
    assert ended.code == 0, ended.err
    one, two = (load_file(r / "stages" / "merc" / "heads.safetensors") for r in (run, run.parent / "next"))
    assert all(value.equal(two[name]) for name, value in one.items())


def test_heads_alone_learn_from_utterances_without_labels(merc: Forks, heads_work: Path) -> None:
    lines = []
    for line in (heads_work / "talk.jsonl").read_text().splitlines():
        talk = json.loads(line)
        for said in talk["utterances"]:
            del said["label"]
        lines.append(json.dumps(talk))
    (heads_work / "talk.jsonl").write_text("\n".join(lines) + "\n")
    more = ("backbone.tuning={name: frozen}", "heads.tagger=null", "evaluate.metrics=[regression]",
            "stages.0.trainer.losses=[{name: head, head: affect}]")  # fmt: skip
    ended = merc(heads_work, "run", "heads.yaml", *more, "--run-dir", "run")
    assert ended.code == 0, ended.err
    assert "best dev regression.ccc" in ended.err
    metrics = json.loads((heads_work / "run" / "metrics.json").read_text())
    assert metrics["test"]["n"] == 0 and metrics["test"]["regression"]["n"] > 0


@pytest.mark.parametrize(("change", "words"), [
    ({"valence": 3}, ("line 1", "train0_0", "valence is 3", "from -1 to 1", "heads.affect")),
    ({"tags": ["rage"]}, ("line 1", "train0_0", "'rage'", "heads.tagger")),
])  # fmt: skip
def test_what_cannot_be_true_is_refused_before_anything_is_made(
    merc: Forks, heads_work: Path, change: dict[str, Any], words: tuple[str, ...]
) -> None:
    first, *others = (heads_work / "talk.jsonl").read_text().splitlines()
    talk = json.loads(first)
    talk["utterances"][0]["values"] = change
    (heads_work / "talk.jsonl").write_text("\n".join([json.dumps(talk), *others]) + "\n")
    ended = merc(heads_work, "run", "heads.yaml", "--run-dir", "run")
    assert ended.code == 2 and not (heads_work / "run").exists()
    assert all(word in ended.err for word in words), ended.err


def test_a_head_without_anything_to_learn_is_refused(merc: Forks, heads_work: Path) -> None:
    ended = merc(heads_work, "run", "heads.yaml", "heads.tagger.field=moods", METRICS_OF_MOODS, "--run-dir", "run")
    assert ended.code == 2
    for word in ("stage merc", "none of the", "'moods'", "heads.tagger has nothing to learn"):
        assert word in ended.err


METRICS_OF_MOODS = "evaluate.metrics=[classification, regression]"


def test_parameters_of_heads_are_counted(merc: Forks, heads_work: Path) -> None:
    ended = merc(heads_work, "params", "heads.yaml")
    assert ended.code == 0, ended.err
    assert "heads.affect" in ended.out and "heads.tagger" in ended.out


def test_a_loaded_run_gives_values(run: Path) -> None:
    (row, *_) = rows(run)
    said = next(u for talk in map(json.loads, (run.parent / "talk.jsonl").read_text().splitlines())
                for u in talk["utterances"][:1] if u["id"] == row["id"])  # fmt: skip
    one = merc.Conversation(id="c", utterances=(merc.Utterance(id="u", text=said["text"], speaker=said["speaker"]),))
    (prediction,) = merc.load(run).predict(one)
    assert prediction.values["valence"] == pytest.approx(row["values"]["valence"], abs=1e-5)
    assert prediction.truths == {}
