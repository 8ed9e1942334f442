"""Annotator ``openface``: action units that OpenFace 2 measured, read from its CSV files."""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import Annotation, Annotator, MercError, Missing, Observation, Query, hash_file, user_path
from merc_annotation.unit_table import UnitTable

if TYPE_CHECKING:
    from merc import AnnotateFunction


@dataclass(frozen=True, kw_only=True)
class OpenFaceTables(Annotator):
    """Writes ``action_units`` from OpenFace's own files, ``FOLDER/UTTERANCE.csv``: the intensities ``AU01_r`` to
    ``AU45_r``, of frames of which OpenFace itself says that it succeeded. Each file is of one utterance, and its
    ``timestamp`` counts from the utterance's start."""

    folder: Path
    """The folder with a file for each utterance, by its id."""
    certainty: float = 0.5
    """The least ``confidence`` of a frame that counts."""
    face: int = 0
    """Which face is read, by OpenFace's ``face_id``, where a file holds several."""

    def fields(self) -> tuple[str, ...]:
        """``action_units``."""
        return ("action_units",)

    def identity(self) -> dict[str, Any]:
        """What decides which of a file's rows count; where the files lie does not matter."""
        return {"certainty": self.certainty, "face": self.face}

    def context(self, query: Query) -> Any:
        """The hash of the utterance's file."""
        path = self._path(query)
        return hash_file(path) if path.is_file() else None

    def load(self, device: str) -> AnnotateFunction:
        """Raises MercError where there is no such folder."""
        if not user_path(self.folder).is_dir():
            raise MercError(f"annotator openface: there is no folder {self.folder}; give that of OpenFace's CSV files")

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            for one in observations:
                read = self._read(one.query)
                answer = Annotation(reason=read.reason) if isinstance(read, Missing) else None
                yield one.query.target.id, answer or Annotation(cues={"action_units": read.text()})

        return annotate

    def _path(self, query: Query) -> Path:
        return user_path(self.folder) / f"{query.target.id}.csv"

    def _read(self, query: Query) -> UnitTable | Missing:
        path = self._path(query)
        if not path.is_file():
            return Missing(f"OpenFace wrote no file {path.name}")
        return read_openface(path, self.certainty, self.face)


def read_openface(path: Path, certainty: float = 0.5, face: int = 0) -> UnitTable | Missing:
    """The intensities that a file of OpenFace 2 holds; Missing where no frame of it counts. Raises MercError for a file
    that is none of OpenFace's, naming the file and the line."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            names = [name.strip() for name in rows.fieldnames or ()]
            units = [name for name in names if name.startswith("AU") and name.endswith("_r")]
            if "timestamp" not in names or not units:
                raise MercError(
                    f"{path} is no table of OpenFace: it has no columns timestamp and AU01_r, AU02_r, …; write it with "
                    "FeatureExtraction -aus"
                )
            rows.fieldnames = names
            number = functools.partial(_number, path)
            rows_that_count = [
                [number(row, "timestamp", rows.line_num), *(number(row, unit, rows.line_num) for unit in units)]
                for row in rows
                if _counts(row, certainty, face, functools.partial(number, line=rows.line_num))
            ]
    except UnicodeDecodeError:
        raise MercError(f"{path} is not UTF-8; give OpenFace's own CSV file") from None
    if not rows_that_count:
        return Missing(f"OpenFace is certain of the face in no frame of {path.name}")
    table = np.array(rows_that_count)
    values = {unit.removesuffix("_r"): table[:, at + 1] for at, unit in enumerate(units)}
    return UnitTable("OpenFace", table[:, 0], values)


def _counts(row: dict[str, Any], certainty: float, face: int, number: Any) -> bool:
    if row.get("success") is not None and number(row, "success") != 1:
        return False
    if row.get("confidence") is not None and number(row, "confidence") < certainty:
        return False
    return row.get("face_id") is None or number(row, "face_id") == face


def _number(path: Path, row: dict[str, Any], name: str, line: int) -> float:
    try:
        value = float(row[name])
    except (TypeError, ValueError):
        raise MercError(f"{path}, line {line}: {name} should be a number, not {row[name]!r}") from None
    if not math.isfinite(value):
        raise MercError(f"{path}, line {line}: {name} is {row[name]}; a finite number was expected")
    return value
