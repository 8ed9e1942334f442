"""``merc annotate`` as a user meets it: real clips, a plugin that pip installed, processes of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.forking import Ended, Forks
from tests.senses import mistake, read_lines, write_talk

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
labels: [joy, anger, sadness]
annotators:
  ear: {name: ear}
  count: {name: counter}
backbone: {name: hf, path: nowhere}
evaluate: {splits: [test], prompter: {name: conversation, cues: [pitch]}}
strategy: {device: cpu}
features: {store: kept/features}
"""


@pytest.fixture
def work(senses: Path, tmp_path: Path) -> Path:
    """A folder with the corpus of ``tests.senses`` and a recipe whose prompts read one cue."""
    (tmp_path / "clips").symlink_to(senses / "clips")
    (tmp_path / "talk.jsonl").write_text((senses / "talk.jsonl").read_text())
    (tmp_path / "cues.yaml").write_text(RECIPE)
    return tmp_path


def asked(ended: Ended, code: int = 0) -> dict[str, Any]:
    assert ended.code == code, ended.err
    return json.loads(ended.out)["annotators"]


def test_it_fills_the_store_beside_the_features(program: Forks, work: Path) -> None:
    ended = program(work, "annotate", "cues.yaml")
    assert ended.code == 0, ended.err
    rows = [line.replace("│", " ").split() for line in ended.out.splitlines()]
    assert ["ear", "(ear)", "4", "4", "0", "0", "pitch", "4"] in rows
    assert ended.out.endswith(f"cues: {work}/kept/cues\n")
    assert "annotators.count: no prompt reads its cues, so it is not asked; --only count asks it" in ended.err
    (file,) = (work / "kept" / "cues").glob("*.jsonl")
    assert {line["utterance"] for line in read_lines(file.read_text())} == {
        f"test{n}_u{t}" for n in (0, 1) for t in (0, 1)
    }
    assert all(line["fields"]["pitch"].endswith(" crossings") for line in read_lines(file.read_text()))

    again = asked(program(work, "annotate", "cues.yaml", "evaluate.splits=[dev, test]", "--json"))["ear"]
    assert (again["utterances"], again["asked"], again["cues"]) == (6, 2, {"pitch": 6})

    # Of several folds, each conversation is tested in one.
    every = asked(program(work, "annotate", "cues.yaml", "split={folds: 2}", "--json"))["ear"]
    assert every["utterances"] == sum(len(talk["utterances"]) for talk in read_lines((work / "talk.jsonl").read_text()))

    named = asked(program(work, "annotate", "cues.yaml", "--only", "count", "--json"))
    assert list(named) == ["count"] and named["count"]["cues"] == {"length": 4}


def test_a_recipe_that_only_annotates_asks_everybody_about_everything(program: Forks, work: Path) -> None:
    bare = "corpus: {name: jsonl, path: talk.jsonl}\nannotators: {ear: {name: ear}, count: {name: counter}}\n"
    (work / "bare.yaml").write_text(bare + "strategy: {device: cpu}\nfeatures: {store: kept/features}\n")
    talks = read_lines((work / "talk.jsonl").read_text())
    for one in talks:
        for said in one["utterances"]:
            del said["label"]
    write_talk(work / "talk.jsonl", talks)
    found = asked(program(work, "annotate", "bare.yaml", "--json"))
    assert {name: (what["utterances"], what["asked"]) for name, what in found.items()} == {
        "ear": (12, 12), "count": (12, 12),
    }  # fmt: skip


def test_what_may_pass_is_listed_and_asked_again(program: Forks, work: Path) -> None:
    talks = read_lines((work / "talk.jsonl").read_text())
    talks[-1]["utterances"][1]["video"] = "clips/gone.mp4"
    write_talk(work / "talk.jsonl", talks)
    faults = ("annotators.ear.down=turn 0 of test0", "annotators.ear.mute=turn 1 of test0")
    ended = program(work, "annotate", "cues.yaml", *faults)
    assert ended.code == 1, ended.err
    assert "ear: 1 x the server is down (asked again next time): test0_u0\n" in ended.out
    assert "ear: 1 x nothing can be said: test0_u1\n" in ended.out
    assert "gone.mp4" in ended.out and ": test1_u1\n" in ended.out
    assert "not all is answered: give the same command again to ask for the rest" in ended.err
    mended = asked(program(work, "annotate", "cues.yaml", faults[1], "--json"))["ear"]
    assert (mended["asked"], mended["again"], mended["unasked"]) == (1, [], [])
    assert mended["missing"][0] == {"utterance": "test0_u1", "reason": "nothing can be said"}


def test_a_refused_answer_is_asked_for_again_where_the_user_says_so(program: Forks, work: Path) -> None:
    given = ("annotate", "cues.yaml", "annotators.ear.mute=turn 1 of test0", "--json")
    assert asked(program(work, *given))["ear"]["asked"] == 4
    assert asked(program(work, *given))["ear"]["asked"] == 0
    again = asked(program(work, *given, "--again", "refused"))["ear"]
    assert (again["asked"], again["again"], again["cues"]) == (1, [], {"pitch": 3})
    wrong = program(work, "annotate", "cues.yaml", "--again", "all")
    assert wrong.code == 2 and "--again" in wrong.err and "refused" in wrong.err


def test_a_teacher_whose_budget_is_spent(program: Forks, work: Path) -> None:
    ended = program(work, "annotate", "cues.yaml", "annotators.ear.budget=3", "--json")
    found = asked(ended, code=1)["ear"]
    assert (found["asked"], found["unasked"]) == (3, ["test1_u1"])
    assert "annotators.ear ended before it was through: 1 utterance was not asked about" in ended.err
    assert asked(program(work, "annotate", "cues.yaml", "annotators.ear.budget=3", "--json"))["ear"]["asked"] == 1


def test_mistakes(program: Forks, work: Path) -> None:
    told = mistake(program(work, "annotate", "cues.yaml", "annotators=null"))
    assert told == "recipe 'cues' has no annotators, so nobody is asked; add some at annotators:\n"
    told = mistake(program(work, "annotate", "cues.yaml", "--only", "eer"))
    assert told == "--only eer: the recipe has no annotator 'eer'. Did you mean 'ear'? Its annotators are: ear, count\n"
    told = mistake(program(work, "annotate", "cues.yaml", "evaluate.prompter.cues=[]"))
    assert told == (
        "recipe 'cues': no prompt reads a cue of its annotators (ear, count), so nobody is asked; let a prompter show "
        "one (cues: [...] of prompter 'conversation'), or give --only NAME\n"
    )
    (work / "file").write_text("")
    told = mistake(program(work, "annotate", "cues.yaml", "features.store=file/features"))
    assert told == f"the cue store {work}/file/cues cannot be made: Not a directory; set features.store\n"
    told = mistake(program(work, "annotate", "cues.yaml", "annotators.ear.dwn=x"))
    assert "annotator 'ear' takes no 'dwn'. Did you mean 'down'?" in told
    told = mistake(program(work, "annotate", "cues.yaml", "annotators.count={name: ear}"))
    assert "annotators.count (command line): writes the cue 'pitch', and so does annotators.ear" in told
