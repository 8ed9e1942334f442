"""The contract of commands."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any, ClassVar

from merc.errors import MercError
from merc.registry import Registry
from merc.registry.check import command_fault, make_command
from merc.testing.contract import require, require_light


class CommandContract:
    """What a command of a plugin must keep."""

    kind: ClassVar[str] = "command"
    component: ClassVar[Any]
    """The function or the typer app."""
    name: ClassVar[str | None] = None
    """The name under which the installed plugin has registered it; None leaves that out."""

    def _functions(self) -> list[Any]:
        """The command as typer makes it, or where it has commands of its own each of these."""
        command = make_command(type(self).component, self.name or "command", "")
        return list(command.commands.values()) if hasattr(command, "commands") else [command]

    def test_is_a_command(self) -> None:
        """A function whose parameters typer knows, or a typer app."""
        fault = command_fault(type(self).component)
        require(fault is None, str(fault))

    def test_it_and_its_parameters_are_documented(self) -> None:
        """A docstring says what it does, and every argument and option has a line of help."""
        for one in self._functions():
            require(one.help, f"{one.name} says nothing of what it does; give its function a docstring")
            missing = [p.name for p in one.params if p.name != "help" and not getattr(p, "help", None)]
            require(
                not missing,
                f"{one.name} does not say what {', '.join(missing)} means; write help= in typer.Option or Argument",
            )

    def test_module_imports_without_torch(self) -> None:
        """Its help is wanted more often than it runs, so heavy imports stand inside the function."""
        component = type(self).component
        functions = [component] if inspect.isfunction(component) else _callbacks(component)
        for module in {inspect.getmodule(one) for one in functions}:
            require_light(module, f"the command {self.name or ''}".strip(), "function")

    def test_is_registered_under_its_name(self) -> None:
        """The installed plugin has registered it under ``name``, with a line of help, and it is what ``merc NAME``
        runs: its help page is shown, and an option that it does not have is an error with exit code 2."""
        if self.name is None:
            return
        registry = Registry.discover()
        try:
            command: Any = registry.resolve(self.kind, self.name)
        except MercError as error:
            raise AssertionError(f"{error}\nIs the plugin installed (pip install -e .)?") from error
        require(command is type(self).component, f"command {self.name!r} is {command!r}, not {type(self).component!r}")
        for option, code in (("--help", 0), ("--no-such-option", 2)):
            done = subprocess.run([sys.executable, "-m", "merc", self.name, option], capture_output=True, text=True)
            require(
                done.returncode == code and f"merc {self.name}" in done.stdout + done.stderr,
                f"merc {self.name} {option} ends with {done.returncode}, not {code}:\n{done.stdout}{done.stderr}",
            )


def _callbacks(app: Any) -> list[Any]:
    """The functions of a typer app's commands."""
    return [one.callback for one in app.registered_commands if one.callback is not None]
