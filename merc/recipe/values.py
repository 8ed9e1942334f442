"""Values of a recipe against the types that a component states."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import ConfigDict, TypeAdapter, ValidationError

from merc.components.base import FOLDER_OR_NAME, Component
from merc.components.run import RUN_FOLDER
from merc.errors import MercError, did_you_mean
from merc.recipe.document import Node, read_value
from merc.recipe.problems import Problems, join
from merc.recipe.references import absolute, escape, item
from merc.recipe.runs import names_a_run
from merc.registry import get_registry

_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"

Mistake = tuple[str, str]
"""Where below a value (a dotted path, empty for the value itself), and what is wrong."""


def convert(annotation: Any, value: Any) -> tuple[Any, list[Mistake]]:
    """A plain value as a type, or what is wrong with it. Nothing is rounded, cut or guessed.

    >>> convert(tuple[int, ...], [1, 2])
    ((1, 2), [])
    >>> convert(float, "fast")
    (None, [('', "wants a number; given 'fast' (text)")])
    >>> convert(Literal["sum", "mean"], "meen")[1][0][1]
    "wants 'sum' or 'mean'; given 'meen' (text). Did you mean 'mean'?"
    """
    if odd := _not_finite(value):
        return None, [("", f"wants {wants(annotation)}; {odd} is none")]
    if isinstance(value, bool) and _is_literal(annotation) and value not in _booleans(annotation):
        return None, [("", _wants(annotation, value))]
    try:
        # JSON's strict mode: lists serve for tuples and texts for paths, but no text for a number, nor true for 1.
        return _adapter(annotation).validate_json(json.dumps([value]), strict=True)[0], []
    except ValidationError as error:
        return None, _mistakes(annotation, value, error)


def convert_node(annotation: Any, node: Node, path: str, problems: Problems) -> tuple[Any, Node]:
    """A node's value as a type, its relative paths made absolute; the node is given back with those.

    What is wrong goes to ``problems``; then the node comes back broken.
    """
    node = _anchor(annotation, node, path, problems)
    if any(part.broken for part in node.nodes()):
        return None, replace(node, broken=True)
    plain = node.plain()
    value, mistakes = convert(annotation, plain)
    if mistakes and _from_environment(node):
        # The environment knows only texts: read this one as YAML would.
        try:
            again, still = convert(annotation, read_value(plain))
        except MercError:
            again, still = None, mistakes
        value, mistakes = (again, []) if not still else (None, mistakes)
    secret = next((part.reference for part in node.nodes() if part.reference and "${env:" in part.reference), None)
    if secret is not None and mistakes:
        # What the environment holds may be a secret, so it is not repeated.
        mistakes = [("", f"wants {wants(annotation)}; what {secret} gives is none")]
    for where, text in mistakes:
        at = _at(node, where)
        problems.add(join(path, where) if where else path, at, text)
    return value, replace(node, broken=bool(mistakes))


def record(value: Any, node: Node | None) -> Any:
    """A value as a run's recipe records it: plain, with ``${env:NAME}`` where the node has it."""
    return _plain(value, node, escape)


def plain(value: Any) -> Any:
    """A value as plain data: lists, mappings, texts, numbers.

    >>> plain((Path("a"), {"b": (1, None)}))
    ['a', {'b': [1, None]}]
    """
    return _plain(value, None, str)


