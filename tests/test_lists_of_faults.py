"""Wherever merc lists what is wrong, the list is short and counted: at most five lines a problem, and n of m."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from merc.builtin.importing import check
from merc.builtin.jsonl import JsonlCorpus
from merc.builtin.selectors import Fixed
from merc.components import CorpusData, Pool, Query
from merc.components.reasons import say_missing
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import ManyErrors, MercError
from merc.session.data import check_ids
from merc.session.inputs import recognised_corpus, with_known_labels
from merc.session.repeats import repeats
from merc.session.trained import too_long

MANY = 30


def _talks(label: Callable[[int], str | None], name: Callable[[int], str] = str) -> list[Conversation]:
    return [
        Conversation(id=f"c{n}", split="train", utterances=(Utterance(id=name(n), text="Oh!", label=label(n)),))
        for n in range(MANY)
    ]


def _strange_labels(tmp_path: Path) -> object:
    return CorpusData(conversations=_talks(lambda n: f"angre{n}")).label_space(LabelSpace(("anger", "joy")))


def _capitals(tmp_path: Path) -> object:
    return CorpusData(
        conversations=[*_talks(lambda n: f"joy{n}"), *_talks(lambda n: f"Joy{n}", lambda n: f"v{n}")]
    ).label_space()


def _faulty_lines(tmp_path: Path) -> object:
    path = tmp_path / "talk.jsonl"
    good = {"id": "c", "split": "train", "utterances": [{"id": "u", "text": "Oh!", "label": "joy"}]}
    bad = [{"id": f"c{n}", "utterances": [{"id": f"u{n}", "text": 5}]} for n in range(MANY)]
    path.write_text("".join(f"{json.dumps(one)}\n" for one in [good, *bad]))
    return JsonlCorpus(path=path).load()


def _imported_ids(tmp_path: Path) -> object:
    talks = _talks(lambda n: "joy")
    return check(CorpusData(conversations=[*talks, *talks]))


def _ids_of_a_run(tmp_path: Path) -> object:
    talks = _talks(lambda n: "joy")
    return check_ids([*talks, *talks])


def _unknown_demonstrations(tmp_path: Path) -> object:
    queries = [Query(conversation=talk, index=0, labels=LabelSpace(("joy",))) for talk in _talks(lambda n: "joy")]
    return Fixed(ids=tuple(f"nobody{n}" for n in range(MANY))).load(Pool(queries=queries))  # type: ignore[call-arg]


RAISED = [_strange_labels, _capitals, _faulty_lines, _imported_ids, _ids_of_a_run, _unknown_demonstrations]
SAID = {
    "missing media": lambda: say_missing("voice", 40, [(f"u{n}", f"reason {chr(97 + n)}") for n in range(26)]),
    "no answer": lambda: too_long({f"u{n}": 900 for n in range(MANY)}, 40, 512),
}


@pytest.mark.parametrize("cause", RAISED)
def test_faults_are_few_lines_and_counted(cause: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(MercError) as caught:
        cause(tmp_path)
    head, *lines = str(caught.value).splitlines()
    # Five of what is wrong, and how many more there are.
    assert len(lines) <= 6 and len(str(caught.value)) < 1500
    assert re.search(rf"\b{MANY} (\w+ in \d+ )?of \d+\b", head), head
    assert re.search(rf"and {MANY - 5} more", str(caught.value)), str(caught.value)
    if isinstance(caught.value, ManyErrors):
        assert len(caught.value.errors) == 6


@pytest.mark.parametrize("name", SAID)
def test_notes_are_one_counted_line(name: str) -> None:
    said = SAID[name]()
    assert "\n" not in said and re.search(r"\b(26|30) of 40\b", said) and re.search(r"and 2\d (more|other)", said)


def test_labels_that_a_run_does_not_know_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    lines = ({"id": f"c{n}", "utterances": [{"id": f"u{n}", "text": "Oh!", "label": f"l{n}"}]} for n in range(MANY))
    path.write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    _, notes = with_known_labels(recognised_corpus(path)[0].load(), LabelSpace(("joy",)))
    (note,) = (one for one in notes if "does not know" in one)
    assert f"{MANY} of {MANY} utterances" in note and f"and {MANY - 5} more" in note


def test_conversations_in_two_splits_are_counted() -> None:
    talks = [
        Conversation(
            id=f"{split}{n}",
            split=split,
            utterances=(
                Utterance(id=f"{split}{n}", text=f"Words {n} are said here by two people who know it all too well."),
            ),
        )
        for n in range(MANY)
        for split in ("train", "test")
    ]
    (note,) = repeats(talks)
    assert f"{MANY} of {MANY} conversations" in note and re.search(r"and \d\d more", note) and "\n" not in note
