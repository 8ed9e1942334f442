"""The site builds without a broken link, needs no network to be read, and is small."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from website.pages import ROOT, pages, plugin_pages

_FETCHED = re.compile(r"<(?:script|img|iframe|source|link)[^>]*(?:src|href)=[\"']?(?:https?:)?//[^>]*>")


@pytest.mark.slow
def test_the_site(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    built = [path for path in (tmp_path / "site").rglob("*") if path.is_file()]
    texts = {path: path.read_text(encoding="utf-8") for path in built if path.suffix == ".html"}
    assert len(texts) >= len(pages()) + 4
    assert not [(path, fetched) for path, text in texts.items() for fetched in _FETCHED.findall(text)]
    assert sum(path.stat().st_size for path in built) < 20_000_000
    python = texts[tmp_path / "site/docs/reference/python.html"]
    assert 'id="merc.Utterance"' in python and "<blockquote>" not in python


def test_every_page_is_in_the_menu_or_linked() -> None:
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    linked = {ROOT / page for page in plugin_pages()}
    for page in pages():
        for target in re.findall(r"\]\(([^)#\s]+\.md)", (ROOT / page).read_text(encoding="utf-8")):
            linked.add((ROOT / page.parent / target).resolve())
    lost = [page for page in pages() if page.as_posix() not in config and (ROOT / page) not in linked]
    assert not lost, f"{lost}: nothing leads to these pages; name them in mkdocs.yml or link to them"
