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
from types import ModuleType
from typing import Any

import pluggy

from merc.errors import MercError, did_you_mean
from merc.registry import hooks
from merc.registry.installed import BUILTIN, Installed, installed
from merc.registry.isolation import Fault, described, isolated, shown
from merc.registry.status import PluginStatus, Registration
from merc.version import PLUGIN_API

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_LONGEST_HELP = 120
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def discover(only: Sequence[str] | None = None) -> list[PluginStatus]:
    """All installed plugins, the built-in one first, the others by name. ``only`` names the plugins (by their own name
    or their distribution's) that are loaded; the built-in one always is, and ``None`` loads all.

    Raises MercError for a name in ``only`` that is not installed.
    """
    plugins = installed()
    if only is not None:
        _check_names(only, plugins)
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    statuses: dict[str, PluginStatus] = {}
    for entry in plugins:
        name = entry.name
        status = PluginStatus(name, entry.distribution, entry.version)
        if name in statuses:
            other = statuses[name]
            fault = f"the plugin name {name!r} is taken by {other.distribution} {other.version}; uninstall one of them"
            statuses[f"{name} ({entry.distribution})"] = _with(status, "failed", [*entry.faults, fault])
        elif only is not None and name != BUILTIN and not {name, entry.distribution} & set(only):
            statuses[name] = _with(status, "left out", [])
        elif entry.module is None:
            statuses[name] = _with(status, "failed", entry.faults)
        else:
            loaded = _load(manager, entry.module, status)
            faults = [*entry.faults, *loaded.errors]
            statuses[name] = _with(loaded, "faulty" if faults and loaded.status == "ok" else loaded.status, faults)
    return [_beside_merc(one, statuses[BUILTIN]) for one in statuses.values()]


def _check_names(only: Sequence[str], plugins: Sequence[Installed]) -> None:
    known = {name for entry in plugins for name in (entry.name, entry.distribution)}
    for name in only:
        if name not in known:
            listed = ", ".join(entry.name for entry in plugins)
            raise MercError(
                f"MERC_PLUGINS names {name!r}, which is not installed.{did_you_mean(name, known)} "
                f"The installed plugins are: {listed}"
            )


def _beside_merc(status: PluginStatus, builtin: PluginStatus) -> PluginStatus:
    """A plugin with a fault for each of its names that is merc's own: the bare name stays merc's, so that a recipe
    means the same whatever is installed."""
    if status is builtin:
        return status
    own = {(one.kind, one.name) for one in builtin.components}
    faults = [
        f"{one.kind} {one.name!r} has the name of merc's own; the name means merc's, and "
        f"'{status.name}/{one.name}' this one; give it another name"
        for one in status.components
        if (one.kind, one.name) in own
    ]
    return _with(status, "faulty", [*status.errors, *faults]) if faults else status


def _with(status: PluginStatus, state: Any, errors: Iterable[str], components: Any = None) -> PluginStatus:
    own = status.components if components is None else tuple(components)
    return PluginStatus(status.name, status.distribution, status.version, own, state, tuple(errors))


def _load(manager: pluggy.PluginManager, name: str, status: PluginStatus) -> PluginStatus:
    """Import one plugin, check it, and call its hooks. Nothing that its code raises gets further than this."""
    # What a plugin prints would otherwise stand in the JSON that a command writes to standard output.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            module = isolated(lambda: importlib.import_module(name))
        except Exception as error:
            return _with(status, "failed", [_describe(error, name)])
        try:
            return isolated(lambda: _called(manager, module, name, status))
        except Exception as error:
            with contextlib.suppress(Exception):
                isolated(lambda: manager.unregister(module))
            return _with(status, "failed", [f"cannot be read: {_describe(error, name)}"])


def _called(manager: pluggy.PluginManager, module: ModuleType, name: str, status: PluginStatus) -> PluginStatus:
    """Check an imported plugin, and call its hooks."""
    fault = _api_fault(module, status) or _twice_fault(manager, module)
    if fault:
        return _with(status, "failed", [fault])
    errors = _hook_faults(manager, module)
    try:
        manager.register(module, name=status.name)
    except pluggy.PluginValidationError as error:
        if manager.is_registered(module):
            manager.unregister(module)
        return _with(status, "failed", [*errors, described(error).partition(": ")[2]])
    components: dict[tuple[str, str], Registration] = {}
    others = [plugin for plugin in manager.get_plugins() if plugin is not module]
    for kind, hook in hooks.KINDS.items():
        caller = manager.subset_hook_caller(hook, remove_plugins=others)
        if not caller.get_hookimpls():
            continue
        collect = (_CommandCollector if kind == "command" else _Collector)(kind, dict(components))
        try:
            isolated(lambda caller=caller, collect=collect: caller(register=collect))  # type: ignore[misc]
        except Exception as error:
            # Nothing of a hook that failed half way is kept, so that what works does not depend on its order.
            reason = str(error) if type(error) is MercError else f"raised {_describe(error, name)}"
            errors.append(f"hook {hook}: {reason}")
            continue
        components = collect.components
    return _with(status, "faulty" if errors else "ok", errors, list(components.values()))


