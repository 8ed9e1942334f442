"""A recipe as it is written: YAML files and command-line values as trees that remember where everything stands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from merc.errors import ManyErrors, MercError

MAX_NODES = 10_000
# The parser that OmegaConf uses where it can; the other one reads a few things differently.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE = "tag:yaml.org,2002:"
_PLAIN_TAGS = {_CORE + tag for tag in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "value")}


@dataclass(frozen=True)
class Origin:
    """Where a value was written: ``where`` for people, and ``base``, the folder that a relative path in it means."""

    where: str
    base: Path
    kind: Literal["file", "parent", "command line"] = "file"


@dataclass(frozen=True)
class Node:
    """A value and where it came from. ``value`` is a scalar, ``dict[str, Node]`` or ``list[Node]``.

    ``kept`` is how a text is recorded in a run's recipe, where that differs from its value (``${env:NAME}``).
    ``before`` is the value that the command line replaced, and ``broken`` marks a value that was already reported.
    """

    value: Any
    origin: Origin
    kept: str | None = None
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


def read_document(file: Path, shown: str, base: Path, kind: Literal["file", "parent"] = "file") -> Node:
    """Read one YAML file, without what it extends; ``base`` is the folder that its relative paths mean.

    Raises MercError, naming the line, for what is no recipe at all.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise MercError(f"{shown} is not text in UTF-8 (byte {error.start}); a recipe is a YAML file") from error
    except OSError as error:
        raise MercError(f"{shown} cannot be read: {error.strerror}") from error
    root = _compose(text, shown)
    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == _CORE + "null"):
        raise MercError(f"{shown} is empty; a recipe has sections, such as corpus, backbone and stages")
    if not isinstance(root, yaml.MappingNode):
        raise MercError(f"{shown}, line {_line(root)}: a recipe is a mapping of sections such as 'corpus: ...'")
    _check_tree(root, shown)
    values = _values(text, root, shown)

    def build(node: yaml.Node, value: Any) -> Node:
        origin = Origin(f"{shown}:{_line(node)}", base, kind)
        if isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, child) for key, child in node.value}
            children = {}
            for name, (key, child) in pairs.items():
                if name not in value:
                    raise MercError(f"{shown}, line {_line(key)}: the key {name!r} reads as a number; put it in quotes")
                built = build(child, value[name])
                # A block begins on the line after its key; people look for the key.
                children[name] = replace(built, origin=replace(origin, where=f"{shown}:{_line(key)}"))
            return Node(children, origin)
        if isinstance(node, yaml.SequenceNode):
            return Node([build(child, item) for child, item in zip(node.value, value, strict=True)], origin)
        return Node(value, origin)

    return build(root, values)


def read_override(text: str) -> tuple[list[str], Node]:
    """``key=value`` as the keys of its path and its value. Raises MercError for what cannot be read."""
    key, equals, value = text.partition("=")
    key = key.strip()
    if key[:1] in ("+", "~") and equals:
        raise MercError(f"{text!r}: write it without {key[:1]!r}; key=value sets a new key too, key=null takes one out")
    if not equals:
        raise MercError(f"{text!r}: an override is key=value, such as seed=1")
    path = key.split(".")
    if not all(path):
        raise MercError(f"{text!r}: the key has an empty part; keys are joined by dots, such as corpus.name=jsonl")
    if not value.strip():
        raise MercError(f"{text!r}: the value is missing; write {key}=null for nothing, or {key}=\"''\" for empty text")
    shown = f"{text!r}"
    root = _compose(value, shown)
    if root is None:
        raise MercError(f"{shown}: '#' begins a comment, so there is no value; put it in quotes: {key}=\"'...'\"")
    if value[root.end_mark.index :].lstrip().startswith("#"):
        raise MercError(f"{shown}: what follows '#' is a comment; put the value in quotes: {key}=\"'...'\"")
    _check_tree(root, shown)
    origin = Origin("command line", Path.cwd(), "command line")

    def wrap(item: Any) -> Node:
        if isinstance(item, dict):
            return Node({name: wrap(child) for name, child in item.items()}, origin)
        if isinstance(item, list):
            return Node([wrap(child) for child in item], origin)
        return Node(item, origin)

    try:
        parsed = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={value}"]), resolve=False)
    except (OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        raise MercError(f"{shown}: the value cannot be read: {_first_line(error)}") from error
    assert isinstance(parsed, dict)
    return path, wrap(parsed["value"])


def _compose(text: str, shown: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark and not shown.startswith(("'", '"')) else ""
        context = f" ({error.context})" if error.context else ""
        raise MercError(f"{shown}{place}: not YAML: {error.problem}{context}") from error
    except yaml.YAMLError as error:
        raise MercError(f"{shown}: not YAML: {_first_line(error)}") from error


def _check_tree(root: yaml.Node, shown: str) -> None:
    """Report together what makes a document unreadable: keys that stand twice, keys that are no words, YAML tags."""
    errors: list[str] = []
    count = 0

    def visit(node: yaml.Node, path: str, above: tuple[yaml.Node, ...]) -> None:
        nonlocal count
        count += 1
        if node in above:
            raise MercError(f"{shown}, line {_line(node)}: an alias (*) stands within what it repeats")
        if count > MAX_NODES:
            raise MercError(f"{shown}: more than {MAX_NODES} values; a recipe is smaller than that")
        where = f"{path} ({shown}:{_line(node)})" if path else f"{shown}, line {_line(node)}"
        if node.tag not in _PLAIN_TAGS:
            tag = node.tag.removeprefix(_CORE)
            errors.append(f"{where}: the tag {tag!r} is not for recipes; a recipe carries plain values and no code")
            return
        if isinstance(node, yaml.SequenceNode):
            for index, child in enumerate(node.value):
                visit(child, f"{path}.{index}".lstrip("."), (*above, node))
        elif isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, child in node.value:
                inner = f"{path}.{key.value}".lstrip(".")
                place = f"{inner} ({shown}:{_line(key)})"
                if key.tag == _CORE + "merge":
                    errors.append(f"{place}: '<<' is not for recipes; write the keys out, or use extends")
                elif key.tag != _CORE + "str":
                    word = key.value if isinstance(key, yaml.ScalarNode) else "..."
                    errors.append(f"{place}: a key is a word, and YAML does not read {word!r} as one; put it in quotes")
                elif key.value in seen:
                    errors.append(f"{place}: the key stands twice, first in line {seen[key.value]}; keep one of them")
                else:
                    seen[key.value] = _line(key)
                    visit(child, inner, (*above, node))
        elif node.tag == _CORE + "str" and "${" in node.value:
            try:
                OmegaConf.create({"value": node.value})
            except OmegaConfBaseException as error:
                errors.append(
                    f"{where}: the reference in {node.value!r} cannot be read ({_first_line(error)}); "
                    "write ${key} or ${env:NAME}, and \\${ for the characters themselves"
                )

    visit(root, "", ())
    if errors:
        raise ManyErrors(errors, f"{len(errors)} error{'s' * (len(errors) > 1)} in {shown}")


def _values(text: str, root: yaml.MappingNode, shown: str) -> dict[str, Any]:
    """The values as OmegaConf reads them, which knows ``2e-4`` as a number where plain YAML 1.1 does not."""
    try:
        values = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except (OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        raise MercError(f"{shown}: cannot be read: {_first_line(error)}") from error
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
