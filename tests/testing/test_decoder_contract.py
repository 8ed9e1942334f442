"""Each check of the contract of decoders fails for one that breaks it, and says why."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import pytest

import merc
import merc.testing
from tests.testing.broken import frozen, said


@frozen
class Fixed(merc.Decoder):
    """Gives a label without asking the model."""

    which: str = "joy"

    def decode(self, model: Any, queries: Any) -> Any:
        return [merc.Decoded(label=self.which) for _ in queries]


@frozen
class Strange(Fixed):
    gives: ClassVar[frozenset[str]] = frozenset({"wisdom"})


@frozen
class Counting(Fixed):
    def decode(self, model: Any, queries: Any) -> Any:
        return [merc.Decoded(label=query.labels.labels[next(counter) % 2]) for query in queries]


@frozen
class Company(Fixed):
    def decode(self, model: Any, queries: Any) -> Any:
        return [merc.Decoded(label="joy" if len(queries) > 1 else "anger") for _ in queries]


counter = itertools.cycle([0, 1, 1])


@pytest.mark.parametrize(
    ("component", "check", "message"),
    [
        (Strange(), "test_gives_is_known", "gives names ['wisdom']; a decoder gives: probabilities, text, states"),
        (Counting(), "test_same_queries_give_the_same_answers", "Counting gives other answers the second time"),
        (
            Company(),
            "test_answers_do_not_depend_on_the_company",
            "Company gives other labels to utterances",
        ),
    ],
)
def test_a_decoder_that_breaks_its_contract(component: Any, check: str, message: str) -> None:
    assert said(merc.testing.DecoderContract, component, check).startswith(message)


def test_a_label_that_a_query_does_not_have() -> None:
    case = type("Case", (merc.testing.DecoderContract,), {"component": Fixed(which="neutral")})()
    with pytest.raises(merc.MercError, match="'neutral', which is none of its labels: joy, anger"):
        case.test_keeps_to_the_labels_of_a_query()
