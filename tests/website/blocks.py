"""The blocks of code on a page, and how each is run.

A block of shell (``sh``, ``bash``, ``console``) runs in bash, in the page's own empty folder, in the order of the page;
a block of Python runs there too, and the blocks of a page share their names. A block below a line that is the name of a
file, in backticks, is that file. A comment before a block says what is otherwise:

- ``<!-- not run: it needs a GPU -->``: the block is not run, and why.
- ``<!-- slow: it trains for two minutes -->``: it runs in the slow tests alone.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from website.pages import ROOT

SHELL = ("sh", "bash", "console")
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>not run|slow): (?P<why>[^>]+?) -->\n+)?"
    r"(?:^`(?P<file>[\w./-]+)`:?\n+)?"
    r"^(?P<fence>```+)(?P<language>\w*)\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
# What is installed already where the tests run, and tests that run anyway; the tutorial's test installs all.
_INSTALLS = re.compile(r"(?:(?:pip install|pytest) (?:[^\n]*\\\n)*[^\n]*\n)+")
_CALL = re.compile(r"""^merc (?:'[^']*'|"[^"]*"|[^'"\n])*""", re.MULTILINE)
_STUBS = "pip() { :; }\n"


@dataclass(frozen=True)
class Block:
    """A block of code: where it stands, and what is to be done with it."""

    page: Path
    line: int
    language: str
    text: str
    mark: str | None = None
    file: str | None = None

    @property
    def runs(self) -> bool:
        """Whether it is a command or Python that some test runs."""
        code = self.language in (*SHELL, "python") and self.file is None
        return code and self.mark != "not run" and not _INSTALLS.fullmatch(self.text)

    @property
    def script(self) -> str:
        """The commands of a block of shell, without what they answer."""
        lines = self.text.splitlines()
        if not any(line.startswith("$ ") for line in lines):
            return self.text
        kept: list[str] = []
        for line in lines:
            if line.startswith("$ ") or (kept and kept[-1].endswith("\\")):
                kept.append(line.removeprefix("$ "))
        return "\n".join(kept)

    @property
    def commands(self) -> list[list[str]]:
        """The calls of ``merc`` that stand at the beginning of lines, each as its arguments."""
        calls = []
        for call in _CALL.findall(self.script.replace("\\\n", " ")):
            lexer = shlex.shlex(call, posix=True, punctuation_chars="|><;&")
            lexer.whitespace_split = True
            calls.append(list(itertools.takewhile(lambda word: not word or word[0] not in "|><;&", lexer))[1:])
        return calls


def blocks(page: Path) -> Iterator[Block]:
    """All blocks of a page of the repository, in their order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for one in _BLOCK.finditer(text):
        line = text.count("\n", 0, one.start("text"))
        yield Block(page, line, one["language"], one["text"], one["mark"], one["file"])


def run_page(page: Path, folder: Path, cache: Path, slow: bool) -> int:
    """Run a page's blocks in their order, slow ones where that is asked for; gives how many ran.

    Raises AssertionError with the page, the line and what the block wrote.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    for block in blocks(page):
        if block.mark == "not run" or (block.mark == "slow" and not slow):
            continue
        if block.file:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.runs:
            run: Callable[..., None] = _python if block.language == "python" else _shell
            run(block, folder, cache, names)
            count += 1
    return count


def _shell(block: Block, folder: Path, cache: Path, names: dict[str, Any]) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MERC_CACHE": str(cache), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "NO_COLOR": "1",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _STUBS + block.script], cwd=folder, env=environment, capture_output=True,
        text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    where = f"{block.page}:{block.line}"
    assert done.returncode == 0, f"{where}\n{block.text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def _python(block: Block, folder: Path, cache: Path, names: dict[str, Any]) -> None:
    exec(compile("\n" * block.line + block.text, str(block.page), "exec"), names)
