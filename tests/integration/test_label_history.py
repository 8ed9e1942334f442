"""What a run says of its prompts, and of labels of earlier utterances that are not there or not shown."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.comparing import log_of
from tests.integration.forking import Forks

PLAIN = "the tokenizer has no chat template: turns are written plainly"
UNTRAINED = ["run", "text.yaml", "stages=[]", "evaluate.splits=[test]", "--run-dir", "run"]


def test_a_tokenizer_without_a_chat_template_is_said_wherever_there_is_a_prompt(merc: Forks, work: Path) -> None:
    ended = merc(work, *UNTRAINED, "evaluate.prompter={name: turns}")
    assert ended.code == 0, ended.err
    assert ended.err.count(PLAIN) == 1
    assert sum(PLAIN in record["text"] for record in log_of(work / "run", "note")) == 1
    ended = merc(work, "evaluate", "run", "--name", "again")
    assert ended.code == 0 and ended.err.count(PLAIN) == 1
    assert sum(PLAIN in record["text"] for record in log_of(work / "run/evaluations/again", "note")) == 1
    ended = merc(work, "predict", "run", "talk.jsonl")
    assert ended.code == 0 and ended.err.count(PLAIN) == 1


def test_a_prompter_that_shows_no_past_labels_is_refused(merc: Forks, work: Path) -> None:
    asked = "evaluate.prompter={name: turns}"
    for whose in ("gold", "predicted"):
        ended = merc(work, *UNTRAINED, asked, f"evaluate.label_history={whose}")
        assert ended.code == 2 and "Traceback" not in ended.err
        assert "evaluate.label_history (command line): prompter 'turns' shows no labels" in ended.err
    assert merc(work, *UNTRAINED, asked).code == 0
    ended = merc(work, "evaluate", "run", "evaluate.label_history=predicted")
    assert ended.code == 2 and "evaluate.label_history (command line): prompter 'turns' shows no labels" in ended.err


def test_gold_labels_of_recordings_that_have_none(merc: Forks, work: Path) -> None:
    ended = merc(work, *UNTRAINED, "evaluate.prompter={name: conversation}", "evaluate.label_history=gold")
    assert ended.code == 0, ended.err
    assert "earlier utterances have no label" not in ended.err
    talks = [json.loads(line) for line in (work / "talk.jsonl").read_text().splitlines()][:2]
    for talk in talks:
        for utterance in talk["utterances"]:
            utterance["label"] = None
    talks[0]["utterances"][0]["label"] = "joy"
    (work / "mine.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks))
    ended = merc(work, "predict", "run", "mine.jsonl")
    assert ended.code == 0, ended.err
    count = sum(len(talk["utterances"]) - 1 for talk in talks)
    assert f"evaluate.label_history: gold: {count - 1} of {count} earlier utterances have no label" in ended.err
    (work / "mine.jsonl").write_text(json.dumps(talks[1]) + "\n")
    ended = merc(work, "predict", "run", "mine.jsonl")
    assert ended.code == 2 and "Traceback" not in ended.err
    assert "evaluate.label_history: gold shows the model the corpus's own labels of earlier utterances" in ended.err
    assert "use evaluate.label_history=predicted, the model's own" in ended.err
    ended = merc(work, "predict", "run", "mine.jsonl", "evaluate.label_history=predicted")
    assert ended.code == 0, ended.err
