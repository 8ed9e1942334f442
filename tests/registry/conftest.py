"""One folder of installed plugins, good and broken, for all tests; each test says by MERC_PLUGINS which it wants."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from merc.registry import KINDS, Registry
from tests.registry.distributions import GOOD_ENCODER, Distribution, install

HOOK = "import merc\n\n@merc.hookimpl\ndef register_encoders(register):\n    "


def _class(body: str) -> str:
    return "from dataclasses import dataclass\nimport merc\n\n" + body


EVERYTHING = "import merc\n" + "".join(
    f'\n\n@merc.hookimpl\ndef {hook}(register):\n    register("my-{kind}", "merc.testing.examples.{kind}:Example")\n'
    for kind, hook in KINDS.items()
    if kind != "command"
)
EVERYTHING += """

@merc.hookimpl
def register_commands(register):
    register("my-command", "merc.testing.examples.command:command", help="Say how long clips are.")
"""
COMMANDS = """
import merc

@merc.hookimpl
def register_commands(register):
    register("greet", "merc_shell.greet:command", help="Greet somebody.")
    register("group", "merc_shell.group:app", help="Has commands of its own.")
    register("run", "merc_shell.greet:command", help="Greet, in place of training.")
    register("gone", "merc_shell.gone:command", help="Cannot be imported.")
    register("odd", "merc_shell.greet:NAMES", help="Is no command.")
    register("untyped", "merc_shell.greet:untyped", help="Has a parameter that typer does not know.")
    register("needy", "merc_shell.greet:command", help="Wants more.", needs=["not_there"], extra="merc-shell[all]")