def _plain(value: Any, node: Node | None, write: Callable[[str], str]) -> Any:
    if node is not None and node.reference is not None:
        return node.reference
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = _fields(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v, node.get(str(k)) if node else None, write) for k, v in value.items()}
    if isinstance(value, str | Path):
        return write(str(value))
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes):
        inside = node.value if node is not None and isinstance(node.value, list) else []
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [_plain(v, inside[i] if i < len(inside) else None, write) for i, v in enumerate(items)]
    return value


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass; of a component its name comes first, and fields have the names that recipes give."""
    fields = [field.name for field in dataclasses.fields(value) if field.init]
    if not isinstance(value, Component):
        return {name: getattr(value, name) for name in fields}
    name = get_registry().name_of(value)
    return {"name": name} | {parameter_name(field): getattr(value, field) for field in fields}


def parameter_name(field: str) -> str:
    """The name of a field as a recipe writes it: without the underscore that keeps it apart from a method's.

    >>> parameter_name("sampling_")
    'sampling'
    """
    return field.removesuffix("_")


@dataclasses.dataclass(frozen=True)
class Nested:
    """A parameter that is itself a component of a kind, or a list (``many``) of such."""

    kind: str
    many: bool


def nested(annotation: Any) -> Nested | None:
    """Whether a type is a component or a list of components; ``None`` for any other type.

    >>> from merc.components import Tuning
    >>> nested(Tuning), nested(tuple[Tuning, ...] | None), nested(int)
    (Nested(kind='tuning', many=False), Nested(kind='tuning', many=True), None)
    """
    annotation = _without_none(annotation)
    args = typing.get_args(annotation)
    many = typing.get_origin(annotation) in (tuple, list, Sequence) and bool(args)
    inner = args[0] if many else annotation
    return Nested(inner.kind, many) if isinstance(inner, type) and issubclass(inner, Component) else None


def wants(annotation: Any) -> str:
    """What a type wants, in words.

    >>> wants(tuple[int, int] | None), wants(Mapping[str, float]), wants(bool)
    ('a list of 2: a whole number, a whole number, or null', 'a mapping of names, each to a number', 'true or false')
    """
    annotation = _bare(annotation)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    simple = {
        int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path",
        type(None): "null", Any: "any value",
    }  # fmt: skip
    if annotation in simple:
        return simple[annotation]
    if origin is Literal:
        return _either([_shown(arg) for arg in args])
    if origin in (Union, types.UnionType):
        words = [[_shown(c) for c in _choices(m)] or [wants(m)] for m in _members(annotation)]
        return _either([word for some in words for word in some])
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return f"a section that names a {annotation.kind}"
    if dataclasses.is_dataclass(annotation):
        return f"a mapping with {', '.join(f.name for f in dataclasses.fields(annotation) if f.init)}"
    container = origin or annotation
    if container is tuple and args and args[-1] is not Ellipsis:
        return f"a list of {len(args)}: {', '.join(wants(arg) for arg in args)}"
    if isinstance(container, type) and issubclass(container, Mapping):
        return "a mapping of names" + (f", each to {wants(args[1])}" if args else "")
    if isinstance(container, type) and issubclass(container, Sequence | set | frozenset):
        return "a list" + (f", each item {wants(args[0])}" if args else "")
    return getattr(annotation, "__name__", str(annotation))


def given(value: Any) -> str:
    """What was given, in words.

    >>> given("a"), given(True), given(1.5), given([1])
    ("'a' (text)", 'true (not in quotes, so no text)', '1.5 (a number)', 'a list')
    """
    if isinstance(value, str):
        return f"{value!r} (text)" if len(value) < 80 else f"{value[:60]!r}... (text)"
    if isinstance(value, bool):
        return f"{_shown(value)} (not in quotes, so no text)"
    if value is None:
        return "null"
    if isinstance(value, int):
        return f"{value} (a whole number)"
    if isinstance(value, float):
        return f"{value} (a number)"
    return "a mapping" if isinstance(value, Mapping) else "a list"


def _wants(annotation: Any, value: Any) -> str:
    text = f"wants {wants(annotation)}; given {given(value)}"
    if isinstance(value, str):
        choices = [arg for member in _members(annotation) for arg in _choices(member) if isinstance(arg, str)]
        hint = did_you_mean(value, choices)
        text += f".{hint}" if hint else ""
    elif str in _members(annotation) and isinstance(value, bool | int | float):
        text += "; put it in quotes"
    return text


def _adapter(annotation: Any) -> TypeAdapter[tuple[Any]]:
    try:
        return _cached_adapter(annotation)
    except TypeError:  # an annotation that cannot be hashed cannot be cached either
        return _cached_adapter.__wrapped__(annotation)


@functools.cache
def _cached_adapter(annotation: Any) -> TypeAdapter[tuple[Any]]:
    # pydantic reads all that is installed for plugins of its own, and stops at a distribution that is damaged.
    before = os.environ.get(_PLUGINS)
    os.environ[_PLUGINS] = "__all__"
    try:
        # Within a tuple, because pydantic takes no configuration for a dataclass that stands alone.
        return TypeAdapter(tuple[annotation], config=ConfigDict(extra="forbid", arbitrary_types_allowed=True))
    finally:
        if before is None:
            del os.environ[_PLUGINS]
        else:
            os.environ[_PLUGINS] = before


def _mistakes(annotation: Any, value: Any, error: ValidationError) -> list[Mistake]:
    if value is not None:
        annotation = _without_none(annotation)
    if len(_members(annotation)) > 1:
        return [("", _wants(annotation, value))]
    mistakes: list[Mistake] = []
    for one in error.errors():
        # The first index is that of the tuple around the type.
        steps = list(one["loc"][1:])
        inner, here = _descend(annotation, steps)
        where = ".".join(str(step) for step in here)
        kind, given_value = one["type"], one.get("input")
        if kind == "missing" and isinstance(steps[-1], int):
            # An item that a list lacks is said of the list.
            inner, here = _descend(annotation, steps[:-1])
            where, kind = ".".join(str(step) for step in here), "too_short"
        text = _wants(inner, given_value)
        if kind in ("unexpected_keyword_argument", "extra_forbidden"):
            owner, _ = _descend(annotation, steps[:-1])
            known = [f.name for f in dataclasses.fields(owner)] if dataclasses.is_dataclass(owner) else []
            text = f"unknown key.{did_you_mean(str(steps[-1]), known)} The keys are: {', '.join(known)}"
        elif kind in ("missing", "missing_argument", "missing_keyword_only_argument"):
            text = f"is required: {wants(inner)}"
        elif kind == "value_error":
            text = str(one["ctx"]["error"])
        elif kind in ("too_long", "too_short"):
            text = f"wants {wants(inner)}; given {_count(given_value)}"
        elif "ctx" in one and not kind.endswith(("_type", "_parsing", "literal_error", "_error")):
            text = f"{one['msg'].removeprefix('Input ')}; given {given(given_value)}"
        mistakes.append((where, text))
    return list(dict.fromkeys(mistakes))


def _not_finite(value: Any) -> str:
    """The first number of a value that is none, as YAML writes it; empty when there is none."""
    if isinstance(value, Mapping | list):
        inside = value.values() if isinstance(value, Mapping) else value
        return next((odd for odd in map(_not_finite, inside) if odd), "")
    if not isinstance(value, float) or math.isfinite(value):
        return ""
    return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"


def _count(value: Any) -> str:
    return f"{len(value)} of them" if isinstance(value, Sequence) else "another number of them"


def _descend(annotation: Any, steps: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The type at a place below another, and the place as far as it could be followed."""
    done: list[Any] = []
    for step in steps:
        annotation = _without_none(annotation)
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if len(_members(annotation)) > 1:
            break
        if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
            hints = typing.get_type_hints(annotation, include_extras=True)
            annotation = hints.get(str(step), Any)
        elif origin is tuple and args and args[-1] is not Ellipsis and isinstance(step, int) and step < len(args):
            annotation = args[step]
        elif isinstance(origin, type) and issubclass(origin, Mapping) and len(args) == 2:
            annotation = args[1]
        elif args and isinstance(step, int):
            annotation = args[0]
        else:
            annotation = Any
        done.append(step)
    return _without_none(annotation), done


