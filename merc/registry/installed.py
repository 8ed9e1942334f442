"""The plugins that are installed, by what their distributions say of themselves.

``importlib.metadata.entry_points`` stops at the first distribution that is damaged, so each is read on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path

from merc.registry.isolation import described, isolated
from merc.version import __version__

GROUP = "merc"
BUILTIN = "merc"
_BUILTIN_MODULE = "merc.builtin.plugin"


@dataclass(frozen=True)
class Installed:
    """An entry point of the group ``merc``: the plugin's name, its module (None where it cannot be had), and the
    distribution and version that brought it. ``faults`` are sentences about what the distribution lacks."""

    name: str
    module: str | None
    distribution: str
    version: str
    faults: tuple[str, ...] = ()


def installed() -> list[Installed]:
    """All of them, merc's own first even where merc runs without being installed, the others by name."""
    seen: set[str] = set()
    plugins: list[Installed] = []
    for distribution in distributions():
        # The folder's name says which it is, without reading the METADATA of everything that is installed.
        key = (_place(distribution).partition("-")[0] or _stated(distribution, "Name")).lower().replace("_", "-")
        if key not in seen:  # the first on the path is the one that is imported
            plugins += _plugins_of(distribution)
        seen.add(key)
    plugins.sort(key=lambda one: (one.name, one.distribution))
    own = [one for one in plugins if one.name == BUILTIN and one.distribution == "merc"][:1]
    return [*(own or [_itself()]), *(one for one in plugins if one not in own)]


def _itself() -> Installed:
    return Installed(BUILTIN, _BUILTIN_MODULE, "merc", __version__)


def _plugins_of(distribution: Distribution) -> Iterator[Installed]:
    """The plugins of one distribution. One that cannot be read is a plugin that failed, where it has something of
    merc's, and nobody's business otherwise."""
    try:
        entries = isolated(lambda: [one for one in distribution.entry_points if one.group == GROUP])
    except Exception as error:
        if f"[{GROUP}]" in _raw_entries(distribution):
            fault = f"its entry points cannot be read: {described(error)}; install it again"
            name = _name(distribution)
            yield Installed(name, None, name, _stated(distribution, "Version") or "?", (fault,))
        return
    for entry in entries:
        yield _plugin(entry, distribution)


def _plugin(entry: EntryPoint, distribution: Distribution) -> Installed:
    name, version = _name(distribution), _stated(distribution, "Version")
    lacks = [what for what in ("Name", "Version") if not _stated(distribution, what)]
    faults = []
    if lacks:
        faults.append(f"METADATA in {_place(distribution)} states no {' and no '.join(lacks)}; install it again")
    module: str | None = entry.value.partition("[")[0].strip()
    if not module or not all(part.isidentifier() for part in module.split(".")):
        faults.append(f"its entry point is {entry.value!r}, which names no module; write such as 'package.plugin'")
        module = None
    return Installed(entry.name, module, name, version or "?", tuple(faults))


def _name(distribution: Distribution) -> str:
    """The name of a distribution, or of its folder where it states none."""
    return _stated(distribution, "Name") or _place(distribution).partition("-")[0] or "?"


def _stated(distribution: Distribution, key: str) -> str:
    """What METADATA states under a key; empty where it states nothing, or cannot be read."""
    return _had(lambda: str(distribution.metadata[key] or "").strip())


def _place(distribution: Distribution) -> str:
    """The name of the folder that describes a distribution, such as ``merc_a-0.1.dist-info``."""
    return _had(lambda: Path(str(getattr(distribution, "_path", ""))).name)


def _raw_entries(distribution: Distribution) -> str:
    return _had(lambda: Path(str(distribution.locate_file("")), _place(distribution), "entry_points.txt").read_text(
        encoding="utf-8", errors="replace"
    ))  # fmt: skip


def _had(call: Callable[[], str]) -> str:
    try:
        return isolated(call)
    except Exception:
        return ""
