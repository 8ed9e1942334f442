"""``${key}`` and ``${env:NAME}``: the two references that a recipe may hold, and nothing that runs code.

OmegaConf's own resolution is not used, for three reasons: what came from the environment must stay ``${env:NAME}`` in
the recipe that a run records; a relative path must mean the folder of the file that it is written in, also when it
reaches a parameter through a reference; and all mistakes are to be found in one pass.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from merc.errors import did_you_mean
from merc.recipe.document import Node
from merc.recipe.problems import Problems, join

_REFERENCE = re.compile(r"\\\$\{|\$\{\s*([^{}]*?)\s*\}")
_ENV = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_KEY = re.compile(r"[\w-]+(\.[\w-]+)*")
_SERVES = "${another.key} and ${env:NAME} are what a recipe may refer to"


def escape(text: str) -> str:
    """A text as it is written in a recipe so that it means itself.

    >>> print(escape("costs ${a}"))
    costs \\${a}
    """
    return text.replace("${", "\\${")


class References:
    """Fills in the references of a tree."""

    def __init__(self, root: Node, problems: Problems) -> None:
        self.root = root
        self.problems = problems
        self._data_root_reported = False
        self._circles: set[str] = set()

    def resolved(self) -> Node:
        """The tree with every reference filled in; what could not be is marked as broken, and reported."""
        data_root = self.root.get("data_root")
        if data_root is not None:
            # Made absolute first: what refers to it may be a text that nothing knows to be a path.
            found = self._fill(data_root, "data_root", ())
            made = absolute(found, "data_root", self.problems) if isinstance(found.value, str) else found
            self.root = self.root.with_children({**self.root.value, "data_root": made})
        return self._fill(self.root, "", ())

    def _fill(self, node: Node, path: str, above: tuple[str, ...]) -> Node:
        if node.kept is not None or node.broken:
            return node
        if isinstance(node.value, dict):
            return node.with_children({k: self._fill(child, join(path, k), above) for k, child in node.value.items()})
        if isinstance(node.value, list):
            return node.with_children([self._fill(child, join(path, i), above) for i, child in enumerate(node.value)])
        if not isinstance(node.value, str) or "${" not in node.value:
            return node
        return self._fill_text(node, path, above)

    def _fill_text(self, node: Node, path: str, above: tuple[str, ...]) -> Node:
        text: str = node.value
        whole = _REFERENCE.fullmatch(text)
        if whole and whole.group(1) is not None:
            found = self._look_up(whole.group(1), node, path, above)
            # The value is another's, and so is the folder that a path in it means; it stands here all the same.
            origin = replace(node.origin, base=found.origin.base)
            return replace(found, origin=origin) if not found.broken else replace(node, broken=True)
        value, kept, base, end, broken = "", "", node.origin.base, 0, False
        for match in _REFERENCE.finditer(text):
            literal = text[end : match.start()]
            value, kept = value + literal, kept + literal
            if match.group(1) is None:
                value, kept = value + "${", kept + "\\${"
            else:
                found = self._look_up(match.group(1), node, path, above)
                if not found.broken and isinstance(found.value, dict | list | None):
                    what = "nothing (null)" if found.value is None else "a section or a list"
                    self.problems.add(path, node, f"${{{match.group(1)}}} is {what}, and stands within a text here")
                    broken = True
                broken = broken or found.broken
                if match.start() == 0:
                    base = found.origin.base
                shown = _text(found.value)
                value, kept = value + shown, kept + (found.kept if found.kept is not None else escape(shown))
            end = match.end()
        rest = text[end:]
        if broken:
            return replace(node, broken=True)
        return replace(node, value=value + rest, kept=kept + rest, origin=replace(node.origin, base=base))

    def _look_up(self, name: str, node: Node, path: str, above: tuple[str, ...]) -> Node:
        environment = _ENV.fullmatch(name)
        if environment:
            return self._environment(environment.group(1), node, path)
        lost = replace(node, broken=True)
        if ":" in name:
            resolver = name.partition(":")[0]
            instead = f"write ${{env:{name.rpartition(':')[2].partition(',')[0]}}}" if "env" in resolver else _SERVES
            self.problems.add(path, node, f"${{{name}}}: a recipe has no {resolver!r}; {instead}")
            return lost
        if not _KEY.fullmatch(name):
            self.problems.add(path, node, f"${{{name}}} cannot be read; {_SERVES} (a list's item by number: stages.0)")
            return lost
        chain = [*above, path]
        start = next((i for i, one in enumerate(chain) if one == name or one.startswith(name + ".")), None)
        if start is not None:
            # Everything that leads into a circle finds it; it is reported once.
            if not self._circles & set(chain[start:]):
                self._circles |= set(chain[start:])
                self.problems.add(path, node, f"${{{name}}} refers to itself: {' -> '.join([*chain[start:], name])}")
            return lost
        found = self._at(name)
        if name == "data_root" and (found is None or found.value is None):
            self._no_data_root(node, path)
            return lost
        if found is None:
            known = [key for key, _ in self.root.walk() if key]
            self.problems.add(path, node, f"${{{name}}}: the recipe has no {name!r}.{did_you_mean(name, known)}")
            return lost
        return self._fill(found, name, (*above, path))

    def _environment(self, name: str, node: Node, path: str) -> Node:
        value = os.environ.get(name)
        if value is None:
            self.problems.add(path, node, f"the environment variable {name} is not set; set it with: export {name}=...")
            return replace(node, broken=True)
        # A relative path of the environment is relative to where the command is given.
        return replace(node, value=value, kept=f"${{env:{name}}}", origin=replace(node.origin, base=Path.cwd()))

    def _no_data_root(self, node: Node, path: str) -> None:
        if not self._data_root_reported:
            self._data_root_reported = True
            self.problems.add(
                "data_root", self.root.get("data_root") or node,
                f"is not set, and {path} needs it; give the folder of your data: data_root=FOLDER",
            )  # fmt: skip

    def _at(self, name: str) -> Node | None:
        node: Node | None = self.root
        for key in name.split("."):
            if node is None:
                return None
            if isinstance(node.value, list):
                node = node.value[int(key)] if key.isdecimal() and int(key) < len(node.value) else None
            else:
                node = node.get(key)
        return node


def absolute(node: Node, path: str, problems: Problems) -> Node:
    """A path made absolute from the folder that it was written in (the current one for the command line)."""
    text = _home(node.value)
    kept = escape(text) if node.kept is None else _home(node.kept)
    if not text:
        problems.add(path, node, "is an empty path; write . for the folder itself")
        return replace(node, broken=True)
    if Path(text).is_absolute():
        return replace(node, value=text, kept=kept)
    if kept.startswith("${env:"):
        problems.add(
            path, node, f"{kept} gives a relative path; set it to an absolute one, so that the recipe means the same "
            "wherever it is run from",
        )  # fmt: skip
        return replace(node, broken=True)
    base = Path(os.path.realpath(node.origin.base))
    made = os.path.normpath(base / text)
    # What the environment holds may change how '..' reads, so a text with it is only joined.
    kept = f"{escape(str(base))}/{kept}" if "${env:" in kept else escape(made)
    return replace(node, value=made, kept=kept)


def _home(text: str) -> str:
    try:
        return str(Path(text).expanduser()) if text.startswith("~") else text
    except RuntimeError:  # no such user, so '~' is part of the name
        return text


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
