"""What models write, read into labels: every oddity has its name and its count, and none is an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from merc_emotion_llama.answers import (
    NOTES,
    Vocabulary,
    answer_of,
    count_notes,
    find_answer,
    most_frequent,
    read_answer,
    vocabulary_of_labels,
)

import merc
from merc.prompting import parse_label

KNOWN = vocabulary_of_labels(
    merc.LabelSpace(("joy", "anger", "sadness", "at a loss"), {"sadness": ("sadness", "sad"), "joy": ("happy",)})
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


def test_a_prediction_without_text_says_its_label():
    def said(**given):
        return answer_of(merc.Prediction(id="u", conversation="c", **given), KNOWN, "answer-or-rest", "search")

    assert said(label="Happy").labels == ("joy",)
    assert said(label="bliss").notes == ("outside", "unparsed")
    assert said().notes == ("empty", "unparsed")
    assert said(text="anger", label="joy").labels == ("anger",)


def test_every_note_is_counted_by_its_name():
    counts = count_notes(read_answer(text, KNOWN) for text in ("joy", "", "bliss", "Joy", "oh, joy"))
    assert counts == {**dict.fromkeys(NOTES, 0), "unparsed": 2, "empty": 1, "outside": 2, "other_case": 1}
    assert most_frequent(["b", "a", "b", "c"], most=2) == {"b": 2, "a": 1}


@given(st.text(alphabet=st.sampled_from("joy sad,;.12<>/thinkaswer\n()[]'\"") | st.characters(), max_size=60))
def test_nothing_that_is_written_is_an_error(text):
    for block in ("answer-or-rest", "answer-only", "whole"):
        read = read_answer(text, KNOWN, block)
        assert set(read.labels) <= {"joy", "anger", "sadness", "at a loss"}
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
    "Anger",
    "",
]


@pytest.mark.parametrize("text", TAGGED)
def test_metrics_and_the_parser_of_a_recipe_read_the_same_answer(text: str):
    labels = merc.LabelSpace(("joy", "anger"))
    read = read_answer(text, vocabulary_of_labels(labels)).labels
    assert parse_label(text, labels, "answer-tag") == (read[0] if read else None)


def test_every_odd_answer_is_counted_by_name():
    labels = merc.LabelSpace(("joy", "anger"))
    counts = count_notes(read_answer(text, vocabulary_of_labels(labels)) for text in TAGGED)
    assert counts == {
        "unparsed": 3, "empty": 1, "no_answer_tag": 1, "unclosed_think": 1, "unclosed_answer": 1, "several_answers": 1,
        "other_case": 2, "sentence": 1, "outside": 1,
    }  # fmt: skip
