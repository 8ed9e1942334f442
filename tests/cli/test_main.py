"""The program: what it imports, what it lists, and what a mistake looks like."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

import merc
from merc.cli import main
from merc.errors import ManyErrors, MercError
from merc.registry import get_registry

HEAVY = {"torch", "transformers", "pydantic", "numpy", "yaml"}
REGISTRY = {"pluggy", "merc.registry", "merc.builtin"}


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120)


def test_import_merc_imports_nothing_heavy_and_no_plugin() -> None:
    done = python("import sys, merc; print(*sys.modules)")
    assert set(done.stdout.split()) & (HEAVY | REGISTRY) == set(), done.stderr
    assert not [module for module in done.stdout.split() if module.startswith("merc_")]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_nothing_heavy_and_no_component(arguments: list[str]) -> None:
    done = python(
        f"""
        import atexit, sys
        atexit.register(lambda: print(*sys.modules, file=sys.stderr))
        sys.argv = ["merc", *{arguments!r}]
        from merc.cli.main import main
        main()
        """
    )
    imported = set(done.stderr.split())
    assert "merc.cli.main" in imported
    assert imported & HEAVY == set()
    assert not [module for module in imported if module.startswith(("merc.cli.plugins", "merc.cli.run"))]
    # Help asks the plugins which commands they bring, but imports none of their components.
    targets = {one.target.partition(":")[0] for plugin in get_registry().plugins() for one in plugin.components}
    assert not imported & targets
    assert arguments == ["--help"] or not imported & {"pluggy", "merc.registry"}


def test_help_lists_the_commands_with_their_line() -> None:
    shown = CliRunner().invoke(main.app, ["--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for name in main.COMMANDS:
        assert any(name in line and main.COMMANDS[name] in line for line in shown.stdout.splitlines())


def test_every_command_file_is_listed() -> None:
    files = {path.stem for path in Path(main.__file__).parent.glob("*.py")}
    commands = {name for name in files if _is_command(name)}
    assert commands == set(main.COMMANDS)


def _is_command(name: str) -> bool:
    source = Path(main.__file__).with_name(f"{name}.py").read_text()
    return name != "main" and ("\ndef command(" in source or "\ncommand = typer.Typer(" in source)


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_has_a_help_page(name: str) -> None:
    shown = CliRunner().invoke(main.app, [name, "--help"])
    assert shown.exit_code == 0, shown.output
    assert f"merc {name}" in shown.stdout


def test_version() -> None:
    assert CliRunner().invoke(main.app, ["--version"]).stdout == f"merc {merc.__version__}\n"


def test_unknown_command_is_the_users_mistake() -> None:
    shown = CliRunner().invoke(main.app, ["plugin"])
    assert shown.exit_code == 2
    assert shown.stderr.startswith("error: unknown command 'plugin'. Did you mean 'plugins'? The commands are: ")


def run_command(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Result:
    """The program, with one command more, which raises."""

    def command() -> None:
        raise error

    group = typer.Typer()
    group.command("fail")(command)
    monkeypatch.setitem(main.COMMANDS, "plugins", "Fails.")
    monkeypatch.setattr(main, "load_command", lambda name: typer.main.get_command(group))
    return CliRunner().invoke(main.app, ["plugins"])


def test_merc_error_is_one_message_and_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run_command(monkeypatch, MercError("talk.jsonl, line 3: [not] JSON"))
    assert (shown.exit_code, shown.stdout, shown.stderr) == (2, "", "error: talk.jsonl, line 3: [not] JSON\n")


def test_many_errors_come_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run_command(monkeypatch, ManyErrors(["a: unknown", "b: wants a number"], head="2 errors in r.yaml"))
    assert shown.stderr == "error: 2 errors in r.yaml:\n  a: unknown\n  b: wants a number\n"


def test_what_the_system_forbids_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run_command(monkeypatch, PermissionError(errno.EACCES, "Permission denied", "/data/run/log.jsonl"))
    told = (
        "error: /data/run/log.jsonl: Permission denied; mend that and run the same command again, a run with --resume\n"
    )
    assert (shown.exit_code, shown.stderr) == (2, told)
    shown = run_command(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    assert (shown.exit_code, shown.stderr.count("\n")) == (2, 1)
    shown = run_command(monkeypatch, RuntimeError("I/O error: No space left on device (os error 28)"))
    assert (shown.exit_code, shown.stderr.count("\n")) == (2, 1)


def test_a_file_that_a_program_forgot_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run_command(monkeypatch, FileNotFoundError(errno.ENOENT, "No such file", "forgotten.json"))
    assert shown.exit_code == 1 and isinstance(shown.exception, FileNotFoundError)


def test_interrupt_is_a_line_and_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run_command(monkeypatch, KeyboardInterrupt())
    assert (shown.exit_code, shown.stderr) == (130, "interrupted\n")


FAILING = """
    import sys, typer
    from merc.cli import main
    def command():
        {body}
    group = typer.Typer()
    group.command("plugins")(command)
    main.load_command = lambda name: typer.main.get_command(group)
    sys.argv = ["merc", "plugins"]
    main.main()
"""


def test_unexpected_exception_shows_its_traceback_and_exits_with_1() -> None:
    done = python(FAILING.format(body="raise ZeroDivisionError('a fault')"))
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert done.stderr.endswith("ZeroDivisionError: a fault\n")


def test_interrupt_signal_ends_the_process_with_one_line() -> None:
    body = "import time; print('ready', flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(FAILING.format(body=body))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "interrupted\n")


def test_python_m_merc_is_the_same_program() -> None:
    done = subprocess.run([sys.executable, "-m", "merc", "--version"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, f"merc {merc.__version__}\n")


def test_no_command_imports_torch_before_it_runs() -> None:
    done = python(
        """
        import sys
        from merc.cli import main
        for name in main.COMMANDS:
            main.load_command(name)
            assert "torch" not in sys.modules, f"merc {name} imports torch at the top of its module"
        print("ok")
        """
    )
    assert done.stdout == "ok\n", done.stderr


@pytest.mark.parametrize("command", [["--help"], ["predict", "--help"], ["plugins"], ["show", "quickstart"]])
def test_whoever_reads_may_stop_reading(command: list[str]) -> None:
    """As ``merc --help | head`` does: no traceback, and no success either."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-m", "merc", *command], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert done.returncode == 1 and "Traceback" not in done.stderr and "error: " not in done.stderr
