"""Files of preference pairs: what the corpus ``preferences`` makes of them, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from merc_losses.pairs import Preferences
from merc_losses.preference import Preference

import merc
import merc.testing
from merc.builtin.jsonl import JsonlCorpus
from merc.builtin.prompters import ConversationPrompter
from merc.session.data import queries


@pytest.fixture
def corpus(tmp_path: Path) -> JsonlCorpus:
    file = tmp_path / "talk.jsonl"
    said = [{"id": f"u{i}", "text": "Oh!", "label": label} for i, label in enumerate(("joy", "anger", "joy"))]
    file.write_text(json.dumps({"id": "c", "split": "train", "utterances": said}))
    return JsonlCorpus(path=str(file))


def preferences(corpus: JsonlCorpus, folder: Path, *lines: Any) -> Preferences:
    file = folder / "pairs.jsonl"
    file.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
    return Preferences(corpus=corpus, pairs=file)


class TestPreferences(merc.testing.CorpusContract):
    name = "preferences"

    @pytest.fixture(autouse=True)
    def _made(self, corpus: JsonlCorpus, tmp_path: Path) -> None:
        type(self).component = preferences(corpus, tmp_path, {"id": "u0", "chosen": "a", "rejected": "b"})


def test_pairs_come_to_the_prompter(corpus: JsonlCorpus, tmp_path: Path) -> None:
    """Written by hand, or by the decoder ``ranked``; lines that say why there is no pair are counted."""
    data = preferences(
        corpus,
        tmp_path,
        {"id": "u0", "chosen": " a smile", "rejected": ["a frown", "rage"]},
        {"id": "u1", "conversation": "c", "label": "joy", "details": {"chosen": "a", "rejected": "b", "answers": []}},
        "",
        {"id": "u2", "details": {"unpaired": "all answers are rewarded alike", "answers": []}},
    ).load()
    ask = Preference(prompter=ConversationPrompter())
    (group,) = queries(data.conversations, merc.LabelSpace(("joy", "anger")))
    assert [ask.has_target(query) for query in group] == [True, True, False]
    assert ask.prompt(group[0]).answer == merc.Answer("a smile", rejected=("a frown", "rage"))
    assert ask.prompt(group[1]).answer == merc.Answer("a", rejected=("b",))
    notes = " ".join(data.notes)
    assert "1 of 3 labelled train utterances have no pair" in notes
    assert "2 pairs for 3 utterances" in notes and "1 lines have no pair: all answers are rewarded alike" in notes
    assert [u.label for u in data.conversations[0].utterances] == ["joy", "anger", "joy"]


GOOD = {"id": "u0", "chosen": "a", "rejected": "b"}


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ({"id": "u0", "chosen": "a", "rejected": "a "}, r"chosen and rejected are the same \('a'\); take the pair out"),
        ({"id": "u0", "chosen": " ", "rejected": "b"}, "chosen is empty; give it a text"),
        ({"id": "u0", "chosen": "a", "rejected": ["b", ""]}, "rejected is empty"),
        ({"id": "u0", "chosen": "a"}, "rejected is missing"),
        ({"id": "u0", "chosen": "a", "rejected": [3]}, "rejected holds 3; a text is wanted"),
        ({"id": "u10", "chosen": "a", "rejected": "b"}, r"the corpus has no utterance 'u10'. Did you mean 'u\d'"),
        ({"chosen": "a", "rejected": "b"}, "has no 'id'"),
        ("{", "is no JSON"),
    ],
)
def test_lines_that_cannot_be(corpus: JsonlCorpus, tmp_path: Path, line: Any, what: str) -> None:
    with pytest.raises(merc.MercError, match=rf"pairs\.jsonl, line 2: .*{what}"):
        preferences(corpus, tmp_path, {**GOOD, "id": "u1"}, line).load()


def test_two_pairs_of_one_utterance(corpus: JsonlCorpus, tmp_path: Path) -> None:
    with pytest.raises(merc.MercError, match=r"line 2: utterance 'u0' stands in line 1 already; keep one"):
        preferences(corpus, tmp_path, GOOD, GOOD).load()


def test_many_faults_are_few_lines(corpus: JsonlCorpus, tmp_path: Path) -> None:
    with pytest.raises(merc.MercError) as caught:
        preferences(corpus, tmp_path, *[{"id": "no"}] * 9).load()
    lines = str(caught.value).split("\n")
    assert len(lines) == 4 and "line 1" in lines[0] and lines[3] == "and 6 more"


def test_a_file_without_pairs(corpus: JsonlCorpus, tmp_path: Path) -> None:
    with pytest.raises(merc.MercError, match=r"pairs\.jsonl holds no preference pair: .*all answers are empty"):
        preferences(corpus, tmp_path, {"id": "u0", "details": {"unpaired": "all answers are empty"}}).load()
    with pytest.raises(merc.MercError, match=r"none\.jsonl, the file of preference pairs, cannot be read: No such"):
        Preferences(corpus=corpus, pairs=tmp_path / "none.jsonl").load()
