"""``merc plugins new``: a complete plugin, written from the examples."""

from __future__ import annotations

import keyword
import re
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from merc.errors import MercError, did_you_mean
from merc.registry import KINDS, get_registry

_PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{distribution}"
version = "0.1.0"
description = "The {kind} '{name}' for merc"
readme = "README.md"
requires-python = ">=3.11"
dependencies = [{dependencies}]

[project.optional-dependencies]
test = ["pytest>=8"]

[project.entry-points.merc]
{name} = "{package}.plugin"

[tool.hatch.build.targets.wheel]
packages = ["{package}"]
"""

_PLUGIN = '''\
"""What this plugin registers. It is imported whenever merc looks for plugins: keep it light."""

import merc

MERC_PLUGIN_API = {api}


@merc.hookimpl
def {hook}(register):
    register("{name}", "{package}.{kind}:{cls}"{help})
{more}'''

_MODEL = """

@merc.hookimpl
def register_backbones(register):
    register("{name}", "{package}.backbone:{cls}")
"""

_TEST = '''\
"""Checks that {title} keeps the contract of its kind. Add tests of what is particular to it."""
{imports}
import merc.testing

from {package}.{kind} import {cls}


class {test}(merc.testing.{contract}):
    component = {made}
    name = "{name}"
'''

_README = """\
# {distribution}

The {kind} `{name}` for merc.

    pip install {distribution}

{usage}To work on it:

    pip install -e '.[test]'
    python -m pytest
