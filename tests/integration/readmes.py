"""The commands that READMEs show, as a shell gives them to ``merc``."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from merc.recipe import Recipe, load_recipe
from merc.session.naming import default_folder

ROOT = Path(__file__).parents[2]
READMES = [ROOT / "README.md", *sorted((ROOT / "recipes").glob("*/README.md"))]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:merc|torchrun) [^`]+)`")
# Instead of the programs: what they are given, with a character after each argument and another after each command.
_SHELL = """
merc() { printf '%s\\037' "$@"; printf '\\036'; }
torchrun() { while [ "$1" != merc ]; do shift; done; "$@"; }
make() { :; }
"""


@dataclass
class Command:
    """One call of ``merc``: its arguments without options, and the options that have a value."""

    words: list[str]
    options: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.words[0]

    @property
    def overrides(self) -> list[str]:
        return [word for word in self.words[2:] if "=" in word]

    @property
    def folder(self) -> Path:
        """Where a run goes."""
        given = self.options.get("--run-dir")
        return Path(given) if given else default_folder(self.recipe().name, self.overrides, "--seeds" in self.options)

    def recipe(self) -> Recipe:
        """The recipe of a command that takes one."""
        root = [] if any(change.startswith("data_root=") for change in self.overrides) else ["data_root=PATH"]
        return load_recipe(self.words[1], [*root, *self.overrides])


def commands(readme: Path) -> list[Command]:
    """The calls of ``merc`` in blocks of shell, in tables and in sentences, in their order."""
    text = readme.read_text(encoding="utf-8")
    shell: list[str] = []
    last = 0
    for block in [*_BLOCK.finditer(text), None]:
        between = text[last : block.start() if block else len(text)]
        shell += [" ".join(found.split()) for found in _INLINE.findall(between)]
        if block is None:
            break
        last = block.end()
        if block[1] == "sh":
            shell.append("\n".join(line for line in block[2].splitlines() if not line.startswith(". ")))
    done = subprocess.run(
        ["bash", "-eu", "-c", _SHELL + "\n".join(shell)], capture_output=True, text=True, check=True, timeout=60
    )
    return [_command(call.split("\x1f")[:-1]) for call in done.stdout.split("\x1e") if call]


def recipe_block(readme: Path) -> str:
    """The recipe that stands in a README whole."""
    return next(block[2] for block in _BLOCK.finditer(readme.read_text(encoding="utf-8")) if block[1] == "yaml")


def _command(arguments: list[str]) -> Command:
    found = Command([])
    left = iter(arguments)
    for argument in left:
        if argument in ("--json", "--resume", "--frames", "--dry-run"):
            continue
        if argument.startswith("--"):
            found.options[argument] = next(left)
        else:
            found.words.append(argument)
    return found
