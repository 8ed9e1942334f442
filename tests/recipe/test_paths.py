from __future__ import annotations

import os
from pathlib import Path

import pytest

from merc.errors import ManyErrors
from merc.recipe import dump_recipe, load_recipe

PATHS = """\
corpus:
  name: toy-typed
  where: one/talks.jsonl
  files: [a.csv, ../b.csv, /abs/c.csv]
  folders: {x: d}
  text: not/a/path
features: {store: kept}
"""


@pytest.fixture
def project(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe in a folder below the current one."""
    (here / "sub").mkdir()
    (here / "sub/p.yaml").write_text(PATHS)
    return here


def test_paths_of_a_file_mean_its_folder(project: Path) -> None:
    recipe = load_recipe("sub/p.yaml")
    assert recipe.corpus.params["where"] == str(project / "sub/one/talks.jsonl")
    assert recipe.corpus.params["files"] == [str(project / "sub/a.csv"), str(project / "b.csv"), "/abs/c.csv"]
    assert recipe.corpus.params["folders"] == {"x": str(project / "sub/d")}
    assert recipe.corpus.params["text"] == "not/a/path"
    assert recipe.features.store == str(project / "sub/kept")


def test_paths_of_the_command_line_mean_the_current_folder(project: Path) -> None:
    recipe = load_recipe("sub/p.yaml", ["corpus.where=mine.jsonl", "corpus.files.0=z.csv", "features.store=here"])
    assert recipe.corpus.params["where"] == str(project / "mine.jsonl")
    assert recipe.corpus.params["files"][:2] == [str(project / "z.csv"), str(project / "b.csv")]
    assert recipe.features.store == str(project / "here")


def test_path_keeps_its_folder_through_a_reference(project: Path) -> None:
    (project / "sub/q.yaml").write_text("extends: p.yaml\ncorpus: {where: '${data_root}/x', text: '${data_root}/y'}\n")
    given = load_recipe("sub/q.yaml", ["data_root=data"]).corpus.params
    assert (given["where"], given["text"]) == (str(project / "data/x"), str(project / "data/y"))
    written = load_recipe("sub/q.yaml", ["data_root=${features.store}"]).corpus.params
    assert written["where"] == str(project / "sub/kept/x")


def test_home(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(project / "home"))
    recipe = load_recipe("sub/p.yaml", ["corpus.where=~/talks", "data_root=~/"])
    assert recipe.corpus.params["where"] == str(project / "home/talks")
    assert recipe.data_root == project / "home"


def test_environment_must_give_an_absolute_path(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_DATA", "data")
    with pytest.raises(ManyErrors) as caught:
        load_recipe("sub/p.yaml", ["corpus.where=${env:MY_DATA}/x"])
    assert caught.value.errors == [
        "corpus.where (command line): ${env:MY_DATA}/x gives a relative path; set it to an absolute one, so that the "
        "recipe means the same wherever it is run from"
    ]
    # Within a path it may be anything.
    recipe = load_recipe("sub/p.yaml", ["corpus.where=../${env:MY_DATA}/x"])
    assert Path(recipe.corpus.params["where"]) == project.parent / "data/x"
    assert recipe.resolved["corpus"]["where"].endswith("/../${env:MY_DATA}/x")


def test_dumped_recipe_means_the_same_from_anywhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe("sub/p.yaml", ["data_root=data"])
    elsewhere = project / "run"
    elsewhere.mkdir()
    (elsewhere / "recipe.yaml").write_text(dump_recipe(recipe))
    monkeypatch.chdir(os.sep)
    again = load_recipe(str(elsewhere / "recipe.yaml"))
    assert again.resolved == recipe.resolved
    assert again.name == "run"


def test_a_folder_or_a_name_on_the_hub(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(project / "home"))
    (project / "sub/org/model").mkdir(parents=True)
    text = "corpus: {name: toy-corpus, path: a}\nbackbone: {name: hf, path: PATH}\n"
    meant = {
        "./model": "sub/model", "../models/model": "models/model", "~/model": "home/model", "/model": "/model",
        ".": "sub", "org/model": None, "model": None,
    }  # fmt: skip
    for written, folder in meant.items():
        (project / "sub/h.yaml").write_text(text.replace("PATH", written))
        wanted = written if folder is None else str(project / folder)
        recipe = load_recipe("sub/h.yaml")
        assert recipe.resolved["backbone"]["path"] == recipe.backbone.params["path"] == wanted
    given = load_recipe("sub/h.yaml", ["backbone.path=./model"]).backbone.params["path"]
    assert given == str(project / "model")


def test_builtin_corpus_takes_a_file_a_list_or_a_mapping(project: Path) -> None:
    (project / "sub/j.yaml").write_text("corpus: {name: jsonl, path: a.jsonl}\n")
    assert load_recipe("sub/j.yaml").corpus.params["path"] == str(project / "sub/a.jsonl")
    several = load_recipe("sub/j.yaml", ["corpus.path=[a, b]"]).corpus.params["path"]
    assert several == [str(project / "a"), str(project / "b")]
    split = load_recipe("sub/j.yaml", ["corpus.path={train: a, test: [b]}"]).corpus.params["path"]
    assert split == {"train": str(project / "a"), "test": [str(project / "b")]}
