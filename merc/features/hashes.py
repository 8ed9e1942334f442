"""The hashes of media files, remembered by size and times, so that a warm run need not read gigabytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from merc.components.encoder import Missing
from merc.files import HashMemory


class Hashes:
    """The content hashes of files. ``memory`` is the file where they are remembered between runs."""

    def __init__(self, memory: Path) -> None:
        self._kept = HashMemory(memory)

    def of(
        self, paths: Iterable[Path], workers: int, progress: Callable[[int, int], None]
    ) -> dict[Path, str | Missing]:
        """The SHA-256 of each file, or the reason why it cannot be read."""
        wanted = list(dict.fromkeys(paths))
        found: dict[Path, str | Missing] = {}
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
        self._kept.write()

    def _one(self, path: Path) -> str | Missing:
        try:
            return self._kept.of(path)
        except FileNotFoundError:
            return Missing(f"{path} does not exist")
        except OSError as error:
            return Missing(f"{path} cannot be read: {error.strerror}")
