"""``${key}`` and ``${env:NAME}``: the two references that a recipe may hold, and nothing that runs code.

What came from the environment stays ``${env:NAME}`` in the recipe that a run records; a relative path means the folder
of the file that it is written in, also when it reaches a parameter through a reference; and all mistakes are found in
one pass.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from merc.consent import read_variable
from merc.errors import MercError, did_you_mean
from merc.recipe.document import REFERENCE, Node
from merc.recipe.problems import Problems, join
from merc.recipe.yaml_text import MAX_DEPTH, MAX_NODES, MAX_TEXT, unfit_character

MAX_HOPS = 20
"""References that lead from one to the next."""
_MAX_FILLED = 5 * MAX_NODES
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
        self._filled = self._characters = self._depth = 0

    def resolved(self) -> Node:
        """The tree with every reference filled in; what could not be is marked as broken, and reported.

        Raises MercError where the references make the recipe larger, or deeper, than a recipe may be.
        """
        data_root = self.root.get("data_root")
        if data_root is not None:
            # Made absolute first: what refers to it may be a text that nothing knows to be a path.
            filled = self._fill(data_root, "data_root", ())
            made = absolute(filled, "data_root", self.problems) if isinstance(filled.value, str) else filled
            self.root = self.root.with_children({**self.root.value, "data_root": made})
        return self._fill(self.root, "", ())

    def _fill(self, node: Node, path: str, above: tuple[str, ...]) -> Node:
        self._count(node, path, above)
        if node.reference is not None or node.broken:
            return node
        self._depth += 1
        try:
            if isinstance(node.value, dict):
                return node.with_children({k: self._fill(n, join(path, k), above) for k, n in node.value.items()})
            if isinstance(node.value, list):
                return node.with_children([self._fill(n, join(path, i), above) for i, n in enumerate(node.value)])
            if not isinstance(node.value, str) or "${" not in node.value:
                return node
            return self._fill_text(node, path, above)
        finally:
            self._depth -= 1

    def _count(self, node: Node, path: str, above: tuple[str, ...]) -> None:
        """Keep references from making a recipe without end: each may name what holds several others."""
        self._filled += 1
        limit = ""
        if self._filled > _MAX_FILLED:
            limit = f"its references come to more than {_MAX_FILLED:,} values"
        elif len(above) > MAX_HOPS:
            limit = f"it leads through more than {MAX_HOPS} references, each of which holds the next"
        elif self._depth > 2 * MAX_DEPTH:
            limit = f"its references come to more than {MAX_DEPTH} levels"
        elif self._characters > MAX_TEXT:
            limit = f"its references come to more than {MAX_TEXT:,} characters"
        if limit:
            first = above[0] if above else path
            raise MercError(f"{first} ({node.origin.where}): {limit}; write the values out")

    def _fill_text(self, node: Node, path: str, above: tuple[str, ...]) -> Node:
        text: str = node.value
        whole = REFERENCE.fullmatch(text)
        if whole and whole.group(1) is not None:
            value = self._look_up(whole.group(1).strip(), node, path, above)
            # The value is another's, and so is the folder that a path in it means; it stands here all the same.
            origin = replace(node.origin, base=value.origin.base)
            return replace(value, origin=origin) if not value.broken else replace(node, broken=True)
        values: list[str] = []
        pieces: list[str] = []
        base, end, broken = node.origin.base, 0, False
        for match in REFERENCE.finditer(text):
            values.append(text[end : match.start()])
            pieces.append(escape(values[-1]))
            if match.group(1) is None:
                values.append("${")
                pieces.append("\\${")
            else:
                name = match.group(1).strip()
                value = self._look_up(name, node, path, above)
                if not value.broken and isinstance(value.value, dict | list | None):
                    what = "nothing (null)" if value.value is None else "a section or a list"
                    self.problems.add(path, node, f"${{{name}}} is {what}, and stands within a text here")
                    broken = True
                broken = broken or value.broken
                if match.start() == 0:
                    base = value.origin.base
                values.append(_text(value.value))
                pieces.append(value.reference if value.reference is not None else escape(values[-1]))
                self._characters += len(values[-1])
                self._count(node, path, above)
            end = match.end()
        values.append(text[end:])
        pieces.append(escape(values[-1]))
        as_written = _joined(pieces)
        if as_written is None and not broken:
            self.problems.add(path, node, "has a backslash before a reference to the environment, which would end it")
        if broken or as_written is None:
            return replace(node, broken=True)
        return replace(node, value="".join(values), reference=as_written, origin=replace(node.origin, base=base))

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
        target = self._at(name)
        if name == "data_root" and (target is None or target.value is None):
            self._no_data_root(node, path)
            return lost
        if target is None:
            known = [key for key, _ in self.root.walk() if key]
            self.problems.add(path, node, f"${{{name}}}: the recipe has no {name!r}.{did_you_mean(name, known)}")
            return lost
        return self._fill(target, name, (*above, path))

    def _environment(self, name: str, node: Node, path: str) -> Node:
        try:
            value = read_variable(name, "the recipe")
        except MercError as error:
            self.problems.add(path, node, str(error))
            return replace(node, broken=True)
        if value is None:
            self.problems.add(path, node, f"the environment variable {name} is not set; set it with: export {name}=...")
            return replace(node, broken=True)
        if unfit := unfit_character(value):
            self.problems.add(path, node, f"what ${{env:{name}}} gives holds the character {unfit}, which no text may")
            return replace(node, broken=True)
        # A relative path of the environment is relative to where the command is given.
        return replace(node, value=value, reference=f"${{env:{name}}}", origin=replace(node.origin, base=Path.cwd()))

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
            node = item(node.value, key) if isinstance(node.value, list) else node.get(key)
        return node


def refers_to_environment(node: Node) -> bool:
    """Whether a text came from the environment, all of it or in part."""
    references = REFERENCE.finditer(node.reference or "")
    return any((match.group(1) or "").startswith("env:") for match in references)


def item(items: Sequence[Node], key: str) -> Node | None:
    """The item of a list that a part of a dotted path names by its number, or None."""
    number = int(key) if key.isascii() and key.isdecimal() and len(key) < 6 else len(items)
    return items[number] if number < len(items) else None


def absolute(node: Node, path: str, problems: Problems) -> Node:
    """A path made absolute from the folder that it was written in (the current one for the command line)."""
    text = home(node.value)
    reference = escape(text) if node.reference is None else home(node.reference)
    if not text:
        problems.add(path, node, "is an empty path; write . for the folder itself")
        return replace(node, broken=True)
    if Path(text).is_absolute():
        return replace(node, value=text, reference=reference)
    if reference.startswith("${env:"):
        problems.add(
            path, node, f"{reference} gives a relative path; set it to an absolute one, so that the recipe means the "
            "same wherever it is run from",
        )  # fmt: skip
        return replace(node, broken=True)
    base = Path(os.path.realpath(node.origin.base))
    whole_path = os.path.normpath(base / text)
    # What the environment holds may change how '..' reads, so a text with it is only joined.
    reference = f"{escape(str(base))}/{reference}" if "${env:" in reference else escape(whole_path)
    return replace(node, value=whole_path, reference=reference)


def home(text: str) -> str:
    """A path with ``~`` as the folder that it stands for, where there is such a user.

    >>> home("~nosuchuser/x"), home("a/~")
    ('~nosuchuser/x', 'a/~')
    """
    try:
        return str(Path(text).expanduser()) if text.startswith("~") else text
    except RuntimeError:  # no such user, so '~' is part of the name
        return text


def _joined(parts: Sequence[str]) -> str | None:
    """Pieces as a recipe writes them, as one text that is read as the same: the end of one piece and the beginning of
    the next make no reference together. None where a backslash comes before a reference, which cannot be written."""
    pieces: list[tuple[str, bool]] = []
    for piece in parts:
        end = 0
        for match in REFERENCE.finditer(piece):
            pieces.append((piece[end : match.start()], False))
            pieces.append(("${", False) if match.group(1) is None else (match.group(), True))
            end = match.end()
        pieces.append((piece[end:], False))
    texts = [""]
    for text, refers in pieces:
        if refers:
            texts += [text, ""]
        else:
            texts[-1] += text
    if any(text.endswith("\\") for text in texts[:-1:2]):
        return None
    return "".join(text if index % 2 else escape(text) for index, text in enumerate(texts))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
