"""``merc plugins show`` and ``merc plugins docs``: what components say of themselves."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from typer.testing import CliRunner, Result

import merc as merc_module
from merc.builtin.losses import TokenNLL
from merc.cli.component_page import component_page
from merc.cli.main import app
from merc.components import FolderOrName, Loss, Tuning
from merc.recipe.describe import Parameter, describe, parameters_of
from merc.registry import Registry
from tests.registry.conftest import merc, registry, site

__all__ = ["merc", "registry", "site"]
ROOT = Path(merc_module.__file__).parents[1]
PLUGINS = sorted(folder.name for folder in (ROOT / "plugins").iterdir() if (folder / "pyproject.toml").is_file())
Merc = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True, kw_only=True)
class Whole(Tuning):
    """A tuning. ``rate`` is a share (of what; see there), and ``names``
    what it is of; ``way`` says how. The mode comes first.

    >>> Whole(path="a").way  # no sentence about ``places``
    'fast'
    """

    rate: float = 0.5
    names: tuple[str, ...] = tuple(f"layer-{n}" for n in range(40))
    way: Literal["fast", "slow"] = "fast"
    mode: int | None = None
    places: tuple[int, ...] = ()
    """Where."""
    path: FolderOrName
    losses: tuple[Loss, ...] = field(default_factory=lambda: (TokenNLL(),))


def show(*arguments: str, width: int = 200) -> Result:
    return CliRunner().invoke(app, ["plugins", "show", *arguments], env={"COLUMNS": str(width)})


def test_parameters_have_type_default_and_meaning_in_words() -> None:
    found = {parameter.name: parameter for parameter in parameters_of(Whole)}
    meaning = "``rate`` is a share (of what; see there), and ``names`` what it is of"
    assert found["rate"] == Parameter("rate", "a number", "0.5", meaning)
    assert found["names"].default == '["layer-0", "layer-1", "layer-2", "layer-3", "layer-4", … 40 in all]'
    assert found["names"].type == "a list, each item text"
    assert found["way"] == Parameter("way", "'fast' or 'slow'", '"fast"', "``way`` says how")
    assert found["mode"] == Parameter("mode", "a whole number or null", "null", "The mode comes first")
    assert found["places"].meaning == "Where."
    assert (found["path"].type, found["path"].default) == ("a folder, or a name on the model hub", "required")
    assert found["path"].meaning == ""
    assert found["losses"].type == "a list, each item a section that names a loss"
    assert '"name": "token-nll"' in found["losses"].default


def test_show_prints_docstring_and_table() -> None:
    shown = show("lora")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("tuning 'lora' of plugin 'merc' (merc ")
    assert "Low-rank adapters of peft" in shown.stdout
    lines = shown.stdout.splitlines()
    assert any(line.split() == ["parameter", "type", "default", "meaning"] for line in lines)
    row = next(line for line in lines if line.startswith("targets"))
    assert "'all-linear', or a list, each item text" in row and "names of the linear layers" in row
    narrow = show("hf", width=60)
    assert "…" not in narrow.stdout  # nothing is cut
    assert "a section that names a tuning" in show("hf").stdout
    assert "merc predict --help" in show("predict").stdout


def test_show_says_what_a_component_needs(merc: Merc) -> None:
    done = merc("needy,sound", "plugins", "show", "sound/loudness")
    assert done.returncode == 0 and "a number" in done.stdout and "a `window` of seconds" in done.stdout
    done = merc("everything", "plugins", "show", "everything/encoder/my-encoder")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("only", "name", "says"),
    [
        ("sound,noise", "loudness", "say which: noise/loudness or sound/loudness"),
        ("", "lora/lora", "no component has the name 'lora/lora'."),
        ("", "lorra", "Did you mean 'lora'?"),
        ("importfails", "lorra", "note: plugin 'importfails'"),
        ("classes", "gone", "cannot be imported from 'merc_classes.gone'"),
        ("twokinds", "thing", "say which: connector/thing or fuser/thing"),
    ],
)
def test_a_name_that_means_none_or_several(merc: Merc, only: str, name: str, says: str) -> None:
    done = merc(only, "plugins", "show", name)
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr


def test_docs_of_one_plugin_and_of_one_that_is_not_there(merc: Merc, tmp_path: Path) -> None:
    done = merc("sound", "plugins", "docs", "sound", "--output", str(tmp_path / "page.md"))
    assert (done.returncode, done.stdout) == (0, "")
    page = (tmp_path / "page.md").read_text()
    assert "### loudness\n\nOf `merc-sound`.\n\nLoudness a `window` of seconds.\n" in page
    assert "| `window` | a number | `0.5` | Loudness a `window` of seconds |" in page and "### lora" not in page
    done = merc("sound", "plugins", "docs", "sond")
    assert done.returncode == 2 and "no plugin 'sond' is installed. Did you mean 'sound'?" in done.stderr


@pytest.fixture(scope="module")
def installed() -> Registry:
    """All that is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MERC_PLUGINS", raising=False)
        return Registry.discover()


def test_the_page_of_merc_and_its_plugins_is_not_stale(installed: Registry) -> None:
    made = component_page(installed, ["merc", *PLUGINS])
    kept = (ROOT / "docs" / "components.md").read_text(encoding="utf-8")
    assert made == kept, "docs/components.md is stale; write it again with: make components"
    assert "|  |" not in made, "a parameter there is described nowhere; say in its docstring what it means"


def test_each_parameter_has_a_meaning_of_its_own(installed: Registry) -> None:
    """A sentence about several parameters at once says of none what it is; a line beneath each field does."""
    faults = []
    for plugin in installed.plugins():
        for component in plugin.components if plugin.name in ("merc", *PLUGINS) else ():
            names_of: dict[str, list[str]] = {}
            for parameter in describe(installed, plugin, component).parameters:
                names_of.setdefault(parameter.meaning, []).append(parameter.name)
            faults += [
                f"{component.kind} {component.name}: {', '.join(names)}: {meaning!r}"
                for meaning, names in names_of.items()
                if len(names) > 1 or not meaning
            ]
    assert not faults, "these parameters share a meaning or have none:\n" + "\n".join(faults)
