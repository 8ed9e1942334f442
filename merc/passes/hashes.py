"""The hashes of media files, remembered by size and times, so that a warm run need not read gigabytes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from merc.components.encoder import Missing
from merc.files import HashMemory
from merc.passes.content_pass import Progress
from merc.threads import in_threads


class Hashes(HashMemory):
    """The content hashes of files, many at once."""

    def of_all(self, places: Iterable[object], workers: int, progress: Progress) -> dict[Path, str | Missing]:
        """The SHA-256 of each file among the places, or the reason why it cannot be read."""
        paths = list(dict.fromkeys(place for place in places if isinstance(place, Path)))
        contents: dict[Path, str | Missing] = {}
        with closing(in_threads(self._content, paths, workers)) as hashed:
            for done, (path, content) in enumerate(hashed):
                contents[path] = content
                if done % 64 == 0:
                    progress(done / len(paths), f"reading file {done + 1} of {len(paths)}")
        return contents

    def _content(self, path: Path) -> str | Missing:
        try:
            return self.of(path)
        except FileNotFoundError:
            return Missing(f"{path} does not exist")
        except OSError as error:
            return Missing(f"{path} cannot be read: {error.strerror}")