def _anchor(annotation: Any, node: Node, path: str, problems: Problems) -> Node:
    """Make the relative paths of a node absolute, wherever its type says that there is one."""
    if node.broken or node.value is None:
        return node
    if isinstance(node.value, str) and _is_marked(annotation, RUN_FOLDER) and names_a_run(node.value):
        return node
    if isinstance(node.value, str) and _is_marked(annotation, FOLDER_OR_NAME):
        return absolute(node, path, problems) if node.value.startswith(("/", ".", "~")) else node
    annotation = _bare(annotation)
    if isinstance(node.value, str):
        members = _members(annotation)
        if Path not in members or str in members or node.value in [c for m in members for c in _choices(m)]:
            return node
        return absolute(node, path, problems)
    # Of a union, the type that a list or a mapping can be.
    fitting = [member for member in _members(annotation) if _holds(member, node.value)]
    annotation = fitting[0] if len(fitting) == 1 else annotation
    if isinstance(node.value, list):
        return node.with_children(
            [_anchor(_descend(annotation, [i])[0], n, join(path, i), problems) for i, n in enumerate(node.value)]
        )
    if isinstance(node.value, dict):
        return node.with_children(
            {k: _anchor(_descend(annotation, [k])[0], n, join(path, k), problems) for k, n in node.value.items()}
        )
    return node


def _is_marked(annotation: Any, mark: str) -> bool:
    """Whether a type, or one of a union, is annotated with a text."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return any(_is_marked(member, mark) for member in typing.get_args(annotation))
    return typing.get_origin(annotation) is Annotated and mark in annotation.__metadata__


def _holds(annotation: Any, value: Any) -> bool:
    container = typing.get_origin(annotation) or annotation
    if dataclasses.is_dataclass(container) or not isinstance(container, type) or issubclass(container, Mapping):
        return isinstance(value, dict) and container is not Literal
    return isinstance(value, list) and issubclass(container, Sequence | set | frozenset) and container is not str


def _bare(annotation: Any) -> Any:
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation


def _members(annotation: Any) -> list[Any]:
    """The types of a union, or the one type; ``None`` among them counts as one."""
    annotation = _bare(annotation)
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return [member for arg in typing.get_args(annotation) for member in _members(arg)]
    return [annotation]


def _without_none(annotation: Any) -> Any:
    members = [member for member in _members(annotation) if member is not type(None)]
    return members[0] if len(members) == 1 else _bare(annotation)


def _choices(annotation: Any) -> tuple[Any, ...]:
    return typing.get_args(annotation) if typing.get_origin(annotation) is Literal else ()


def _is_literal(annotation: Any) -> bool:
    return all(member is type(None) or typing.get_origin(member) is Literal for member in _members(annotation))


def _booleans(annotation: Any) -> list[bool]:
    return [choice for member in _members(annotation) for choice in _choices(member) if isinstance(choice, bool)]


def _either(words: Sequence[str]) -> str:
    words = list(dict.fromkeys(words))
    if len(words) == 1:
        return words[0]
    comma = "," if any(", " in word for word in words) else ""
    return ", ".join(words[:-1]) + f"{comma} or {words[-1]}"


def _shown(value: Any) -> str:
    return (
        {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else repr(value)
    )


def _from_environment(node: Node) -> bool:
    return isinstance(node.value, str) and bool(node.reference) and str(node.reference).startswith("${env:")


def _at(node: Node, where: str) -> Node:
    for key in where.split(".") if where else ():
        inside = node.value
        child = inside.get(key) if isinstance(inside, dict) else item(inside, key) if isinstance(inside, list) else None
        if child is None:
            break
        node = child
    return node
