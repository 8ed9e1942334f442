"""The ``merc`` program: which commands there are, and what an error looks like.

A command is a file beside this one, imported when it is invoked and not before, so that ``merc --help`` and a typing
mistake cost no torch. Such a file has ``command``: a function with typer annotations, or, where it has commands of its
own, a typer app. Plugins bring commands in the same way, by the hook ``register_commands``; they are looked for where
``merc --help`` lists them or a name is none of merc's own, so that no plugin stands in the way of merc's commands.
"""

from __future__ import annotations

import errno
import functools
import importlib
import os
import signal
import sys
import traceback
from types import FrameType, TracebackType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from merc.builtin.commands import COMMANDS
from merc.cli import consent
from merc.cli.launched import speaks, stand_back
from merc.cli.quiet import quiet_libraries
from merc.cli.results import escaped_output
from merc.consent import hide
from merc.errors import MercError, shown
from merc.files import is_disk_full
from merc.version import __version__


class Commands(TyperGroup):
    """The group of commands: lists merc's own and those of plugins, imports one when it is invoked, reports errors
    plainly."""

    def list_commands(self, ctx: Any) -> list[str]:
        """merc's own commands, in the order of ``COMMANDS``, then those of plugins, by name."""
        return [*COMMANDS, *plugin_commands()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stand-in that knows the help line of a command, enough to list it."""
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        if cmd_name in COMMANDS:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name])
        line = plugin_commands().get(cmd_name)
        return None if line is None else TyperCommand(cmd_name, help=line, rich_help_panel="Commands of plugins")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is named, then go on as typer does."""
        if args and not args[0].startswith("-"):
            self.commands[args[0]] = load_command(args[0])
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command. A MercError is one message and exit code 2, and so is what the system forbids; an interrupt
        is a line and 130. Any other exception is a fault, with exit code 1: that of a plugin's component is a message,
        and of merc's own the traceback is shown."""
        ctx.color = True  # or click takes escapes of names away, where merc shows them
        try:
            with escaped_output():
                return super().invoke(ctx)
        except typer.Exit:
            raise
        except KeyboardInterrupt as error:
            if _INTERRUPTS.watched and not _INTERRUPTS.count:
                raise _ended(error) from error
            if speaks():
                typer.echo("interrupted", err=True)
            raise typer.Exit(130) from error
        except Exception as error:
            stand_back(error)
            message = _sentence(error)
            if message:
                typer.echo(f"error: {shown(hide(message))}", err=True)
                raise typer.Exit(2) from error
            if not (message := _fault_of_plugin(error)):
                raise
            typer.echo(f"error: {shown(hide(message))}", err=True)
            raise typer.Exit(1) from error
        except SystemExit as error:
            if isinstance(error.__context__, BrokenPipeError):  # whoever read has read enough; rich ends the program
                raise typer.Exit(1) from error
            raise _ended(error) from error
        except BaseException as error:
            raise _ended(error) from error


class _Interrupts:
    """Counts the user's own Ctrl-C, so that a plugin that raises KeyboardInterrupt is not taken for the user."""

    def __init__(self) -> None:
        self.count = 0
        self.watched = False

    def watch(self) -> None:
        """From now on, where nobody else handles the signal."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupted)
            self.watched = True

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        raise KeyboardInterrupt


_INTERRUPTS = _Interrupts()


def _ended(error: BaseException) -> typer.Exit:
    """What a component or a library raised to end the program, such as ``sys.exit(0)``: a fault, with its traceback,
    and never a success."""
    stand_back(error)
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    name = type(error).__name__
    typer.echo(hide(f"{trace}error: code that merc called ended the program with {name}; the last file above holds it, "
                    "and what was not finished is not done"), err=True)  # fmt: skip
    return typer.Exit(1)


def _sentence(error: Exception) -> str:
    """The sentence for a mistake of the user; empty for a fault, also one of an exception that has no text."""
    try:
        return str(error) if isinstance(error, MercError) else _forbidden(error)
    except BaseException:
        return ""


def _fault_of_plugin(error: Exception) -> str:
    """What is said of a fault in a plugin's component; empty for another, and where the traceback is to be shown."""
    from merc.registry.faults import VARIABLE, note_fault

    try:
        fault = note_fault(error)
        if fault is None or fault.of_merc or os.environ.get(VARIABLE):
            return ""
        notes = [note for note in error.__notes__ if note != fault.sentence]
        hint = f"this is a fault in its code; {VARIABLE}=1 before the same command shows the whole traceback"
        return "\n".join([fault.sentence, *notes, hint])
    except Exception:  # what a plugin raised may raise itself
        return ""


def _forbidden(error: Exception) -> str:
    """A sentence for what the system forbids, which is no fault of a program: permissions, names that are too
    long, a folder where a file is wanted or the other way round, a disk that fails, and room on it."""
    refused = (
        errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EIO,
        errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.EFBIG,
    )  # fmt: skip
    denied = isinstance(error, OSError) and error.errno in refused
    if not denied and not is_disk_full(error):
        return ""
    what = str(error)
    if isinstance(error, OSError):
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    return f"{what}; mend that and run the same command again, a run with --resume"


def load_command(name: str) -> Any:
    """The command of that name, imported now: merc's own, else a plugin's. Raises MercError for one that there is not,
    and for one of a plugin that cannot be loaded."""
    from merc.registry.check import make_command

    if name in COMMANDS:
        loaded = make_command(importlib.import_module(f"merc.cli.{name}").command, name, COMMANDS[name])
    else:
        from merc.registry import get_registry

        loaded = get_registry().command(name)
    if name in consent.COMMANDS or name not in COMMANDS:
        consent.add_options(loaded)
    return loaded


@functools.cache
def plugin_commands() -> dict[str, str]:
    """The commands of plugins and the line that ``merc --help`` shows for each. Plugins that failed are named on
    standard error, once."""
    from merc.registry import get_registry

    try:
        registry = get_registry()
    except MercError as error:
        typer.echo(f"note: the plugins cannot be listed: {shown(str(error))}", err=True)
        return {}
    for plugin in registry.plugins():
        if plugin.status == "failed":
            typer.echo(shown(str(plugin.note())), err=True)
    return {
        name: registry.help(name)
        for name in registry.names("command")
        if name not in COMMANDS and name.partition("-")[0] != "corpus"
    }


app = typer.Typer(
    name="merc",
    cls=Commands,
    help="Recognise the emotions in recorded conversations with multimodal large language models.",
    epilog="merc COMMAND --help says more about a command. Start with: merc recipes",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def _version(ask: bool) -> None:
    if ask:
        typer.echo(f"merc {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Recognise the emotions in recorded conversations with multimodal large language models."""


def main() -> None:
    """Run the program."""
    quiet_libraries()
    sys.excepthook = _show_traceback
    _INTERRUPTS.watch()
    app()


def _show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Python's own traceback, without the values of variables that a recipe may read."""
    typer.echo(hide("".join(traceback.format_exception(kind, error, trace))), err=True, nl=False)
