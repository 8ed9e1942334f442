"""Commands that plugins bring, from real wheels: like merc's own, and never in their way."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.registry.conftest import merc, registry, site

__all__ = ["merc", "registry", "site"]
Merc = Callable[..., subprocess.CompletedProcess[str]]
IMPORTED = "merc_shell.greet is imported\n"


def test_help_lists_them_with_their_line_and_imports_none(merc: Merc) -> None:
    shown = merc("shell", "--help")
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    for name, line in (
        ("greet", "Greet somebody."),
        ("group", "Has commands of its own."),
        ("needy", "(needs not_there)"),
    ):
        assert any(name in one and line in one for one in lines), name
    assert any("Commands of plugins" in line for line in lines)
    assert any("run" in line and "Train and evaluate" in line for line in lines)
    assert IMPORTED not in shown.stderr


def test_it_runs_and_has_a_help_page(merc: Merc) -> None:
    done = merc("shell", "greet", "Ann")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello, Ann!\n", IMPORTED)
    shown = merc("shell", "greet", "--help")
    assert shown.returncode == 0
    for text in ("merc greet", "Greet somebody by name.", "Whom.", "--way", "--allow", "--allow-env"):
        assert text in shown.stdout
    assert merc("shell", "group", "one").stdout == "one\n"
    assert "The other." in merc("shell", "group", "--help").stdout


@pytest.mark.parametrize(
    ("way", "code", "says"),
    [
        ("mistake", 2, "error: nobody is there; call later\n"),
        ("fault", 1, "ValueError: greeted twice\n"),
        ("exit", 1, "ended the program with SystemExit"),
        ("server", 2, "example.org"),
    ],
)
def test_its_errors_look_like_mercs_own(merc: Merc, way: str, code: int, says: str) -> None:
    done = merc("shell", "greet", "Ann", "--way", way)
    assert done.returncode == code and says in done.stderr
    assert ("Traceback" in done.stderr) == (code == 1)


def test_the_user_allows_its_server(merc: Merc) -> None:
    done = merc("shell", "greet", "Ann", "--way", "server", "--allow", "example.org")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gone", "command 'gone' of plugin 'shell' (merc-shell 0.1) cannot be imported from 'merc_shell.gone'"),
        ("odd", "['Ann'] is no command; register a function"),
        ("untyped", "typer cannot make a command of it"),
        ("needy", "command 'needy' needs 'not_there'; install it with: pip install merc-shell[all]"),
        ("gret", "unknown command 'gret'. Did you mean 'greet'? The commands are: "),
    ],
)
def test_what_is_wrong_with_one_is_a_sentence(merc: Merc, name: str, says: str) -> None:
    done = merc("shell", name, "Ann")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert says in done.stderr
    assert says in merc("shell", name, "--help").stderr


def test_mercs_own_names_stay_mercs(merc: Merc) -> None:
    shown = merc("shell", "run", "--help").stdout
    assert "--resume" in shown and "Whom." not in shown
    assert merc("shell", "shell/run", "Ann").stdout == "Hello, Ann!\n"
    assert "command 'run' has the name of merc's own" in merc("shell", "plugins").stdout


def test_a_name_that_two_plugins_claim(merc: Merc) -> None:
    done = merc("shell,shout", "greet", "Ann")
    assert done.returncode == 2
    assert "say which: 'shell/greet' or 'shout/greet'" in done.stderr
    assert merc("shell,shout", "shout/greet", "Ann").stdout == "Hello, Ann!\n"
    assert "shout/greet" in merc("shell,shout", "--help").stdout


@pytest.mark.parametrize("plugin", ["importfails", "syntax", "exits", "raises", "badhelp", "future", "not-installed"])
def test_a_plugin_that_fails_is_in_nobodys_way(merc: Merc, plugin: str) -> None:
    shown = merc(f"shell,{plugin}", "--help")
    assert shown.returncode == 0 and "Train and evaluate" in shown.stdout
    assert ("Greet somebody." in shown.stdout) == (plugin != "not-installed")
    if plugin in ("importfails", "syntax", "exits", "future", "not-installed"):
        assert f"{plugin!r}" in shown.stderr and shown.stderr.startswith("note: ")
    done = merc(f"shell,{plugin}", "validate", "--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_line_of_help_is_one_line(merc: Merc) -> None:
    listed = merc("badhelp", "plugins").stdout
    assert "hook register_commands: help of command 'a' is 'two\\nlines'; write what it does in one line" in listed