class _Collector:
    """The ``register`` that a hook is called with."""

    def __init__(self, kind: str, components: dict[tuple[str, str], Registration]) -> None:
        self.kind = kind
        self.components = components

    def __call__(self, name: str, target: str, *, needs: Sequence[str] = (), extra: str | None = None) -> None:
        self._claim(name, target, needs, extra)

    def _claim(self, name: str, target: str, needs: Sequence[str], extra: str | None, help: str = "") -> None:
        # Texts of a class of their own could change later, or raise where they are compared.
        if type(name) is not str or not _NAME.fullmatch(name):
            raise MercError(
                f"the {self.kind} name {shown(name)} does not serve; use small letters, digits, '-', '_' and '.', "
                "beginning with a letter or digit"
            )
        if type(target) is not str or not _TARGET.fullmatch(target):
            raise MercError(f"the target of {self.kind} {name!r} is {shown(target)}; write it as 'module:Class'")
        if type(needs) is str:
            raise MercError(f"needs of {self.kind} {name!r} is the string {needs!r}; write a list: needs=[{needs!r}]")
        if type(needs) not in (list, tuple):
            raise MercError(
                f"needs of {self.kind} {name!r} is {shown(needs)}; write a list of modules, such as needs=['torch']"
            )
        for one in needs:
            if type(one) is not str or not _MODULE.fullmatch(one):
                raise MercError(f"needs of {self.kind} {name!r} holds {shown(one)}, which is the name of no module")
        if extra is not None and (type(extra) is not str or not extra.isprintable()):
            raise MercError(f"extra of {self.kind} {name!r} is {shown(extra)}; write what to pip install, as a text")
        registration = Registration(self.kind, name, target, tuple(needs), extra, help)
        before = self.components.setdefault((self.kind, name), registration)
        if before != registration:
            raise MercError(f"{self.kind} {name!r} is registered twice, for {before.target} and {target}")


class _CommandCollector(_Collector):
    """The ``register`` that ``register_commands`` is called with."""

    def __call__(  # type: ignore[override]
        self, name: str, target: str, *, help: str, needs: Sequence[str] = (), extra: str | None = None
    ) -> None:
        if type(help) is not str or not help.strip() or not help.isprintable() or len(help) > _LONGEST_HELP:
            raise MercError(
                f"help of command {shown(name)} is {shown(help)}; write what it does in one line of at most "
                f"{_LONGEST_HELP} characters, for merc --help"
            )
        self._claim(name, target, needs, extra, help.strip())


def _api_fault(module: ModuleType, status: PluginStatus) -> str | None:
    """What is wrong with the API version that a plugin says it was written for, if it says one."""
    stated = getattr(module, "MERC_PLUGIN_API", PLUGIN_API)
    if type(stated) is int and stated == PLUGIN_API:
        return None
    if type(stated) is not int:
        return f"MERC_PLUGIN_API is {shown(stated)}; it must be a whole number (this merc has {PLUGIN_API})"
    upgrade = "merc" if stated > PLUGIN_API else status.distribution
    changes = (
        f", or change it as docs/plugins.md says (From API {stated} to {PLUGIN_API})" if 0 < stated < PLUGIN_API else ""
    )
    return (
        f"it was written for plugin API {stated} and this merc has {PLUGIN_API}; "
        f"upgrade with: pip install --upgrade {upgrade}{changes}"
    )


def _twice_fault(manager: pluggy.PluginManager, module: ModuleType) -> str | None:
    """A module that an entry point before this one names too: its components are registered under that."""
    for name, plugin in manager.list_name_plugin():
        if plugin is module:
            return f"its module is the plugin {name!r} already; take one of the two entry points out"
    return None


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
    text = described(error)
    package = module.partition(".")[0]
    raised = error.__cause__ if isinstance(error, Fault) and error.__cause__ is not None else error
    trace = list(traceback.walk_tb(raised.__traceback__))
    for frame, line in reversed(trace):
        inside = frame.f_globals.get("__name__", "")
        if inside.partition(".")[0] == package:
            return f"{text} ({inside}, line {line})"
    return text
