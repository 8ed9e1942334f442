from __future__ import annotations

from pathlib import Path

import pytest

from merc.builtin.tunings import LoRA
from merc.errors import ManyErrors, MercError
from merc.recipe import load_recipe


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return name


def test_child_sets_values_within_sections(here: Path) -> None:
    write(here, "child.yaml", "extends: small.yaml\nencoders: {video: {frames: 9}}\nbackbone: {tuning: {r: 2}}\n")
    recipe = load_recipe("child.yaml")
    assert recipe.encoders["video"].params["frames"] == 9 and list(recipe.encoders) == ["video", "audio"]
    assert recipe.tuning == LoRA(r=2)
    assert recipe.title == "A small recipe" and recipe.name == "child"


def test_a_section_that_names_another_component_keeps_nothing(here: Path) -> None:
    write(
        here,
        "child.yaml",
        "extends: small.yaml\nencoders: {video: {name: toy-audio}}\ncorpus: {name: toy-other, path: x}\n",
    )
    recipe = load_recipe("child.yaml")
    assert recipe.encoders["video"].params == {"window": 0.5}
    assert recipe.corpus.params == {"path": str(here / "x"), "limit": None, "limit_seed": None}


def test_another_backbone_keeps_the_tuning(here: Path) -> None:
    write(here, "child.yaml", "extends: small.yaml\nbackbone: {name: hf, path: some/model}\n")
    recipe = load_recipe("child.yaml")
    assert recipe.backbone is not None and recipe.backbone.name == "hf"
    assert recipe.tuning == LoRA(r=8)


def test_lists_are_replaced_whole(here: Path) -> None:
    write(
        here, "child.yaml",
        "extends: small.yaml\nstages:\n  - {id: only, prompter: {name: toy-prompt}, trainer: {name: toy-trainer}}\n",
    )  # fmt: skip
    assert [stage.id for stage in load_recipe("child.yaml").stages] == ["only"]


def test_null_takes_out_what_a_grandparent_brought(here: Path) -> None:
    write(here, "middle.yaml", "extends: small.yaml\nencoders: {audio: null}\nconnectors: {audio: null}\n")
    write(here, "child.yaml", "extends: middle.yaml\nfusers: {both: {inputs: [video]}}\n")
    recipe = load_recipe("child.yaml")
    assert list(recipe.encoders) == ["video"] and list(recipe.connectors) == ["video", "both"]


def test_null_gives_up_a_section(here: Path) -> None:
    write(here, "child.yaml", "extends: small.yaml\nevaluate: null\nlabels: null\n")
    recipe = load_recipe("child.yaml")
    assert (recipe.evaluate, recipe.labels) == (None, None)


def test_parent_is_relative_to_the_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here, "below/child.yaml", "extends: ../small.yaml\ncorpus: {path: own.jsonl}\n")
    monkeypatch.chdir(here / "below")
    recipe = load_recipe("child.yaml")
    # A relative path means the folder of the file that it is written in.
    assert recipe.data_root == here / "data"
    assert recipe.corpus.params["path"] == str(here / "below/own.jsonl")


def test_extends_null_is_no_parent(here: Path) -> None:
    write(here, "child.yaml", "extends: null\ncorpus: {name: toy-corpus, path: a}\n")
    assert load_recipe("child.yaml").stages == ()


def test_circle(here: Path) -> None:
    write(here, "a.yaml", "extends: b.yaml\n")
    write(here, "b.yaml", "extends: a.yaml\n")
    with pytest.raises(MercError) as caught:
        load_recipe("a.yaml")
    assert str(caught.value) == "a.yaml: extends goes round in a circle: a.yaml -> b.yaml -> a.yaml"


def test_parent_that_is_not_there(here: Path) -> None:
    write(here, "a.yaml", "title: x\nextends: smal.yaml\n")
    with pytest.raises(MercError) as caught:
        load_recipe("a.yaml")
    assert str(caught.value).startswith(
        "extends (a.yaml:2): no recipe 'smal.yaml': there is no such file, and no shipped recipe of that name. "
        "Did you mean 'small.yaml'?"
    )


@pytest.mark.parametrize(("given", "shown"), [("[a.yaml, b.yaml]", "a list"), ("3", "3"), ("{a: 1}", "{'a': 1}")])
def test_one_parent_at_most(here: Path, given: str, shown: str) -> None:
    write(here, "a.yaml", f"extends: {given}\n")
    with pytest.raises(MercError) as caught:
        load_recipe("a.yaml")
    assert str(caught.value) == (
        f"extends (a.yaml:1): wants one recipe, a path or a shipped recipe's name; given {shown}"
    )


def test_errors_name_the_file_that_the_value_stands_in(here: Path) -> None:
    write(here, "parent.yaml", "corpus: {name: toy-corpus, path: a, rnak: 1}\n")
    write(here, "child.yaml", "extends: parent.yaml\nseed: x\n")
    with pytest.raises(ManyErrors) as caught:
        load_recipe("child.yaml")
    assert caught.value.errors == [
        "seed (child.yaml:2): wants a whole number; given 'x' (text)",
        "corpus.rnak (parent.yaml:1): corpus 'toy-corpus' takes no 'rnak'. Did you mean 'rank'? It takes: limit, "
        "limit_seed, path, rank",
    ]
