"""Files that are written whole or not at all, their hashes, and where merc caches things."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from merc.errors import MercError

# A file that changed so shortly before it was read could change again within the same tick of its clock.
_SETTLED_SECONDS = 2.0
_FULL = (errno.ENOSPC, errno.EDQUOT)


def cache_folder(*parts: str) -> Path:
    """A folder below the user's cache, made if needed: ``$MERC_CACHE``, else ``$XDG_CACHE_HOME/merc``, else
    ``~/.cache/merc``."""
    root = os.environ.get("MERC_CACHE")
    base = Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "merc"
    folder = base.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``, renamed to it when the block ends well and removed when it does not.

    A reader never sees half a file, and of two writers the last one wins. A full disk is a MercError.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with whole_file(target) as temporary:
    ...     _ = temporary.write_text("done")
    >>> target.read_text()
    'done'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise MercError(
            f"the disk is full: {path} was not written ({path.parent} needs more space); "
            "what was written before is whole, free some space and run the same command again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error means that there is no room left, or no quota.

    >>> is_disk_full(OSError(errno.ENOSPC, "No space left on device")), is_disk_full(OSError(errno.ENOENT, "gone"))
    (True, False)
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    # safetensors' errors are of a class of its own and carry the system's number in words alone.
    return any(f"(os error {number})" in str(error) for number in _FULL)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def hash_file(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def short_name(text: str, longest: int) -> str:
    """A text as the name of a file or folder, or a part of one: letters, digits, and ``. _ - + =``; whatever else
    stands in it becomes ``-``. What is longer than ``longest`` letters is cut, and ends with six of the text's hash.

    >>> short_name("f1 of [joy, fear]", 40), short_name("a" * 50, 16)
    ('f1-of-joy-fear', 'aaaaaaaaa-160b4e')
    """
    name = re.sub(r"[^A-Za-z0-9._+=-]+", "-", text).strip("-")
    if len(name) <= longest:
        return name
    return f"{name[: longest - 7].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


class HashMemory:
    """The SHA-256 of files, remembered by size and times in the file ``memory``, so that large ones are read once."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known = self._read()
        self._fresh: dict[str, list[object]] = {}

    def of(self, path: Path) -> str:
        """The hash of a file's content, in hexadecimal. Raises OSError for one that cannot be read."""
        state = path.stat()
        stamp = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
        name = str(path.absolute())
        known = self._known.get(name)
        if isinstance(known, list) and known[:-1] == stamp:
            return str(known[-1])
        value = hash_file(path)
        if time.time() - max(state.st_mtime, state.st_ctime) > _SETTLED_SECONDS:
            self._fresh[name] = [*stamp, value]
        return value

    def write(self) -> None:
        """Write down what was learnt; another process may have done so meanwhile, so both are kept. Where it cannot be
        written the next run reads the files again, which costs time and nothing else."""
        if self._fresh:
            with suppress(OSError, MercError):
                write_text(self._memory, json.dumps({**self._read(), **self._fresh}))
            self._fresh = {}

    def _read(self) -> dict[str, list[object]]:
        try:
            known = json.loads(self._memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
