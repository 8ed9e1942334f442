"""The page of Markdown about components that ``merc plugins docs`` writes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from merc.errors import MercError, did_you_mean
from merc.recipe.describe import Description, Parameter, describe
from merc.registry import KINDS, Registry

_HEAD = """\
# Components

What a recipe can name and the program can do, by kind, with the parameters of each component.
`merc plugins show NAME` says the same of any component that is installed. This page is written by `make components`,
which calls `merc plugins docs`.
"""


def component_page(registry: Registry, plugins: Collection[str]) -> str:
    """The components of these plugins, by kind; a plugin is named by its own name or its distribution's. Raises
    MercError for one that is not installed, and for a component that cannot be loaded."""
    known = [plugin.name for plugin in registry.plugins()]
    for name in plugins:
        if name not in known and not any(name == plugin.distribution for plugin in registry.plugins()):
            raise MercError(f"no plugin {name!r} is installed.{did_you_mean(name, known)} They are: {', '.join(known)}")
    parts = [_HEAD]
    for kind, hook in KINDS.items():
        named = [p for p in registry.plugins() if {p.name, p.distribution} & set(plugins)]
        ours = [(p, c) for p in named for c in p.components if c.kind == kind]
        if ours:
            parts.append(f"## {hook.removeprefix('register_').capitalize()}\n")
        parts += [_section(describe(registry, plugin, component)) for plugin, component in ours]
    return "\n".join(parts)


def _section(one: Description) -> str:
    needs = f", needs {', '.join(f'`{need}`' for need in one.component.needs)}" if one.component.needs else ""
    lines = [f"### {one.component.name}", "", f"Of `{one.plugin.distribution}`{needs}.", "", as_markdown(one.text), ""]
    return "\n".join(lines + parameter_table(one.parameters))


def parameter_table(parameters: Iterable[Parameter], head: str = "parameter") -> list[str]:
    """The lines of a table of parameters, an empty one last; none for no parameters."""
    rows = []
    for p in parameters:
        default = p.default if p.default == "required" else f"`{_cell(p.default)}`"
        rows.append(f"| `{p.name}` | {_cell(p.type)} | {default} | {_cell(as_markdown(p.meaning))} |")
    return [f"| {head} | type | default | meaning |", "|---|---|---|---|", *rows, ""] if rows else []


def as_markdown(text: str) -> str:
    """A docstring in Markdown: code in single backticks, and no second colon before an indented block."""
    return f"{text}\n".replace("``", "`").replace("::\n", ":\n").removesuffix("\n")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