"""

_USAGE = {
    "encoder": "encoders:\n  voice: {{name: {name}}}\nconnectors:\n  voice: {{name: linear}}",
    "connector": "connectors:\n  voice: {{name: {name}}}",
    "fuser": "fusers:\n  together: {{name: {name}}}\nconnectors:\n  together: {{name: linear}}",
    "prompter": "stages:\n  - {{id: learn, prompter: {{name: {name}}}, trainer: {{name: sft}}}}",
    "tuning": "backbone: {{name: hf, path: a-model, tuning: {{name: {name}}}}}",
    "loss": (
        "stages:\n  - id: learn\n    prompter: {{name: conversation}}\n"
        "    trainer: {{name: sft, losses: [token-nll, {{name: {name}, weight: 0.5}}]}}"
    ),
    "head": (
        "heads:\n  mine: {{name: {name}}}\nstages:\n  - id: learn\n    prompter: {{name: conversation}}\n"
        "    trainer: {{name: sft, losses: [token-nll, {{name: head, head: mine}}]}}"
    ),
    "decoder": "evaluate: {{decoder: {{name: {name}}}}}",
    "trainer": "stages:\n  - {{id: learn, prompter: {{name: conversation}}, trainer: {{name: {name}}}}}",
    "reward": (
        "stages:\n  - id: learn\n    prompter: {{name: conversation}}\n"
        "    trainer: {{name: grpo, rewards: [{{name: {name}}}]}}  # of merc-losses"
    ),
    "corpus": "corpus: {{name: {name}, path: talk.csv}}",
    "backbone": "backbone: {{name: {name}, tuning: {{name: lora}}}}",
    "selector": (
        "stages:\n  - id: learn\n    prompter: {{name: conversation}}\n    demonstrations: {{name: {name}}}\n"
        "    trainer: {{name: sft}}"
    ),
    "corruption": "evaluate: {{corrupt: [{{name: {name}}}]}}",
    "tracker": "trackers: [{name}]",
    "workers": "workers: {{name: {name}}}",
    "metric": "evaluate: {{metrics: [classification, {name}]}}",
}

_DEPENDENCIES = {
    **dict.fromkeys(("connector", "fuser", "tuning", "loss", "head", "trainer", "backbone", "run"), ("torch",)),
    "encoder": ("numpy",),
    **dict.fromkeys(("annotator", "corruption", "segmenter", "transcriber"), ("numpy",)),
    "command": ("typer",),
}
"""What a component of a kind needs beside merc."""


def write_plugin(name: str, kind: str, folder: Path) -> Path:
    """Write the plugin ``merc-NAME`` with one component of a kind into ``folder``; gives the plugin's own folder.

    Raises MercError for a kind that there is not, a name that does not serve or is taken, and a folder that exists.
    """
    name = name.removeprefix("merc-")
    if kind not in KINDS:
        raise MercError(f"unknown kind {kind!r}.{did_you_mean(kind, KINDS)} The kinds are: {', '.join(KINDS)}")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise MercError(f"the name {name!r} does not serve; use small letters and digits, with '-' between words")
    registry = get_registry()
    if name in {one.rpartition("/")[2] for one in registry.names(kind)}:
        owner = next(p for p in registry.plugins() if any((c.kind, c.name) == (kind, name) for c in p.components))
        raise MercError(f"there is a {kind} {name!r} already, of plugin {owner.label}; choose another name")
    if name in {plugin.name for plugin in registry.plugins()}:
        raise MercError(f"there is a plugin {name!r} already; choose another name")
    target = folder / f"merc-{name}"
    if target.exists():
        raise MercError(f"{target} exists already; choose another name, or another folder with --folder")
    folder.mkdir(parents=True, exist_ok=True)
    # Written beside its place and renamed, so that there is never half a plugin.
    with tempfile.TemporaryDirectory(prefix=".merc-new-", dir=folder) as temporary:
        whole = Path(temporary) / target.name
        for path, text in plugin_files(name, kind).items():
            file = whole / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        whole.rename(target)
    return target


def plugin_files(name: str, kind: str) -> Mapping[str, str]:
    """The files of a new plugin: path in its folder, and text.

    >>> sorted(plugin_files("loudness", "encoder"))[:4]
    ['.gitignore', 'README.md', 'merc_loudness/__init__.py', 'merc_loudness/encoder.py']
    """
    from merc.version import PLUGIN_API

    cls, usage = class_name(name), _USAGE.get(kind)
    package = f"merc_{name.replace('-', '_')}"
    dependencies = ["merc", *_DEPENDENCIES.get(kind, ())]
    values: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "cls": cls,
        "package": package,
        "distribution": f"merc-{name}",
        "hook": KINDS[kind],
        "api": PLUGIN_API,
        "contract": f"{kind.capitalize()}Contract",
        "dependencies": ", ".join(f'"{one}"' for one in dependencies),
        "imports": "",
        "made": f"{cls}()",
        "title": cls,
        "test": f"Test{cls}",
        "help": "",
        "more": "",
        "usage": f"Then a recipe can say:\n\n```yaml\n{usage.format(name=name)}\n```\n\n" if usage else "",
    }
    texts = {}
    if kind == "corpus":
        values |= {
            "imports": "\nfrom pathlib import Path\n",
            "made": f'{cls}(path=str(Path(__file__).with_name("talk.csv")))',
        }
        texts["tests/talk.csv"] = (files("merc.testing.examples") / "talk.csv").read_text(encoding="utf-8")
    if kind == "command":
        values |= {
            "cls": "command", "made": "command", "title": f"the command {name}",
            "help": ', help="Say how long clips are."',
            "usage": f"Then there is the command:\n\n    merc {name} --help\n\n",
        }  # fmt: skip
    if kind == "run":
        # The model of the example is one that the plugin brings too; a run of yours names the one it was trained with.
        values |= {
            "more": _MODEL.format_map(values),
            "usage": f"Then there is the run:\n\n    merc predict {name}/{name} --text 'We won!'\n\n",
        }
        for file in ("recipe.yaml", "labels.json"):
            text = (files("merc.testing.examples") / "trained" / file).read_text(encoding="utf-8")
            texts[f"{package}/trained/{file}"] = text.replace("name: example", f"name: {name}")
        texts[f"{package}/backbone.py"] = component_source(cls, "backbone")
    if kind in ("segmenter", "transcriber"):
        heard = f"merc transcribe talk.mp4 --{kind} {name} -o talk.jsonl"
        values["usage"] = f"Then recordings can be heard with it (the command is of merc-speech):\n\n    {heard}\n\n"
    texts |= {
        "pyproject.toml": _PYPROJECT.format_map(values),
        "README.md": _README.format_map(values),
        ".gitignore": "__pycache__/\n*.egg-info/\nbuild/\ndist/\n.venv/\n",
        f"{package}/__init__.py": f'"""The {kind} {name!r} for merc."""\n',
        f"{package}/plugin.py": _PLUGIN.format_map(values),
        f"{package}/{kind}.py": component_source(cls, kind),
        f"tests/test_{name.replace('-', '_')}.py": _TEST.format_map(values),
    }
    return texts


def class_name(name: str) -> str:
    """The class of a component.

    >>> class_name("whisper-tiny"), class_name("none")
    ('WhisperTiny', 'NoneComponent')
    """
    joined = "".join(part.capitalize() for part in name.split("-"))
    return f"{joined}Component" if keyword.iskeyword(joined) or joined in _TAKEN else joined


_TAKEN = ("Any", "Callable", "Mapping", "Module", "Path", "Sequence")
"""Names that the examples use for other things."""


def component_source(cls: str, kind: str) -> str:
    """The example of a kind, under another name, without the remarks to merc's own type checker."""
    text = (files("merc.testing.examples") / f"{kind}.py").read_text(encoding="utf-8")
    # Seen from the new plugin, merc is one more library among the others.
    text = re.sub(r"import (numpy as np|typer)\n\nimport merc\n", r"import merc\nimport \1\n", text)
    return re.sub(r"  # type: ignore\S*", "", re.sub(r"(?<!merc\.)\bExample\b", cls, text))
