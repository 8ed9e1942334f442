"""Benchmark: the columns of a benchmark's table, each a set, what is asked of it, and the number that counts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from merc.components.base import Component
from merc.conversation import Split


@dataclass(frozen=True, kw_only=True)
class BenchmarkTask:
    """A column of a table. Utterances that lack what its metric compares with are not asked."""

    title: str
    """What stands above the column."""
    corpus: str
    """The file, without its suffix, that ``merc corpus import`` made of the set."""
    metric: str
    """The name of a registered metric."""
    number: str
    """The metric's number that stands in the table, from 0 to 1 and shown in per cent."""
    splits: tuple[Split, ...] = ("test",)
    """The splits that are taken together."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the metric."""
    beside: tuple[str, ...] = ()
    """Numbers of the metric that stand below the table's own, always."""
    truth: str = "label"
    """What is asked for: ``label``, or a key of the utterances' ``extra`` that holds a text, which then stands in the
    label's place for prompts and metric."""
    labels: tuple[str, ...] = ()
    """The labels to choose from; by default those of the set or, for another ``truth``, the texts that it holds."""
    classes: tuple[tuple[str, ...], ...] = ()
    """The labels that count as one class each, which is called as the first of them that the set has. Utterances of any
    other label are context alone."""
    needs: tuple[str, ...] = ()
    """What else an utterance must have to be asked: names as of ``Metric.truths``."""
    having: Mapping[str, Any] = field(default_factory=dict)
    """What an utterance must hold to be asked, by names as of ``Utterance.true``: ``{"language": "en"}``, say. So
    several columns share a set, and a model is asked once what they all ask."""
    left_out: str = ""
    """Why it cannot be measured as the benchmark's parameters are, such as a judge that none of them names: what the
    table says in the number's place, the set unread."""
    rows: Mapping[str, str] = field(default_factory=dict)
    """Titles of rows by number of ``beside``, so that numbers of several metrics share a row."""
    prompter: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the run's prompter that the column sets where the prompter has them."""
    reported: int | None = None
    """How many samples the benchmark states; another number found is reported."""


@dataclass(frozen=True, kw_only=True)
class Benchmark(Component):
    """Says how a trained run is measured on many sets at once: ``merc benchmark RUN --benchmark NAME``.

    The smallest complete benchmark:

    >>> @dataclass(frozen=True, kw_only=True)
    ... class Talks(Benchmark):
    ...     def columns(self):
    ...         return [BenchmarkTask(title="MELD", corpus="meld", metric="classification", number="weighted_f1")]
    >>> Talks().averages()
    {}
    """

    kind: ClassVar[str] = "benchmark"

    @abstractmethod
    def columns(self) -> Sequence[BenchmarkTask]:
        """The columns, in the order of the table."""

    def collections(self) -> Sequence[str]:
        """Names of files that hold several of the sets, distinguished by the dataset of each conversation. A set's own
        file goes before."""
        return ()

    def averages(self) -> Mapping[str, Sequence[str]]:
        """Means over columns: a title, and the titles of the columns that it is over."""
        return {}
