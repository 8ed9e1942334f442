"""Claims: which process is encoding what, so that two that fill a store at once do not do the same work."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # no such locks on Windows: work may be done twice there, which harms nothing
    fcntl = None  # type: ignore[assignment]


class Claims:
    """Locks on bytes of one file. The system lifts the claims of a process that ends, however it ends.

    Claims only save work. Where a file system has no locks every claim is granted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def take(self, name: str) -> bool:
        """Claim a name; False if another process holds it."""
        if fcntl is None:
            return True
        if self._file is None:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(name))
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True
        return True

    def release(self, name: str) -> None:
        """Give a claim back."""
        if fcntl is not None and self._file is not None:
            with contextlib.suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(name))

    def close(self) -> None:
        """Give all claims back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _place(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "little")
