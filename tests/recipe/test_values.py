from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from merc.recipe.values import convert, wants


@dataclass(frozen=True)
class Cut:
    start: float
    end: float = 1.0

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"end ({self.end}) comes after start ({self.start})")


@pytest.mark.parametrize(
    ("annotation", "value", "made"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (bool, True, True),
        (str, "3", "3"),
        (Path, "a/b", Path("a/b")),
        (int | None, None, None),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, str], [1, "a"], (1, "a")),
        (list[float], [1, 2.5], [1.0, 2.5]),
        (frozenset[str], ["a", "a"], frozenset({"a"})),
        (Mapping[str, int], {"a": 1}, {"a": 1}),
        (dict[str, tuple[int, ...]], {"a": [1]}, {"a": (1,)}),
        (Literal["a", 2, None], 2, 2),
        (Literal["a", True], True, True),
        (Literal["all"] | tuple[str, ...], ["x"], ("x",)),
        (Literal["all"] | tuple[str, ...], "all", "all"),
        (Cut, {"start": 0}, Cut(0.0)),
        (Cut | None, {"start": 0, "end": 3}, Cut(0.0, 3.0)),
        (tuple[Cut, ...], [{"start": 0}], (Cut(0.0),)),
        (Annotated[float, Field(ge=0, le=1)], 1, 1.0),
        (Any, {"a": [1]}, {"a": [1]}),
    ],
)
def test_values_that_fit(annotation: Any, value: Any, made: Any) -> None:
    found, mistakes = convert(annotation, value)
    assert (found, type(found), mistakes) == (made, type(made), [])


@pytest.mark.parametrize(
    ("annotation", "value", "mistakes"),
    [
        (int, 3.0, [("", "wants a whole number; given 3.0 (a number)")]),
        (int, True, [("", "wants a whole number; given true (not in quotes, so no text)")]),
        (float, True, [("", "wants a number; given true (not in quotes, so no text)")]),
        (float, float("nan"), [("", "wants a number; .nan is none")]),
        (float, float("inf"), [("", "wants a number; .inf is none")]),
        (tuple[float, ...], [1, -float("inf")], [("", "wants a list, each item a number; -.inf is none")]),
        (tuple[float, ...], [1, float("nan")], [("", "wants a list, each item a number; .nan is none")]),
        (float, "1", [("", "wants a number; given '1' (text)")]),
        (bool, 1, [("", "wants true or false; given 1 (a whole number)")]),
        (str, None, [("", "wants text; given null")]),
        (str, 1.5, [("", "wants text; given 1.5 (a number); put it in quotes")]),
        (str, "x", []),
        (Path, 3, [("", "wants a path; given 3 (a whole number)")]),
        (tuple[int, ...], 3, [("", "wants a list, each item a whole number; given 3 (a whole number)")]),
        (tuple[int, ...], "ab", [("", "wants a list, each item a whole number; given 'ab' (text)")]),
        (tuple[int, int], [1, 2, 3], [("", "wants a list of 2: a whole number, a whole number; given 3 of them")]),
        (tuple[int, int], [1], [("", "wants a list of 2: a whole number, a whole number; given 1 of them")]),
        (tuple[int, ...], [1, "a", 2.5], [
            ("1", "wants a whole number; given 'a' (text)"), ("2", "wants a whole number; given 2.5 (a number)"),
        ]),
        (Mapping[str, int], [1], [("", "wants a mapping of names, each to a whole number; given a list")]),
        (Mapping[str, int], {"a": "b"}, [("a", "wants a whole number; given 'b' (text)")]),
        (Literal[1, 2], True, [("", "wants 1 or 2; given true (not in quotes, so no text)")]),
        (Literal["a", "b"], 1, [("", "wants 'a' or 'b'; given 1 (a whole number)")]),
        (int | str, [1], [("", "wants a whole number or text; given a list")]),
        (int | str, 1.5, [("", "wants a whole number or text; given 1.5 (a number); put it in quotes")]),
        (Cut, {"strat": 1}, [
            ("start", "is required: a number"),
            ("strat", "unknown key. Did you mean 'start'? The keys are: start, end"),
        ]),
        (Cut, {"start": "a"}, [("start", "wants a number; given 'a' (text)")]),
        (Cut, {"start": 2}, [("", "end (1.0) comes after start (2.0)")]),
        (Cut | None, {"start": 2}, [("", "end (1.0) comes after start (2.0)")]),
        (tuple[Cut, ...], [{"start": 0}, {"start": 0, "x": 1}], [("1.x", "unknown key. The keys are: start, end")]),
        (Cut, 3, [("", "wants a mapping with start, end; given 3 (a whole number)")]),
        (Annotated[float, Field(ge=0, le=1)], 2, [
            ("", "should be less than or equal to 1; given 2 (a whole number)")
        ]),
        (str, [1], [("", "wants text; given a list")]),
        (str, {"a": None}, [("", "wants text; given a mapping")]),
        (int, "x" * 90, [("", f"wants a whole number; given '{'x' * 60}'... (text)")]),
    ],
)  # fmt: skip
def test_values_that_do_not(annotation: Any, value: Any, mistakes: list[tuple[str, str]]) -> None:
    assert convert(annotation, value)[1] == mistakes


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
TYPES = [int, float, bool, str, Path, int | None, tuple[int, ...], Mapping[str, float], Literal["a", 1], Cut, Cut | str]


@settings(max_examples=200, deadline=None)
@given(annotation=st.sampled_from(TYPES), value=PLAIN)
def test_a_value_is_taken_as_it_is_or_refused_in_words(annotation: Any, value: Any) -> None:
    made, mistakes = convert(annotation, value)
    if mistakes:
        assert made is None and all(text and "\n" not in text for _, text in mistakes)
    elif annotation in (int, bool, str):
        assert type(made) is annotation and made == value
    elif annotation is float:
        assert made == value and not isinstance(value, bool)


def test_every_type_of_the_contracts_has_words() -> None:
    from merc import components
    from merc.components import Component

    for name in components.__all__:
        kind = getattr(components, name)
        if isinstance(kind, type) and issubclass(kind, Component):
            for hint in get_type_hints(kind).values():
                assert "typing." not in wants(hint) or "ClassVar" in str(hint)
