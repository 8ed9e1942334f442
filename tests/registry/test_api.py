"""The version of the contract: every first-party plugin states it, and docs/plugins.md says what changed with it."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

import merc
import merc.testing
from merc.registry import KINDS

ROOT = Path(merc.__file__).parents[1]
PLUGINS = sorted((ROOT / "plugins").iterdir())
CHANGES = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8").partition("## From API 1 to 2\n")[2]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_first_party_plugins_state_the_api(plugin: Path) -> None:
    entries = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]["entry-points"]["merc"]
    for module in entries.values():
        source = (plugin / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
        stated = [
            ast.literal_eval(line.value)
            for line in ast.parse(source).body
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "MERC_PLUGIN_API"
        ]
        assert stated == [merc.PLUGIN_API], module


@pytest.mark.parametrize(("old", "new"), re.findall(r"^\| `merc\.(\w+)`.*?\| `merc\.(\w+)`", CHANGES, re.MULTILINE))
def test_a_name_of_before_is_refused_with_the_new_one(old: str, new: str) -> None:
    assert hasattr(merc, new)
    with pytest.raises(AttributeError, match=f"'{old}'; it is called {new} since plugin API 2"):
        getattr(merc, old)


def test_what_the_page_says_is_there_now_is_there() -> None:
    new = " ".join(line.split("|")[2] for line in CHANGES.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(register_\w+)`", new)) <= set(KINDS.values())
    for contract in re.findall(r"`merc\.testing\.(\w+)`", new):
        assert hasattr(merc.testing, contract)
    for cls, field in re.findall(r"`([A-Z]\w+)\.(\w+)`", new):
        of = getattr(merc, cls)
        assert field in getattr(of, "__dataclass_fields__", {}) or hasattr(of, field), (cls, field)
