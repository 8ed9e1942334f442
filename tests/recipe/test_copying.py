from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import MercError
from merc.recipe import copy_recipe, load_recipe, shipped_recipes


def test_copy_keeps_text_and_meaning(here: Path) -> None:
    (here / "mine").mkdir()
    original = (
        '# Why: été\nextends: small.yaml  # the base\ncorpus:\n  path: own.jsonl # here\nfeatures: {store: "kept"}\n'
    )
    (here / "child.yaml").write_text(original)
    made, notes = copy_recipe("child.yaml", Path("mine/copy.yaml"))
    assert (made, notes) == (Path("mine/copy.yaml"), [])
    assert made.read_text() == (
        "# Why: été\nextends: '../small.yaml'  # the base\ncorpus:\n  path: '../own.jsonl' # here\n"
        "features: {store: '../kept'}\n"
    )
    assert load_recipe("mine/copy.yaml").resolved == load_recipe("child.yaml").resolved


def test_copy_of_lists_of_paths(here: Path) -> None:
    (here / "mine").mkdir()
    (here / "c.yaml").write_text("corpus: {name: toy-typed, files: [a, /b, '${data_root}/c']}\ndata_root: d\n")
    made, _ = copy_recipe("c.yaml", here / "mine")
    assert made == here / "mine/c.yaml"
    assert made.read_text() == ("corpus: {name: toy-typed, files: ['../a', /b, '${data_root}/c']}\ndata_root: '../d'\n")


def test_copy_of_a_recipe_whose_name_of_a_home_is_nobodys(here: Path) -> None:
    (here / "mine").mkdir()
    (here / "c.yaml").write_text("corpus: {name: toy-typed, where: ~nosuchuser/x, files: [a]}\n")
    made, _ = copy_recipe("c.yaml", here / "mine/c.yaml")
    assert "'../~nosuchuser/x'" in made.read_text()


def test_copy_of_a_recipe_that_wants_a_data_folder(here: Path) -> None:
    (here / "mine").mkdir()
    text = "corpus: {name: toy-typed, where: '${data_root}/x', files: [a]}\n"
    (here / "c.yaml").write_text(text)
    made, notes = copy_recipe("c.yaml", here / "mine/c.yaml")
    assert notes == [] and made.read_text() == text.replace("[a]", "['../a']")


def test_copy_of_an_invalid_recipe_is_taken_as_it_is(here: Path) -> None:
    (here / "c.yaml").write_text("corpus: {name: nowhere, path: a}\n")
    made, (note,) = copy_recipe("c.yaml", here / "d.yaml")
    assert made.read_text() == "corpus: {name: nowhere, path: a}\n"
    assert note.startswith("c.yaml is not valid as it stands here, so its relative paths were copied as they are:\n")


def test_copy_that_would_mean_something_else_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_NAME", "x")
    (here / "mine").mkdir()
    (here / "c.yaml").write_text("corpus: {name: toy-typed, where: 'data/${env:MY_NAME}'}\n")
    with pytest.raises(MercError) as caught:
        copy_recipe("c.yaml", Path("mine/c.yaml"))
    assert str(caught.value) == (
        "c.yaml would not mean the same from mine: corpus.where would change; write absolute paths there, or "
        "${data_root}, and copy again"
    )
    assert list((here / "mine").iterdir()) == []


def test_nothing_is_overwritten(here: Path) -> None:
    (here / "there.yaml").write_text("precious")
    with pytest.raises(MercError, match=r"there\.yaml is there already; merc copy overwrites nothing"):
        copy_recipe("small.yaml", Path("there.yaml"))
    with pytest.raises(MercError, match=r"small\.yaml is there already"):
        copy_recipe("small.yaml", Path())
    assert (here / "there.yaml").read_text() == "precious"


def test_a_copy_ends_in_yaml(here: Path) -> None:
    with pytest.raises(MercError, match=r"copy is no name for a recipe; let it end in \.yaml, or give a folder"):
        copy_recipe("small.yaml", Path("copy"))


def test_shipped_recipes_can_be_copied(here: Path) -> None:
    for name in shipped_recipes():
        made, _ = copy_recipe(name, here / f"{name.replace('/', '-')}-mine.yaml")
        assert made.is_file()


def test_a_folder_stays_one_beside_a_copy(here: Path) -> None:
    (here / "sub").mkdir()
    text = "corpus: {name: toy-corpus, path: /a}\nbackbone: {name: hf, path: ./model}\n"
    (here / "h.yaml").write_text(text)
    copy_recipe("h.yaml", here / "sub/i.yaml")
    assert "path: '../model'" in (here / "sub/i.yaml").read_text()
    (here / "sub/h.yaml").write_text(text)
    copy_recipe("sub/h.yaml", here / "j.yaml")
    assert "path: './sub/model'" in (here / "j.yaml").read_text()
    assert load_recipe("j.yaml").resolved == load_recipe("sub/h.yaml").resolved
