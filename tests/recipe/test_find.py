from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from merc.errors import MercError
from merc.recipe import locate, shipped_folder, shipped_recipes, summarize

REPOSITORY = Path(__file__).parents[2]

BUILD = "import sys, os\nfrom hatchling.build import build_wheel\nos.chdir(sys.argv[1])\nbuild_wheel(sys.argv[2])\n"


def test_shipped_recipes_of_a_checkout() -> None:
    assert shipped_folder() == REPOSITORY / "recipes"
    for name, file in shipped_recipes().items():
        assert locate(name).file == file and locate(name).name == name
        assert locate(str(file)).title == f"recipes/{file.relative_to(REPOSITORY / 'recipes').as_posix()}"


def test_shipped_recipes_of_an_installed_wheel(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", BUILD, str(REPOSITORY), str(tmp_path)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("merc-*.whl")
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-compile", "--target"]
    subprocess.run([*pip, str(site), str(wheel)], check=True, capture_output=True)
    script = "from merc.recipe import *\nprint(shipped_folder())\nprint(*shipped_recipes())\n"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(site)}, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.splitlines() == [str(site / "merc/shipped_recipes"), " ".join(shipped_recipes())]


def test_relative_paths_of_a_shipped_recipe_mean_the_current_folder(here: Path) -> None:
    for name in shipped_recipes():
        assert locate(name).base == here
    assert locate("small.yaml").base == here


def test_shipped_recipes_hold_no_absolute_path() -> None:
    for file in shipped_recipes().values():
        values = [line.partition("#")[0] for line in file.read_text().splitlines()]
        found = [line for line in values if re.search(r"""[\s'"\[,:](/|~|[A-Za-z]:\\)""", line.replace("://", ""))]
        assert not found, f"{file}: {found}"


def test_shipped_recipes_say_what_they_are() -> None:
    for name in shipped_recipes():
        summary = summarize(name)
        assert summary.error is None and summary.title, name


def test_a_run_is_called_by_its_folder(here: Path) -> None:
    (here / "trial").mkdir()
    (here / "trial/recipe.yaml").write_text("corpus: {}\n")
    assert (locate("trial/recipe.yaml").name, locate("trial/recipe.yaml").title) == ("trial", "trial/recipe.yaml")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("smal.yaml", "Did you mean 'small.yaml'?"),
        ("./smal.yaml", "no recipe './smal.yaml': there is no such file"),
        ("quickstrat", "no recipe 'quickstrat': there is no such file, and no shipped recipe of that name."),
        ("zzz-zzz", "no shipped recipe of that name. The shipped recipes are listed by: merc recipes"),
        ("run", "'run' is a folder, not a recipe. Did you mean 'run/recipe.yaml'?"),
        ("bare", "'bare' is a folder, not a recipe."),
    ],
)  # fmt: skip
def test_what_is_not_there(here: Path, name: str, said: str) -> None:
    (here / "run").mkdir()
    (here / "bare").mkdir()
    (here / "run/recipe.yaml").touch()
    with pytest.raises(MercError) as caught:
        locate(name)
    assert said in str(caught.value)


def test_close_match_among_shipped_names(here: Path) -> None:
    for name in shipped_recipes():
        for wrong in (name + "x", name + ".yaml"):
            with pytest.raises(MercError, match=re.escape(f"Did you mean {name!r}?")):
                locate(wrong)


def test_summary_says_what_is_needed(here: Path) -> None:
    (here / "n.yaml").write_text(
        "title: T\ncorpus: {name: toy-corpus, path: '${data_root}/${env:SOME_NAME}'}\nbackbone: {name: nowhere}\n"
        "evaluate: {metrics: [classification]}\nfeatures: {store: '???'}\n"
    )
    summary = summarize("n.yaml")
    assert (summary.name, summary.title, summary.error) == ("n", "T", None)
    assert summary.needs == (
        "data_root=FOLDER", "the environment variable SOME_NAME", "features.store=...", "merc-toys",
        "backbone 'nowhere', which is not installed",
    )  # fmt: skip


def test_summary_says_where_the_data_are(here: Path) -> None:
    assert summarize("small.yaml").needs == ("data in the folder data (data_root)", "merc-toys")


def test_summary_of_what_cannot_be_read(here: Path) -> None:
    (here / "n.yaml").write_text("a: [")
    assert str(summarize("n.yaml").error).startswith("n.yaml, line 2, column 1: not YAML")
