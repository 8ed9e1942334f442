"""The recipes of FARCER: what the paper states, as plain values, and how many parameters learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from merc.cli.main import app
from merc.components import Frozen
from merc.errors import MercError
from merc.recipe import load_recipe
from merc.registry import get_registry

FOLDER = Path(__file__).parents[3] / "recipes/farcer"


@pytest.fixture(autouse=True)
def _parts() -> None:
    for kind, name in (("encoder", "vit-cls"), ("corpus", "meld"), ("corpus", "iemocap")):
        try:
            get_registry().resolve(kind, name)
        except MercError as error:
            pytest.skip(str(error))


# Table III: epochs, learning rate, what of the language model learns, the projection. The paper gives two learning
# rates of the fine-tuned model and does not say which is for which corpus.
FROZEN: dict[str, Any] = {"name": "frozen"}
LORA = {"name": "lora", "r": 8, "alpha": 16, "dropout": 0.1, "targets": ("q_proj", "k_proj", "v_proj")}
ONE: dict[str, Any] = {"name": "linear", "normalize": "none", "init_scale": 1.0}
THREE = {"name": "mlp", "layers": 3, "width": None, "dropout": 0.05, "normalize": "none", "init_scale": 1.0}
STATED = {
    "meld": (20, 1e-4, FROZEN, ONE),
    "meld-three-layer": (20, 2e-4, FROZEN, THREE),
    "meld-fine-tuned": (10, 1.5e-4, LORA, ONE),
    "iemocap": (20, 1e-4, FROZEN, ONE),
    "iemocap-three-layer": (20, 2e-4, FROZEN, THREE),
    "iemocap-fine-tuned": (10, 2e-4, LORA, ONE),
}
SEVEN_SHOTS = {"name": "random", "k": 7, "sets": 10}  # in ten prompts
TRAINER = {  # III-C and III-D, eq. 7
    "name": "sft", "schedule": "cosine", "batch_conversations": 1, "gradient_accumulation": 1,
    "losses": [
        {"name": "farcer-nll", "weight": 1.0, "token_weights": "balanced", "answers_read": "free-running",
         "average": "tokens"},
    ],
    "select_by": "last-utterance.weighted_f1",
}  # fmt: skip
EVALUATE_PARTS = {"meld": None, "iemocap": (5, 26)}
# Table II, in the order of the corpus' own labels.
TABLE_II = ["happiness", "sadness", "neutral", "anger", "excitement", "frustration", "surprise", "fear", "disgust"]


def has(part: Any, stated: dict[str, Any]) -> bool:
    """Whether a part has a name and, among others, these parameters."""
    return {"name": part.name, **{name: part.params[name] for name in stated if name != "name"}} == stated


@pytest.mark.parametrize("name", STATED)
def test_what_the_paper_states(name: str) -> None:
    epochs, lr, tuning, connector = STATED[name]
    corpus = name.partition("-")[0]
    recipe = load_recipe(str(FOLDER / f"{name}.yaml"))
    assert recipe.corpus is not None and recipe.backbone is not None and recipe.evaluate is not None
    assert recipe.corpus.name == corpus
    assert recipe.backbone.params["path"] == "meta-llama/Meta-Llama-3-8B-Instruct"
    assert type(recipe.tuning).__name__.lower() == tuning["name"]
    assert all(getattr(recipe.tuning, key) == value for key, value in tuning.items() if key != "name")
    assert list(recipe.encoders) == list(recipe.connectors) == ["image"] and not recipe.fusers
    assert has(recipe.encoders["image"], {"name": "vit-cls", "path": "trpakov/vit-face-expression", "frame": "middle"})
    assert has(recipe.connectors["image"], connector)
    (stage,) = recipe.stages
    (task,) = stage.tasks
    shown = {"name": "farcer", "media": ["image"], "history": None}
    assert has(task.prompter, shown) and task.demonstrations and has(task.demonstrations, SEVEN_SHOTS)
    assert (task.data.targets, task.data.segments, task.data.limit) == ("last", (5, 21), None)
    assert stage.trainable is None and has(stage.trainer, {**TRAINER, "epochs": epochs, "lr": lr})
    # A frozen model of 8B keeps 4.85 GB of activations for each thousand tokens without.
    assert stage.trainer.params["activation_checkpointing"] is True
    how = recipe.evaluate
    assert (
        how.segments == EVALUATE_PARTS[corpus]
        and get_registry().name_of(how.decoder) == "generate"
        and how.prompter is None
    )
    assert how.demonstrations and has(how.demonstrations, SEVEN_SHOTS)
    assert list(how.metrics) == ["classification", "last-utterance"]


@pytest.mark.parametrize("corpus", ["meld", "iemocap"])
def test_the_bare_model_is_asked_like_farcer_but_for_the_pictures(corpus: str) -> None:
    bare, base = (load_recipe(str(FOLDER / f"{name}.yaml")) for name in (f"{corpus}-text", corpus))
    assert bare.evaluate and base.evaluate and bare.evaluate.prompter
    assert not bare.stages and isinstance(bare.tuning, Frozen) and bare.labels == base.labels
    assert bare.corpus == base.corpus and bare.backbone == base.backbone
    shown = base.stages[0].tasks[0].prompter.params
    assert bare.evaluate.prompter.params == {**shown, "media": []}
    for name in ("decoder", "segments", "demonstrations", "metrics"):
        assert getattr(bare.evaluate, name) == getattr(base.evaluate, name), name


@pytest.mark.parametrize("name", [name for name in STATED if name.startswith("iemocap")])
def test_iemocaps_labels_have_the_papers_words(name: str) -> None:
    """Those of MELD's labels too where both have an emotion, since the weights come from MELD."""
    recipe = load_recipe(str(FOLDER / f"{name}.yaml"))
    assert recipe.corpus is not None and recipe.labels is not None
    assert has(recipe.corpus, {"name": "iemocap", "labels": "nine", "undecided": "drawn"})
    assert [recipe.labels.words_of(label) for label in recipe.labels.labels] == [(word,) for word in TABLE_II]
    own = ("happy", "sad", "neutral", "angry", "excited", "frustrated", "surprised", "fearful", "disgusted")
    assert recipe.labels.labels == own


LAYERS, HIDDEN, KEYS = 32, 4096, 1024
PROJECTION = 768 * HIDDEN + HIDDEN
ADAPTERS = LAYERS * 8 * ((HIDDEN + HIDDEN) + 2 * (HIDDEN + KEYS))


@pytest.mark.parametrize(
    ("name", "learns"),
    [
        ("meld", {"connectors.image": 3_149_824}),
        ("meld-three-layer", {"connectors.image": 36_712_448}),
        ("meld-fine-tuned", {"connectors.image": 3_149_824, "backbone.adapters": 4_718_592}),
    ],
)
def test_how_many_parameters_learn(name: str, learns: dict[str, int]) -> None:
    done = CliRunner().invoke(app, ["params", str(FOLDER / f"{name}.yaml"), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert {part: count["trainable"] for part, count in found["parts"].items() if count["trainable"]} == learns
    assert found["trainable"] == sum(learns.values())
    assert found["parts"]["backbone"]["total"] == 8_030_261_248
    square = HIDDEN * HIDDEN + HIDDEN
    assert learns["connectors.image"] == PROJECTION + (2 * square if "three" in name else 0)
    assert learns.get("backbone.adapters", ADAPTERS) == ADAPTERS
