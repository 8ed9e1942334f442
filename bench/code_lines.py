"""How many lines of code folders hold: ``python bench/code_lines.py merc plugins``. Blank lines, comments and
docstrings are not counted."""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from pathlib import Path

_NO_CODE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


def code_lines(source: str) -> int:
    """The lines of a module that hold code.

    >>> code_lines('"Docstring."\\n\\n# why\\nx = 1  # one\\n\\ny = (\\n    2\\n)\\n')
    4
    """
    docstrings = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    spans = (range(t.start[0], t.end[0] + 1) for t in tokens if t.type not in _NO_CODE)
    return len({line for span in spans for line in span} - docstrings)


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        files = [path for path in sorted(Path(folder).rglob("*.py")) if "tests" not in path.parts]
        print(
            folder, len(files), "files,", sum(code_lines(path.read_text(encoding="utf-8")) for path in files), "lines"
        )
