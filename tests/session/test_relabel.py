"""``relabel``: what becomes of labels, in the utterances and in the label spaces, and what is said of it."""

from __future__ import annotations

import pytest

from merc.components import CorpusData
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.session.relabel import relabelled


def corpus(*labels: str | None, **more: object) -> CorpusData:
    said = tuple(Utterance(id=f"u{i}", text="Hm.", label=label) for i, label in enumerate(labels))
    return CorpusData(conversations=[Conversation(id="c", split="train", utterances=said)], **more)  # type: ignore[arg-type]


def labels_of(data: CorpusData) -> list[str | None]:
    return [u.label for talk in data.conversations for u in talk.utterances]


def test_labels_are_merged_renamed_and_dropped_and_counted() -> None:
    data = relabelled(
        corpus("excited", "happy", "xxx", None, "sad", "excited", notes=("a note",)),
        {"excited": "happy", "xxx": None, "sad": "sadness"},
    )
    assert labels_of(data) == ["happy", "happy", None, None, "sadness", "happy"]
    first, said = data.notes
    assert first == "a note"
    assert "excited becomes happy in 2 of 5 labelled utterances" in said
    assert "xxx is dropped in 1 of 5 labelled utterances" in said
    assert "sad becomes sadness in 1 of 5" in said


def test_all_changes_are_made_at_once() -> None:
    assert labels_of(relabelled(corpus("a", "b"), {"a": "b", "b": "a"})) == ["b", "a"]


def test_the_label_space_keeps_its_order_and_the_words_of_labels_that_stay() -> None:
    space = LabelSpace(("excited", "sad", "happy", "other"), {"happy": ("happy", "glad"), "excited": ("excited", "up")})
    names = {"excited": "happy", "other": None, "sad": "sadness"}
    data = relabelled(corpus("sad", labels=space, spaces={"set": space}), names)
    assert data.labels == LabelSpace(("happy", "sadness"), {"happy": ("happy", "glad")})
    assert data.spaces == {"set": data.labels}


def test_a_name_that_is_no_label_is_an_error_with_the_closest() -> None:
    data = corpus("excited", labels=LabelSpace(("excited", "fear")))
    with pytest.raises(MercError, match=r"relabel\.exited: .*Did you mean 'excited'\? The labels are: excited, fear"):
        relabelled(data, {"exited": "happy"})
    # One that the corpus declares and no utterance has is none, and neither is one in the data of a trained run.
    assert "fear becomes joy in 0 of 1" in relabelled(data, {"fear": "joy"}).notes[0]
    assert relabelled(data, {"exited": "happy"}, unknown=True) == data


def test_a_label_that_stays_itself_is_not_said() -> None:
    data = corpus("a")
    assert relabelled(data, {"a": "a"}).notes == ()
    assert relabelled(data, {}) is data
