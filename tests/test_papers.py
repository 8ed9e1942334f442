"""The core is no paper's: what is particular to one is a plugin's, its name included."""

from __future__ import annotations

import re
from pathlib import Path

import merc

PAPERS = re.compile(
    r"bemerc|farcer|emotion-?llama|mmeverse|affectgpt|unibench|arxiv|et al\b"
    r"|\beq\. ?[0-9]|\bTable [0-9IVX]+\b|\bfigure [0-9]",
    re.IGNORECASE,
)
CONVERTS = "recipe/conversion.py"
"""Recipes of before had options of papers; where these went to is said by the plugins' names."""


def test_no_paper_is_named_in_the_core() -> None:
    root = Path(merc.__file__).parent
    named = [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for path in sorted(root.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if PAPERS.search(line) and path.relative_to(root).as_posix() != CONVERTS
    ]
    assert named == []
