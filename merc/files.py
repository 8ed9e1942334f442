"""Files that are written whole or not at all, their hashes, and where merc caches things."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from merc.errors import MercError

VIDEO_ENDINGS = (
    ".mp4", ".mkv", ".webm", ".mov", ".avi", ".flv", ".m4v", ".wmv", ".mpg", ".mpeg", ".mts", ".m2ts", ".3gp",
)  # fmt: skip
"""How the names of recordings with pictures end, in small letters, the usual ones first."""
AUDIO_ENDINGS = (
    ".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".oga", ".aac", ".aiff", ".aif", ".wma",
)  # fmt: skip
"""How the names of recordings of sound alone end, in small letters, the usual ones first."""
MEDIA_ENDINGS = (*VIDEO_ENDINGS, *AUDIO_ENDINGS)
"""How the names of recordings end, those with pictures first."""

# A file that changed so shortly before it was read could change again within the same tick of its clock.
_SETTLED_SECONDS = 2.0
# Of a longer path the beginning is shown.
_LONG = 200
_FULL = (errno.ENOSPC, errno.EDQUOT)


def cache_folder(*parts: str) -> Path:
    """A folder below the user's cache, made if needed: ``$MERC_CACHE``, else ``$XDG_CACHE_HOME/merc``, else
    ``~/.cache/merc``.

    Args:
        *parts: The folder's place below the cache; none for the cache itself.

    Raises:
        MercError: Neither variable is set and the user has no home folder.
    """
    root = os.environ.get("MERC_CACHE")
    try:
        base = Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "merc"
    except RuntimeError:
        raise MercError("there is no home folder to keep a cache in; set MERC_CACHE to a folder") from None
    folder = base.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def user_path(path: Path | str) -> Path:
    """A path with ``~`` and ``~name`` resolved. Raises MercError where there is no such user.

    >>> user_path("data/talk.jsonl").as_posix()
    'data/talk.jsonl'
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        start = Path(path).parts[0]
        raise MercError(
            f"{path}: there is no home folder for {start!r}; write the whole path, or ./{start} for a file of this name"
        ) from None


def fault_of_path(path: Path) -> str | None:
    """Why a path leads to no file, in a sentence; ``None`` where it leads to one.

    >>> fault_of_path(Path("/nowhere/a.mp4"))
    '/nowhere/a.mp4 is not there'
    """
    try:
        if path.is_file():
            return None
        return f"{path} {'is a folder' if path.is_dir() else 'is not there'}"
    except OSError as error:  # a name that is too long, a folder that may not be entered
        name = str(path) if len(str(path)) <= _LONG else f"{str(path)[:_LONG]}..."
        return f"{name} cannot be read: {error.strerror or error}"


@contextmanager
def whole_file(path: Path, sync: bool = True) -> Iterator[Path]:
    """Give a temporary path beside ``path``, renamed to it when the block ends well and removed when it does not.

    A reader never sees half a file, and of two writers the last one wins.

    Args:
        path: The file to write; its folder is made if needed.
        sync: Whether that holds after a power cut too: the content is on the disk before the name is, at the price of
            waiting for the disk. Without it a power cut may leave an empty file, which is enough for what is checked
            when it is read and can be made again.

    Raises:
        MercError: The disk is full.

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
        if sync:
            _sync(temporary)
        temporary.replace(path)
        if sync:
            _sync(path.parent)
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise MercError(
            f"the disk is full: {path} was not written ({path.parent} needs more space); "
            "what was written before is whole, free some space and run the same command again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def move_folder(temporary: Path, target: Path) -> None:
    """Rename a finished folder to ``target``, which is replaced if it is there, with all of its content on the disk
    before the name is: a power cut leaves the folder whole or leaves it under its temporary name."""
    for path in (*temporary.rglob("*"), temporary):
        _sync(path)
    if target.exists():
        remove_folder(target)
    temporary.rename(target)
    _sync(target.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder, or a file that stands in its place, so that no moment shows half of it under its name."""
    doomed = folder.with_name(f".{folder.name}.old.tmp")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    if doomed.is_dir():
        shutil.rmtree(doomed)
    else:
        doomed.unlink()


