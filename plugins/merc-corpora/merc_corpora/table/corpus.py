"""The corpus ``table``: people's own tables, with a mapping from what merc needs to their columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import merc
from merc import first_names
from merc_corpora.own_files import Paths, check_paths, close_to, listed_files
from merc_corpora.table.conversations import Mapped, conversations, parts_of
from merc_corpora.table.look import recognised, to_paste
from merc_corpora.table.roles import ROLES
from merc_corpora.table.sheets import SUFFIXES, Layout, Sheet, read_sheet
from merc_corpora.text_files import check_encoding


@dataclass(frozen=True, kw_only=True)
class TableCorpus(merc.Corpus):
    """Tables of people's own: an utterance a row, and a mapping from what merc needs to the columns that hold it.

    Read are values between commas, semicolons, tabs or bars, with a line that names the columns; a JSON array of
    objects, or an object a line; Parquet; and the first sheet of an Excel workbook. ``merc corpus look FILE`` guesses
    the section, to be corrected and pasted::

        {name: table, path: talks.csv, columns: {conversation: dialogue, speaker: who, text: text, label: emotion}}

    ``columns`` maps ``text``, which is needed, and ``conversation``, ``turn``, ``id``, ``speaker``, ``label``,
    ``split``, ``dataset``, ``start``, ``end``, ``video``, ``audio``, ``sentiment`` and ``intention`` to columns, each
    to one, or to a template with columns in braces, as in ``video: "clips/dia{Dialogue_ID}_utt{Utterance_ID}.mp4"`` or
    ``conversation: "{season}_{scene}"``. Columns that are not mapped are kept in ``extra``, under ``row``.

    Rows of a conversation are in the order of ``turn``, a number, where it is mapped, else in that of the file.
    ``start`` and ``end`` are seconds, or hours, minutes and seconds with colons, within the media file. An empty label
    is none: the utterance is context. ``split`` holds train, dev (val, valid, validation) or test; without it a corpus
    is one set that is not divided.

    Raises MercError for columns that are not there, with the closest one, and for cells that cannot be what they are
    mapped to, counted, with the first.
    """

    path: Paths
    """A table, a folder (all tables in it and below), a list of these, or a mapping from a split to any of them."""
    columns: Mapping[str, str] | None = None
    """What merc needs, by the name of the column or the template that holds it."""
    values: Mapping[str, str] | None = None
    """Numbers that are true of an utterance (valence, arousal), by the name of the column that holds them."""
    one_conversation: Literal["row", "file"] | None = None
    """What a conversation is where ``columns`` maps none: each ``row``, or each ``file``."""
    times: Literal["seconds", "milliseconds"] = "seconds"
    """What ``start`` and ``end`` count."""
    encoding: str = "utf-8"
    """What the files' bytes mean (``utf-16``, ``gbk``, ``cp1252``); an error names the encodings that fit."""
    delimiter: str | None = None
    """What stands between cells; ``null``: whichever of commas, semicolons, tabs and bars gives the mapped columns."""
    header: tuple[str, ...] | None = None
    """The names of the columns of files in which no line names them."""
    quoted: bool = True
    """Whether quotes hold a cell together; else they are letters."""
    media_root: Path | None = None
    """The folder that relative media paths begin at; ``null`` is that of the table."""

    def __post_init__(self) -> None:
        check_paths(self.path)
        check_encoding(self.encoding)
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ValueError(f"delimiter is one character, such as ';' or \"\\t\", not {self.delimiter!r}")
        if self.columns is None:
            return
        for role in self.columns:
            if role not in ROLES:
                raise ValueError(
                    f"columns: nothing of an utterance is called {role!r}.{close_to(role, ROLES)} There are: "
                    f"{', '.join(ROLES)}; numbers, such as valence, go into 'values'"
                )
        if "text" not in self.columns:
            raise ValueError("columns: 'text' is lacking; map it to the column with the words")
        if "conversation" not in self.columns and self.one_conversation is None:
            raise ValueError(
                "columns: no 'conversation'; map it, or write one_conversation: row where each row stands alone, or "
                "one_conversation: file where each file is one"
            )
        mapped: dict[str, str] = {}
        for role, column in [*self.columns.items(), *(self.values or {}).items()]:
            if parts_of(column, ()) != [column]:
                continue
            if column in mapped:
                raise ValueError(
                    f"columns: {mapped[column]!r} and {role!r} are both the column {column!r}; map a column once (a "
                    f"template, such as '{{{column}}}', may use it again)"
                )
            mapped[column] = role

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A file with rows and columns, or a folder with tables."""
        return recognised(path)

    def load(self) -> merc.CorpusData:
        """Read every table. Raises MercError with what is wrong, each with its file."""
        files, notes = listed_files(self.path, SUFFIXES, "tables")
        mapped = self._needed()
        layout = Layout(encoding=self.encoding, delimiter=self.delimiter, header=self.header, quoted=self.quoted,
                        known=[name for one in mapped for name in parts_of(one, ())])  # fmt: skip
        sheets: list[tuple[Sheet, str | None]] = []
        for file, split in files:
            sheet = read_sheet(file, layout)
            if self.columns is None:
                raise merc.MercError(
                    f"corpus table needs 'columns'; run merc corpus look {file} to see what each seems to be, and "
                    f"correct and paste:\n{to_paste(sheet)}"
                )
            self._check(sheet, mapped)
            sheets.append((sheet, split))
            notes += sheet.notes
        assert self.columns is not None
        how = Mapped(
            columns=self.columns, values=self.values or {}, row_alone=self.one_conversation == "row",
            thousandths=self.times == "milliseconds",
            media_root=None if self.media_root is None else merc.user_path(self.media_root),
        )  # fmt: skip
        return conversations(sheets, how, notes)

    def _needed(self) -> dict[str, str]:
        """The columns and templates of the mapping, and what for."""
        return {column: role for role, column in [*(self.columns or {}).items(), *(self.values or {}).items()]}

    def _check(self, sheet: Sheet, needed: Mapping[str, str]) -> None:
        """Raise MercError where a table lacks columns that are mapped."""
        roles = {name: role for one, role in needed.items() for name in parts_of(one, sheet.columns)}
        lacking = [name for name in roles if name not in sheet.columns]
        if lacking:
            hints = [close_to(name, sheet.columns).replace(" Did", "; did") for name in lacking]
            each = [f"{name!r} (for {roles[name]}{hint})" for name, hint in zip(lacking, hints, strict=True)]
            names = [name if len(name) <= 30 else f"{name[:30]}..." for name in sheet.columns]
            raise merc.MercError(
                f"{sheet.path} lacks the column{'s' if len(lacking) > 1 else ''} {first_names(each, 5)}\n  its columns "
                f"({sheet.form}) are: {first_names(names, 20)}"
            )
