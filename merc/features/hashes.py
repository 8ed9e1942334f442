"""The hashes of media files, remembered by size and times, so that a warm run need not read gigabytes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from merc.components.encoder import CannotEncode
from merc.errors import MercError
from merc.files import hash_file, write_text

# A file that changed so shortly before it was read could change again within the same tick of its clock.
_SETTLED_SECONDS = 2.0


class Hashes:
    """The content hashes of files. ``memory`` is the file where they are remembered between runs."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known = self._read()
        self._fresh: dict[str, list[object]] = {}

    def of(
        self, paths: Iterable[Path], workers: int, progress: Callable[[int, int], None]
    ) -> dict[Path, str | CannotEncode]:
        """The SHA-256 of each file, or the reason why it cannot be read."""
        wanted = list(dict.fromkeys(paths))
        found: dict[Path, str | CannotEncode] = {}
        with ThreadPoolExecutor(max(workers, 1), "merc-hash") as pool:
            for done, (path, value) in enumerate(zip(wanted, pool.map(self._one, wanted), strict=True)):
                found[path] = value
                if done % 64 == 0:
                    progress(done, len(wanted))
        return found

    def remember(self) -> None:
        """Write down what was learnt; another process may have done so meanwhile, so both are kept.

        Where it cannot be written the next run reads the files again, which costs time and nothing else.
        """
        if self._fresh:
            with suppress(OSError, MercError):
                write_text(self._memory, json.dumps({**self._read(), **self._fresh}))
            self._fresh = {}

    def _one(self, path: Path) -> str | CannotEncode:
        try:
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
        except FileNotFoundError:
            return CannotEncode(f"{path} does not exist")
        except OSError as error:
            return CannotEncode(f"{path} cannot be read: {error.strerror}")

    def _read(self) -> dict[str, list[object]]:
        try:
            known = json.loads(self._memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
