"""Cues from the teacher to the prompt: merc annotate, then run, evaluate, predict and report, on real clips."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.integration.comparing import log_of
from tests.integration.forking import Forks
from tests.senses import mistake, read_lines, talk, write_talk

RECIPE = """\
corpus: {{name: jsonl, path: talk.jsonl}}
labels: [joy, anger, sadness]
backbone: {{name: hf, path: {folder}/backbone, tuning: {{name: lora, r: 4, alpha: 8}}}}
annotators:
  ear: {{name: ear, mute: turn 1 of test1}}
  count: {{name: counter}}
stages:
  - id: merc
    prompter: {{name: conversation, cues: [pitch, face]}}
    trainer: {{name: sft, lr: 5e-2, batch_conversations: 2}}
    data: {{limit: 2}}
evaluate: {{splits: [test], metrics: [classification]}}
strategy: {{device: cpu, threads: 1, batch_tokens: 512}}
features: {{store: kept/features}}
"""


def lay_out(senses: Path, folder: Path) -> Path:
    (folder / "clips").symlink_to(senses / "clips")
    talks = read_lines((senses / "talk.jsonl").read_text())
    for number, one in enumerate(talks):
        one["utterances"][0]["cues"] = {"face": f"a smile of {number}"}
    talks[-1]["utterances"][0]["cues"]["pitch"] = "as the corpus has it"
    write_talk(folder / "talk.jsonl", talks)
    (folder / "cues.yaml").write_text(RECIPE.format(folder=senses))
    return folder


@pytest.fixture(scope="module")
def work(senses: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus whose cues are in part its own, and a recipe."""
    return lay_out(senses, tmp_path_factory.mktemp("cues"))


@pytest.fixture(scope="module")
def run(program: Forks, work: Path) -> Path:
    """A run of the recipe, after its teacher was asked."""
    told = mistake(program(work, "run", "cues.yaml", "seed=1", "--run-dir", "run"))
    assert told == (
        "annotators.ear (ear) was never asked about 10 of 10 utterances (train0_u0, ...): ask first, with: "
        "merc annotate cues.yaml seed=1\n"
    )
    assert not (work / "run").exists()
    # Two of three conversations of the train split, one of dev, which training looks at, and two of test.
    asked = program(work, "annotate", "cues.yaml", "--json")
    assert asked.code == 0, asked.err
    assert json.loads(asked.out)["annotators"]["ear"]["asked"] == 10
    ended = program(work, "run", "cues.yaml", "--run-dir", "run")
    assert ended.code == 0, ended.err
    assert "annotators.ear (ear): cues for 9 of 10 utterances (pitch 9)" in ended.err
    assert "annotators.ear: 1 of 10 utterances has no cue; the report lists the reasons" in ended.err
    assert "annotators.ear: its cue 'pitch' replaces the corpus's own for 1 of 10 utterances" in ended.err
    assert "no prompt reads the cues of annotators.count: not used" in ended.err
    assert "the cue 'face', from the corpus: 5 of 10 utterances have none" in ended.err
    return work / "run"


def probabilities(path: Path) -> dict[str, Any]:
    return {line["id"]: line["probabilities"] for line in read_lines((path / "predictions.jsonl").read_text())}


def test_cues_reach_the_prompts_and_what_is_missing_is_counted(program: Forks, run: Path, work: Path) -> None:
    missing = {line["id"]: line["missing"] for line in read_lines((run / "predictions.jsonl").read_text())}
    said = {"annotators.ear": "nothing can be said"}
    assert missing == {"test0_u0": {}, "test0_u1": {}, "test1_u0": {}, "test1_u1": said}
    (record,) = log_of(run, "annotate")
    assert (record["stream"], record["encoded"]) == ("annotators.ear", 9)
    assert record["missing"] == [{"utterance": "test1_u1", "reason": "nothing can be said"}]
    page = (run / "report.html").read_text()
    assert " crossings" in page and "annotators.ear" in page and "as the corpus has it" not in page
    # A cue that the prompts do not show changes nothing; one that they show does.
    for name, change in (("bare", "stages.0.prompter.cues=[face]"), ("same", "annotators={ear: {name: ear, mute: X}}")):
        ended = program(work, "run", "cues.yaml", "--run-dir", name, change.replace("X", "turn 1 of test1"))
        assert ended.code == 0, ended.err
    assert probabilities(work / "same") == probabilities(run) != probabilities(work / "bare")


def test_provenance_says_who_wrote_which_cues(run: Path) -> None:
    cues = json.loads((run / "provenance.json").read_text())["cues"]
    assert cues["annotators"] == {"ear": {"annotator": "ear", "version": "1", "written": {"pitch": 9}, "missing": 1}}
    assert len(cues["sha256"]) == 64


