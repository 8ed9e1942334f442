"""Settings that are right one by one and do not work together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from merc.errors import ManyErrors
from merc.recipe import load_recipe

PLAIN = """\
labels: [joy, anger]
corpus: {name: toy-corpus, path: a}
backbone: {name: toy-llm, tuning: {name: lora}}
encoders:
  video: {name: toy-video}
  audio: {name: toy-audio}
connectors:
  video: {name: toy-linear}
stages:
  - id: learn
    prompter: {name: conversation, media: [video]}
    trainer: {name: sft}
evaluate: {splits: [test]}
"""
ONLY_VIDEO = "encoders.audio=null"
TEXT = "{name: toy-text}"
LABELS = "stages.0.trainer.losses=[label-ce]"
WRITES = "evaluate.decoder={name: generate}"
FROZEN = "backbone.tuning={name: frozen}"


@pytest.fixture(autouse=True)
def _plain(here: Path) -> None:
    (here / "plain.yaml").write_text(PLAIN)


def errors(*changes: str, use: str = "train") -> list[str]:
    try:
        load_recipe("plain.yaml", [ONLY_VIDEO, *changes], use)
    except ManyErrors as caught:
        return caught.errors
    return []


def notes(*changes: str, use: str = "train") -> tuple[str, ...]:
    return load_recipe("plain.yaml", changes, use).notes


@pytest.mark.parametrize(
    ("changes", "path", "holds"),
    [
        ([LABELS, WRITES], "evaluate.decoder", ["'learn'", "choose", "losses=[token-nll]", "{name: verbalizer}"]),
        ([f"evaluate.prompter={TEXT}"], "evaluate.decoder", ["'toy-text' asks for a text", "decoder={name: generate}"]),
        ([WRITES, "stages.0.prompter.end=false"], "evaluate.decoder", ["end: false", "parser: first-label"]),
        (["evaluate.decoder={name: generate, parser: strict}", "stages.0.prompter.end=false"], "evaluate.decoder",
         ["end: false"]),
        (["evaluate.decoder={name: generate, max_new_tokens: 2}", "labels={joy: full of joy, anger: anger}"],
         "evaluate.decoder.max_new_tokens", ["'full of joy' has 3 words", "2 tokens"]),
        ([WRITES, "evaluate.metrics=[classification, {name: toy-metric, reads: [probabilities]}]"],
         "evaluate.metrics.1", ["'toy-metric' needs probabilities, which decoder 'generate' does not give"]),
        (["evaluate.metrics=[classification, {name: toy-metric, reads: [text, probabilities]}]"],
         "evaluate.metrics.1", ["'toy-metric' needs text, which decoder 'verbalizer' does not give", "generate"]),
        (["evaluate.label_history=gold", "evaluate.prompter={name: toy-plain}"],
         "evaluate.label_history", ["'toy-plain' shows no labels of earlier"]),
        (["evaluate.label_history=predicted", "stages.0.prompter.history=0"],
         "evaluate.label_history", ["no labels of"]),
        (["stages.0.data.label_history=true", "evaluate.label_history=null", "stages.0.prompter={name: toy-plain}"],
         "stages.0.data.label_history", ["no labels of earlier"]),
        (["evaluate.prompter={name: toy-plain}", "evaluate.demonstrations={name: random}"],
         "evaluate.demonstrations", ["shows no demonstrations", "evaluate.demonstrations=null"]),
        ([FROZEN, "stages.0.prompter.media=[]"], "stages.0.trainable",
         ["nothing of stage 'learn' can learn", "frozen", "words"]),
        (["stages.0.trainable=['connectors.*']", "stages.0.prompter.media=[]"],
         "stages.0.trainable", ["only connectors.* may learn", "words alone"]),
    ],
)  # fmt: skip
def test_what_cannot_work_is_an_error(changes: list[str], path: str, holds: list[str]) -> None:
    (error,) = errors(*changes)
    assert error.startswith(f"{path} (")
    for text in holds:
        assert text in error


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [WRITES],
        [LABELS],
        # A text is learned token by token whatever the loss of labels is.
        [LABELS, WRITES, f"evaluate.prompter={TEXT}"],
        ["stages.0.prompter.end=false", "evaluate.decoder={name: generate, parser: first-label}"],
        # A model as it comes may know by itself where to stop.
        [WRITES, "stages=[]", "evaluate.prompter={name: conversation, end: false}"],
        ["evaluate.decoder={name: generate, max_new_tokens: 3}", "labels={joy: full of joy, anger: anger}"],
        ["evaluate.label_history=predicted", "evaluate.demonstrations={name: random}"],
        [WRITES, "evaluate.metrics=[classification, {name: toy-metric, reads: [text]}]"],
        [FROZEN],
        ["stages.0.prompter.media=[]"],
        # A prompter that makes nothing of a made-up conversation is left to the run.
        [
            "evaluate.prompter={name: toy-prompt}",
            "evaluate.label_history=gold",
            "evaluate.demonstrations={name: random}",
        ],
    ],
)
def test_what_can_work_is_none(changes: list[str]) -> None:
    assert errors(*changes) == []


def test_a_trained_run_is_told_and_not_stopped() -> None:
    assert errors(LABELS, WRITES, use="evaluate") == []
    (note,) = notes(ONLY_VIDEO, LABELS, WRITES, use="evaluate")
    assert note.startswith("evaluate.decoder (command line): ") and "choose among the labels" in note


@pytest.mark.parametrize(
    ("changes", "path", "holds"),
    [
        ([], "encoders.audio", "nothing uses it"),
        (["connectors.audio={name: toy-linear}"], "connectors.audio", "no prompter shows the stream 'audio'"),
        (["fusers.both={name: toy-join}", ONLY_VIDEO], "fusers.both", "no prompter shows the stream 'both'"),
        ([ONLY_VIDEO, "stages.0.data.split=dev", "evaluate.splits=[dev, test]"], "evaluate.splits", "dev is measured"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_noted(changes: list[str], path: str, holds: str) -> None:
    (note,) = notes(*changes)
    assert note.startswith(path) and holds in note


def test_a_connector_that_is_named_for_nothing_is_noted() -> None:
    found = notes(
        "connectors.audio={name: toy-linear}",
        "stages.0.trainable=[connectors.video, connectors.audio]",
        "evaluate.prompter={name: conversation, media: [audio]}",
    )
    assert len(found) == 1 and "connectors.audio learns nothing here" in found[0]


def test_what_a_selector_or_a_fuser_takes_is_used() -> None:
    near = "evaluate.demonstrations={name: retrieved, embedder: null, streams: [audio]}"
    assert notes(near) == ()
    join = [
        "fusers.both={name: toy-join}",
        "connectors.both={name: toy-linear}",
        "stages.0.prompter.media=[video, both]",
    ]
    assert notes(*join) == ()


def test_validate_lists_the_notes(merc: Callable[..., CompletedProcess[str]]) -> None:
    done = merc("validate", "plain.yaml")
    assert done.returncode == 0 and "plain.yaml is valid" in done.stdout
    assert "note: encoders.audio: nothing uses it" in done.stderr
    done = merc("validate", "plain.yaml", LABELS, WRITES)
    assert done.returncode == 2 and "evaluate.decoder (command line)" in done.stderr


LEARNER = "encoders.video.name=toy-learner"


def test_encoders_learn_where_they_are_named(here: Path) -> None:
    def learning(*names: str) -> tuple[str, ...]:
        named = f"stages.0.trainable=[{', '.join(names)}]" if names else "stages.0.trainable=null"
        return load_recipe("plain.yaml", [LEARNER, named]).learning_encoders

    assert learning() == learning('"*"') == learning('"connectors.*"', "backbone") == ()
    assert learning("encoders.video") == learning("encoders.video.blocks.2.*", "backbone") == ("video",)


def test_an_encoder_alone_may_learn(here: Path) -> None:
    load_recipe("plain.yaml", [LEARNER, FROZEN, "stages.0.trainable=[encoders.video]"])


def test_an_encoder_that_is_named_for_nothing_is_noted() -> None:
    found = notes(LEARNER, "encoders.other={name: toy-learner}", "stages.0.trainable=[encoders.other, backbone]")
    assert any("encoders.other learns nothing here" in note for note in found)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("encoders.audio", ("'toy-audio'", "encoders.audio", "no prepare()", "no build()", "register_encoders")),
        ('"encoders.*"', ("'toy-audio'", "cannot learn")),
        ("encoders.vide", ("'encoders.vide'", "encoders.video")),
    ],
)
def test_encoders_that_cannot_learn_are_named(named: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ManyErrors) as error:
        load_recipe("plain.yaml", [LEARNER, f"stages.0.trainable=[{named}, backbone]"])
    assert all(word in str(error.value) for word in words), error.value
    assert "stages.0.trainable" in str(error.value)
