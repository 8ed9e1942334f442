"""Modules whose own code runs when something first asks for what is in them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


class Deferred(ModuleType):
    """A module whose code has not run. It does when a name of it, or of a package a module, is asked for."""

    def __init__(
        self, spec: ModuleSpec, until_then: Mapping[str, Callable[..., Any]], after: ModuleType | None
    ) -> None:
        super().__init__(spec.name)
        self._after = after
        self.__spec__, self.__loader__, self.__file__ = spec, spec.loader, spec.origin
        self.__package__ = spec.parent
        vars(self).update(until_then)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        load(self)
        return getattr(self, name)


def load(module: ModuleType) -> bool:
    """Run a module's code, unless it has run. Returns whether it ran now."""
    if not isinstance(module, Deferred):
        return False
    if module._after is not None:
        load(module._after)
    spec = module.__spec__
    assert spec is not None and spec.loader is not None
    module.__class__ = ModuleType  # type: ignore[assignment]
    if spec.submodule_search_locations is not None:
        module.__path__ = spec.submodule_search_locations
    spec.loader.exec_module(module)
    return True


def defer(
    name: str, *, before: Sequence[str] = (), after: ModuleType | None = None, **until_then: Callable[..., Any]
) -> ModuleType | None:
    """Have a module's code run when a name of it is first used, or by ``load``.

    Args:
        name: The module. Its own package is not imported for this.
        before: Modules of a package that are imported now, without its code.
        after: A module whose code runs before this one's, if it is deferred too.
        **until_then: Functions that it has before its code runs.

    Returns:
        The module; None where it is imported already, or not installed.
    """
    if name in sys.modules or (spec := _spec(name)) is None:
        return None
    module = Deferred(spec, until_then, after)
    sys.modules[name] = module
    parent, _, last = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], last, module)
    if before:
        module.__path__ = list(spec.submodule_search_locations or ())
        for part in before:
            importlib.import_module(part)
        del module.__path__
    return module


def _spec(name: str) -> ModuleSpec | None:
    """Where a module is, found without running its package."""
    parent, _, _ = name.rpartition(".")
    if not parent:
        return importlib.util.find_spec(name)
    package = _spec(parent)
    return None if package is None else PathFinder.find_spec(name, package.submodule_search_locations)
