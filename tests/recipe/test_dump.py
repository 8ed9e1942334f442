from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from merc.errors import ManyErrors, MercError
from merc.recipe import dump_recipe, leaves, load_recipe, write_recipe
from tests.recipe.conftest import RECIPE

UNFIT = [chr(code) for code in (*range(32), 127) if chr(code) not in "\t\n\r"]
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Control characters and halves of characters are refused, and ??? is what a recipe leaves to its user.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters=UNFIT) | st.sampled_from(["\\", "$", "{", "}"])
TEXTS = st.text(CHARACTERS, max_size=12).filter(lambda text: text != "???")
KEYS = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=12)
TRICKY = st.sampled_from(
    ["2e-4", "1_000", "0x1f", "1:30", "yes", "no", "null", "~", "", " a ", "a: b", "# a", "${x}", "\\", "${env:HOME}",
     "2020-01-01", "=", "<<", "-", "\n", "\ttab",
     "'", '"', "é", "\x85", "\u2028", "{a}", "[1]", "&a", "*a", "!x", "%", "@"]
)  # fmt: skip
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
CUTS = st.floats(0, 1).map(lambda start: {"start": start, "end": start + 1})
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "number": NUMBERS | st.integers(-10, 10),
        "count": st.none() | st.integers(-(10**12), 10**12),
        "words": st.lists(TEXTS | TRICKY, max_size=4),
        "pair": st.tuples(st.integers(), st.integers()).map(list),
        "weights": st.dictionaries(KEYS | TRICKY.filter(str.isprintable), NUMBERS, max_size=3),
        "mode": st.sampled_from([None, "a", "bb"]),
        "cut": st.none() | CUTS,
        "cuts": st.lists(CUTS, max_size=2),
        "either": st.just("all") | st.lists(TEXTS, min_size=1, max_size=2),
        "text": TEXTS | TRICKY,
        "api_key": st.none() | TRICKY,
    },
)


def escaped(value: Any) -> Any:
    """A value as it must be written in a recipe so that it means itself."""
    if isinstance(value, str):
        return value.replace("${", "\\${")
    if isinstance(value, list):
        return [escaped(item) for item in value]
    return {key: escaped(item) for key, item in value.items()} if isinstance(value, dict) else value


@QUICK
@given(params=PARAMS, seed=st.integers(0, 2**32 - 1), title=TEXTS | TRICKY)
def test_what_is_dumped_loads_as_the_same_recipe(params: dict[str, Any], seed: int, title: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, "a.yaml"), Path(folder, "b.yaml")
        tree = {"title": escaped(title), "seed": seed, "corpus": {"name": "toy-typed", **escaped(params)}}
        # Every text in quotes, so that the first file says exactly what is meant.
        first.write_text(_quoted(tree), encoding="utf-8")
        recipe = load_recipe(str(first))
        assert recipe.title == title
        for key, value in params.items():
            assert recipe.corpus.params[key] == value
        second.write_text(dump_recipe(recipe), encoding="utf-8")
        again = load_recipe(str(second))
    assert again.resolved == recipe.resolved
    assert again.corpus == recipe.corpus and again.title == recipe.title


def _quoted(value: Any) -> str:
    """YAML in flow form with every text in double quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(k)}: {_quoted(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_quoted(item) for item in value) + "]"
    if isinstance(value, float):
        return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(str(value), repr(value))
    if isinstance(value, str):
        plain = (c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in value)
        return '"' + "".join(plain) + '"'
    return json.dumps(value)


def key_paths(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all keys that are not names of the author's choice."""
    found: list[tuple[Any, ...]] = []
    if isinstance(tree, dict):
        for key, value in tree.items():
            if path not in (("encoders",), ("connectors",), ("fusers",)):
                found.append((*path, key))
            found += key_paths(value, (*path, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            found += key_paths(value, (*path, index))
    return found


TREE = yaml.safe_load(RECIPE)


@QUICK
@given(data=st.data())
def test_a_typo_in_any_key_is_named_with_its_path(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(key_paths(TREE)))
    key = path[-1]
    place = data.draw(st.integers(0, len(key) - 1))
    typo = key[:place] + data.draw(st.sampled_from(["", "x", key[place] * 2])) + key[place + 1 :]
    tree = yaml.safe_load(RECIPE)
    inside = tree
    for step in path[:-1]:
        inside = inside[step]
    assume(typo and typo not in inside and yaml.safe_load(typo) == typo)
    items = [(typo if name == key else name, value) for name, value in inside.items()]
    inside.clear()
    inside.update(items)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "typo.yaml")
        file.write_text(yaml.safe_dump(tree, sort_keys=False).replace("0.0002", "2e-4"))
        with pytest.raises(ManyErrors) as caught:
            load_recipe(str(file))
    where = ".".join(map(str, (*path[:-1], typo)))
    assert any(error.startswith(f"{where} (") for error in caught.value.errors), caught.value.errors


def test_written_file_has_a_head_and_reproduces_the_recipe(here: Path) -> None:
    recipe = load_recipe("small.yaml", ["seed=8"])
    write_recipe(here / "run/recipe.yaml", recipe)
    text = (here / "run/recipe.yaml").read_text()
    assert text.startswith("# The recipe 'small' with every value resolved, by merc ")
    assert load_recipe("run/recipe.yaml").resolved == recipe.resolved
    assert [file.name for file in (here / "run").iterdir()] == ["recipe.yaml"]


def test_every_resolved_value_has_a_source(here: Path) -> None:
    recipe = load_recipe("small.yaml", ["features.store=x", "labels={joy: [joy, glad], anger: null}"])
    assert set(recipe.sources) == {path for path, _ in leaves(recipe.resolved)}


def all_paths(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values, sections included."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [one for key, value in items for one in ((*path, key), *all_paths(value, (*path, key)))]


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | TRICKY | st.just("???") | st.just("${seed}"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS | st.just("name"), inner, max_size=2),
    max_leaves=4,
)


@QUICK
@given(path=st.sampled_from(all_paths(TREE)), value=ODD, overridden=st.booleans())
def test_an_odd_value_anywhere_is_taken_or_is_the_users_mistake(
    path: tuple[Any, ...], value: Any, overridden: bool
) -> None:
    tree = yaml.safe_load(RECIPE)
    inside = tree
    for step in path[:-1]:
        inside = inside[step]
    if not overridden:
        inside[path[-1]] = value
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "odd.yaml")
        file.write_text(_quoted(tree), encoding="utf-8")
        try:
            recipe = load_recipe(str(file), [f"{'.'.join(map(str, path))}={_quoted(value)}"] if overridden else [])
        except MercError as error:
            assert str(error)
        else:
            file.write_text(dump_recipe(recipe), encoding="utf-8")
            assert load_recipe(str(file)).resolved == recipe.resolved
