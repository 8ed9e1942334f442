"""docs/plugins.md: every hook with its signature, and examples that ``merc plugins new`` writes and that run."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import merc
from merc.registry import KINDS, hooks
from merc.testing.scaffold import plugin_files
from tests.testing.environment import environment_of, make_environment, pip_install

ROOT = Path(merc.__file__).parents[1]
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (register_\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
BLOCK = re.compile(r"^(?:`([\w./-]+)`\n\n)?```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SIGNATURE = re.compile(r"def \w+\([^()]*(?:\([^()]*\)[^()]*)*\) -> [\w.]+\n")
FILE = re.compile(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def example(kind: str) -> tuple[str, dict[str, str]]:
    """The name of the documented example of a kind, and its files."""
    section = SECTIONS[KINDS[kind]]
    (name,) = re.findall(rf"`merc plugins new ([\w-]+) --kind {kind}`", section)
    return name, dict(FILE.findall(section))


def test_every_hook_is_documented_and_no_other() -> None:
    assert list(SECTIONS) == list(KINDS.values())


@pytest.mark.parametrize("hook", KINDS.values())
def test_signature_is_documented_with_its_arguments(hook: str) -> None:
    signature = inspect.signature(getattr(hooks, hook))
    written = f"def {hook}({', '.join(map(str, signature.parameters.values()))}) -> {signature.return_annotation}"
    assert f"```python\n{written.replace(chr(39), '')}\n```" in SECTIONS[hook]


def test_register_is_documented_with_its_arguments() -> None:
    parameters = list(inspect.signature(hooks.Register.__call__).parameters.values())[1:]
    written = ", ".join([*map(str, parameters[:2]), "*", *map(str, parameters[2:])]).replace("'", "")
    assert f"def register({written}) -> None" in PAGE
    for parameter in parameters:
        assert f"- `{parameter.name}`: " in PAGE


@pytest.mark.parametrize("kind", KINDS)
def test_example_is_what_merc_plugins_new_writes(kind: str) -> None:
    name, files = example(kind)
    written = plugin_files(name, kind)
    package = f"merc_{name.replace('-', '_')}"
    wanted = {f"{package}/plugin.py", f"{package}/{kind}.py", f"tests/test_{name.replace('-', '_')}.py"}
    assert files.keys() >= wanted
    for path, text in files.items():
        assert text == written[path], f"docs/plugins.md, {path}: copy it again from: merc plugins new {name}"


def test_every_block_of_python_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for bare signatures, which the tests above compare with the hooks. A block below the name of a file is that
    file, which the blocks after it may import."""
    monkeypatch.syspath_prepend(str(tmp_path))
    signatures = ran = 0
    for name, text in BLOCK.findall(PAGE):
        if SIGNATURE.fullmatch(text):
            signatures += 1
            continue
        file = tmp_path / (name or f"block_{ran}.py")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        module = types.ModuleType(file.stem)
        module.__file__ = str(file)
        monkeypatch.setitem(sys.modules, file.stem, module)
        exec(compile(text, file, "exec"), module.__dict__)
        ran += 1
    assert signatures == len(KINDS) + 2 and ran >= 3 * len(KINDS) + 10


@pytest.mark.slow
def test_examples_run_as_they_stand(tmp_path: Path) -> None:
    """Each documented example, installed from the blocks of the page, passes its own test."""
    folders = []
    for kind in KINDS:
        name, documented = example(kind)
        folder = tmp_path / f"merc-{name}"
        for path, text in {**plugin_files(name, kind), **documented}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        folders.append(str(folder))
    bin_folder = make_environment(tmp_path / "venv")
    pip_install(bin_folder, *folders)
    done = subprocess.run(
        [bin_folder / "python", "-m", "pytest", "-q", "-rs", "--import-mode=importlib", *folders],
        cwd=tmp_path, env={**environment_of(bin_folder), "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
