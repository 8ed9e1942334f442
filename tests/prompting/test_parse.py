"""Reading a label out of an answer, by each policy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(WORDS), st.text(" \n.,!?\"'*", max_size=4), st.text(" \n.,!?\"'*", max_size=4))
def test_exact_reads_a_word_through_case_space_and_punctuation(pair: tuple[str, str], before: str, after: str) -> None:
    label, word = pair
    assert parse_label(before + word.upper() + after, LABELS, "exact") == label
    assert parse_label(word, LABELS, "strict") == label


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30), st.sampled_from(["strict", "exact", "first-label"]))
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
