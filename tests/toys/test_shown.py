"""The toys are the examples of docs/plugins.md, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", sorted(path.name for path in HERE.glob("[!_t]*.py")))
def test_the_page_shows_it_as_it_stands(file: str) -> None:
    assert f"```python\n{(HERE / file).read_text(encoding='utf-8')}```" in PAGE
