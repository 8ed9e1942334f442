"""The ``merc`` program: which commands there are, and what an error looks like.

A command is a file beside this one, imported when it is invoked and not before, so that ``merc --help`` and a typing
mistake cost no torch. Such a file has a function ``command`` with typer annotations, or, where it has commands of its
own, a typer app named ``app``.
"""

from __future__ import annotations

import errno
import importlib
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType, TracebackType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from merc import __version__
from merc.cli import consent
from merc.cli.launched import speaks, stand_back
from merc.cli.quiet import quiet_libraries
from merc.cli.results import escaped_output
from merc.consent import hide
from merc.errors import MercError, did_you_mean, shown
from merc.files import is_disk_full

COMMANDS = {
    "run": "Train and evaluate what a recipe says.",
    "predict": "Say the emotions in conversations or a clip, one JSON object a line.",
    "evaluate": "Evaluate a finished run again, or on another split.",
    "bench": "Measure a trained run on every set of a benchmark that is there.",
    "compare": "Put the results of several runs side by side.",
    "report": "Make the report of a run again.",
    "recipes": "List the recipes that come with merc.",
    "show": "Show a recipe's values, and where each came from.",
    "validate": "Check a recipe and list everything that is wrong with it.",
    "copy": "Copy a recipe, to change it.",
    "convert": "Rewrite a recipe of an older merc in today's words.",
    "encode": "Fill the feature store for a recipe.",
    "annotate": "Ask a recipe's annotators for cues, and keep them.",
    "corpus": "Bring a published corpus into a file of merc's own form.",
    "params": "Count the parameters of a recipe's model, by part.",
    "plugins": "List the installed plugins, or write a new one.",
}
"""Every command and the line that ``merc --help`` shows for it. The file of a command has its name."""


class Commands(TyperGroup):
    """The group of commands: lists them from ``COMMANDS``, imports one when it is invoked, reports errors plainly."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands whose file exists, in the order of ``COMMANDS``."""
        return [name for name in COMMANDS if Path(__file__).with_name(f"{name}.py").is_file()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stand-in that knows the help line of a command, enough to list it."""
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name]) if cmd_name in self.list_commands(ctx) else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is named, then go on as typer does."""
        known = self.list_commands(ctx)
        if args and args[0] in known:
            self.commands[args[0]] = load_command(args[0])
        elif args and not args[0].startswith("-"):
            raise MercError(
                f"unknown command {args[0]!r}.{did_you_mean(args[0], known)} The commands are: {', '.join(known)}"
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command. A MercError is one message and exit code 2, and so is what the system forbids; an interrupt
        is a line and 130; any other exception is a fault of merc or of a plugin, and its traceback is shown."""
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
            told = _told(error)
            if not told:
                raise
            typer.echo(f"error: {shown(hide(told))}", err=True)
            raise typer.Exit(2) from error
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


def _told(error: Exception) -> str:
    """The sentence for a mistake of the user; empty for a fault, also one of an exception that has no text."""
    try:
        return str(error) if isinstance(error, MercError) else _forbidden(error)
    except BaseException:
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
    """The command of a file in this folder, imported now."""
    module = importlib.import_module(f"merc.cli.{name}")
    group = getattr(module, "app", None)
    if not isinstance(group, typer.Typer):
        group = typer.Typer(add_completion=False)
        group.command(name, help=None if module.command.__doc__ else COMMANDS[name])(module.command)
    made = typer.main.get_command(group)
    made.name = name
    if name in consent.COMMANDS:
        consent.add_options(made)
    return made


app = typer.Typer(
    name="merc",
    cls=Commands,
    help="Recognise the emotions in recorded conversations with multimodal large language models.",
    epilog="merc COMMAND --help says more about a command. Start with: merc recipes",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
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
