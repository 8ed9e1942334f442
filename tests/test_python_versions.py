"""The versions of Python that merc says it runs on are the same everywhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_page_names_the_same_versions() -> None:
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(about["classifiers"]))
    assert versions == ["3.11", "3.12", "3.13"] and about["requires-python"] == f">={versions[0]}"
    for page in ("README.md", "CONTRIBUTING.md", "Makefile"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert all(version in text for version in versions), page
    for plugin in sorted((ROOT / "plugins").glob("*/pyproject.toml")):
        assert tomllib.loads(plugin.read_text())["project"]["requires-python"] == about["requires-python"], plugin