"""
GREET = '''\
import sys
from typing import Annotated

import merc, typer

print("merc_shell.greet is imported", file=sys.stderr)
NAMES = ["Ann"]


def command(
    who: Annotated[str, typer.Argument(help="Whom.")],
    way: Annotated[str, typer.Option(help="What happens after.")] = "well",
) -> None:
    """Greet somebody by name."""
    typer.echo(f"Hello, {who}!")
    if way == "mistake":
        raise merc.MercError("nobody is there; call later")
    if way == "fault":
        raise ValueError("greeted twice")
    if way == "exit":
        sys.exit(0)
    if way == "server":
        merc.require_server("https://example.org/v1", "command greet")


def untyped(who: int | str) -> None:
    pass
'''
GROUP = '''\
import typer

app = typer.Typer()


@app.callback()
def group() -> None:
    """Two commands."""


@app.command()
def one() -> None:
    """The one."""
    typer.echo("one")


@app.command()
def two() -> None:
    """The other."""
'''

PLUGINS = [
    Distribution("everything", EVERYTHING),
    Distribution("shell", COMMANDS, {"greet.py": GREET, "group.py": GROUP}),
    Distribution("shout", COMMANDS.replace("merc_shell", "merc_shout"), {"greet.py": GREET, "group.py": GROUP}),
    Distribution(
        "twokinds",
        "import merc\n\n@merc.hookimpl\ndef register_connectors(register):\n    "
        'register("thing", "merc_twokinds.a:A")\n\n@merc.hookimpl\ndef register_fusers(register):\n    '
        'register("thing", "merc_twokinds.a:A")\n',
    ),
    Distribution(
        "badhelp",
        "import merc\n\n@merc.hookimpl\ndef register_commands(register):\n    "
        'register("a", "merc_badhelp.a:a", help="two\\nlines")\n',
    ),
    Distribution(
        "sound", HOOK + 'register("loudness", "merc_sound.loudness:Loudness")\n', {"loudness.py": GOOD_ENCODER}
    ),
    Distribution(
        "noise",
        HOOK + 'register("loudness", "merc_noise.loudness:Loudness")\n',
        {"loudness.py": GOOD_ENCODER},
        version="0.2",
    ),
    Distribution("importfails", "import a_module_that_is_not_there\n"),
    Distribution("syntax", "def broken(:\n"),
    Distribution("exits", "import sys\nsys.exit('bye')\n"),
    Distribution("prints", 'print("hello from a plugin")\n' + HOOK + 'register("quiet", "merc_prints.q:Q")\n'),
    Distribution(
        "raises",
        HOOK + 'register("half", "merc_raises.half:Half")\n    raise ValueError("no licence")\n'
        "\n@merc.hookimpl\ndef register_connectors(register):\n    "
        'register("whole", "merc_raises.whole:Whole")\n',
    ),
    Distribution("misspelled", "import merc\n\n@merc.hookimpl\ndef register_encoder(register):\n    pass\n"),
    Distribution("farfromany", "import merc\n\n@merc.hookimpl\ndef startup():\n    pass\n"),
    Distribution("undecorated", "def register_encoders(register):\n    pass\n"),
    Distribution("nohooks", "x = 1\n"),
    Distribution("arguments", "import merc\n\n@merc.hookimpl\ndef register_encoders(register, config):\n    pass\n"),
    Distribution("future", "MERC_PLUGIN_API = 99\n" + HOOK + "pass\n"),
    Distribution("past", "MERC_PLUGIN_API = 1\n" + HOOK + "pass\n"),
    Distribution("oddapi", "MERC_PLUGIN_API = '1'\n" + HOOK + "pass\n"),
    Distribution("rightapi", "MERC_PLUGIN_API = 2\n" + HOOK + "pass\n"),
    Distribution(
        "needy",
        HOOK + 'register("whisper", "merc_needy.a:A", needs=["not_there", "json"], '
        'extra="merc-needy[whisper]")\n    register("plain", "merc_needy.a:A", needs=["not_there.sub"])\n',
    ),
    Distribution("badname", HOOK + 'register("My Encoder", "merc_badname.a:A")\n'),
    Distribution("badtarget", HOOK + 'register("a", "merc_badtarget.a.A")\n'),
    Distribution("badneeds", HOOK + 'register("a", "merc_badneeds.a:A", needs="json")\n'),
    Distribution("twice", HOOK + 'register("a", "merc_twice.a:A")\n    register("a", "merc_twice.b:B")\n'),
    Distribution("again", HOOK + 'register("a", "merc_again.a:A")\n    register("a", "merc_again.a:A")\n'),
    Distribution("sound", HOOK + "pass\n", distribution="zzz-sound"),
    Distribution(
        "classes",
        HOOK
        + "".join(
            f'register("{name}", "merc_classes.{name}:{target}"{more})\n    '
            for name, target, more in [
                ("gone", "Thing", ""),
                ("absent", "Thinf", ""),
                ("importerror", "Thing", ', extra="merc-classes[all]"'),
                ("function", "thing", ""),
                ("wrongkind", "Thing", ""),
                ("notfrozen", "Thing", ""),
                ("abstract", "Thing", ""),
                ("modality", "Thing", ""),
                ("oddmodality", "Thing", ""),
            ]
        ),
        {
            "absent.py": _class("class Thing:\n    pass\n"),
            "importerror.py": "import also_not_there\n",
            "function.py": "def thing():\n    pass\n",
            "wrongkind.py": _class("@dataclass(frozen=True, kw_only=True)\nclass Thing(merc.Fuser):\n    pass\n"),
            "notfrozen.py": _class("class Thing(merc.Encoder):\n    window: float = 1.0\n"),
            "abstract.py": _class(
                "@dataclass(frozen=True, kw_only=True)\nclass Thing(merc.Encoder):\n"
                '    modality = "audio"\n\n    def spec(self):\n        pass\n'
            ),
            "modality.py": GOOD_ENCODER.replace("Loudness", "Thing").replace('    modality = "audio"\n', ""),
            "oddmodality.py": GOOD_ENCODER.replace("Loudness", "Thing").replace('"audio"', '"sound"'),
        },
    ),
]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all of PLUGINS are installed."""
    return install(PLUGINS, tmp_path_factory.mktemp("distributions"))


@pytest.fixture
def registry(site: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Registry]:
    """A function that discovers what is installed, with MERC_PLUGINS as given."""
    monkeypatch.syspath_prepend(str(site))

    def discover(only: str) -> Registry:
        monkeypatch.setenv("MERC_PLUGINS", only)
        return Registry.discover()

    return discover


@pytest.fixture
def merc(site: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs the program in a process of its own, with MERC_PLUGINS as given."""

    def run(only: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(site), "MERC_PLUGINS": only, "COLUMNS": "120", "NO_COLOR": "1"}
        return subprocess.run(
            [sys.executable, "-m", "merc", *arguments], env=environment, capture_output=True, text=True, timeout=120
        )

    return run
