"""What a recipe may name together, and what is refused before anybody is asked."""

from __future__ import annotations

from typing import Any

import pytest

import merc
from merc.recipe import load_recipe

RULES = {"name": "composed-description", "clues": {"lexical": "text"}, "compare_voice": False}


def load(annotators: dict[str, Any], cues: list[str] | None = None) -> Any:
    recipe: dict[str, Any] = {
        "corpus": {"name": "jsonl", "path": "/dev/null"},
        "annotators": annotators,
        "strategy": {"device": "cpu"},
    }
    if cues is not None:
        recipe |= {
            "labels": ["joy", "anger"], "backbone": {"name": "hf", "path": "nowhere"},
            "evaluate": {"prompter": {"name": "conversation", "cues": cues}},
        }  # fmt: skip
    return merc.load_recipe(recipe)


def test_shipped_recipes_are_valid() -> None:
    offline = load_recipe("annotation/offline")
    assert list(offline.annotators)[:3] == ["measures", "units", "peak"]
    teachers = load_recipe("annotation/teachers", ["data_root=/dev"])
    assert {"scene", "voice", "one", "two", "vote"} <= teachers.annotators.keys()
    for recipe in (offline, teachers):  # somebody writes what each reads
        written = {field for part in recipe.annotators.values() for field in part.component.fields()}
        assert all(set(part.component.reads()) <= written for part in recipe.annotators.values())


def test_each_field_has_one_writer() -> None:
    with pytest.raises(merc.MercError, match=r"annotators\.two.*writes the cue 'triplet', and so does annotators\.one"):
        load({"one": RULES, "two": RULES})
    assert load({"one": RULES, "two": {**RULES, "teacher": "two"}})


def test_a_circle_is_named() -> None:
    one = {**RULES, "teacher": "one", "clues": {"description_two": "text"}}
    two = {**RULES, "teacher": "two", "clues": {"description_one": "text"}}
    with pytest.raises(
        merc.MercError, match=r"annotators\.one, which reads annotators\.two, which reads annotators\.one"
    ):
        load({"one": one, "two": two})


def test_no_prompt_shows_what_was_made_from_the_gold_label() -> None:
    guided = {**RULES, "label_guided": True}
    with pytest.raises(merc.MercError, match=r"shows the cue 'description', which annotators\.one makes from the gold"):
        load({"one": guided}, cues=["description"])
    judge = {"name": "rule-judge", "others": ["x"], "clues": {"lexical": "text"}}
    with pytest.raises(merc.MercError, match=r"shows the cue 'judgement', which annotators\.judge makes from the gold"):
        load({"one": guided, "judge": judge}, cues=["judgement"])
    assert load({"one": RULES, "judge": judge}, cues=["description", "judgement"])


def test_a_cue_that_nobody_writes_is_named(tmp_path) -> None:
    (tmp_path / "talk.jsonl").write_text('{"id": "d", "split": "test", "utterances": [{"id": "u", "text": "Oh."}]}\n')
    with pytest.raises(merc.MercError, match=r"annotators\.one .* reads the cue 'lexical', which no annotator"):
        merc.annotate({
            "corpus": {"name": "jsonl", "path": str(tmp_path / "talk.jsonl")}, "annotators": {"one": RULES},
            "features": {"store": str(tmp_path / "store" / "features")}, "strategy": {"device": "cpu"},
        })  # fmt: skip
