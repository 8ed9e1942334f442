"""``merc plugins``: what is installed, what failed, and a new plugin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from merc.cli.arguments import ComponentName, kind_names
from merc.errors import ManyErrors, MercError

if TYPE_CHECKING:
    from merc.registry import PluginStatus, Registration, Registry

command = typer.Typer(invoke_without_command=True, add_completion=False)


@command.callback()
def plugins(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Import every component whose needs are installed as well, and exit with 2 if anything is wrong.",
        ),
    ] = False,
) -> None:
    """List every installed plugin: its version, its components, and what is wrong with it.

    MERC_PLUGINS=a,b in the environment loads only those plugins (and merc's own).
    """
    if context.invoked_subcommand is not None:
        return
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.registry import get_registry

    registry = get_registry()
    faults = _faults(registry) if strict else []
    if as_json:
        typer.echo(json.dumps(_as_json(registry), indent=2), results)
    else:
        _print_table(registry, results)
    if faults:
        raise ManyErrors(faults, head=f"{len(faults)} fault{'s' if len(faults) > 1 else ''} in the installed plugins")


@command.command("new")
def new(
    name: Annotated[str, typer.Argument(help="The name of the component, and of its plugin.")],
    kind: Annotated[
        str,
        typer.Option(
            help="encoder, connector, fuser, prompter, tuning, loss, head, decoder, trainer, reward, corpus, backbone, "
            "annotator, segmenter, transcriber, selector, metric, corruption, tracker, workers, benchmark, run, "
            "command.",
            show_default=True,
            autocompletion=kind_names,
        ),
    ] = "encoder",
    folder: Annotated[Path, typer.Option(help="Where to put the plugin's folder, merc-NAME.")] = Path(),
) -> None:
    """Write a complete, tested, installable plugin."""
    from merc.testing.scaffold import write_plugin

    project = write_plugin(name, kind, folder)
    typer.echo(f"{project} is ready. Install it, and run its test:")
    typer.echo(f"  pip install -e '{project}[test]'")
    typer.echo(f"  python -m pytest {project}")
    typer.echo(f"Then change {project / project.name.replace('-', '_') / (kind + '.py')}.")


@command.command("show")
def show(
    name: ComponentName,
) -> None:
    """Say what a component is, and the type, default and meaning of each of its parameters."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from merc.cli.results import take_standard_output
    from merc.recipe.describe import describe, find_component
    from merc.registry import get_registry

    results = take_standard_output()
    registry = get_registry()
    one = describe(registry, *find_component(registry, name))
    typer.echo(f"{one.component.kind} {one.component.name!r} of plugin {one.plugin.label}\n", results)
    typer.echo(one.text.replace("``", "`"), results)
    if hint := one.component.install_hint():
        typer.echo(f"\n{hint}", results)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("parameter", "type", "default", "meaning"):
        table.add_column(title, overflow="fold")
    for p in one.parameters:
        table.add_row(*(Text(cell) for cell in (p.name, p.type, p.default, p.meaning.replace("``", "`"))))
    if one.parameters:
        typer.echo("", results)
        Console(file=results).print(table)


@command.command("docs")
def docs(
    plugins: Annotated[
        list[str] | None, typer.Argument(metavar="[PLUGIN...]", help="The plugins; all that are installed if none.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="A file to write, in place of standard output.")] = None,
) -> None:
    """Write a page of Markdown about all components of plugins."""
    from merc.cli.component_page import component_page
    from merc.cli.results import take_standard_output
    from merc.files import write_text
    from merc.registry import get_registry

    results = take_standard_output()
    registry = get_registry()
    text = component_page(registry, plugins or [plugin.name for plugin in registry.plugins()])
    if output is None:
        typer.echo(text, results, nl=False)
    else:
        write_text(output, text)


def _faults(registry: Registry) -> list[str]:
    """Everything that is wrong: with plugins, with names claimed twice, and with the classes themselves."""
    faults = [f"plugin {p.label}: {error}" for p in registry.plugins() for error in p.errors]
    faults += [_claimed(kind, name, owners) for kind, name, owners in registry.ambiguous()]
    for plugin in registry.plugins():
        for one in plugin.components:
            if not one.missing():
                try:
                    registry.resolve(one.kind, f"{plugin.name}/{one.name}")
                except MercError as error:
                    faults.append(str(error))
    return faults


def _claimed(kind: str, name: str, owners: list[PluginStatus]) -> str:
    who = " and by ".join(owner.label for owner in owners)
    which = " or ".join(f"{owner.name}/{name}" for owner in owners)
    return f"{kind} {name!r} is registered by {who}; say which: {which}"


def _as_json(registry: Registry) -> dict[str, Any]:
    from merc.version import PLUGIN_API

    return {
        "api": PLUGIN_API,
        "plugins": [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "status": plugin.status,
                "error": plugin.error,
                "components": [_component(one) for one in plugin.components],
            }
            for plugin in registry.plugins()
        ],
        "ambiguous": [
            {"kind": kind, "name": name, "plugins": [owner.name for owner in owners]}
            for kind, name, owners in registry.ambiguous()
        ],
    }


def _component(one: Registration) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "name": one.name,
        "target": one.target,
        "needs": list(one.needs),
        "missing": one.missing(),
        "extra": one.extra,
    }


def _print_table(registry: Registry, results: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from merc.registry import KINDS

    console = Console(file=results, soft_wrap=False)
    table = Table("plugin", "version", "components", "status", box=None, pad_edge=False, header_style="bold")
    notes = []
    for plugin in registry.plugins():
        lines = []
        for kind, hook in KINDS.items():
            ours = [one for one in plugin.components if one.kind == kind]
            if ours:
                title = kind if len(ours) == 1 else hook.removeprefix("register_")
                lines.append(f"{title}: " + ", ".join(_with_needs(one) for one in ours))
        colour = {"ok": "green", "left out": "dim"}.get(plugin.status, "red")
        source = "" if plugin.distribution == plugin.name else f"\n{plugin.distribution}"
        table.add_row(
            Text(plugin.name + source), Text(plugin.version), Text("\n".join(lines)), Text(plugin.status, style=colour)
        )
        notes += [f"plugin {plugin.label}: {error}" for error in plugin.errors]
    notes += [_claimed(kind, name, owners) for kind, name, owners in registry.ambiguous()]
    console.print(table)
    # Plain lines, neither cut nor wrapped, so that a message can be searched for and copied.
    for note in notes:
        typer.echo(note, results)
    for plugin in registry.plugins():
        for one in plugin.components:
            if hint := one.install_hint():
                typer.echo(hint, results)


def _with_needs(one: Registration) -> str:
    missing = one.missing()
    return f"{one.name} (needs {', '.join(missing)})" if missing else one.name
