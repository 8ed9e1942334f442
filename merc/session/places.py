"""Paths of a machine in texts that go to others."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath, PureWindowsPath

# A path from the root on: two names at least, so that "/" is none. Addresses and "joy/anger" are none either.
PLACE = re.compile(r"(?<![\w.:/~<-])(?:(?:/[\w.+@-]+){2,}|[A-Za-z]:\\[^\s\"']+)/?")
_TEXTS = (".json", ".yaml", ".md", ".txt", ".jsonl")


def places_in(file: Path) -> list[str]:
    """The absolute paths that a file of texts names; none in a file of weights.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.json"
    >>> _ = file.write_text('{"path": "/home/ann/model", "url": "https://a.org/b/c", "either": "joy/anger"}')
    >>> places_in(file)
    ['/home/ann/model']
    """
    return PLACE.findall(file.read_text(encoding="utf-8")) if file.suffix in _TEXTS else []


def nowhere(text: str) -> str:
    """A text whose absolute paths are their last names.

    >>> nowhere("merc run /home/ann/meld.yaml data_root=/data/all --run-dir runs/x")
    'merc run meld.yaml data_root=all --run-dir runs/x'
    """
    return PLACE.sub(lambda match: _last(match.group().rstrip("/")), text)


def _last(path: str) -> str:
    return PureWindowsPath(path).name if "\\" in path else PurePosixPath(path).name
