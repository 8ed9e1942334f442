"""Annotators in a recipe: a section of named parts, checked like every other."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.components import Annotator
from merc.errors import ManyErrors
from merc.recipe import dump_recipe, load_recipe, summarize
from merc.recipe.build import SECTIONS

SEEN = "annotators.seen={name: toy-teacher, writes: [face, body]}"
HEARD = "annotators.heard={name: toy-teacher, writes: [prosody]}"


def errors_of(*overrides: str) -> list[str]:
    with pytest.raises(ManyErrors) as caught:
        load_recipe("small.yaml", overrides)
    return caught.value.errors


@pytest.mark.usefixtures("here")
def test_annotators_are_parts_by_name() -> None:
    recipe = load_recipe("small.yaml", [SEEN, HEARD, "annotators.heard.writes=[loudness]"])
    assert list(recipe.annotators) == ["seen", "heard"]
    heard = recipe.annotators["heard"]
    assert isinstance(heard.component, Annotator) and heard.component.fields() == ("loudness",)
    assert (heard.name, heard.params) == ("toy-teacher", {"writes": ["loudness"]})
    assert recipe.resolved["annotators"]["seen"] == {"name": "toy-teacher", "writes": ["face", "body"]}
    assert recipe.sources["annotators.heard.writes"] == "command line"
    Path("again.yaml").write_text(dump_recipe(recipe))
    assert load_recipe("again.yaml").annotators == recipe.annotators
    assert load_recipe("small.yaml").annotators == {}


@pytest.mark.usefixtures("here")
def test_what_a_recipe_was_loaded_from_is_kept_for_messages() -> None:
    assert load_recipe("small.yaml", ["seed=1"]).arguments == ("small.yaml", "seed=1")


@pytest.mark.usefixtures("here")
def test_prompters_may_read_cues_that_only_the_corpus_can_have() -> None:
    recipe = load_recipe("small.yaml", ["stages.0.prompter.reads=[gaze]"])
    assert recipe.stages[0].prompter.component.cue_fields() == ("gaze",)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        (
            [SEEN, "annotators.other={name: toy-teacher, writes: [posture, body]}"],
            "annotators.other (command line): writes the cue 'body', and so does annotators.seen; take one of the two "
            "out (annotators.other=null takes out an inherited one)",
        ),
        (
            ["annotators.a={name: toy-teacher, writes: []}"],
            "annotators.a (command line): annotator 'toy-teacher' cannot say its cue fields: RuntimeError: no idea",
        ),
        (
            ["stages.0.prompter.reads=[broken]"],
            "stages.0.prompter (small.yaml:22): prompter 'toy-prompt' cannot say its cue fields: RuntimeError: no idea",
        ),
        (
            ["annotators.a={name: toy-teacher, write: [face]}"],
            "annotators.a.write (command line): annotator 'toy-teacher' takes no 'write'. Did you mean 'writes'? It "
            "takes: writes",
        ),
        (
            ["annotators=toy-teacher"],
            "annotators (command line): wants a section of keys and values; given 'toy-teacher'",
        ),
        (
            ["annotator={a: {name: toy-teacher}}"],
            "annotator (command line): a recipe has no 'annotator'. Did you mean 'annotators'? Its sections are: "
            f"{', '.join(SECTIONS)}",
        ),
    ],
)
def test_what_is_wrong_with_annotators(overrides: list[str], error: str) -> None:
    assert errors_of(*overrides) == [error]


@pytest.mark.usefixtures("here")
def test_an_annotator_that_is_not_installed_is_among_a_recipe_s_needs() -> None:
    Path("taught.yaml").write_text("corpus: {name: toy-corpus, path: a}\nannotators:\n  seen: {name: qwen}\n")
    assert "annotator 'qwen', which is not installed" in summarize("taught.yaml").needs
