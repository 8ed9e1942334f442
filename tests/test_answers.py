"""What models write, read into labels: every oddity has its name and its count, and none is an end."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from merc.answers import (
    NOTES,
    Read,
    Vocabulary,
    find_answer,
    normal,
    read_answer,
    read_lowercase,
    vocabulary_of_labels,
)
from merc.conversation import LabelSpace
from merc.prompting import parse_label

KNOWN = vocabulary_of_labels(
    LabelSpace(
        ("joy", "anger", "sadness", "at a loss", "delight", "doubt"),
        {
            "sadness": ("sadness", "sad"),
            "joy": ("happy",),
            "delight": ("joy and pride",),
            "doubt": ("Doubt/Confusion",),
        },
    )
)


@pytest.mark.parametrize(
    ("text", "labels", "outside", "notes"),
    [
        ("joy", ("joy",), (), ()),
        ("happy", ("joy",), (), ()),
        (" Joy. ", ("joy",), (), ("other_case",)),
        ("joy; anger", ("joy", "anger"), (), ()),
        ("joy, anger / sad", ("joy", "anger", "sadness"), (), ()),
        ("joy\uff0canger\u3001sad\u3002", ("joy", "anger", "sadness"), (), ()),
        ("1. joy\n2) anger\n(3) sad", ("joy", "anger", "sadness"), (), ()),
        ("1. joy 2. anger", ("joy", "anger"), (), ()),
        ("- joy\n- at a loss\n* anger", ("joy", "at a loss", "anger"), (), ()),
        ("['joy', \"anger\"]", ("joy", "anger"), (), ()),
        ("joy and anger", ("joy", "anger"), (), ()),
        ("joy, anger, and sad", ("joy", "anger", "sadness"), (), ()),
        ("joy; joy; happy", ("joy",), (), ()),
        ("The man is angry, I think: anger.", ("anger",), ("The man is angry",), ("sentence", "outside")),
        ("She feels Joy", ("joy",), (), ("sentence",)),
        ("bliss; joy", ("joy",), ("bliss",), ("outside",)),
        ("bliss", (), ("bliss",), ("outside", "unparsed")),
        ("overjoyed with it", (), ("overjoyed with it",), ("sentence", "outside", "unparsed")),
        ("", (), (), ("empty", "unparsed")),
        (" \n", (), (), ("empty", "unparsed")),
        ("<think>Not joy.</think><answer>anger</answer>", ("anger",), (), ()),
        ("<THINK>x</THINK>\n<Answer> anger </Answer>", ("anger",), (), ()),
        ("<think>Not joy.</think>\nanger", ("anger",), (), ("no_answer_tag",)),
        ("<think>It may be joy, or", (), (), ("unclosed_think", "unparsed")),
        ("<think>x</think><answer>anger", ("anger",), (), ("unclosed_answer",)),
        ("<answer>joy</answer> no: <answer>anger</answer>", ("anger",), (), ("several_answers",)),
        ("<answer></answer>", (), (), ("unparsed",)),
        ("<answer>joy <answer>anger</answer></answer>", ("anger",), (), ()),
        ("<answer><think>Not joy.</think>anger</answer>", ("anger",), (), ()),
        ("<answer><b>anger</b></answer>", ("anger",), (), ()),
        ("anger</s>", ("anger",), (), ()),
        ("<s>anger</s></s>", ("anger",), (), ()),
        ("anger<|im_end|>\njoy", ("anger",), (), ("after_end",)),
        ("joy and pride", ("delight",), (), ()),
        ("Joy and pride; doubt/confusion", ("delight", "doubt"), (), ("other_case",)),
        ("joy\u3002", ("joy",), (), ()),
        ("\u300ajoy\u300b\uff01", ("joy",), (), ()),
        ("\uff4aoy", ("joy",), (), ()),
        ("\u5f88joy", ("joy",), (), ("sentence",)),
        ("Emotion:joy", ("joy",), (), ("sentence",)),
    ],
)
def test_an_answer_is_read(text, labels, outside, notes):
    read = read_answer(text, KNOWN)
    assert (read.labels, read.outside) == (labels, outside)
    assert sorted(read.notes) == sorted(notes)


@pytest.mark.parametrize(
    ("text", "block", "answer", "notes"),
    [
        ("<think>a</think> b", "answer-only", "", ["no_answer_tag"]),
        ("b", "answer-only", "", ["no_answer_tag"]),
        ("<answer>b", "answer-only", "", ["unclosed_answer"]),
        ("<think>a</think><answer>b</answer>", "answer-only", "b", []),
        ("<think>a</think><answer>b</answer>", "whole", "a   b", []),
        ("<think>a", "whole", "a", []),
        ("b", "answer-or-rest", "b", []),
    ],
)
def test_each_policy_says_where_the_answer_is(text, block, answer, notes):
    found, said = find_answer(text, block)
    assert (" ".join(found.split()), said) == (" ".join(answer.split()), notes)


def test_sentences_may_be_left_alone():
    read = read_answer("She is happy; joy", KNOWN, sentences="drop")
    assert (read.labels, read.outside, read.notes) == (("joy",), ("She is happy",), ("sentence", "outside"))


def test_words_that_are_too_common_are_not_looked_for_in_sentences():
    known = Vocabulary({"person": "person", "sad": "sad"}, searched={"sad"})
    assert read_answer("The person is sad", known).labels == ("sad",)
    assert read_answer("person", known).labels == ("person",)


def test_of_words_that_overlap_the_longer_one_counts():
    known = Vocabulary({"at a loss": "lost", "loss": "grief"})
    assert read_answer("She is quite at a loss", known).labels == ("lost",)


@given(st.text(alphabet=st.sampled_from("joy sad,;.12<>/thinkaswer\n()[]'\"") | st.characters(), max_size=60))
def test_nothing_that_is_written_is_an_error(text):
    for block in ("answer-or-rest", "answer-only", "whole"):
        read = read_answer(text, KNOWN, block)
        assert set(read.labels) <= {"joy", "anger", "sadness", "at a loss", "delight", "doubt"}
        assert set(read.notes) <= set(NOTES)
        assert bool(read.labels) != ("unparsed" in read.notes)


TAGGED = [
    "<think>No joy.</think><answer>anger</answer>",
    "<think>No joy.</think> anger",
    "<think>No joy.</think><answer>Anger",
    "<think>No joy, but anger",
    "<answer>joy</answer><answer>anger</answer>",
    "<think>No joy.</think><answer>She is angry: anger.</answer>",
    "<answer>bored</answer>",
    "<answer>joy or anger</answer>",
    "<answer>joy <answer>anger</answer></answer>",
    "<answer>anger</answer></s>",
    "anger</s>",
    "anger</s>joy",
    "她很joy。",
    "Anger",
    "",
]


PIECES = st.sampled_from([
    *TAGGED, "joy", "Anger", "ＪＯＹ", "sad", "joy and pride", "Doubt/Confusion", "not", ", ", ". ", "\n", " or ",
    "1. ", "<think>", "</think>", "<answer>", "</answer>", "</s>", "＜/s＞", "<|im_end|>", "＜answer＞", "【", "】",
])  # fmt: skip
LABELS = LabelSpace(("joy", "anger", "sadness", "pride"), {"sadness": ("sadness", "sad"), "pride": ("joy and pride",)})


@given(st.lists(PIECES, max_size=6).map("".join))
@example("well＜/s＞ joy")
@example("＜answer＞joy＜/answer＞")
def test_metrics_and_the_parser_of_a_recipe_read_the_same_answer(text: str):
    """``answer-tag`` and ``lowercase`` are the metrics' own readings. A stricter policy may read nothing; what it reads
    is what metrics read in the part of the text that it looks at."""
    known = vocabulary_of_labels(LABELS)
    for policy, read in (("answer-tag", read_answer(text, known)), ("lowercase", read_lowercase(text, known))):
        assert parse_label(text, LABELS, policy) == (read.labels[0] if len(read.labels) == 1 else None)
    for policy, block in (("exact", "whole"), ("answer-tag-strict", "answer-only")):
        if (label := parse_label(text, LABELS, policy)) is not None:
            assert read_answer(text, known, block).labels == (label,)
    if (label := parse_label(text, LABELS, "first-label")) is not None:
        assert label in known.within(find_answer(normal(text), "whole")[0])


@pytest.mark.parametrize(
    ("text", "wheels", "several", "one"),
    [
        ("happy", ("happy",), ("happy",), ("happy",)),
        ("Happy, sad", ("happy", "sad"), ("happy", "sad"), ()),
        ("['happy', 'sad']", ("happy", "sad"), (), ()),
        ("happy; sad", (), ("happy", "sad"), ()),
        ("happy.", (), (), ()),
        ("not happy", (), (), ()),
        ("happy</s>", (), (), ()),
        ("<answer>happy</answer>", (), (), ()),
        ("happy and sad", (), (), ()),
        ("1. happy", (), (), ()),
        (" happy\n", ("happy",), ("happy",), ("happy",)),
        ("", (), (), ()),
    ],
)
def test_the_published_reading_of_each_kind_of_answer(text, wheels, several, one):
    known = Vocabulary({"happy": "happy", "sad": "sad"})
    found = [read_lowercase(text, known, separators).labels for separators in ("'\",", ",;", "")]
    assert found == [wheels, several, one]


def test_what_the_published_reading_does_not_know_is_outside():
    assert read_lowercase("happy.", Vocabulary({"happy": "happy"})) == Read((), ("happy.",), ("outside", "unparsed"))
