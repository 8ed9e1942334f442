"""Standard output for results alone."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

_TAKEN: list[TextIO] = []
"""The output that was taken: a stream that nobody holds is closed, and whoever put it there may want to read it."""


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
    kept = os.fdopen(os.dup(number), "w", encoding=encoding or results.encoding, newline="\n", buffering=1)
    os.dup2(errors, number)
    return kept
