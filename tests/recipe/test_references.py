# ruff: noqa: E501 - messages are quoted whole
from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import ManyErrors
from merc.recipe import dump_recipe, load_recipe

TYPED = "corpus:\n  name: toy-typed\n"


def typed(here: Path, lines: str, *overrides: str, above: str = "") -> dict[str, object]:
    (here / "t.yaml").write_text(above + TYPED + "".join(f"  {line}\n" for line in lines.splitlines()))
    return dict(load_recipe("t.yaml", overrides).corpus.params)


def errors_of(here: Path, lines: str, *overrides: str, above: str = "") -> list[str]:
    with pytest.raises(ManyErrors) as caught:
        typed(here, lines, *overrides, above=above)
    return caught.value.errors


def test_a_reference_alone_keeps_its_type(here: Path) -> None:
    above = "seed: 7\nlabels: [a, b]\n"
    found = typed(here, "count: ${seed}\nnumber: ${seed}\npair: [1, '${seed}']\nwords: ${labels}", above=above)
    assert (found["count"], found["number"], found["pair"], found["words"]) == (7, 7.0, [1, 7], ["a", "b"])


def test_a_reference_within_a_text(here: Path) -> None:
    assert typed(here, "text: seed ${seed}, ${title}!", above="seed: 7\ntitle: so ${seed}\n")["text"] == "seed 7, so 7!"


def test_a_reference_sees_the_command_line(here: Path) -> None:
    assert typed(here, "count: ${seed}", "seed=8", above="seed: 7\n")["count"] == 8
    assert typed(here, "count: 1", "corpus.count=${seed}", above="seed: 7\n")["count"] == 7


def test_an_item_of_a_list_by_number(here: Path) -> None:
    assert typed(here, "text: ${labels.1}", above="labels: [joy, anger]\n")["text"] == "anger"


def test_escaped_reference_is_text_and_stays_so(here: Path) -> None:
    assert typed(here, "text: costs \\${seed}")["text"] == "costs ${seed}"
    recipe = load_recipe("t.yaml")
    (here / "again.yaml").write_text(dump_recipe(recipe))
    assert load_recipe("again.yaml").corpus.params == recipe.corpus.params


def test_environment_is_filled_in_and_not_recorded(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "se${cr}et")
    monkeypatch.setenv("MY_DATA", str(here))
    found = typed(
        here, "api_key: ${env:MY_KEY}\ntext: 'key ${env:MY_KEY}'\nwhere: ${env:MY_DATA}/x\nwords: ['${corpus.api_key}']"
    )
    assert (found["api_key"], found["text"]) == ("se${cr}et", "key se${cr}et")
    assert (found["where"], found["words"]) == (str(here / "x"), ["se${cr}et"])
    recipe = load_recipe("t.yaml")
    written = dump_recipe(recipe)
    assert "cr}et" not in written and str(here) not in written
    assert recipe.resolved["corpus"]["api_key"] == "${env:MY_KEY}"
    assert recipe.resolved["corpus"]["where"] == "${env:MY_DATA}/x"
    (here / "again.yaml").write_text(written)
    assert load_recipe("again.yaml").corpus.params == recipe.corpus.params


def test_environment_gives_numbers_where_numbers_are_wanted(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_COUNT", "12")
    found = typed(here, "count: ${env:MY_COUNT}\ntext: ${env:MY_COUNT}\nnumber: ${env:MY_COUNT}")
    assert (found["count"], found["text"], found["number"]) == (12, "12", 12.0)


def test_a_secret_is_not_repeated_in_an_error(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "hunter2")
    assert errors_of(here, "count: ${env:MY_KEY}\nmode: x${env:MY_KEY}") == [
        "corpus.count (t.yaml:3): wants a whole number or null; what ${env:MY_KEY} gives is none",
        "corpus.mode (t.yaml:4): wants 'a', 'bb' or null; what x${env:MY_KEY} gives is none",
    ]


WRONG = [
    ("text: ${env:NOT_SET_ANYWHERE}", "the environment variable NOT_SET_ANYWHERE is not set; set it with: export "
     "NOT_SET_ANYWHERE=..."),
    ("text: ${oc.env:HOME}", "${oc.env:HOME}: a recipe has no 'oc.env'; write ${env:HOME}"),
    ("text: ${oc.env:HOME,x}", "${oc.env:HOME,x}: a recipe has no 'oc.env'; write ${env:HOME}"),
    ("text: '${oc.create:1}'", "${oc.create:1}: a recipe has no 'oc.create'; ${another.key} and ${env:NAME} are what a "
     "recipe may refer to"),
    ("text: ${labels[0]}", "${labels[0]} cannot be read; ${another.key} and ${env:NAME} are what a recipe may refer to (a "
     "list's item by number: stages.0)"),
    ("text: ${tilte}", "${tilte}: the recipe has no 'tilte'. Did you mean 'title'?"),
    ("text: ${labels.7}", "${labels.7}: the recipe has no 'labels.7'. Did you mean 'labels.1'?"),
    ("text: ${corpus.text}", "${corpus.text} refers to itself: corpus.text -> corpus.text"),
    ("text: ${corpus}", "${corpus} refers to itself: corpus.text -> corpus"),
    ("text: a ${labels}", "${labels} is a section or a list, and stands within a text here"),
    ("text: a ${corpus.where}\nwhere: null", "${corpus.where} is nothing (null), and stands within a text here"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "error"), WRONG, ids=[line for line, _ in WRONG])
def test_wrong_reference(here: Path, line: str, error: str) -> None:
    found = errors_of(here, line, above="title: t\nlabels: [joy, anger]\n")
    assert [one.rstrip() for one in found] == [f"corpus.text (t.yaml:5): {error}"]


def test_circle_of_references(here: Path) -> None:
    assert errors_of(here, "text: ${title}", above="title: ${description}\ndescription: ${title}\n") == [
        "description (t.yaml:2): ${title} refers to itself: title -> description -> title"
    ]


def test_circle_through_sections(here: Path) -> None:
    assert all(
        "refers to itself" in error
        for error in errors_of(here, "weights: ${features}\ntext: a", above="features: {store: '${corpus}'}\n")
    )


def test_data_root_that_is_needed_and_not_given(here: Path) -> None:
    above = "data_root: null\nfeatures: {store: '${data_root}/f'}\n"
    (error,) = errors_of(here, "where: ${data_root}/x\ntext: ${data_root}", above=above)
    assert error == (
        "data_root (t.yaml:1): is not set, and features.store needs it; give the folder of your data: data_root=FOLDER"
    )
