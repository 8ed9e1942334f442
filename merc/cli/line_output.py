"""Lines of JSON, written and flushed as they come; into a file that is there only when it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from merc.errors import MercError
from merc.files import cache_folder, damaged, is_disk_full, parse_json, read_text, write_text

if TYPE_CHECKING:
    from merc.session.session import Session

Records = Sequence[Mapping[str, Any]]


class LineOutput:
    """Where lines go: standard output, or a file. A file's lines stand in FILE.part until all are there, so that an
    interrupted command leaves no half FILE, and ``resume`` goes on after them.

    ``done`` are the ids of the utterances that are there, by conversation.
    """

    def __init__(self, results: TextIO, path: Path | None, resume: bool) -> None:
        self.path, self.done = path, dict[str, list[str]]()
        self._file: TextIO | None = results if path is None else None
        self._mark: Path | None = None
        if path is None:
            if resume:
                raise MercError("--resume goes on with a file: give it, as in --output out.jsonl --resume")
            return
        if path.is_dir():
            raise MercError(f"--output {path} is a folder; give a file in it")
        if not path.absolute().parent.is_dir():
            raise MercError(f"--output {path}: there is no folder {path.absolute().parent}")
        self._part = path.with_name(f"{path.name}.part")
        if self._part.exists() and not resume:
            raise MercError(f"{self._part} is of an interrupted command; go on with --resume, or remove it")
        if resume:
            self._read(path)
        # Opened by the first line, so that what fails before leaves nothing.

    def _read(self, path: Path) -> None:
        """Keep the lines that are there. Of an interrupted command the last conversation is asked about again, since
        not all of its lines need be there."""
        source = self._part if self._part.exists() else path
        if not source.exists():
            return
        lines = read_text(source).split("\n")[:-1]
        ids_of_lines = [_ids(source, number, line) for number, line in enumerate(lines, start=1)]
        if source == self._part and ids_of_lines:
            last = ids_of_lines[-1][0]
            lines = [line for line, (talk, _) in zip(lines, ids_of_lines, strict=True) if talk != last]
            ids_of_lines = [ids for ids in ids_of_lines if ids[0] != last]
        write_text(self._part, "".join(f"{line}\n" for line in lines))
        for talk, name in ids_of_lines:
            self.done.setdefault(talk, []).append(name)

    def belong_to(self, session: Session) -> None:
        """The run that the lines are of, which is remembered in merc's cache: lines say nothing of it, and no file is
        left beside them. Raises MercError where those that are there are another run's, or were made in another way."""
        if self.path is None:
            return
        place = hashlib.sha256(str(self.path.absolute()).encode(errors="surrogateescape")).hexdigest()[:16]
        self._run = session.identity()
        try:
            self._mark = cache_folder("outputs") / place
        except (MercError, OSError):  # no cache: then nobody can say which run the lines are of
            return
        if self.done and self._mark.exists() and (before := read_text(self._mark).strip()) != self._run:
            raise MercError(
                f"the lines in {self.path} are of another run or other settings ({before.rpartition(' ')[0]}): give "
                "another --output, or that run"
            )

    def write(self, records: Records) -> None:
        """Write the lines of one conversation, and flush them."""
        try:
            if self._file is None:
                if self._mark is not None:
                    with contextlib.suppress(OSError):
                        write_text(self._mark, self._run + "\n")
                self._file = self._part.open("a", encoding="utf-8", errors="backslashreplace", newline="\n")
            self._file.write("".join(json.dumps(one, ensure_ascii=False, allow_nan=False) + "\n" for one in records))
            self._file.flush()
        except OSError as error:
            if self.path is None or not is_disk_full(error):
                raise
            raise MercError("the disk is full: free some space and run the same command again with --resume") from error

    def finish(self) -> None:
        """All lines are there."""
        if self.path is None:
            return
        self.write([])
        assert self._file is not None
        self._file.close()
        self._part.replace(self.path)


def _ids(path: Path, number: int, line: str) -> tuple[str, str]:
    try:
        one = parse_json(line)
        return str(one["conversation"]), str(one["id"])
    except (ValueError, KeyError, TypeError):
        raise damaged(
            path, f"line {number} is none of merc predict's", "give another --output, or leave out --resume"
        ) from None
