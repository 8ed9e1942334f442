"""The contract of benchmarks."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import ClassVar, get_args

from merc.components import Benchmark, BenchmarkTask
from merc.conversation import Split
from merc.errors import MercError
from merc.recipe.single import load_part
from merc.testing.contract import ComponentContract, require


class BenchmarkContract(ComponentContract):
    """What a benchmark must keep. Its metrics must be installed."""

    kind = "benchmark"
    component: ClassVar[Benchmark]

    def test_columns_are_columns_with_titles_of_their_own(self) -> None:
        """There is one at least, each a merc.BenchmarkTask, the same each time."""
        columns = list(self.component.columns())
        require(columns, f"{self.title} has no column")
        for column in columns:
            require(isinstance(column, BenchmarkTask), f"a column is {column!r}; it must be merc.BenchmarkTask")
        twice = [title for title, count in Counter(c.title for c in columns).items() if count > 1]
        require(not twice, f"several columns have the title {twice}")
        require(columns == list(self.component.columns()), f"{self.title} gives other columns the second time")

    def test_sets_are_names_of_files_and_splits_are_known(self) -> None:
        """What is looked for below the folder that a user names."""
        for column in self.component.columns():
            require(
                re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", column.corpus),
                f"{column.title}: corpus is {column.corpus!r}; it must be the name of a file, without its suffix",
            )
            require(
                column.splits and set(column.splits) <= set(get_args(Split)),
                f"{column.title}: splits are {list(column.splits)}; they are some of {', '.join(get_args(Split))}",
            )

    def test_metrics_take_their_parameters(self) -> None:
        """Each metric is registered, and can be made with the column's ``params``."""
        for column in self.component.columns():
            assignments = [f"{name}={json.dumps(value)}" for name, value in column.params.items()]
            try:
                load_part("metric", column.metric, {}, assignments)
            except MercError as error:
                raise AssertionError(f"{column.title}: {error}") from error

    def test_averages_are_over_columns(self) -> None:
        """Titles that are there, each once, and of no column."""
        titles = [column.title for column in self.component.columns()]
        for name, over in self.component.averages().items():
            unknown = [title for title in over if title not in titles]
            require(over and not unknown, f"the average {name!r} is over {unknown or 'nothing'}; columns are {titles}")
            require(len(set(over)) == len(over), f"the average {name!r} counts a column twice: {list(over)}")
            require(name not in titles, f"the average {name!r} has the title of a column")
