# ruff: noqa: E501 - messages are quoted whole
from __future__ import annotations

from pathlib import Path

import pytest

from merc.builtin.tunings import Full, LoRA
from merc.errors import ManyErrors
from merc.recipe import load_recipe


def errors_of(*overrides: str) -> list[str]:
    with pytest.raises(ManyErrors) as caught:
        load_recipe("small.yaml", overrides)
    return caught.value.errors


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("stages.0.trainer.lr=2e-4", 2e-4),
        ("stages.0.trainer.lr=1", 1.0),
        ("stages.0.trainer.lr=.5", 0.5),
        ("stages.0.trainer.schedule=linear", "linear"),
        ("stages.0.trainer.schedule='linear'", "linear"),
        ("stages.0.trainer.early=true", True),
        ("stages.0.prompter.question='a # b: c'", "a # b: c"),
        ("stages.0.prompter.question=a=b", "a=b"),
        ("stages.0.prompter.question=''", ""),
        ("stages.0.prompter.question=\"two\\nlines\"", "two\nlines"),
        ("stages.0.prompter.question='no'", "no"),
        ("stages.0.prompter.question=été", "été"),
        ("stages.0.prompter.uses=[audio, both]", ["audio", "both"]),
        ("stages.1.prompter.uses=[]", []),
    ],
)  # fmt: skip
def test_values_of_the_command_line(here: Path, override: str, value: object) -> None:
    _, number, part, key = override.partition("=")[0].split(".")
    stage = load_recipe("small.yaml", [override]).stages[int(number)]
    found = getattr(stage, part).params[key]
    assert (found, type(found)) == (value, type(value))


def test_whole_section_replaces_what_was_there(here: Path) -> None:
    recipe = load_recipe("small.yaml", ["encoders.video={name: toy-video, size: [2, 3]}"])
    assert recipe.encoders["video"].params == {"frames": 8, "size": [2, 3], "sampling_rate": 2.0}


def test_whole_backbone_keeps_the_tuning_unless_it_brings_its_own(here: Path) -> None:
    kept = load_recipe("small.yaml", ["backbone={name: toy-llm, size: 2}"])
    assert kept.tuning == LoRA(r=8) and kept.sources["backbone.tuning.r"] == "small.yaml:8"
    assert load_recipe("small.yaml", ["backbone={name: toy-llm, tuning: {name: full}}"]).tuning == Full()


def test_later_overrides_win(here: Path) -> None:
    assert load_recipe("small.yaml", ["seed=1", "seed=2"]).seed == 2


def test_null_takes_out_entries_of_named_sections(here: Path) -> None:
    recipe = load_recipe(
        "small.yaml",
        ["encoders.audio=null", "connectors.audio=null", "fusers.both.inputs=[video]"],
    )
    assert list(recipe.encoders) == ["video"] and list(recipe.connectors) == ["video", "both"]


def test_sections_that_the_file_has_not_can_be_set(here: Path) -> None:
    recipe = load_recipe("small.yaml", ["features.workers=0", "stages.0.data.limit=3", "strategy.batch_tokens=9"])
    assert (recipe.features.workers, recipe.stages[0].tasks[0].data.limit, recipe.strategy.batch_tokens) == (0, 3, 9)


def test_a_component_may_be_added_whole(here: Path) -> None:
    recipe = load_recipe("small.yaml", ["encoders.face={name: toy-video}", "encoders.face.frames=2"])
    assert recipe.encoders["face"].params["frames"] == 2


WRONG = [
    ("seed", "'seed': an override is key=value, such as seed=1"),
    ("+seed=1", "'+seed=1': write it without '+'; key=value sets a new key too, key=null takes one out"),
    ("~seed=", "'~seed=': write it without '~'; key=value sets a new key too, key=null takes one out"),
    ("=1", "'=1': the key has an empty part; keys are joined by dots, such as corpus.name=jsonl"),
    ("corpus..name=1", "'corpus..name=1': the key has an empty part; keys are joined by dots, such as corpus.name=jsonl"),
    ("title=", "'title=': the value is missing; write title=null for nothing, or title=\"''\" for empty text"),
    ("title=# 1", "'title=# 1': '#' begins a comment, so there is no value; put it in quotes: title=\"'...'\""),
    ("title=a #1", "'title=a #1': what follows '#' is a comment; put the value in quotes: title=\"'...'\""),
    ("labels=[a", "'labels=[a': not YAML: did not find expected ',' or ']' (while parsing a flow sequence)"),
    ("title=a${b", None),
    ("corpus={name: a, name: b}", "name ('corpus={name: a, name: b}':1): the key occurs twice, first in line 1; keep one "
     "of them"),
    ("extends=other.yaml", "'extends=other.yaml': extends belongs in a file; give the other recipe instead of this one"),
    ("stages.2.id=x", "stages.2.id (command line): stages is a list, and '2' is no item of it: it has 2, numbered from 0; "
     "to add items give the whole list: stages=[...]"),
    ("stages.merc.id=x", "stages.merc.id (command line): stages is a list, and 'merc' is no item of it: it has 2, numbered "
     "from 0; to add items give the whole list: stages=[...]"),
    ("stages.-1.id=x", "stages.-1.id (command line): stages is a list, and '-1' is no item of it: it has 2, numbered from "
     "0; to add items give the whole list: stages=[...]"),
    ("seed.x=1", "seed.x (command line): seed is 3 and has nothing inside to set"),
    ("encoders.vidoe.frames=1", "encoders.vidoe.frames (command line): encoders has no 'vidoe'. Did you mean 'video'? It "
     "has: video, audio. To add one, give it whole: encoders.vidoe={name: ...}"),
    ("fusers.nothing=null", "fusers.nothing (command line): fusers has no 'nothing'. It has: both."),
]  # fmt: skip


@pytest.mark.parametrize(("override", "error"), WRONG, ids=[override for override, _ in WRONG])
def test_wrong_override(here: Path, override: str, error: str | None) -> None:
    (found,) = errors_of(override)
    if error is None:
        assert "cannot be read" in found and found.endswith("and \\${ for the characters themselves")
    else:
        assert found.splitlines()[-1].strip() == error
