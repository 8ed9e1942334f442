"""Encoders ``measured-audio``, ``measured-video`` and ``measured-text``: numbers of an utterance that somebody measured
before, from tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

import merc
from merc_corpora.own_files import SPLITS
from merc_corpora.table.roles import EMPTY
from merc_corpora.table.sheets import Layout, read_sheet

_NOTHING = EMPTY - {"-"} | {"--undefined--"}  # a dash may be half of a number; the last is Praat's


@dataclass(frozen=True)
class _Numbers:
    """The numbers of a row, NaN where its cell is empty, and the table that it stands in."""

    values: tuple[float, ...]
    table: str


@dataclass(frozen=True, kw_only=True)
class Measured(merc.Encoder):
    """What the encoders share: their parameters, and whose a row is."""

    table: Path | dict[str, Path]
    """A table (values between commas, semicolons, tabs or bars, JSON, Parquet, Excel), or one of each split."""
    columns: tuple[str, ...]
    """The columns that hold the numbers, in the order in which they stand in a token."""
    key: str = "id"
    """The column that holds the rows' names, which may be those of files."""
    fill: float | None = None
    """A number that stands for empty cells; null leaves the utterance without these features."""

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError("columns is empty; name the columns of the table that hold the numbers")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"columns names one twice: {merc.first_names(self.columns)}")
        if isinstance(self.table, dict):
            wrong = [split for split in self.table if split not in SPLITS]
            if wrong or not self.table:
                raise ValueError(f"table has {wrong or 'no split'}; its keys are splits: {', '.join(SPLITS)}")
        if self.fill is not None and not math.isfinite(self.fill):
            raise ValueError(f"fill is a number, not {self.fill}")

    def sampling(self) -> merc.Named:
        """The utterance's id."""
        return merc.Named()

    def spec(self) -> merc.FeatureSpec:
        """One token of as many numbers as there are columns."""
        return merc.FeatureSpec(dim=len(self.columns), tokens=1)

    def remark(self, clip: Any, features: Any) -> str | None:
        """What ``fill`` stands for."""
        numbers = self._row_of(clip.id)
        if isinstance(numbers, merc.Missing):
            return None
        empty = [name for name, value in zip(self.columns, numbers.values, strict=True) if math.isnan(value)]
        return f"{numbers.table} has no {', '.join(empty)}: {self.fill:g} stands for it" if empty else None

    def load(self, device: str) -> merc.EncodeFunction:
        """Read the tables. Raises MercError for one that cannot be read, lacks a column, or has a row twice."""
        _ = self._rows

        def encode(clips: Sequence[Any]) -> list[Any]:
            return [self._features(clip.id) for clip in clips]

        return encode

    def _features(self, name: str) -> Any:
        numbers = self._row_of(name)
        if isinstance(numbers, merc.Missing):
            return numbers
        values = np.array(numbers.values, "float32")
        empty = np.isnan(values)
        if self.fill is not None:
            values[empty] = self.fill
        elif empty.any():
            columns = ", ".join(np.array(self.columns)[empty])
            return merc.Missing(f"{numbers.table} has no {columns} of it; 'fill' would stand for it")
        return values[None]

    def _row_of(self, name: str) -> _Numbers | merc.Missing:
        if (numbers := self._rows.get(name)) is not None:
            return numbers
        tables = ", ".join(sorted({path.name for path in self._tables().values()}))
        return merc.Missing(f"no row is called so in {tables}")

    def _tables(self) -> Mapping[str, Path]:
        return self.table if isinstance(self.table, dict) else {"": self.table}

    @cached_property
    def _rows(self) -> Mapping[str, _Numbers]:
        """The numbers of each row, by the ids of utterances that it may belong to."""
        rows: dict[str, _Numbers] = {}
        plain: dict[str, list[_Numbers]] = {}
        for split, path in self._tables().items():
            own: dict[str, _Numbers] = {}
            sheet = read_sheet(merc.user_path(path), Layout(known=(self.key, *self.columns)))
            if lacking := [name for name in (self.key, *self.columns) if name not in sheet.columns]:
                raise merc.MercError(
                    f"encoder measured: {path} has no column {', '.join(lacking)}; its columns are "
                    f"{merc.first_names(sheet.columns, 12)}; name yours with 'key' and 'columns'"
                )
            for row in sheet.rows:
                name = _name(row.cells[self.key])
                if not name or name in own:
                    fault = f"a second row for {name!r}" if name else f"no name in the column {self.key}"
                    raise merc.MercError(f"encoder measured: {row.where}: {fault}")
                values = tuple(_number(row.cells[column], column, row.where) for column in self.columns)
                own[name] = _Numbers(values, path.name)
            for name, numbers in own.items():
                rows[f"{split}_{name}" if split else name] = numbers
                plain.setdefault(name, []).append(numbers)
        # a name that rows of two splits have is that of neither
        return {name: numbers[0] for name, numbers in plain.items() if len(numbers) == 1} | rows


@dataclass(frozen=True, kw_only=True)
class MeasuredAudio(Measured):
    """How an utterance sounds, in numbers that were measured before: a row of a table is an utterance, and its one
    token.

    A row belongs to the utterance whose id is the row's name: what stands in the column ``key``, without a folder and
    the ending of a media file, with or without the split and ``_`` before it. An utterance without a row has no such
    features, nor one of which a cell is empty (or NaN), unless ``fill`` stands for it. Nothing is scaled: a connector
    does that (``normalize: train``).

    MELD's voices, from tables with a row a clip::

        encoders:
          voice:
            name: measured-audio
            table: {train: train.csv, dev: dev.csv, test: test.csv}
            key: filename
            columns: [avg_pitch, avg_intensity]
        connectors:
          voice: {name: mlp, normalize: train}
    """

    modality = "audio"


@dataclass(frozen=True, kw_only=True)
class MeasuredVideo(Measured):
    """What an utterance looks like, in numbers that were measured before: as ``measured-audio``, of its pictures."""

    modality = "video"


@dataclass(frozen=True, kw_only=True)
class MeasuredText(Measured):
    """Numbers of the words of an utterance that were measured before: as ``measured-audio``, of its words."""

    modality = "text"


def _name(cell: Any) -> str:
    """The name of a row, without a folder and the ending of a media file."""
    name = PurePosixPath(str("" if cell is None else cell).strip().replace("\\", "/")).name
    ending = next((e for e in merc.MEDIA_ENDINGS if name.lower().endswith(e)), "")
    return name[: len(name) - len(ending)]


def _number(cell: Any, column: str, where: str) -> float:
    """The number in a cell; NaN for an empty one."""
    if cell is None or str(cell).strip().casefold() in _NOTHING:
        return math.nan
    try:
        value = float(cell)
    except (TypeError, ValueError):
        raise merc.MercError(f"encoder measured: {where}: {column} should be a number, not {cell!r}") from None
    return value if math.isfinite(value) else math.nan
