"""Recipes that are larger, deeper or odder than any recipe: one sentence each, at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from merc.errors import MercError
from merc.recipe import dump_recipe, load_recipe
from merc.recipe.inherit import MAX_PARENTS

CORPUS = "corpus: {name: toy-typed}\n"


def bomb(levels: int) -> str:
    """References that double the text with every level."""
    lines = [f"  l{i}: '${{labels.l{i + 1}}}${{labels.l{i + 1}}}'\n" for i in range(levels)]
    return CORPUS + "labels:\n" + "".join(lines) + f"  l{levels}: x\n"


def sections(levels: int) -> str:
    """Sections that hold the next one ten times."""
    some = [f"  s{i}: [{', '.join(['${labels.s' + str(i + 1) + '}'] * 10)}]\n".replace("$", "$") for i in range(levels)]
    return (
        CORPUS
        + "labels:\n"
        + "".join(some).replace("[$", "['$").replace("}, ", "}', '").replace("}]", "}']")
        + (f"  s{levels}: x\n")
    )


ODD = {
    "text that doubles, deep": (bomb(60), ["20 references"]),
    "text that doubles, flat": (bomb(18), ["50,000 values", "write the values out"]),
    "long texts, many times": (
        CORPUS + f"title: {'y' * 100_000}\ndescription: {'${title}' * 100}\n",
        ["500,000 characters"],
    ),
    "sections that multiply": (sections(8), ["50,000 values"]),
    "400 references in a row": (
        CORPUS + "labels:\n" + "".join(f"  l{i}: ${{labels.l{i + 1}}}\n" for i in range(400)) + "  l400: x\n",
        ["20 references"],
    ),
    "a reference within a reference": (CORPUS + "title: '${${seed}}'\n", ["title (r.yaml:2)", "${${seed}}"]),
    "lists 30,000 deep": (f"labels: {'[' * 30_000}{']' * 30_000}\n", ["r.yaml, line 1", "40 levels"]),
    "mappings 30,000 deep": (f"labels: {'{a: ' * 30_000}{'}' * 30_000}\n", ["40 levels"]),
    "block lists 20,000 deep": (f"labels:\n{'- ' * 20_000}x\n", ["40 levels"]),
    "deep by aliases": (
        "".join(f"a{i}: &a{i} [{f'*a{i - 1}' if i else 'x'}]\n" for i in range(100)),
        ["levels", "aliases"],
    ),
    "aliases that multiply": (
        "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 35)),
        ["10,000 values"],
    ),
    "100,000 values": (f"labels: [{'a, ' * 100_000}a]\n", ["10,000 values"]),
    "5 MB": (CORPUS + "# " + "x" * 5_000_000 + "\n", ["r.yaml", "4 MiB"]),
    "a boolean that is none": ("title: !!bool maybe\n", ["title (r.yaml:1)", "'maybe'"]),
    "a number that is none": ("seed: !!int maybe\n", ["seed (r.yaml:1)", "'maybe'"]),
    "a number without digits": ("seed: 0x_\n", ["seed (r.yaml:1)", "'0x_'"]),
    "a date by tag": ("title: !!timestamp 2020-13-45\n", ["title (r.yaml:1)", "timestamp"]),
    "binary": ("title: !!binary 'not base64'\n", ["title (r.yaml:1)", "binary"]),
    "a set": ("labels: !!set {a, b}\n", ["labels (r.yaml:1)", "set"]),
    "an ordered mapping": ("labels: !!omap [a: 1]\n", ["labels (r.yaml:1)", "omap"]),
    "a text that says it is a list": ("labels: !!seq abc\n", ["labels (r.yaml:1)", "seq"]),
    "python": ("title: !!python/name:os.system x\n", ["title (r.yaml:1)", "python/name:os.system"]),
    "hexadecimal": ("seed: 0x" + "f" * 4000 + "\n", ["seed (r.yaml:1)", "4,002 characters", "40"]),
    "decimal": ("seed: " + "9" * 5000 + "\n", ["seed (r.yaml:1)", "5,000 characters"]),
    "a long number within a component": (CORPUS + "seed: 1e" + "9" * 50 + "\n", ["seed (r.yaml:2)"]),
    "infinity": ("corpus: {name: toy-typed, number: .inf}\n", ["corpus.number (r.yaml:1)", ".inf"]),
    "too large for a number": ("corpus: {name: toy-typed, number: 1e999}\n", ["corpus.number (r.yaml:1)", ".inf"]),
    "not a number": ("corpus: {name: toy-typed, number: .nan}\n", ["corpus.number (r.yaml:1)", ".nan"]),
    "null character": (CORPUS + 'title: "a\\0b"\n', ["title (r.yaml:2)", "U+0000"]),
    "terminal escape": (CORPUS + 'title: "\\e[31m"\n', ["title (r.yaml:2)", "U+001B"]),
    "terminal escape in a key": (CORPUS + '"\\e[31m": 1\n', ["r.yaml:2", "\\x1b"]),
    "half a character": (CORPUS + 'title: "\\ud800"\n', ["r.yaml"]),
    "a long key": (CORPUS + "k" * 500 + ": 1\n", ["r.yaml:2", "500 characters", "200"]),
    "a key that is a list": (CORPUS + "? [a, b]\n: 1\n", ["r.yaml:2", "key"]),
    "extends nobody's home": ("extends: ~nosuchuser/x\n", ["extends (r.yaml:1)", "~nosuchuser/x"]),
    "extends a name of 300 letters": ("extends: " + "a" * 300 + "\n", ["extends (r.yaml:1)", "300 characters"]),
    "extends a folder below a file": ("extends: small.yaml/x\n", ["extends (r.yaml:1)", "small.yaml/x"]),
    "extends null character": ('extends: "a\\0b"\n', ["extends (r.yaml:1)", "U+0000"]),
    "extends a device": ("extends: /dev/zero\n", ["extends (r.yaml:1)", "/dev/zero"]),
    "a path of nobody's home": ("corpus: {name: toy-typed, where: ~nosuchuser/x}\n", []),
    "blanks within a reference": (CORPUS + "title: '${" + " " * 200_000 + "'\n", ["title (r.yaml:2)"]),
    "openings of references": (CORPUS + "title: '" + "${" * 100_000 + "'\n", ["title (r.yaml:2)"]),
    "5,000 unknown sections": (CORPUS + "".join(f"section{i}: 1\n" for i in range(5000)), ["the first 50 errors"]),
    "5,000 keys that stand twice": (CORPUS + "a: 1\n" * 5000, ["the first 50 of 4,999 errors"]),
    "5,000 unknown references": (
        CORPUS + "labels: [" + ", ".join(f"'${{name{i}}}'" for i in range(5000)) + "]\n",
        ["the first 50 errors"],
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_recipe_is_a_sentence_at_once(here: Path, name: str) -> None:
    text, parts = ODD[name]
    (here / "r.yaml").write_text(text, encoding="utf-8")
    before = time.process_time()
    try:
        load_recipe("r.yaml")
        said = ""
    except MercError as error:
        said = str(error)
    assert time.process_time() - before < 3  # half a second on an idle machine
    assert bool(said) == bool(parts)
    assert all(part in said for part in parts), said[:500]
    assert len(said) < 60_000 and all(len(line) < 1500 for line in said.splitlines())


@pytest.mark.parametrize(
    ("override", "part"),
    [
        (".".join(["a"] * 5000) + "=1", "5,000 parts"),
        ("title=" + "[" * 5000 + "]" * 5000, "40 levels"),
        ("seed=" + "1" * 5000, "5,000 characters"),
        ("title=!!bool maybe", "'maybe'"),
        ("title=\ud800", "title"),
        ("stages." + "9" * 150 + ".id=x", "no item"),
        ("stages.²=x", "no item"),
        ("a\x1bb=1", "\\x1b"),
        ("k" * 5000 + "=1", "longer"),
        ("title=\"a\\0b\"", "U+0000"),
        ("corpus.path=" + "a" * 600_000, "characters"),
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_an_odd_override_is_a_sentence(here: Path, override: str, part: str) -> None:
    with pytest.raises(MercError) as caught:
        load_recipe("small.yaml", [override])
    assert part in str(caught.value) and len(str(caught.value)) < 3000


def test_a_chain_of_recipes_ends(here: Path) -> None:
    for index in range(MAX_PARENTS + 2):
        (here / f"r{index}.yaml").write_text(f"extends: r{index + 1}.yaml\n")
    (here / f"r{MAX_PARENTS + 2}.yaml").write_text(CORPUS)
    assert load_recipe("r2.yaml").corpus.name == "toy-typed"
    with pytest.raises(MercError, match=rf"r0.yaml: extends leads through more than {MAX_PARENTS} recipes"):
        load_recipe("r0.yaml")


@pytest.mark.parametrize(
    ("above", "text"),
    [
        ("title: '{seed}'\n", "'$${title}'"),  # "$" and "{seed}" meet
        ("title: 'a\\'\n", "'${title}{seed}'"),
        ("title: '$'\n", "'${title}{seed}'"),
        ("title: t\n", "'\\${title} ${title} $${title}'"),
        ("title: t\n", "'\\\\${title}'"),
    ],
)  # fmt: skip
def test_pieces_of_a_text_make_no_reference_where_they_meet(here: Path, above: str, text: str) -> None:
    (here / "r.yaml").write_text(f"{above}seed: 4\ncorpus: {{name: toy-typed, text: {text}}}\n")
    recipe = load_recipe("r.yaml")
    (here / "again.yaml").write_text(dump_recipe(recipe))
    assert load_recipe("again.yaml").corpus.params == recipe.corpus.params


def test_a_recipe_too_large_to_be_recorded_is_refused(here: Path) -> None:
    words = ", ".join(f"a{i}" for i in range(5000))
    (here / "r.yaml").write_text(f"labels: [{words}]\ncorpus: {{name: toy-typed, words: '${{labels}}'}}\n")
    with pytest.raises(MercError, match="10,000"):
        load_recipe("r.yaml")
