"""Reading a label out of an answer, by each policy."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.builtin.decoders import Generate
from merc.conversation import LabelSpace
from merc.prompting import Policy, parse_label

LABELS = LabelSpace(
    ("joy", "sadness", "joyful surprise", "N/A"), {"sadness": ("sadness", "sad", "Trauer"), "N/A": ("n/a", "none.")}
)
WORDS = [(label, word) for label in LABELS.labels for word in LABELS.words_of(label)]


@pytest.mark.parametrize(
    ("text", "strict", "exact", "first"),
    [
        ("joy", "joy", "joy", "joy"),
        ("Joy", None, "joy", "joy"),
        ("joy＜/s＞", None, "joy", "joy"),
        ("well＜/s＞ joy", None, None, None),
        (" joy", None, "joy", "joy"),
        ("**Joy**.", None, "joy", "joy"),
        ("“joy”", None, "joy", "joy"),
        ("sad", "sadness", "sadness", "sadness"),
        ("TRAUER!", None, "sadness", "sadness"),
        ("none", None, "N/A", None),
        ("none.", "N/A", "N/A", "N/A"),
        ("N/A", None, "N/A", "N/A"),
        ("joyful", None, None, None),
        ("enjoy", None, None, None),
        ("joy_", None, None, None),
        ("joyful surprise", "joyful surprise", "joyful surprise", "joyful surprise"),
        ("I hear sadness, not joy", None, None, "sadness"),
        ("joy or sadness", None, None, "joy"),
        ("not at all", None, None, None),
        ("", None, None, None),
        ("...", None, None, None),
    ],
)
def test_policies(text: str, strict: str | None, exact: str | None, first: str | None) -> None:
    found = [parse_label(text, LABELS, policy) for policy in ("strict", "exact", "first-label")]
    assert found == [strict, exact, first]


TAGGED = [
    ("<think>Not joy.</think><answer>sad</answer>", "sadness", "sadness"),
    ("<THINK>Not joy.</THINK>\n<Answer>\n Sad. \n</ANSWER>", "sadness", "sadness"),
    ("<answer>joy</answer> or <answer>sad</answer>", "sadness", "sadness"),
    ("<think>Not joy.</think><answer>She is sad.</answer>", "sadness", None),
    ("<think>Not joy.</think><answer>sad; joy</answer>", None, None),
    ("<think>Not joy.</think><answer>sad; Trauer</answer>", "sadness", None),
    ("<answer>joy <answer>sad</answer></answer>", "sadness", "sadness"),
    ("<answer><think>Not joy.</think>sad</answer>", "sadness", "sadness"),
    ("<answer><b>sad</b></answer>", "sadness", "sadness"),
    ("<answer>sad</answer></s>", "sadness", "sadness"),
    ("sad</s>", "sadness", None),
    ("sad<|im_end|>\nuser: joy", "sadness", None),
    ("<s> sad</s>", "sadness", None),
    ("<think>Not joy.</think><answer>bored</answer>", None, None),
    ("<think>Joy.</think><answer></answer>", None, None),
    ("<think>Not joy.</think> sad", "sadness", None),
    ("<think>Not joy.</think><answer>sad", "sadness", None),
    ("<think>Not joy, so <answer>sad</answer>", "sadness", "sadness"),
    ("<think>Not joy, but sad", None, None),
    ("joy", "joy", None),
    ("</answer>joy", "joy", None),
    ("I hear joy.", "joy", None),
    ("", None, None),
]


@pytest.mark.parametrize(("text", "tagged", "strictly"), TAGGED)
def test_answers_between_tags(text: str, tagged: str | None, strictly: str | None) -> None:
    assert parse_label(text, LABELS, "answer-tag") == tagged
    assert parse_label(text, LABELS, "answer-tag-strict") == strictly


@pytest.mark.parametrize("policy", get_args(Policy))
def test_without_labels_nothing_is_read(policy: Policy) -> None:
    assert parse_label("<answer>joy</answer>", LabelSpace(()), policy) is None


def test_a_recipe_may_name_every_policy() -> None:
    assert get_args(get_type_hints(Generate)["parser"]) == get_args(Policy)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(WORDS), st.text(" \n.,!?\"'*", max_size=4), st.text(" \n.,!?\"'*", max_size=4))
def test_exact_reads_a_word_through_case_space_and_punctuation(pair: tuple[str, str], before: str, after: str) -> None:
    label, word = pair
    assert parse_label(before + word.upper() + after, LABELS, "exact") == label
    assert parse_label(word, LABELS, "strict") == label


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30), st.sampled_from(get_args(Policy)))
def test_any_text_gives_a_label_or_none(text: str, policy: Policy) -> None:
    found = parse_label(text, LABELS, policy)
    assert found is None or found in LABELS.labels
    if policy == "strict":
        assert found == {w: name for name, w in WORDS}.get(text)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([*[w for _, w in WORDS], "well", "enjoys", "quite"]), max_size=6))
def test_first_label_is_the_first_whole_word_that_names_one(spoken: list[str]) -> None:
    owners = {word: label for label, word in WORDS}
    named = [owners[word] for word in spoken if word in owners]
    assert parse_label(" , ".join(spoken), LABELS, "first-label") == (named[0] if named else None)
