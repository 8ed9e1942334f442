"""A recipe as it is written: YAML files and command-line values as trees that remember where everything stands."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from merc.errors import ManyErrors, MercError
from merc.recipe.conversion import convert_text, is_recorded
from merc.recipe.yaml_text import (
    CORE,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_KEY,
    MAX_NODES,
    read_yaml,
    scalar,
    too_many,
)

REFERENCE = re.compile(r"\\\$\{|\$\{([^{}]*)\}")
"""``\\${``, which stands for the characters themselves, or a reference, whose name is the group."""

_MOST_ERRORS = 50
_TAGS = {
    yaml.ScalarNode: {CORE + tag for tag in ("str", "int", "float", "bool", "null", "value")},
    yaml.SequenceNode: {CORE + "seq"},
    yaml.MappingNode: {CORE + "map"},
}


@dataclass(frozen=True)
class Origin:
    """Where a value was written: ``where`` for people, and ``base``, the folder that a relative path in it means."""

    where: str
    base: Path
    kind: Literal["file", "parent", "command line"] = "file"


@dataclass(frozen=True)
class Node:
    """A value and where it came from. ``value`` is a scalar, ``dict[str, Node]`` or ``list[Node]``.

    ``reference`` is how a text is recorded in a run's recipe, where that differs from its value (``${env:NAME}``).
    ``before`` is the value that the command line replaced, and ``broken`` marks a value that was already reported.
    """

    value: Any
    origin: Origin
    reference: str | None = None
    before: Any = None
    broken: bool = False

    def get(self, key: str) -> Node | None:
        """The child at a key, or None."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def walk(self, path: str = "") -> Iterator[tuple[str, Node]]:
        """This node and all below it, with their dotted paths."""
        yield path, self
        if isinstance(self.value, dict | list):
            for key, child in self.value.items() if isinstance(self.value, dict) else enumerate(self.value):
                yield from child.walk(f"{path}.{key}" if path else str(key))

    def nodes(self) -> Iterator[Node]:
        """This node and all below it."""
        return (node for _, node in self.walk())

    def plain(self) -> Any:
        """The value without its marks."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def with_children(self, value: Any) -> Node:
        """The same node with other content."""
        return replace(self, value=value)


def short(path: Path) -> str:
    """A path as messages show it: relative to the current folder where it lies below it."""
    path = Path(os.path.normpath(Path.cwd() / path))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def read_document(file: Path, title: str, base: Path, kind: Literal["file", "parent"] = "file") -> Node:
    """Read one YAML file, without what it extends; ``base`` is the folder that its relative paths mean.

    Raises MercError, naming the line, for what is no recipe at all.
    """
    return read_text(read_recipe_text(file, title), title, base, kind)


def read_text(text: str, title: str, base: Path, kind: Literal["file", "parent"] = "file") -> Node:
    """``read_document`` for a text that was read already."""
    root = read_yaml(convert_text(text, title)[0] if is_recorded(text) else text, title)
    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == CORE + "null"):
        raise MercError(f"{title} is empty; a recipe has sections, such as corpus, backbone and stages")
    if not isinstance(root, yaml.MappingNode):
        raise MercError(f"{title}, line {_line(root)}: a recipe is a mapping of sections such as 'corpus: ...'")
    return _Reading(title, base, kind).tree(root)


def read_recipe_text(file: Path, title: str) -> str:
    """The text of a recipe's file. Raises MercError for what cannot be read, is no UTF-8 or is too large."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise MercError(f"{title} has more than {MAX_BYTES // 1024**2} MiB; a recipe is smaller than that")
        return content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise MercError(f"{title} is not text in UTF-8 (byte {error.start}); a recipe is a YAML file") from error
    except (OSError, ValueError) as error:
        raise MercError(f"{title} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_override(text: str) -> tuple[list[str], Node]:
    """``key=value`` as the keys of its path and its value. Raises MercError for what cannot be read."""
    key, equals, value = text.partition("=")
    key = key.strip()
    quote = brief(text, 200)
    if key[:1] in ("+", "~") and equals:
        raise MercError(f"{quote}: write it without {key[:1]!r}; key=value sets a new key too, key=null takes one out")
    if not equals:
        raise MercError(f"{quote}: an override is key=value, such as seed=1")
    path = key.split(".")
    if not all(path):
        raise MercError(f"{quote}: the key has an empty part; keys are joined by dots, such as corpus.name=jsonl")
    if len(path) > MAX_DEPTH:
        raise MercError(f"{quote}: the key has {len(path):,} parts; a recipe has at most {MAX_DEPTH} levels")
    for part in path:
        if fault := _key_fault(part):
            raise MercError(f"{quote}: {fault}")
    if not value.strip():
        raise MercError(f"{quote}: the value is missing; write {key}=null for nothing, or {key}=\"''\" for empty text")
    root = read_yaml(value, quote)
    if root is None:
        raise MercError(f"{quote}: '#' begins a comment, so there is no value; put it in quotes: {key}=\"'...'\"")
    if value[root.end_mark.index :].lstrip().startswith("#"):
        raise MercError(f"{quote}: what follows '#' is a comment; put the value in quotes: {key}=\"'...'\"")
    return path, _Reading(quote, Path.cwd(), "command line").tree(root)


def read_value(text: str) -> Any:
    """A text as YAML reads it, as plain data. Raises MercError for what cannot be read."""
    root = read_yaml(text, "the text")
    return None if root is None else _Reading("the text", Path.cwd(), "command line").tree(root).plain()


class _Reading:
    """Turns the nodes of one document into a tree, and finds all that makes it unreadable: keys that stand twice, keys
    that are no words, YAML tags, numbers and texts that no recipe holds."""

    def __init__(self, title: str, base: Path, kind: Literal["file", "parent", "command line"]) -> None:
        self.title, self.base, self.kind = title, base, kind
        self.errors: list[str] = []
        self.count = 0

    def tree(self, root: yaml.Node) -> Node:
        """The tree. Raises ManyErrors with all that is wrong with it."""
        node = self._node(root, "", ())
        if count := len(self.errors):
            head = f"{count:,} errors" if count > 1 else "1 error"
            head = f"the first {_MOST_ERRORS} of {head}" if count > _MOST_ERRORS else head
            raise ManyErrors(self.errors[:_MOST_ERRORS], f"{head} in {self.title}")
        return node

    def _node(self, node: yaml.Node, path: str, above: tuple[yaml.Node, ...]) -> Node:
        self.count += 1
        if node in above:
            raise MercError(f"{self.title}, line {_line(node)}: an alias (*) stands within what it repeats")
        if self.count > MAX_NODES:
            raise too_many(self.title)
        if len(above) > MAX_DEPTH:
            raise MercError(f"{self.title}, line {_line(node)}: more than {MAX_DEPTH} levels, by its aliases (*)")
        where = f"{self.title}:{_line(node)}" if self.kind != "command line" else "command line"
        origin = Origin(where, self.base, self.kind)
        if node.tag not in _TAGS[type(node)]:
            tag = node.tag.removeprefix(CORE)
            text = f"the tag {brief(tag)} is not for recipes; a recipe carries plain values and no code"
            self.errors.append(f"{self._place(path, node)}: {text}")
        elif isinstance(node, yaml.SequenceNode):
            inside = (*above, node)
            return Node([self._node(child, _join(path, i), inside) for i, child in enumerate(node.value)], origin)
        elif isinstance(node, yaml.MappingNode):
            return Node(self._children(node, path, above), origin)
        elif isinstance(node, yaml.ScalarNode):
            try:
                value = scalar(node)
                if isinstance(value, str) and (fault := unreadable_reference(value)):
                    raise ValueError(fault)
                return Node(value, origin)
            except ValueError as error:
                self.errors.append(f"{self._place(path, node)}: {error}")
        return Node(None, origin, broken=True)

    def _children(self, node: yaml.MappingNode, path: str, above: tuple[yaml.Node, ...]) -> dict[str, Node]:
        children: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for key, child in node.value:
            word = key.value if isinstance(key, yaml.ScalarNode) else "..."
            inner = _join(path, word) if not _key_fault(word) else path
            place = f"{inner} ({self.title}:{_line(key)})".lstrip()
            if key.tag == CORE + "merge":
                self.errors.append(f"{place}: '<<' is not for recipes; write the keys out, or use extends")
            elif key.tag != CORE + "str":
                text = f"a key is a word, and YAML does not read {brief(word)} as one; put it in quotes"
                self.errors.append(f"{place}: {text}")
            elif fault := _key_fault(word):
                self.errors.append(f"{place}: {fault}")
            elif word in lines:
                self.errors.append(f"{place}: the key occurs twice, first in line {lines[word]}; keep one of them")
            else:
                lines[word] = _line(key)
                built = self._node(child, inner, (*above, node))
                if self.kind != "command line":
                    # A block begins on the line after its key; people look for the key.
                    built = replace(built, origin=replace(built.origin, where=f"{self.title}:{_line(key)}"))
                children[word] = built
        return children

    def _place(self, path: str, node: yaml.Node) -> str:
        return f"{path} ({self.title}:{_line(node)})" if path else f"{self.title}, line {_line(node)}"


def unreadable_reference(text: str) -> str:
    """What keeps the references of a text from being read, in a sentence; empty when nothing does.

    >>> unreadable_reference("${a} and ${env:B}"), unreadable_reference("${a")
    ('', "the reference in '${a' cannot be read; write ${key} or ${env:NAME}, and \\\\${ for the characters themselves")
    """
    if "${" not in REFERENCE.sub(" ", text):
        return ""
    return (
        f"the reference in {brief(text)} cannot be read; write ${{key}} or ${{env:NAME}}, and \\${{ for the characters "
        "themselves"
    )


def brief(text: object, most: int = 80) -> str:
    """A text as messages quote it: escaped, and cut where it is long.

    >>> brief("a" * 100, 10)
    "'aaaaaaaaaa'... (100 characters)"
    """
    text = str(text)
    return repr(text) if len(text) <= most else f"{text[:most]!r}... ({len(text):,} characters)"


def _key_fault(key: str) -> str:
    if len(key) > MAX_KEY:
        return f"the key {brief(key, 40)} is longer than a recipe's may be ({MAX_KEY})"
    return "" if key.isprintable() else f"the key {key!r} holds a control character; a key is a word"


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