def test_it_is_evaluated_and_reported_again_with_its_cues(
    program: Forks, run: Path, work: Path, tmp_path: Path
) -> None:
    ended = program(work, "evaluate", "run")
    assert ended.code == 0, ended.err
    again = work / "run" / "evaluations" / "test"
    assert probabilities(again) == probabilities(run)
    assert json.loads((again / "provenance.json").read_text())["cues"]["annotators"]["ear"]["missing"] == 1
    new = talk("test", 7)
    new["utterances"][0]["cues"] = {"face": "a smile"}
    other = write_talk(tmp_path / "other.jsonl", [new])
    told = mistake(program(work, "evaluate", "run", f"corpus.path={other}"))
    assert told == (
        "annotators.ear (ear) was never asked about 2 of 2 utterances (test7_u0, ...): ask first, with: merc annotate "
        f"run/recipe.yaml corpus.path={other}\n"
    )
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "report.html").unlink()
    ended = program(work, "report", str(copy))
    assert ended.code == 0 and " crossings" in (copy / "report.html").read_text(), ended.err


def test_a_comparison_shows_what_any_of_its_runs_knew(program: Forks, run: Path, work: Path, tmp_path: Path) -> None:
    ended = program(work, "run", "cues.yaml", "--run-dir", "deaf", "stages.0.prompter.cues=[face]")
    assert ended.code == 0, ended.err
    heard = tmp_path / "heard"
    shutil.copytree(run, heard)
    lines = read_lines((work / "deaf" / "predictions.jsonl").read_text())
    for line in lines:  # right where the other is wrong, so that all of them are cases
        line["label"] = (
            line["truth"] if line["label"] != line["truth"] else "sadness" if line["truth"] != "sadness" else "joy"
        )
    (heard / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = tmp_path / "page.html"
    ended = program(work, "compare", "deaf", str(heard), "--write", str(page))
    assert ended.code == 0, ended.err
    assert 'class="case"' in page.read_text() and " crossings" in page.read_text()


def test_predictions_of_new_clips_ask_the_run_s_own_annotators(program: Forks, run: Path, work: Path) -> None:
    new = {**talk("new", 3), "split": "test"}
    new["utterances"].append({"id": "new3_u2", "text": "Said on the telephone."})
    write_talk(work / "new.jsonl", [new])
    ended = program(work, "predict", "run", "new.jsonl")
    assert ended.code == 0, ended.err
    missing = [line["missing"] for line in read_lines(ended.out)]
    assert missing == [{}, {}, {"annotators.ear": "the utterance has no audio file"}]
    assert "the prompts of this run show cues, so the input is annotated by ear (ear)" in ended.err
    assert "annotators.ear (ear): cues for 2 of 3 utterances (pitch 2)" in ended.err
    assert "annotators.ear: new3_u2: the utterance has no audio file" in ended.err
    assert "the cue 'face', from the corpus: 3 of 3 utterances have none" in ended.err
    # With a given cue the same is asked for, and another prompt answered.
    new["utterances"][0]["cues"] = {"face": "a broad smile"}
    write_talk(work / "new.jsonl", [new])
    other = program(work, "predict", "run", "new.jsonl")
    assert read_lines(other.out)[0]["probabilities"] != read_lines(ended.out)[0]["probabilities"]
    (file,) = (work / "kept" / "cues").glob("*.jsonl")
    assert sum(line["utterance"].startswith("new3") for line in read_lines(file.read_text())) == 3


def test_a_run_goes_on_with_the_cues_that_it_began_with(program: Forks, senses: Path, tmp_path: Path) -> None:
    work = lay_out(senses, tmp_path)
    down = "annotators.ear.down=turn 0 of train0"
    assert program(work, "annotate", "cues.yaml", down).code == 1
    ended = program(work, "run", "cues.yaml", "--run-dir", "run", down, kill_at=25, watch=work / "run")
    assert ended.code == -9, ended.err
    assert (work / "run" / "provenance.json").exists()
    assert (
        "1 of them may get some yet, with: merc annotate cues.yaml 'annotators.ear.down=turn 0 of train0'" in ended.err
    )
    assert program(work, "annotate", "cues.yaml").code == 0
    told = mistake(program(work, "run", "cues.yaml", "--run-dir", "run", down, "--resume"))
    assert told == (
        "the cues of run have changed since the run began: an annotator was asked again meanwhile; give another "
        "--run-dir to start anew with the cues of now\n"
    )


def test_a_cue_that_nobody_writes(program: Forks, work: Path) -> None:
    told = mistake(program(work, "run", "cues.yaml", "--run-dir", "none", "stages.0.prompter.cues=[pitch, fase]"))
    assert told == (
        "stages.0.prompter reads the cue 'fase', which no annotator of the recipe writes and no utterance of the "
        "corpus has. Did you mean 'face'? The cues are: pitch (annotators.ear), length (annotators.count), face; name "
        "an annotator that writes it, as in annotators: {teacher: {name: ...}}, and run merc annotate cues.yaml "
        "'stages.0.prompter.cues=[pitch, fase]'\n"
    )
    assert not (work / "none").exists()
