"""Finding plugins and asking each what it brings. One plugin's failure is its own, and is kept beside it.

pluggy's ``load_setuptools_entrypoints`` stops at the first plugin that cannot be imported, and a hook that raises keeps
the other plugins' hooks from being called. So each entry point is loaded, and each implementation called, on its own.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from merc.errors import MercError, did_you_mean
from merc.registry import hooks
from merc.registry.status import PluginStatus, Registration

GROUP = "merc"
BUILTIN = "merc"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

# A plugin that calls sys.exit() when it is imported must not end the program either.
_FAILURES = (Exception, SystemExit)


def discover(only: Sequence[str] | None = None) -> list[PluginStatus]:
    """All installed plugins, the built-in one first, the others by name. ``only`` names the plugins (by their own name
    or their distribution's) that are loaded; the built-in one always is, and ``None`` loads all.

    Raises MercError for a name in ``only`` that is not installed.
    """
    found = _entry_points()
    if only is not None:
        _check_names(only, found)
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    statuses: dict[str, PluginStatus] = {}
    for entry in found:
        name, (distribution, version) = entry.name, _source(entry)
        status = PluginStatus(name, distribution, version)
        if name in statuses:
            other = statuses[name]
            fault = f"the plugin name {name!r} is taken by {other.distribution} {other.version}; uninstall one of them"
            statuses[f"{name} ({distribution})"] = _with(status, "failed", [fault])
        elif only is not None and name != BUILTIN and not {name, distribution} & set(only):
            statuses[name] = _with(status, "left out", [])
        else:
            statuses[name] = _load(manager, entry, status)
    return list(statuses.values())


def _entry_points() -> list[EntryPoint]:
    """The entry points of the group, the built-in one first even where merc runs without being installed."""
    every = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, _source(entry)))
    builtin = [entry for entry in every if entry.name == BUILTIN and _source(entry)[0] == "merc"]
    others = [entry for entry in every if entry not in builtin]
    return [*(builtin[:1] or [EntryPoint(BUILTIN, "merc.builtin.plugin", GROUP)]), *others]


def _source(entry: EntryPoint) -> tuple[str, str]:
    """The distribution that an entry point belongs to, and its version."""
    if entry.dist is None:
        from merc import __version__

        return "merc", __version__
    return entry.dist.metadata["Name"], entry.dist.version


def _check_names(only: Sequence[str], found: Sequence[EntryPoint]) -> None:
    known = {entry.name for entry in found} | {_source(entry)[0] for entry in found}
    for name in only:
        if name not in known:
            installed = ", ".join(entry.name for entry in found)
            raise MercError(
                f"MERC_PLUGINS names {name!r}, which is not installed.{did_you_mean(name, known)} "
                f"The installed plugins are: {installed}"
            )


def _with(status: PluginStatus, state: Any, errors: Iterable[str], components: Any = ()) -> PluginStatus:
    return PluginStatus(status.name, status.distribution, status.version, tuple(components), state, tuple(errors))


def _load(manager: pluggy.PluginManager, entry: EntryPoint, status: PluginStatus) -> PluginStatus:
    """Import one plugin, check it, and call its hooks."""
    # What a plugin prints would otherwise stand in the JSON that a command writes to standard output.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            module = importlib.import_module(entry.value)
        except _FAILURES as error:
            return _with(status, "failed", [_describe(error, entry.value)])
        fault = _api_fault(module, status)
        if fault:
            return _with(status, "failed", [fault])
        errors = _hook_faults(manager, module)
        try:
            manager.register(module, name=status.name)
        except pluggy.PluginValidationError as error:
            if manager.is_registered(module):
                manager.unregister(module)
            return _with(status, "failed", [*errors, _first_line(error)])
        components: dict[tuple[str, str], Registration] = {}
        others = [plugin for plugin in manager.get_plugins() if plugin is not module]
        for kind, hook in hooks.KINDS.items():
            caller = manager.subset_hook_caller(hook, remove_plugins=others)
            if not caller.get_hookimpls():
                continue
            collect = _Collector(kind, dict(components))
            try:
                caller(register=collect)
            except _FAILURES as error:
                # Nothing of a hook that failed half way is kept, so that what works does not depend on its order.
                said = str(error) if isinstance(error, MercError) else f"raised {_describe(error, entry.value)}"
                errors.append(f"hook {hook}: {said}")
                continue
            components = collect.components
    return _with(status, "faulty" if errors else "ok", errors, components.values())


class _Collector:
    """The ``register`` that a hook is called with."""

    def __init__(self, kind: str, components: dict[tuple[str, str], Registration]) -> None:
        self.kind = kind
        self.components = components

    def __call__(self, name: str, target: str, *, needs: Sequence[str] = (), extra: str | None = None) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise MercError(
                f"the {self.kind} name {name!r} does not serve; use small letters, digits, '-', '_' and '.', "
                "beginning with a letter or digit"
            )
        if not isinstance(target, str) or not _TARGET.fullmatch(target):
            raise MercError(f"the target of {self.kind} {name!r} is {target!r}; write it as 'module:Class'")
        if isinstance(needs, str):
            raise MercError(f"needs of {self.kind} {name!r} is the string {needs!r}; write a list: needs=[{needs!r}]")
        made = Registration(self.kind, name, target, tuple(needs), extra)
        before = self.components.setdefault((self.kind, name), made)
        if before != made:
            raise MercError(f"{self.kind} {name!r} is registered twice, for {before.target} and {target}")


def _api_fault(module: ModuleType, status: PluginStatus) -> str | None:
    """What is wrong with the API version that a plugin says it was written for, if it says one."""
    from merc import PLUGIN_API

    stated = getattr(module, "MERC_PLUGIN_API", PLUGIN_API)
    if stated == PLUGIN_API and type(stated) is int:
        return None
    if type(stated) is not int:
        return f"MERC_PLUGIN_API is {stated!r}; it must be a whole number (this merc has {PLUGIN_API})"
    upgrade = "merc" if stated > PLUGIN_API else status.distribution
    return (
        f"it was written for plugin API {stated} and this merc has {PLUGIN_API}; "
        f"upgrade with: pip install --upgrade {upgrade}"
    )


def _hook_faults(manager: pluggy.PluginManager, module: ModuleType) -> list[str]:
    """Misspelled hooks, hooks without the decorator, and a plugin that has none: pluggy is silent about all three."""
    known = list(hooks.KINDS.values())
    every = f"The hooks are: {', '.join(known)}"
    faults, implemented = [], 0
    for name, member in inspect.getmembers(module, inspect.isfunction):
        options = manager.parse_hookimpl_opts(module, name)
        if options is not None:
            implemented += 1
            if name not in known and not options.get("optionalhook"):
                faults.append(f"{name!r} is no hook of merc.{did_you_mean(name, known) or ' ' + every}")
        elif name in known and member.__module__ == module.__name__:
            implemented += 1
            faults.append(f"{name!r} has no @merc.hookimpl above it, so it is not called; add it")
    if not implemented:
        faults.append(f"{module.__name__} implements no hook of merc. {every}")
    return faults


def _describe(error: BaseException, module: str) -> str:
    """The exception in a line, with the place in the plugin's own package where it came from."""
    said = f"{type(error).__name__}: {_first_line(error)}" if str(error) else type(error).__name__
    package = module.partition(".")[0]
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        inside = frame.f_globals.get("__name__", "")
        if inside.partition(".")[0] == package:
            return f"{said} ({inside}, line {line})"
    return said


def _first_line(error: BaseException) -> str:
    return " ".join(line.strip() for line in str(error).splitlines() if line.strip())
