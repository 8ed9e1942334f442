"""The recipes of the paper: their text is that of the plugin, and every row that the README lists is valid."""

import re
import shlex
from pathlib import Path

import pytest
from merc_bemerc.behaviour import BEHAVIOUR, DESCRIPTION
from merc_bemerc.prompters import EMOTION, BehaviourPrompter, EmotionPrompter

from merc.recipe import load_recipe

RECIPES = Path(__file__).parents[3] / "recipes" / "bemerc"
README = (RECIPES / "README.md").read_text()
ROWS = [shlex.split(row)[2:] for row in re.findall(r"^\| .* \| `(merc run bemerc/[^`]*)` \|$", README, re.M)]


def prompters(recipe):
    """The prompters of all tasks of a recipe, and of its evaluation."""
    found = [task.prompter.component for task in recipe.tasks]
    return [*found, *([recipe.evaluate.prompter.component] if recipe.evaluate.prompter else [])]


def test_the_readme_has_rows():
    assert len(ROWS) >= 10


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_each_row_of_the_readme_is_valid(row):
    recipe = load_recipe(row[0], row[1:])
    assert recipe.stages or recipe.evaluate


@pytest.mark.parametrize("name", ["iemocap", "meld", "iemocap-single", "meld-single", "iemocap-description"])
def test_the_teacher_and_the_student_read_one_text(name):
    recipe = load_recipe(f"bemerc/{name}")
    text = DESCRIPTION if "description" in name else BEHAVIOUR
    teacher = recipe.annotators["behaviour"].component
    (student,) = [one for one in prompters(recipe) if isinstance(one, BehaviourPrompter)]
    assert teacher.template == student.template == text
    assert set(student.fields) == set(teacher.fields())
    assert all(one.template == EMOTION for one in prompters(recipe) if isinstance(one, EmotionPrompter))


def test_text_that_a_user_writes_reaches_both(tmp_path):
    own = "annotators.behaviour.template={all: 'Describe {conversation} {media} as {json}.'}"
    recipe = load_recipe("bemerc/iemocap", [own])
    teacher, student = recipe.annotators["behaviour"].component, prompters(recipe)[0]
    assert teacher.template == student.template == {"all": "Describe {conversation} {media} as {json}."}


def test_the_flat_row_flattens_the_teacher_too():
    (row,) = [row for row in ROWS if any("structured" in one for one in row)]
    recipe = load_recipe(row[0], row[1:])
    parts = [recipe.annotators["behaviour"].component, *prompters(recipe)]
    assert [part.structured for part in parts] == [False, False, False]


@pytest.mark.parametrize("name", ["iemocap", "meld"])
def test_zero_shot_reads_the_behaviours_in_words(name):
    recipe = load_recipe(f"bemerc/{name}-zero-shot")
    assert recipe.corpus.name == name and not recipe.stages and not recipe.encoders
    assert recipe.evaluate.prompter.component.cues == ("face", "body", "posture")


@pytest.mark.parametrize("name", ["iemocap", "meld", "iemocap-llmerc", "meld-single"])
def test_the_papers_encoder_computes_in_half_precision(name):
    assert load_recipe(f"bemerc/{name}").encoders["video"].component.dtype == "float16"


NAMES = [file.stem for file in RECIPES.glob("*.yaml") if file.stem.startswith(("iemocap", "meld"))]


@pytest.mark.parametrize("name", NAMES)
def test_stages_at_the_papers_size_compute_activations_again(name):
    # Without, a pass of 4,096 tokens keeps 26.6 GB beside the 13.5 GB of Vicuna, on GPUs of 40 GB.
    recipe = load_recipe(f"bemerc/{name}")
    if recipe.backbone.params.get("path") == "lmsys/vicuna-7b-v1.5":
        for stage in recipe.stages:
            assert stage.trainer.params["activation_checkpointing"] is True, stage.id
            assert stage.trainer.params["batch_tokens"] <= 4096