def _sync(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk. File systems that cannot say so are trusted:
    some network and user-space ones refuse, and so does Windows for folders."""
    try:
        number = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(number)
    except OSError as error:
        if is_disk_full(error) or error.errno == errno.EIO:
            raise
    finally:
        os.close(number)


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
    """Write a text file whole or not at all.

    Half a character, as names of files may hold that are no UTF-8, is written as ``\\udc80``: an escape that JSON
    reads back as it was.
    """
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_text(path: Path, remedy: str = "") -> str:
    """The text of a file in UTF-8. Raises MercError, with the remedy, for one that is not there or cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, f"byte {error.start} is no UTF-8 text", remedy) from None
    except OSError as error:
        raise MercError(f"{path} cannot be read: {error.strerror}{'; ' if remedy else ''}{remedy}") from None


def read_json(path: Path, remedy: str = "") -> dict[str, Any]:
    """The JSON object of a file. Raises MercError, with the place in the file and the remedy, for one that is not
    there, cannot be read or holds anything else."""
    try:
        value = parse_json(read_text(path, remedy))
    except ValueError as error:
        raise damaged(path, str(error), remedy) from None
    if not isinstance(value, dict):
        raise damaged(path, f"a JSON object was expected, not {type(value).__name__}", remedy)
    return value


def damaged(path: Path, why: str, remedy: str = "") -> MercError:
    """The error for a file that is not what merc wrote there."""
    return MercError(f"{path} is damaged: {why}{'; ' if remedy else ''}{remedy}")


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, in words for a user, for what is no JSON, and for what JSON allows
    and no file of merc has: numbers of thousands of digits and values nested a thousand deep.

    >>> parse_json('{"a": [1, 2')
    Traceback (most recent call last):
    ValueError: not JSON (Expecting ',' delimiter at line 1, column 12)
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg} at line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("its values are nested too deep") from None
    except ValueError:  # the only other one: int() of more digits than Python converts
        raise ValueError("a number in it has thousands of digits") from None


def hash_file(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal. Raises OSError for a file that cannot be read."""
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


def check_name(path: Path) -> None:
    """Raise MercError for a path that no file system takes: a name of hundreds of letters, a circle of links."""
    try:
        path.lstat()
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL):
            short = f"{str(path)[:60]}..." if len(str(path)) > 60 else str(path)
            raise MercError(
                f"{short} cannot be a folder of this file system: {error.strerror} ({len(path.name)} letters); give a "
                "shorter name"
            ) from None


def checksums_of(folder: Path, only: str = "**/*") -> dict[str, str]:
    """The SHA-256 of every file below a folder that a pattern names, by its path from there."""
    files = [path for path in sorted(folder.glob(only)) if path.is_file()]
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in files}


def damage_in(folder: Path, checksums: object) -> str:
    """What is wrong with a folder's files against the ``checksums_of`` it that were kept: a sentence that names the
    first file that is gone, cannot be read or has another content. Empty where all are as they were."""
    if not isinstance(checksums, dict):
        return f"the checksums of {folder} are no JSON object of hashes by file"
    for name, known in checksums.items():
        try:
            if hash_file(folder / name) != known:
                return f"{folder / name} is damaged: its content has changed since it was written"
        except FileNotFoundError:
            return f"{folder / name} is not there"
        except OSError as error:
            return f"{folder / name} cannot be read: {error.strerror}"
    return ""


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
        # A path may hold what a recipe took from the environment, which is written nowhere.
        name = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()
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
            self._known |= self._fresh
            self._fresh = {}

    def _read(self) -> dict[str, list[object]]:
        try:
            known = parse_json(self._memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
