"""A plugin as the registry knows it: where it came from, what it registered, and what went wrong with it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from typing import Literal

from merc.registry.isolation import isolated

Status = Literal["ok", "faulty", "failed", "left out"]


@dataclass(frozen=True)
class Registration:
    """A name that a plugin claimed for the class at ``target`` (``"module:Class"``), or for a command: the function or
    typer app at ``target``, with a line of ``help``."""

    kind: str
    name: str
    target: str
    needs: tuple[str, ...] = ()
    extra: str | None = None
    help: str = ""

    def missing(self) -> list[str]:
        """The modules of ``needs`` that are not installed, found without importing any.

        >>> Registration("encoder", "a", "m:A", needs=("json", "json.decoder", "no_such_module")).missing()
        ['no_such_module']
        """
        return [module for module in self.needs if not _installed(module)]

    def install_hint(self) -> str | None:
        """What to do when something that it needs is not installed; ``None`` when nothing is missing.

        >>> Registration("encoder", "a", "m:A", needs=("no_such_module",), extra="merc-a[all]").install_hint()
        "encoder 'a' needs 'no_such_module'; install it with: pip install merc-a[all]"
        """
        missing = self.missing()
        if not missing:
            return None
        packages = self.extra or " ".join(sorted({module.partition(".")[0] for module in missing}))
        modules = " and ".join(repr(module) for module in missing)
        return f"{self.kind} {self.name!r} needs {modules}; install it with: pip install {packages}"


@dataclass(frozen=True)
class PluginStatus:
    """One plugin. ``status`` is ``ok``; ``faulty``, when it loaded and something of it is wrong; ``failed``, when it
    did not load; or ``left out``, by ``MERC_PLUGINS``. ``errors`` are sentences for the user."""

    name: str
    distribution: str
    version: str
    components: tuple[Registration, ...] = ()
    status: Status = "ok"
    errors: tuple[str, ...] = ()

    @property
    def error(self) -> str | None:
        """All that is wrong with it, in one string; ``None`` when nothing is."""
        return "; ".join(self.errors) or None

    @property
    def label(self) -> str:
        """How messages name it.

        >>> PluginStatus("x", "merc-x", "0.1").label
        "'x' (merc-x 0.1)"
        """
        return f"{self.name!r} ({self.distribution} {self.version})"

    def note(self) -> str | None:
        """The line that says what is wrong with it; None where nothing is."""
        if self.status in ("ok", "left out"):
            return None
        verb = "failed to load" if self.status == "failed" else "has a fault"
        return f"note: plugin {self.label} {verb}: {self.error}"


def notes_of(plugins: Sequence[PluginStatus]) -> list[str]:
    """The lines that stand under an error which these plugins may have caused; those that are left out share one.

    >>> left = [PluginStatus(name, f"merc-{name}", "0.1", status="left out") for name in ("a", "b")]
    >>> notes_of([*left, PluginStatus("c", "merc-c", "0.1")])
    ['note: MERC_PLUGINS leaves out the plugins a, b']
    """
    left_out = [plugin.name for plugin in plugins if plugin.status == "left out"]
    plural = "s" if len(left_out) > 1 else ""
    notes = [f"note: MERC_PLUGINS leaves out the plugin{plural} {', '.join(left_out)}"] if left_out else []
    return notes + [str(plugin.note()) for plugin in plugins if plugin.status in ("failed", "faulty")]


def _installed(module: str) -> bool:
    """Whether a module, dotted or not, can be found. ``find_spec`` of a dotted name would import its parent, so the
    parent's own search path is asked instead."""
    top, *rest = module.split(".")
    try:
        spec = isolated(lambda: importlib.util.find_spec(top))
    except Exception:  # what stands under that name in sys.modules may be anything
        return False
    path = top
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return False
        path = f"{path}.{part}"
        locations: Sequence[str] = list(spec.submodule_search_locations)
        spec = PathFinder.find_spec(path, locations)
    return spec is not None
