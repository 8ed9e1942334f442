"""``evaluate.corrupt``: which streams it is of, what its rows are called, and what is said of one that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from merc.components import Corruption, Prompter
from merc.errors import ManyErrors
from merc.recipe import load_recipe
from merc.recipe.corruptions import shown_streams, streams_of

PLAIN = """\
labels: [joy, anger]
corpus: {name: toy-corpus, path: a}
backbone: {name: toy-llm, tuning: {name: lora}}
encoders:
  video: {name: toy-video}
  audio: {name: toy-audio}
fusers: {both: {name: toy-join, inputs: [video, audio]}}
connectors:
  video: {name: toy-linear}
  both: {name: toy-linear}
stages:
  - id: learn
    prompter: {name: conversation, media: [both]}
    trainer: {name: sft}
evaluate: {splits: [test]}
"""
TEXT = "stages.0.prompter.media=[]"
VIDEO = "stages.0.prompter.media=[video]"


@pytest.fixture(autouse=True)
def _plain(here: Path) -> None:
    (here / "plain.yaml").write_text(PLAIN)


def load(*changes: str, use: str = "train"):
    return load_recipe("plain.yaml", changes, use)


def corrupt(text: str) -> str:
    return f"evaluate.corrupt=[{text}]"


@pytest.mark.parametrize(("changes", "path", "holds"), [
    ([corrupt("toy-hiss"), TEXT], "evaluate.corrupt.0", ["'toy-hiss' corrupts audio", "words alone", "take it out"]),
    ([corrupt("toy-hiss"), VIDEO], "evaluate.corrupt.0", ["no prompt of the evaluation", "video (video)"]),
    ([corrupt("{name: toy-hiss, streams: [voice]}")], "evaluate.corrupt.0.streams", ["'voice'", "recipe lacks"]),
    ([corrupt("{name: toy-hiss, streams: [audoi]}")], "evaluate.corrupt.0.streams", ["Did you mean 'audio'"]),
    ([corrupt("{name: toy-hiss, streams: [video]}")], "evaluate.corrupt.0.streams", ["'video' is video"]),
    ([corrupt("{name: toy-hiss, streams: [both]}")], "evaluate.corrupt.0.streams", ["a fuser's", "video, audio"]),
    ([corrupt("{name: toy-hiss, streams: [audio]}"), VIDEO], "evaluate.corrupt.0.streams", ["which no prompt"]),
    ([corrupt("{name: toy-hiss, severities: [-1]}")], "evaluate.corrupt.0", ["severities: -1 is below 0"]),
    ([corrupt("{name: toy-hiss, severities: []}")], "evaluate.corrupt.0", ["severities names at least one"]),
    ([corrupt("{name: toy-hiss, snr: 3}")], "evaluate.corrupt.0.snr", ["takes no 'snr'"]),
    ([corrupt("toy-hisss")], "evaluate.corrupt.0", ["Did you mean 'toy-hiss'"]),
    ([corrupt("toy-hiss, toy-hiss")], "evaluate.corrupt.1", ["corruption 'toy-hiss' occurs twice"]),
    ([corrupt("toy-hiss, {name: toy-hiss, severities: [9]}")], "evaluate.corrupt.1", ["as: NAME"]),
    ([corrupt("{name: toy-spell, streams: [audio]}")], "evaluate.corrupt.0.streams", ["takes no streams"]),
    ([corrupt("toy-spell"), "evaluate.prompter={name: toy-mute}"], "evaluate.corrupt.0", ["words", "show none"]),
    (["evaluate.corrupt=toy-hiss"], "evaluate.corrupt", ["a list of corruptions, such as"]),
    (["evaluate.corrupt_seed=-1"], "evaluate", ["corrupt_seed counts from 0"]),
])  # fmt: skip
def test_one_sentence_says_what_is_wrong_and_where(changes: list[str], path: str, holds: list[str]) -> None:
    with pytest.raises(ManyErrors) as caught:
        load(*changes)
    (error,) = caught.value.errors
    assert error.startswith(f"{path} (") or error.startswith(f"{path}.name (")
    assert all(text in error for text in holds), error


def test_streams_within_a_fuser_count_and_rows_are_named_by_what_differs() -> None:
    recipe = load(corrupt("toy-hiss, {name: toy-hiss, loud: 2}, {name: toy-hiss, as: mine, loud: 3}, toy-spell"))
    assert recipe.evaluate is not None
    assert list(recipe.evaluate.corrupt) == ["toy-hiss", "toy-hiss-loud-2.0", "mine", "toy-spell"]
    prompter = cast(Prompter, recipe.stages[0].prompter.component)
    shown = shown_streams(prompter, recipe.encoders, recipe.fusers)
    assert shown == {"video": "video", "audio": "audio"}
    hiss = cast(Corruption, recipe.evaluate.corrupt["toy-hiss"].component)
    assert streams_of(hiss, shown) == {"audio": "audio"}


def test_the_recipe_of_a_run_says_the_same_again(here: Path) -> None:
    from merc.recipe import write_recipe

    recipe = load(corrupt("{name: toy-hiss, as: mine, severities: [3, 1]}"), "evaluate.corrupt_seed=5")
    write_recipe(here / "kept.yaml", recipe)
    again = load_recipe(str(here / "kept.yaml"))
    assert again.evaluate == recipe.evaluate
    assert again.evaluate is not None and again.evaluate.corrupt_seed == 5


def test_a_trained_run_predicts_without_the_plugin_of_its_corruptions() -> None:
    with pytest.raises(ManyErrors):
        load(corrupt("not-there"), use="evaluate")
    recipe = load(corrupt("not-there"), use="predict")
    assert recipe.resolved["evaluate"]["corrupt"] == [{"name": "not-there"}] or recipe.evaluate is not None


def test_a_summary_says_what_a_corruption_needs(here: Path) -> None:
    from merc.recipe.needs import summarize

    (here / "noisy.yaml").write_text("extends: plain.yaml\nevaluate: {corrupt: [toy-hiss, nowhere]}\n")
    assert "corruption 'nowhere', which is not installed" in summarize("noisy.yaml").needs
