"""Names to classes: what a recipe asks when it says ``encoder: {name: whisper}``."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from merc.errors import MercError, NotedError, did_you_mean
from merc.registry.discovery import discover
from merc.registry.hooks import KINDS
from merc.registry.installed import BUILTIN
from merc.registry.status import PluginStatus, Registration, notes_of

if TYPE_CHECKING:
    from merc.components import Component


@functools.cache
def get_registry() -> Registry:
    """The registry of this process, made at the first call; ``MERC_PLUGINS`` is read then."""
    return Registry.discover()


class Registry:
    """What the installed plugins brought.

    >>> "linear" in get_registry().names("connector")
    True
    >>> get_registry().resolve("connector", "linera")
    Traceback (most recent call last):
    merc.errors.NotedError: unknown connector 'linera'. Did you mean 'linear'? ...
    """

    def __init__(self, plugins: Sequence[PluginStatus]) -> None:
        self._plugins = list(plugins)
        self._loaded: dict[Registration, Any] = {}

    @classmethod
    def discover(cls) -> Registry:
        """Look for plugins now. ``MERC_PLUGINS=a,b`` in the environment loads only those and the built-in one."""
        value = os.environ.get("MERC_PLUGINS")
        only = None if value is None else [name.strip() for name in value.split(",") if name.strip()]
        return cls(discover(only))

    def plugins(self) -> list[PluginStatus]:
        """Every installed plugin, those that failed included."""
        return list(self._plugins)

    def names(self, kind: str) -> list[str]:
        """The names that a recipe may use, sorted; a name that two plugins claim stands as ``plugin/name``."""
        names = []
        for name, owners in self._claims(kind).items():
            bare = len(owners) == 1 or owners[0][0].name == BUILTIN
            names += [name] if bare else []
            names += [f"{plugin.name}/{name}" for plugin, _ in owners if len(owners) > 1 and plugin.name != BUILTIN]
        return sorted(names)

    def ambiguous(self) -> list[tuple[str, str, list[PluginStatus]]]:
        """Every (kind, name) that more than one plugin claims, with those plugins; merc's own names are merc's."""
        return [
            (kind, name, [plugin for plugin, _ in owners])
            for kind in KINDS
            for name, owners in self._claims(kind).items()
            if len(owners) > 1 and owners[0][0].name != BUILTIN
        ]

    def resolve(self, kind: str, name: str) -> type[Component]:
        """The class of a component, imported now. ``name`` may be ``plugin/name``.

        Raises MercError for a name that is unknown, claimed twice, not wholly installed, or not a component.
        """
        loaded: type[Component] = self._load(kind, name)
        return loaded

    def look_at(self, kind: str, name: str) -> Any:
        """As ``resolve``, also where something that it needs is not installed: to read what it says of itself."""
        from merc.registry.check import load_target

        plugin, registration = self._find(kind, name)
        return load_target(registration, plugin, whole=False)

    def command(self, name: str) -> Any:
        """The command of typer that a plugin registered, imported now. ``name`` may be ``plugin/name``; raises as
        ``resolve`` does."""
        from merc.registry.check import make_command

        loaded = self._load("command", name)
        return make_command(loaded, name, self._find("command", name)[1].help)

    def help(self, name: str) -> str:
        """The line of help of a command, with what must be installed for it; imports nothing."""
        registration = self._find("command", name)[1]
        missing = registration.missing()
        return f"{registration.help} (needs {', '.join(missing)})" if missing else registration.help

    def _load(self, kind: str, name: str) -> Any:
        from merc.registry.check import load_target

        plugin, registration = self._find(kind, name)
        if registration not in self._loaded:
            self._loaded[registration] = load_target(registration, plugin)
        return self._loaded[registration]

    def owner(self, kind: str, name: str) -> PluginStatus:
        """The plugin that brings a component; raises as ``resolve`` does, but imports nothing."""
        return self._find(kind, name)[0]

    def name_of(self, component: Component) -> str:
        """The name by which a recipe names a component; of a class that no plugin registered its own name.

        >>> from merc.components import Frozen
        >>> get_registry().name_of(Frozen())
        'frozen'
        """
        registration = self._registration(component)
        if registration is None:
            return type(component).__name__
        plugin, one = registration
        alone = len(self._claims(one.kind)[one.name]) == 1
        return one.name if alone else f"{plugin.name}/{one.name}"

    def owner_of(self, component: Component) -> PluginStatus | None:
        """The plugin that registered the class of a component; None where none did."""
        registration = self._registration(component)
        return None if registration is None else registration[0]

    def _registration(self, component: Component) -> tuple[PluginStatus, Registration] | None:
        cls = type(component)
        target = f"{cls.__module__}:{cls.__qualname__}"
        for plugin in self._plugins:
            for one in plugin.components:
                if one.kind == cls.kind and (self._loaded.get(one) is cls or one.target == target):
                    return plugin, one
        return None

    def _claims(self, kind: str) -> dict[str, list[tuple[PluginStatus, Registration]]]:
        claims: dict[str, list[tuple[PluginStatus, Registration]]] = {}
        for plugin in self._plugins:
            for registration in plugin.components:
                if registration.kind == kind:
                    claims.setdefault(registration.name, []).append((plugin, registration))
        return claims

    def _find(self, kind: str, name: str) -> tuple[PluginStatus, Registration]:
        if kind not in KINDS:
            raise MercError(f"unknown kind {kind!r}.{did_you_mean(kind, KINDS)} The kinds are: {', '.join(KINDS)}")
        claims = self._claims(kind)
        prefix, slash, bare = name.rpartition("/")
        owners = claims.get(bare, [])
        if slash:
            owners = [owner for owner in owners if owner[0].name == prefix]
        # merc's own plugin is the first; what others call as its components are called is theirs by plugin/name alone
        if len(owners) == 1 or (owners and owners[0][0].name == BUILTIN):
            return owners[0]
        if owners:
            who = " and by ".join(plugin.label for plugin, _ in owners)
            which = " or ".join(repr(f"{plugin.name}/{name}") for plugin, _ in owners)
            raise MercError(f"{kind} {name!r} is registered by {who}; say which: {which}")
        raise NotedError(self._unknown(kind, name), notes_of(self._plugins))

    def _unknown(self, kind: str, name: str) -> str:
        prefix, slash, bare = name.rpartition("/")
        plural = KINDS[kind].removeprefix("register_")
        known = self.names(kind)
        if slash:
            plugins = {plugin.name: plugin for plugin in reversed(self._plugins)}
            if prefix not in plugins:
                return f"unknown plugin {prefix!r} in {kind} {name!r}.{did_you_mean(prefix, plugins)}"
            if owners := self._claims(kind).get(bare):
                which = " or ".join(repr(f"{plugin.name}/{bare}") for plugin, _ in owners)
                return f"plugin {plugins[prefix].label} brings no {kind} {bare!r}; write {which}"
            known = sorted(r.name for r in plugins[prefix].components if r.kind == kind)
            if not known:
                return f"plugin {plugins[prefix].label} brings no {kind}."
            known = [f"{prefix}/{one}" for one in known]
        elsewhere = [other for other in KINDS if bare in self._claims(other)]
        hint = did_you_mean(name, known) or "".join(f" ({bare!r} is the name of a {other}.)" for other in elsewhere[:1])
        listed = f"The {plural} are: {', '.join(known)}" if known else f"No {kind} is installed"
        return f"unknown {kind} {name!r}.{hint} {listed}"
