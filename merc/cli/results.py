"""Standard output for results alone."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from merc.errors import shown

_TAKEN: list[TextIO] = []
"""The output that was taken: a stream that nobody holds is closed, and whoever put it there may want to read it."""


class _Escaped:
    """A stream of text on which no name can move the cursor, colour the text or turn its direction. For rich it is no
    terminal, so that tables come without escapes of their own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        return self._stream.write(shown(text))

    def isatty(self) -> bool:
        return False


@contextmanager
def escaped_output() -> Iterator[None]:
    """Standard output with control characters shown as their codes, whatever is printed on it meanwhile."""
    plain = sys.stdout
    sys.stdout = cast(TextIO, _Escaped(plain))
    try:
        yield
    finally:
        sys.stdout = plain


def take_standard_output(encoding: str | None = None) -> TextIO:
    """The standard output as it was; whatever anything else in this process prints from now on, a library's C code and
    a plugin's ``print`` included, goes to standard error. ``encoding`` None is the one that the output has."""
    results = sys.stdout
    sys.stdout = sys.stderr
    _TAKEN[:] = [results]
    try:
        number, errors = results.fileno(), sys.stderr.fileno()
    except (OSError, io.UnsupportedOperation):  # no file of the system behind it, so C code cannot write to it
        return results
    results.flush()
    results_file = os.fdopen(os.dup(number), "w", encoding=encoding or results.encoding, newline="\n", buffering=1)
    os.dup2(errors, number)
    return cast(TextIO, _Escaped(results_file))
