"""Demonstrations in a recipe: a part of a stage and of the evaluation, checked like every other."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.builtin.selectors import Random, Retrieved
from merc.errors import ManyErrors
from merc.recipe import dump_recipe, load_recipe, summarize

DRAWN = "demonstrations={name: random, k: 3, sets: 10}"
NEAR = "demonstrations={name: retrieved, embedder: toy-words, streams: [video]}"


def errors_of(*overrides: str) -> list[str]:
    with pytest.raises(ManyErrors) as caught:
        load_recipe("small.yaml", overrides)
    return caught.value.errors


@pytest.mark.usefixtures("here")
def test_the_evaluation_takes_the_last_stage_s_unless_it_says_otherwise() -> None:
    none = load_recipe("small.yaml")
    assert none.stages[1].demonstrations is None and none.evaluate.demonstrations is None
    assert "demonstrations" not in none.resolved["stages"][1] and "demonstrations" not in none.resolved["evaluate"]
    taken = load_recipe("small.yaml", [f"stages.1.{DRAWN}"])
    assert taken.stages[0].demonstrations is None
    assert taken.stages[1].demonstrations.component == Random(k=3, sets=10)
    assert taken.evaluate.demonstrations == taken.stages[1].demonstrations
    assert load_recipe("small.yaml", [f"stages.0.{DRAWN}"]).evaluate.demonstrations is None
    own = load_recipe("small.yaml", [f"stages.1.{DRAWN}", f"evaluate.{NEAR}"])
    assert own.evaluate.demonstrations.component == Retrieved(embedder="toy-words", streams=("video",))
    bare = load_recipe("small.yaml", [f"stages.1.{DRAWN}", "evaluate.demonstrations=null"])
    assert bare.stages[1].demonstrations is not None and bare.evaluate.demonstrations is None
    assert bare.sources["evaluate.demonstrations"] == "command line"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "overrides",
    [
        [f"stages.1.{DRAWN}"],
        [f"stages.1.{DRAWN}", f"evaluate.{NEAR}"],
        [f"stages.1.{DRAWN}", "evaluate.demonstrations=null"],
    ],
)
def test_a_run_s_recipe_means_the_same(overrides: list[str]) -> None:
    recipe = load_recipe("small.yaml", overrides)
    Path("again.yaml").write_text(dump_recipe(recipe))
    again = load_recipe("again.yaml")
    assert again.stages == recipe.stages and again.evaluate == recipe.evaluate and again.resolved == recipe.resolved


@pytest.mark.usefixtures("here")
def test_a_child_takes_out_what_it_inherits() -> None:
    Path("shots.yaml").write_text(f"extends: small.yaml\nevaluate:\n  {NEAR.replace('=', ': ')}\n")
    Path("none.yaml").write_text("extends: shots.yaml\nevaluate: {demonstrations: null}\n")
    assert load_recipe("shots.yaml").evaluate.demonstrations is not None
    assert load_recipe("none.yaml").evaluate.demonstrations is None


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("override", "error"),
    [
        ("stages.1.demonstrations={name: randm}", "stages.1.demonstrations.name (command line): unknown selector "
         "'randm'. Did you mean 'random'? The selectors are: balanced, diverse, fixed, random, retrieved, "
         "toy-broken-selector"),
        ("stages.1.demonstrations=random", "stages.1.demonstrations (command line): wants a section with 'name' and "
         "parameters; given 'random'; write stages.1.demonstrations={name: random}"),
        ("evaluate.demonstrations={name: random, n: 3}", "evaluate.demonstrations.n (command line): selector 'random' "
         "takes no 'n'. It takes: k, sets, distinct, order"),
        ("evaluate.demonstrations={name: random, order: nearest-last}", "evaluate.demonstrations.order (command line): "
         "wants 'drawn' or 'label'; given 'nearest-last' (text)"),
        ("evaluate.demonstrations={name: random, k: 0}", "evaluate.demonstrations (command line): selector 'random': k "
         "counts from 1, not 0"),
        ("evaluate.demonstrations={name: fixed}", "evaluate.demonstrations.ids (command line): is required by selector "
         "'fixed': a list, each item text"),
        ("evaluate.demonstrations={name: retrieved}", "evaluate.demonstrations.embedder (command line): is required by "
         "selector 'retrieved': text or null"),
        ("evaluate.demonstrations={name: retrieved, embedder: toy-word}", "evaluate.demonstrations.embedder (command "
         "line): unknown encoder 'toy-word'. Did you mean 'toy-words'? The encoders are: toy-audio, toy-demanding, "
         "toy-learner, toy-video, toy-words"),
        ("evaluate.demonstrations={name: retrieved, embedder: toy-video}", "evaluate.demonstrations.embedder (command "
         "line): wants a text encoder, and 'toy-video' is for video; for media name an encoder of the recipe under "
         "streams"),
        ("evaluate.demonstrations={name: retrieved, embedder: null, streams: [vidoe]}", "evaluate.demonstrations."
         "streams (command line): no encoder is called 'vidoe'. Did you mean 'video'? The encoders are: video, audio"),
        ("evaluate.demonstrations={name: toy-broken-selector}", "evaluate.demonstrations (command line): selector "
         "'toy-broken-selector' cannot say what it compares by: RuntimeError: no idea"),
    ],
)  # fmt: skip
def test_mistakes(override: str, error: str) -> None:
    assert [one.partition("\n")[0] for one in errors_of(override)] == [error]


@pytest.mark.usefixtures("here")
def test_an_embedder_that_needs_parameters() -> None:
    (error,) = errors_of("evaluate.demonstrations={name: retrieved, embedder: toy-demanding}")
    assert "encoder 'toy-demanding' cannot be made with its defaults alone (" in error
    assert "put it into the recipe's encoders with its parameters, and name it under streams" in error


@pytest.mark.usefixtures("here")
def test_what_it_needs_is_listed() -> None:
    section = "{name: mine, embedder: minilm-l12}"
    text = (
        f"extends: small.yaml\nevaluate: {{demonstrations: {section}}}\nstages: [{{demonstrations: {{name: his}}}}]\n"
    )
    Path("shots.yaml").write_text(text)
    needs = summarize("shots.yaml").needs
    for one in ("selector 'mine'", "encoder 'minilm-l12'", "selector 'his'"):
        assert f"{one}, which is not installed" in needs
