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
    """A column of a table.

    ``corpus`` is the file, without its suffix, that ``merc corpus import`` made of the set; ``splits`` are those that
    are taken together. ``metric`` names a registered metric, ``params`` are its parameters, ``number`` is the name of
    its number that stands in the table (from 0 to 1, shown in per cent), ``beside`` are names of those that stand below
    it, always.

    ``truth`` is what is asked for: ``label``, or a key of the utterances' ``extra`` that holds a text, which then
    stands in the label's place for prompts and metric. ``labels`` are the labels to choose from; by default those of
    the set, or, for another ``truth``, the texts that it holds. Utterances that lack what the metric compares with are
    not asked, nor are those that lack one of ``needs`` (names as of ``Metric.truths``). ``classes`` merge labels: each
    names the labels that count as one class, which is called as the first of them that the set has; utterances of any
    other label are context alone. ``prompter`` are parameters of the run's prompter that the column sets where the
    prompter has them.

    ``rows`` gives numbers of ``beside`` the title of their row, so that numbers of several metrics share one.
    ``reported`` is how many samples the benchmark states; another number found is reported.
    """

    title: str
    corpus: str
    metric: str
    number: str
    splits: tuple[Split, ...] = ("test",)
    params: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    truth: str = "label"
    labels: tuple[str, ...] = ()
    classes: tuple[tuple[str, ...], ...] = ()
    needs: tuple[str, ...] = ()
    rows: Mapping[str, str] = field(default_factory=dict)
    prompter: Mapping[str, Any] = field(default_factory=dict)
    reported: int | None = None


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
