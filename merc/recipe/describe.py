"""What a component says of itself: its docstring, and its parameters with type, default and meaning."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import json
import re
import textwrap
import typing
from dataclasses import MISSING, dataclass
from functools import cache
from typing import Annotated, Any

from merc.errors import MercError, NotedError, did_you_mean
from merc.recipe.values import parameter_name, plain, wants
from merc.registry import PluginStatus, Registration, Registry
from merc.registry.status import notes_of

_CLAUSE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\"])|; ")
_LONGEST_DEFAULT = 100


@dataclass(frozen=True)
class Parameter:
    """A parameter, in words. ``default`` is as a recipe writes it, "required" where there is none; of a long list the
    beginning and the length. ``meaning`` is empty where nothing describes it."""

    name: str
    type: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Description:
    """A component, in words: its docstring without doctests, and its parameters."""

    plugin: PluginStatus
    component: Registration
    text: str
    parameters: tuple[Parameter, ...] = ()


def find_component(registry: Registry, name: str) -> tuple[PluginStatus, Registration]:
    """The component that ``name`` means: ``NAME``, ``KIND/NAME``, ``PLUGIN/NAME`` or ``PLUGIN/KIND/NAME``.

    Raises MercError for a name that is unknown, and for one that means several, with what to say in its place.
    """
    *qualifiers, bare = name.split("/")
    every = [(plugin, one) for plugin in registry.plugins() for one in plugin.components]
    components = [(p, c) for p, c in every if c.name == bare and all(part in (c.kind, p.name) for part in qualifiers)]
    if len(components) == 1:
        return components[0]
    if not components:
        known = [c.name for _, c in every]
        known += [f"{start}/{c.name}" for p, c in every for start in (c.kind, p.name)] if qualifiers else []
        unknown = f"no component has the name {name!r}.{did_you_mean(name, known)} They are listed by: merc plugins"
        raise NotedError(unknown, notes_of(registry.plugins()))
    if len({c.kind for _, c in components}) == len(components):
        which = [f"{c.kind}/{bare}" for _, c in components]
    elif len({p.name for p, _ in components}) == len(components):
        which = [f"{p.name}/{bare}" for p, _ in components]
    else:
        which = [f"{p.name}/{c.kind}/{bare}" for p, c in components]
    raise MercError(f"{name!r} means {len(components)} components; say which: {' or '.join(which)}")


def describe(registry: Registry, plugin: PluginStatus, component: Registration) -> Description:
    """What a component says of itself. It is imported, also where something that it needs is not installed.

    Raises MercError for one that cannot be imported or breaks its contract.
    """
    if component.kind == "command":
        lines = f"{component.help}\n\nIts arguments and options are listed by: merc {component.name} --help"
        return Description(plugin, component, lines)
    cls = registry.look_at(component.kind, f"{plugin.name}/{component.name}")
    parts = [part for part in own_doc(cls).split("\n\n") if not part.lstrip().startswith(">>>")]
    return Description(plugin, component, "\n\n".join(parts), tuple(parameters_of(cls)))


def meaning_of(cls: type, field: str) -> str:
    """What a class says of a field: the string beneath the field, else the clauses that name it, in the first docstring
    of the class and its bases that has one; empty where none has.

    >>> from merc.builtin.losses import TokenNLL
    >>> meaning_of(TokenNLL, "weight")
    'The factor of this loss in the sum that a trainer makes smaller.'
    """
    if note := _field_notes(cls).get(field):
        return note
    name = re.escape(parameter_name(field))
    for pattern in (rf"``{name}_?\b[^`]*``", rf"\b{name}_?\b"):
        for one in cls.__mro__[:-1]:
            clauses = [clause for part in _prose(own_doc(one)) for clause in _clauses(part)]
            if named := [clause.rstrip(".") for clause in clauses if re.search(pattern, clause)]:
                return "; ".join(named)
    return ""


def own_doc(cls: type) -> str:
    """The docstring of a class; empty where a dataclass without one got its own signature."""
    doc = cls.__dict__.get("__doc__") or ""
    return "" if doc.startswith(f"{cls.__name__}(") else inspect.cleandoc(doc)


def _field_notes(cls: type) -> dict[str, str]:
    """The strings that stand beneath fields of a class and its bases, by field."""
    notes: dict[str, str] = {}
    for one in reversed(cls.__mro__[:-1]):
        notes |= _notes_in(one)
    return notes


@cache
def _notes_in(cls: type) -> dict[str, str]:
    """Those of the class alone. To read a class of a long file takes a tenth of a second."""
    notes: dict[str, str] = {}
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return notes
    for field, below in itertools.pairwise(getattr(tree.body[0], "body", [])):
        note = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else None
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(note, str):
            notes.setdefault(field.target.id, " ".join(note.split()))
    return notes


def _prose(doc: str) -> list[str]:
    """The paragraphs of a docstring that are neither doctests nor indented blocks, each in a line."""
    parts = [part for part in doc.split("\n\n") if part.strip() and not part.startswith((" ", ">>>"))]
    return [" ".join(part.split()) for part in parts]


def _clauses(text: str) -> list[str]:
    """The clauses of a text: what full stops and semicolons part, outside parentheses.

    >>> _clauses("The rank is ``r`` (see the paper; more is slower); the rest is ``alpha``. ``dropout`` too.")
    ['The rank is ``r`` (see the paper; more is slower)', 'the rest is ``alpha``.', '``dropout`` too.']
    """
    clauses: list[str] = []
    begin = 0
    for mark in _CLAUSE.finditer(text):
        if text.count("(", begin, mark.start()) == text.count(")", begin, mark.start()):
            clauses.append(text[begin : mark.start()])
            begin = mark.end()
    return [*clauses, text[begin:]]


def parameters_of(cls: type) -> list[Parameter]:
    """The fields of a dataclass that whoever makes one may give, in their order."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return [
        Parameter(parameter_name(field.name), _type(hints[field.name]), _default(field), meaning_of(cls, field.name))
        for field in dataclasses.fields(cls)
        if field.init
    ]


def _type(annotation: Any) -> str:
    notes = getattr(annotation, "__metadata__", ()) if typing.get_origin(annotation) is Annotated else ()
    return next((note for note in notes if isinstance(note, str)), None) or wants(annotation)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not MISSING:
        value = field.default_factory()
    elif field.default is not MISSING:
        value = field.default
    else:
        return "required"
    text = json.dumps(plain(value), ensure_ascii=False)
    if len(text) > _LONGEST_DEFAULT and isinstance(value, list | tuple) and len(value) > 5:
        return f"{json.dumps(plain(value[:5]), ensure_ascii=False)[:-1]}, … {len(value)} in all]"
    return text
