"""Standard output for results alone."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


def take_standard_output() -> TextIO:
    """The standard output as it was; whatever anything else in this process prints from now on, a library's C code
    included, goes to standard error."""
    results = sys.stdout
    sys.stdout = sys.stderr
    try:
        number, errors = results.fileno(), sys.stderr.fileno()
    except (OSError, io.UnsupportedOperation):  # no file of the system behind it, so C code cannot write to it
        return results
    results.flush()
    kept = os.fdopen(os.dup(number), "w", encoding="utf-8", newline="\n")
    os.dup2(errors, number)
    return kept
