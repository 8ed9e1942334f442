"""Answers on disk: a JSON Lines file a teacher, to which several processes may append at once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from merc.components.annotator import Annotation
from merc.cues.key import Teacher
from merc.errors import MercError
from merc.files import is_disk_full
from merc.passes import Store

try:
    import fcntl
except ImportError:  # no such locks on Windows: there, one process at a time fills a store
    fcntl = None  # type: ignore[assignment]


class CueStore(Store):
    """A folder of answers. It is made when the first one is kept."""

    what = "cue store"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._files: dict[Path, CueFile] = {}

    def of(self, teacher: Teacher) -> CueFile:
        """The answers of a teacher."""
        path = self.root / f"{teacher.part.rpartition('/')[2]}-{teacher.digest[:12]}.jsonl"
        if path not in self._files:
            self._files[path] = CueFile(path, teacher.part, teacher.annotator.version)
        return self._files[path]


class CueFile:
    """The answers of one teacher, a line each: ``key``, ``utterance``, ``annotator``, ``version``, ``fields`` or
    ``reason`` (with ``retry`` where it may pass), ``raw``, ``label_guided`` where it was made with the gold label in
    sight, and the limits that it ``reached`` with their values.

    A line is appended whole or not at all: under a lock, cut off again where it did not fit the disk; a torn end that
    a killed process left is not read, and is cut off before the next line. Of a key that stands twice, the last line
    counts, but no fault that may pass takes the place of a final answer.
    """

    def __init__(self, path: Path, part: str, version: str) -> None:
        self.path, self.part, self.version = path, part, version
        self.damaged: list[int] = []
        self._answers: dict[str, Annotation] = {}
        self._reached: dict[str, Mapping[str, Any]] = {}
        self._read = self._lines = 0

    def get(self, key: str) -> Annotation | None:
        """The answer that is kept under a key, as far as the file was read (see ``refresh``)."""
        return self._answers.get(key)

    def reached(self, key: str) -> Mapping[str, Any]:
        """The limits that an answer reached, by name, with the values that they had."""
        return self._reached.get(key, {})

    def final(self, key: str) -> bool:
        """Whether a key has an answer that is not a fault that may pass."""
        answer = self._answers.get(key)
        return answer is not None and not answer.retry

    def refresh(self) -> None:
        """Read what was appended since, by whichever process. Raises MercError for a file that cannot be read."""
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self._read:  # another file by now
                    self._answers, self._reached, self.damaged, self._read, self._lines = {}, {}, [], 0, 0
                if size == self._read:
                    return
                file.seek(self._read)
                new = file.read()
        except (FileNotFoundError, NotADirectoryError):  # nothing was kept there
            return
        except OSError as error:
            raise MercError(f"the cue file {self.path} cannot be read: {error.strerror}") from None
        whole = new.rfind(b"\n") + 1
        for line in new[:whole].split(b"\n")[:-1]:
            self._lines += 1
            self._take(line)
        self._read += whole

    def add(
        self,
        key: str,
        utterance: str,
        annotation: Annotation,
        limits: Mapping[str, Any] | None = None,
        guided: bool = False,
    ) -> None:
        """Keep an answer; ``limits`` are the values of the limits that it reached, and ``guided`` says that it was made
        with the gold label in sight. Raises MercError when it cannot be written; then the file is as it was."""
        line: dict[str, Any] = {
            "key": key,
            "utterance": utterance,
            "annotator": self.part,
            "version": self.version,
            **({"label_guided": True} if guided else {}),
            **({"fields": dict(annotation.cues)} if annotation.reason is None else {"reason": annotation.reason}),
            **({"retry": True} if annotation.retry else {}),
            "raw": list(annotation.raw),
            **({"reached": dict(limits)} if limits else {}),
        }
        # A lone surrogate, which a text may hold and UTF-8 cannot, becomes JSON's own escape for it.
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        try:
            with _locked(self.path) as file:
                _append(file, data)
        except OSError as error:
            full = "the disk is full" if is_disk_full(error) else error.strerror or str(error)
            raise MercError(
                f"an answer could not be written to {self.path}: {full}; what was written before is whole, mend that "
                "and run the same command again"
            ) from error
        self.refresh()

    def _take(self, line: bytes) -> None:
        try:
            row = json.loads(line)
            annotation = Annotation(
                cues=_texts(row.get("fields", {})),
                raw=tuple(row.get("raw", ())),
                reason=row.get("reason"),
                retry=row.get("retry", False),
            )
            key, reached = row["key"], dict(row.get("reached", {}))
            annotation = replace(annotation, reached=tuple(reached))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.damaged.append(self._lines)
            return
        if not (annotation.retry and self.final(key)):
            self._answers[key], self._reached[key] = annotation, reached


def _texts(fields: Any) -> dict[str, str]:
    if not all(isinstance(text, str) for text in fields.values()):
        raise TypeError("a cue is a text")
    return dict(fields)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file, open to append to, while no other process does."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks: lines are still written in one go
                fcntl.lockf(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _append(file: int, data: bytes) -> None:
    """Append after the last whole line; on a failure, cut off what was written."""
    whole = _end_of_lines(file)
    if whole != os.fstat(file).st_size:
        os.ftruncate(file, whole)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
    except BaseException:
        os.ftruncate(file, whole)
        raise


def _end_of_lines(file: int) -> int:
    """Where the last whole line of a file ends."""
    end = os.fstat(file).st_size
    while end:
        begin = max(0, end - 4096)
        part = os.pread(file, end - begin, begin)
        at = part.rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        end = begin
    return 0
