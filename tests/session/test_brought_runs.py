"""A run that a plugin brings: every command that takes a run takes its name, and nothing is written into it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import merc
import merc.testing
from merc.components import Run
from merc.recipe.runs import find_run, names_a_run, near_runs
from merc.registry import get_registry
from merc.testing.scaffold import plugin_files
from tests.registry.distributions import Distribution, install

TALK = {"id": "c", "split": "test", "utterances": [{"id": "u", "speaker": "Ann", "text": "We won!", "label": "joy"}]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin that ``merc plugins new untaught --kind run`` writes, installed, and one whose run is not there."""
    start = "merc_untaught/"
    files = {path.removeprefix(start): text for path, text in plugin_files("untaught", "run").items() if start in path}
    gone = files["plugin.py"].partition("\n\n\n@merc.hookimpl\ndef register_backbones")[0].replace("untaught", "gone")
    lost = files["run.py"].replace('"trained"', '"lost"').replace("Untaught", "Gone")
    both = [
        Distribution("untaught", files["plugin.py"], files),
        Distribution("gone", gone.replace("Untaught", "Gone") + "\n", {"run.py": lost}),
    ]
    return install(both, tmp_path_factory.mktemp("untaught"))


@pytest.fixture(scope="module", autouse=True)
def plugins(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [one for one in sys.modules if one.partition(".")[0] == "merc_untaught"]:
            patch.delitem(sys.modules, name)  # the blocks of docs/plugins.md may have been run in this process
        patch.syspath_prepend(str(site))
        patch.setenv("MERC_PLUGINS", "untaught,gone")
        patch.setenv("MERC_CACHE", str(tmp_path_factory.mktemp("cache")))
        get_registry.cache_clear()
        yield
    get_registry.cache_clear()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk.jsonl").write_text(json.dumps(TALK))
    return tmp_path


def program(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "160", "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", "merc", *arguments], env=environment, capture_output=True, text=True)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def brought() -> Run:
    component = get_registry().resolve("run", "untaught")()
    assert isinstance(component, Run)
    return component


class TestContract(merc.testing.RunContract):
    @property
    def component(self) -> Run:  # type: ignore[override]
        return brought()

    name = "untaught"


@pytest.mark.parametrize("name", ["untaught/untaught", "untaught"])
def test_a_name_stands_for_the_folder_of_a_run(name: str, here: Path) -> None:
    session = merc.load(name)
    assert session.path == brought().folder()
    assert [one.label in ("neutral", "joy", "anger") for one in session.predict({"text": "We won!"})] == [True]


def test_a_folder_of_that_name_comes_first(here: Path) -> None:
    (here / "untaught").mkdir()
    assert find_run(Path("untaught")).folder == Path("untaught")
    with pytest.raises(merc.MercError, match=r"^untaught holds no run"):
        merc.load("untaught")


def test_what_is_made_with_it_goes_to_the_current_folder(site: Path, here: Path) -> None:
    before = files_of(brought().folder())
    measured = program(
        site, "evaluate", "untaught/untaught", "corpus.path=talk.jsonl", "--split", "test", "--name", "mine"
    )
    assert measured.returncode == 0, measured.stderr
    made = Path("runs/untaught/untaught/evaluations/mine")
    assert (made / "metrics.json").is_file() and str(made / "report.html") in measured.stdout
    assert files_of(brought().folder()) == before
    written = program(site, "report", "untaught/untaught", "--no-texts")
    assert written.returncode == 2 and "nobody writes into it; merc evaluate untaught/untaught" in written.stderr
    assert files_of(brought().folder()) == before


def test_commands_list_it_and_predict_with_it(site: Path, here: Path) -> None:
    assert "run: untaught" in program(site, "plugins").stdout
    said = program(site, "predict", "untaught/untaught", "talk.jsonl")
    assert said.returncode == 0 and json.loads(said.stdout)["id"] == "u", said.stderr


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("untaught/untauht", "Did you mean 'untaught/untaught'?"),
        ("untuaght", "Did you mean 'untaught'?"),
        ("runs/mine", "The runs that plugins bring are: gone/gone, untaught/untaught"),
    ],
)
def test_a_wrong_name_is_told_the_near_ones(name: str, hint: str, here: Path) -> None:
    with pytest.raises(merc.MercError) as error:
        merc.load(name)
    assert str(error.value).startswith(f"{name} is not there; give the directory of a run") and hint in str(error.value)


def test_a_plugin_without_the_files_of_its_run_is_named(here: Path) -> None:
    with pytest.raises(merc.MercError, match=r"^run 'gone/gone' of plugin 'gone' .* install merc-gone anew$"):
        merc.load("gone/gone")


def test_a_recipe_names_it_too(here: Path) -> None:
    """A name stays a name, whatever folder the recipe is read from; another text is a path."""
    assert names_a_run("untaught/untaught") and not names_a_run("untaught") and not names_a_run("a/b")
    (here / "r.yaml").write_text(
        "corpus: {name: jsonl, path: talk.jsonl}\nlabels: [neutral, joy, anger]\n"
        "backbone: {name: untaught, tuning: {name: lora}}\n"
        "init_from: untaught/untaught\n"
        "stages: [{id: a, prompter: {name: conversation}, trainer: {name: sft}}]\n"
    )
    assert merc.load_recipe("r.yaml").resolved["init_from"] == "untaught/untaught"
    other = merc.load_recipe("r.yaml", ["init_from=runs/mine"]).resolved["init_from"]
    assert other == str(here.resolve() / "runs/mine")
    refused = pytest.raises(merc.MercError, match="init_from: untaught/untaught trained nothing")
    with refused:
        merc.run("r.yaml", run_dir=here / "out")


def test_without_such_plugins_nothing_is_said_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_PLUGINS", "")
    get_registry.cache_clear()
    assert near_runs(Path("a")) == ""
    monkeypatch.undo()
    get_registry.cache_clear()
