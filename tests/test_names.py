"""Variables are named after what they hold, not after what was done with it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import merc

ROOT = Path(merc.__file__).parents[1]
FILES = sorted(
    path
    for folder in (ROOT / "merc", *(ROOT / "plugins").glob("*/merc_*"))
    for path in folder.rglob("*.py")
)  # fmt: skip
PARTICIPLES = {"asked", "begun", "found", "given", "kept", "said", "shown", "told", "wanted"}
# Where the participle is what is held: how many were found (a public field), and how many were asked.
EXACT = {
    ("merc/components/corpus.py", "found"),
    ("merc/cues/annotate.py", "asked"),
    ("merc/cues/table.py", "asked"),
}


def names_in(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each name that is bound in a module (variables, parameters, attributes), and its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def test_no_variable_is_a_bare_participle() -> None:
    assert len(FILES) > 100
    faults = [
        f"{path}:{line}: {name}"
        for file, path in ((file, file.relative_to(ROOT).as_posix()) for file in FILES)
        for name, line in names_in(ast.parse(file.read_text(encoding="utf-8")))
        if name in PARTICIPLES and (path, name) not in EXACT
    ]
    assert not faults, "name these after what they hold:\n" + "\n".join(faults)


@pytest.mark.parametrize(
    "source", ["kept = 1", "def f(given): ...", "lambda said: 1", "[0 for shown in ()]", "self.told = 1", "asked: int"]
)
def test_every_way_of_binding_is_seen(source: str) -> None:
    assert {name for name, _ in names_in(ast.parse(source))} & PARTICIPLES
