"""Sections of a recipe to components: names looked up, parameters checked, defaults filled in and said to be so."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from merc.components import Component
from merc.components.base import put_in_recipe
from merc.errors import MercError, did_you_mean
from merc.recipe.conversion import moved
from merc.recipe.document import Node
from merc.recipe.needed import NotNeeded
from merc.recipe.problems import Problems, TooMany, join
from merc.recipe.references import refers_to_environment
from merc.recipe.schema import ComponentRef
from merc.recipe.values import Nested, convert_node, nested, parameter_name, plain, record, wants
from merc.registry import KINDS, get_registry
from merc.registry.installed import BUILTIN
from merc.registry.isolation import described, isolated


class Sections:
    """Turns sections into parts, and keeps what was resolved and where each value came from.

    A method that found something wrong has reported it to ``problems`` and gives None. At a path that is
    ``not_needed``, a ``NotNeeded`` stands for a component that cannot be had.
    """

    def __init__(self, problems: Problems, not_needed: Callable[[str], bool] = lambda path: False) -> None:
        self.problems, self.not_needed = problems, not_needed
        self.sources: dict[str, str] = {}

    def part(
        self, kind: str, node: Node, path: str, apart: Sequence[str] = ()
    ) -> tuple[ComponentRef | None, dict[str, Any]]:
        """A ``name:`` plus parameters section as a component, and how it is recorded. A parameter may be a component
        itself: a backbone's tuning, a trainer's losses.

        ``apart`` are keys of the section that are no parameters (the name that a metric goes by).
        """
        if self.not_needed(path):
            part, recorded = Sections(Problems()).part(kind, node, path, apart)
            return (part, recorded) if part is not None else _not_needed(node)
        name = self._name(kind, node, path)
        if name is None:
            return None, {}
        try:
            component_class = get_registry().resolve(kind, name)
        except MercError as error:
            self.problems.add_error(join(path, "name"), node.get("name"), error)
            return None, {}
        self.sources[join(path, "name")] = self.where(node.value["name"])
        owner = f"{kind} {name!r}"
        values, recorded = self.fill(component_class, node, path, owner, apart=("name", *apart))
        if values is None:
            return None, {}
        try:
            component = isolated(lambda: component_class(**values))
            put_in_recipe(component, path)
            # What the component holds counts, so that __post_init__ may put a value into its usual form.
            params = isolated(lambda: {parameter_name(field): plain(getattr(component, field)) for field in values})
        except Exception as error:
            says = described(error)
            if isinstance(error, ValueError | MercError):
                self.problems.add(path, node, f"{owner}: {says.partition(': ')[2] or says}")
            else:
                self.problems.add(path, node, f"{owner} cannot be made; {_fault(kind, name)}: {says}")
            return None, {}
        from_environment = any(refers_to_environment(child) for child in node.nodes())
        ref = ComponentRef(name=name, params=params, component=component, from_environment=from_environment)
        return ref, {"name": name, **recorded}

    def fill(
        self, type_: type, node: Node, path: str, owner: str, apart: Sequence[str] = ()
    ) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """The fields of a dataclass from a section: their values, and how they are recorded.

        ``apart`` are keys, and fields, that are seen to elsewhere.
        """
        try:
            hints = isolated(lambda: typing.get_type_hints(type_, include_extras=True))
        except Exception as error:
            why = described(error).partition(": ")[2]
            self.problems.add(path, node, f"the types of {owner}'s parameters cannot be read: {why}")
            return None, {}
        fields = {parameter_name(f.name): f for f in dataclasses.fields(type_) if f.init and f.name not in apart}
        fine = True
        for key, child in node.value.items():
            if key not in fields and key not in apart:
                self._unknown(key, child, node, path, owner, fields)
                fine = False
        values: dict[str, Any] = {}
        recorded: dict[str, Any] = {}
        for key, field in fields.items():
            here, child = join(path, key), node.get(key)
            inner = nested(hints[field.name])
            if inner is not None and child is not None and child.value is None and _has_default(field):
                child = None  # null takes the default, as leaving it out does
            if child is None:
                if not _has_default(field):
                    self.problems.add(here, node, f"is required by {owner}: {wants(hints[field.name])}")
                    fine = False
                    continue
                try:
                    values[field.name] = isolated(lambda field=field: _default(field))  # type: ignore[misc]
                    recorded[key] = record(values[field.name], None)
                except Exception as error:
                    self.problems.add(here, node, f"the default of {owner} cannot be had: {described(error)}")
                    fine = False
                    continue
                self._source(here, recorded[key], None, owner)
                continue
            if inner is not None:
                values[field.name], recorded[key] = self._components(inner, child, here)
                fine = fine and values[field.name] is not None
                continue
            try:
                values[field.name], child = isolated(
                    lambda field=field, child=child, here=here: convert_node(  # type: ignore[misc]
                        hints[field.name], child, here, self.problems
                    )
                )
            except (TooMany, MercError):
                raise
            except Exception as error:  # of a type's own checks, or that pydantic says of a type
                message = described(error).partition(": ")[2].split(" For further information")[0]
                self.problems.add(here, child, f"the type of {owner}'s {key!r} cannot be checked: {message}")
                child = replace(child, broken=True)
            if child.broken:
                fine = False
                continue
            recorded[key] = record(values[field.name], child)
            self._source(here, recorded[key], child, owner)
        return (values if fine else None), recorded

    def _components(self, inner: Nested, node: Node, path: str) -> tuple[Any, Any]:
        """A parameter that is a component, or a list of components (by name alone, or with parameters), and how it is
        recorded; None if something is wrong."""
        if node.broken:
            return None, None
        if not inner.many:
            part, recorded = self.part(inner.kind, node, path)
            return (None if part is None else part.component), recorded
        if not isinstance(node.value, list):
            self.problems.add(path, node, f"wants a list: [{{name: ...}}], each item the section of a {inner.kind}")
            return None, []
        components, records = [], []
        for index, child in enumerate(node.value):
            if isinstance(child.value, str) and not child.broken:
                child = Node({"name": child}, child.origin)
            part, how = self.part(inner.kind, child, join(path, index))
            records.append(how)
            if part is not None:
                components.append(part.component)
        return (tuple(components) if len(components) == len(node.value) else None), records

    def section(self, type_: type, node: Node | None, path: str, owner: str, apart: Sequence[str] = ()) -> Any:
        """A section of fixed keys: its values, and how they are recorded; ``(None, {})`` if something is wrong."""
        if node is not None and not self.is_mapping(node, path):
            return None, {}
        if node is None:
            empty = {f.name: record(getattr(type_(), f.name), None) for f in dataclasses.fields(type_)}
            recorded = {key: value for key, value in empty.items() if key not in apart}
            for key, value in recorded.items():
                self._source(join(path, key), value, None, owner)
            return {key: getattr(type_(), key) for key in recorded}, recorded
        self._no_environment(node, path, apart)
        return self.fill(type_, node, path, owner, apart)

    def make(self, type_: type, values: Mapping[str, Any] | None, node: Node | None, path: str) -> Any:
        """The dataclass of checked values, or None, with its own complaint reported."""
        if values is None:
            return None
        try:
            return type_(**values)
        except ValueError as error:
            self.problems.add(path, node, str(error))
            return None

    def is_mapping(self, node: Node, path: str) -> bool:
        """Whether a node is a section; reported if not."""
        if node.broken:
            return False
        if not isinstance(node.value, dict):
            value = "null" if node.value is None else repr(node.plain())
            self.problems.add(path, node, f"wants a section of keys and values; given {value}")
            return False
        return True

    def _name(self, kind: str, node: Node, path: str) -> str | None:
        if node.broken:
            return None
        registered = ", ".join(get_registry().names(kind)) or "none is installed"
        if not isinstance(node.value, dict):
            value = node.plain()
            hint = f"; write {path}={{name: {value}}}" if isinstance(value, str) else ""
            text = "null" if value is None else repr(value)
            self.problems.add(path, node, f"wants a section with 'name' and parameters; given {text}{hint}")
            return None
        name = node.get("name")
        if name is None:
            meant = next((key for key in node.value if did_you_mean(key, ["name"])), None)
            if meant is not None:
                self.problems.add(join(path, meant), node.get(meant), "unknown key. Did you mean 'name'?")
            else:
                self.problems.add(path, node, f"has no 'name'; it names a {kind}: {registered}")
            return None
        if name.broken:
            return None
        if not self.recordable(name, join(path, "name")):
            return None
        if not isinstance(name.value, str):
            self.problems.add(
                join(path, "name"), name, f"wants the name of a {kind}: {registered}; given {name.plain()!r}"
            )
            return None
        return name.value

    def recordable(self, node: Node, path: str) -> bool:
        """Whether a value may be written into a run, which what comes from the environment may not; reported if not."""
        secret = next((child for child in node.nodes() if refers_to_environment(child)), None)
        if secret is not None and not node.broken:
            self.problems.add(
                path, node, f"is recorded with the run, and what comes from the environment ({secret.reference}) never "
                "is; give the value itself. Parameters of components, data_root, init_from and features.store may come "
                "from the environment",
            )  # fmt: skip
        return secret is None

    def _no_environment(self, node: Node, path: str, apart: Sequence[str]) -> None:
        for key, child in node.value.items():
            if key not in apart and join(path, key) != "features.store":
                self.recordable(child, join(path, key))

    def _unknown(
        self, key: str, child: Node, node: Node, path: str, owner: str, fields: Mapping[str, dataclasses.Field[Any]]
    ) -> None:
        name = node.get("name")
        here = join(path, key)
        if name is not None and name.before is not None and child.origin.kind != "command line":
            needed = [f"{name}: ..." for name, f in fields.items() if not _has_default(f)]
            whole = ", ".join([f"name: {name.plain()}", *needed])
            self.problems.add(
                here, child, f"was given for {name.before!r}, and {owner} does not take it; give the whole section: "
                f"{path}={{{whole}}}",
            )  # fmt: skip
            return
        takes = f" It takes: {', '.join(fields)}" if fields else " It takes no parameters"
        kind = owner.partition(" ")[0]
        hint = moved(kind, key) or (did_you_mean(key, fields) or _taken_by(kind, key)) + takes
        self.problems.add(here, child, f"{owner} takes no {key!r}.{hint}")

    def _source(self, path: str, recorded: Any, node: Node | None, owner: str) -> None:
        if isinstance(recorded, dict) and recorded:
            for key, value in recorded.items():
                inside = node.get(key) if node else None
                self._source(join(path, key), value, inside or node if node else None, owner)
            return
        self.sources[path] = f"default of {owner}" if node is None else self.where(node)

    def where(self, node: Node) -> str:
        """Where a value came from; a list whose items the command line changed says so."""
        changed = node.origin.kind != "command line" and any(n.origin.kind == "command line" for n in node.nodes())
        parent = "parent " if node.origin.kind == "parent" else ""
        return parent + node.origin.where + (", changed on the command line" if changed else "")


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted paths of a recorded recipe and their values; a list of plain values counts as one value.

    >>> list(leaves({"seed": 0, "stages": [{"id": "a"}], "labels": ["joy"]}))
    [('seed', 0), ('stages.0.id', 'a'), ('labels', ['joy'])]
    """
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, join(path, key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, inner in enumerate(value):
            yield from leaves(inner, join(path, index))
    else:
        yield path, value


def _not_needed(node: Node) -> tuple[ComponentRef, dict[str, Any]]:
    """What stands for a component that cannot be had and is not needed; its section is recorded as it is written."""
    name = node.get("name")
    recorded = record(node.plain(), node)
    part = ComponentRef(name=str(name.value) if name is not None else "", params={}, component=NotNeeded())
    return part, recorded if isinstance(recorded, dict) else {}


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _fault(kind: str, name: str) -> str:
    plugin = get_registry().owner(kind, name)
    return f"this is a fault of {plugin.distribution} {plugin.version}"


def _taken_by(kind: str, key: str) -> str:
    """Which of merc's own components of a kind take a parameter, as a sentence; empty where none does."""
    if kind not in KINDS:
        return ""
    registry = get_registry()
    own = [name for name in registry.names(kind) if registry.owner(kind, name).name == BUILTIN]
    classes = {name: registry.resolve(kind, name) for name in own}
    names = [repr(name) for name, cls in classes.items() if key in map(parameter_name, _names(cls))]
    return f" {' and '.join(names)} {'takes' if len(names) == 1 else 'take'} it." if names else ""


def _names(cls: type[Component]) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]
