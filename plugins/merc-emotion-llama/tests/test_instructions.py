"""Instructions: pools that hold the label list and the tags, and a draw that is even and the same everywhere."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from merc_emotion_llama.instructions import CLOSED, OPEN, drawn, listed, pool


def test_every_closed_instruction_holds_the_label_list_once():
    for texts in CLOSED.values():
        assert len(set(texts)) == len(texts) >= 5
        assert [text.count("{labels}") for text in texts] == [1] * len(texts)


def test_open_instructions_ask_without_a_list():
    assert all("{" not in text for texts in OPEN.values() for text in texts)
    assert pool("multi", ()) == OPEN["multi"]
    with pytest.raises(KeyError):
        pool("think", ())


def test_tags_are_asked_for_where_they_are_read_and_only_there():
    for task, texts in CLOSED.items():
        for text in texts:
            assert ("<think>" in text and "<answer>" in text) == (task == "think"), text


def test_one_label_is_a_list_too():
    assert listed(("joy",)) == "joy"
    assert pool("emotion", ("joy",))[0].endswith("feel: joy?")


@given(st.integers(1, 9), st.integers(), st.text())
def test_a_draw_is_within_the_pool_and_the_same_again(count: int, seed: int, name: str):
    name = name.encode("utf-8", "ignore").decode()
    assert drawn("emotion", count, seed, name) == drawn("emotion", count, seed, name) in range(count)


def test_draws_are_even_and_differ_by_seed_and_task():
    names = [f"sample_{i:08d}" for i in range(4000)]
    draws = {
        key: [drawn(key[0], 8, key[1], name) for name in names]
        for key in [("emotion", 0), ("emotion", 1), ("multi", 0)]
    }
    for found in draws.values():
        assert set(Counter(found)) == set(range(8))
        assert max(Counter(found).values()) < 1.25 * 4000 / 8
    one, other, third = draws.values()
    assert sum(a == b for a, b in zip(one, other, strict=True)) < 1000
    assert sum(a == b for a, b in zip(one, third, strict=True)) < 1000
