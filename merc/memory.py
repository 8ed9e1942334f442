"""Too little memory, on a CPU or a GPU, as a sentence that says what to change."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from merc.errors import MercError

_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "alloc_failed")
_LONGEST = 160


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out: Python's, torch's on any device, or the system's.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    (True, True)
    >>> is_out_of_memory(RuntimeError("shapes do not match")), is_out_of_memory(MercError("out of memory: ..."))
    (False, False)
    """
    if isinstance(error, MercError):
        return False
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    # torch has a class of its own for GPUs alone, and safetensors carries the system's error in words.
    return any(words in str(error).lower() for words in _WORDS)


def peak_memory() -> int:
    """The most bytes of memory that this process has held at a time until now.

    >>> peak_memory() > 1_000_000
    True
    """
    with suppress(OSError, ValueError):  # elsewhere than on Linux; it alone does not count what started the process
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource  # not everywhere, and only here

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


@contextmanager
def enough_memory(where: str, remedy: str) -> Iterator[None]:
    """Inside the block too little memory is a MercError that names ``where`` and ends with ``remedy``.

    >>> with enough_memory("backbone", "set backbone.dtype=bfloat16"):
    ...     raise MemoryError
    Traceback (most recent call last):
    merc.errors.MercError: backbone: out of memory; set backbone.dtype=bfloat16
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        first = (str(error).strip().splitlines() or [""])[0][:_LONGEST].rstrip(". ")
        raise MercError(f"{where}: out of memory{f' ({first})' if first else ''}; {remedy}") from error
