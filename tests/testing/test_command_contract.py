"""The contract of commands finds what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

import merc.testing
from merc.testing.examples.command import command as example

app = typer.Typer()


@app.callback()
def group() -> None:
    """Two commands."""


@app.command()
def one(count: Annotated[int, typer.Option(help="How many.")] = 1) -> None:
    """The one."""


def undocumented(count: int = 1) -> None:
    """Counts."""


def no_docstring(count: Annotated[int, typer.Option(help="How many.")] = 1) -> None:
    pass


def two_types(count: int | str = 1) -> None:
    """Counts."""


def contract(command: Any) -> merc.testing.CommandContract:
    return type("Checked", (merc.testing.CommandContract,), {"component": command})()


@pytest.mark.parametrize("command", [example, app])
def test_a_good_command_passes(command: Any) -> None:
    checked = contract(command)
    checked.test_is_a_command()
    checked.test_it_and_its_parameters_are_documented()
    checked.test_module_imports_without_torch()
    checked.test_is_registered_under_its_name()


@pytest.mark.parametrize(
    ("command", "check", "says"),
    [
        (two_types, "test_is_a_command", "typer cannot make a command of it"),
        (42, "test_is_a_command", "42 is no command"),
        (undocumented, "test_it_and_its_parameters_are_documented", "does not say what count means"),
        (no_docstring, "test_it_and_its_parameters_are_documented", "give its function a docstring"),
    ],
)
def test_a_faulty_command_fails(command: Any, check: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        getattr(contract(command), check)()


def test_a_module_that_imports_torch_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_command.py").write_text('import torch\n\n\ndef command() -> None:\n    """Nothing."""\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    import heavy_command

    with pytest.raises(AssertionError, match="imports torch; move that import into the function"):
        contract(heavy_command.command).test_module_imports_without_torch()


def test_a_name_that_nobody_registered_fails() -> None:
    checked = contract(example)
    type(checked).name = "clip-lengths"
    with pytest.raises(AssertionError, match="unknown command 'clip-lengths'"):
        checked.test_is_registered_under_its_name()
