"""A lock on a folder: one process at a time works in it."""

from __future__ import annotations

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # no such locks on Windows: there, its user sees to it that one process works in a folder
    fcntl = None  # type: ignore[assignment]

NAME = ".lock"


class FolderLock:
    """A lock on the file ``.lock`` of a folder, which is there while the lock is held.

    The system lifts the lock of a process that ends, however it ends. Where a file system has no locks it is granted.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> one, other = FolderLock(folder), FolderLock(folder)
    >>> one.take(), other.take(), other.is_taken()
    (True, False, True)
    >>> one.release()
    >>> other.take()
    True
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._file: int | None = None

    def take(self) -> bool:
        """Take the lock of a folder that is there; False if another holds it. Raises OSError where the file cannot be
        made."""
        while fcntl is not None and self._file is None:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return False
            except OSError:  # no locks here
                pass
            if self._is_at_the_path(file):
                self._file = file
            else:  # the one that held it took the file away before this lock was granted
                os.close(file)
        return True

    def is_taken(self) -> bool:
        """Whether somebody else holds the lock. Nothing is written, so that it can be asked of a folder that is not
        ours."""
        if self._file is not None:
            return False
        try:
            file = os.open(self.path, os.O_RDONLY)
        except OSError:
            return False
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # no locks here
            pass
        finally:
            os.close(file)
        return False

    def release(self) -> None:
        """Give the lock back, if it is held, and take its file away."""
        if self._file is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def _is_at_the_path(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self.path.stat())
        except FileNotFoundError:
            return False
