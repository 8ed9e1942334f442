"""The files of the repository that the site shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("docs", "recipes", "plugins", "bench")
_NOT_OURS = {"build", "dist", "tests", "node_modules", ".venv"}
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def pages() -> list[Path]:
    """The pages that stand in the repository, relative to it."""
    inner = (path.relative_to(ROOT) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.md")))
    return [Path("README.md"), Path("CONTRIBUTING.md"), *(page for page in inner if not _NOT_OURS & set(page.parts))]


def plugin_pages() -> list[Path]:
    """The README of each plugin."""
    return [page for page in pages() if page.parts[0] == "plugins" and len(page.parts) == 3]


def linked(page: Path) -> Iterator[Path]:
    """The other files of the repository that a page links to or shows, relative to the repository."""
    for target in _LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        if "://" not in target:
            file = (ROOT / page.parent / target).resolve()
            if file.is_file() and file.suffix != ".md" and file.is_relative_to(ROOT):
                yield file.relative_to(ROOT)
