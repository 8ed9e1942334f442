"""Components whose parameters are more than numbers, and plugins that are at fault."""

from __future__ import annotations

import sys
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import TypedDict

import pytest

from merc.errors import ManyErrors
from merc.recipe import load_recipe
from merc.recipe.document import Node, Origin
from merc.recipe.problems import Problems
from merc.recipe.sections import Sections


def test_nested_parameters(here: Path) -> None:
    (here / "t.yaml").write_text("corpus: {name: toy-typed, cuts: [{start: 0}, {start: 1, end: 2}], weights: {a: 1}}\n")
    recipe = load_recipe("t.yaml", ["corpus.cuts.1.end=5", "corpus.weights.b=2"])
    assert recipe.corpus.params["cuts"] == [{"start": 0.0, "end": 1.0}, {"start": 1.0, "end": 5.0}]
    assert recipe.corpus.params["weights"] == {"a": 1.0, "b": 2.0}
    assert recipe.corpus.component.cuts[1].end == 5.0  # type: ignore[attr-defined]


def test_errors_within_nested_parameters(here: Path) -> None:
    (here / "t.yaml").write_text(
        "corpus:\n  name: toy-typed\n  cuts:\n    - {start: 2}\n    - {strat: 1}\n  share: 3\n"
    )
    with pytest.raises(ManyErrors) as caught:
        load_recipe("t.yaml")
    assert caught.value.errors == [
        "corpus.cuts.0 (t.yaml:4): end (1.0) comes after start (2.0)",
        "corpus.cuts.1.start (t.yaml:5): is required: a number",
        "corpus.cuts.1.strat (t.yaml:5): unknown key. Did you mean 'start'? The keys are: start, end",
        "corpus.share (t.yaml:6): should be less than or equal to 1; given 3 (a whole number)",
    ]


@dataclass(frozen=True)
class Shaded:
    sampling_: str
    size_: int = 3

    def sampling(self) -> str:
        return self.sampling_


def test_a_parameter_named_as_a_method_is_a_field_with_an_underscore(here: Path) -> None:
    def filled(**given: object) -> tuple[object, ...]:
        problems, origin = Problems(), Origin("r.yaml:1", here)
        node = Node({key: Node(value, origin) for key, value in given.items()}, origin)
        values, recorded = Sections(problems).fill(Shaded, node, "corpus", "corpus 'shaded'")
        return values, recorded, problems.errors

    assert filled(sampling="random") == ({"sampling_": "random", "size_": 3}, {"sampling": "random", "size": 3}, [])
    assert filled()[2] == ["corpus.sampling (r.yaml:1): is required by corpus 'shaded': text"]
    assert filled(sampling_="random")[2] == [
        "corpus.sampling_ (r.yaml:1): corpus 'shaded' takes no 'sampling_'. Did you mean 'sampling'? "
        "It takes: sampling, size",
        "corpus.sampling (r.yaml:1): is required by corpus 'shaded': text",
    ]


class Odd(TypedDict):
    a: int


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python's TypedDict is fine")
def test_a_type_that_cannot_be_checked_is_said(here: Path) -> None:
    # Pydantic takes no TypedDict of this Python; a plugin's author may not know.
    odd = make_dataclass("Odd", [("thing", Odd | None, None)])
    problems = Problems()
    origin = Origin("r.yaml:1", here)
    node = Node({"thing": Node({}, origin)}, origin)
    values, _ = Sections(problems).fill(odd, node, "corpus", "corpus 'odd'")
    assert values is None
    assert problems.errors == [
        "corpus.thing (r.yaml:1): the type of corpus 'odd''s 'thing' cannot be checked: Please use "
        "`typing_extensions.TypedDict` instead of `typing.TypedDict` on Python < 3.12."
    ]
