"""Whether what is trained has media to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from merc.builtin.fusers import Concat
from merc.builtin.jsonl import JsonlCorpus
from merc.builtin.prompters import ConversationPrompter
from merc.builtin.sft import SupervisedFineTuning
from merc.components import Component, Prompter
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.recipe import ComponentRef, Evaluate, Recipe, Stage, Task
from merc.session.data import queries
from merc.session.media_check import check_media
from tests.features.parts import Brightness, Loudness

TRAIN = [Conversation(id="c", split="train", utterances=tuple(Utterance(id=f"u{i}", text="Hm.") for i in range(4)))]
TEST = [Conversation(id="t", split="test", utterances=(Utterance(id="t0", text="Hm."),))]
LABELS = LabelSpace(("joy", "anger"))


def part(component: Component) -> ComponentRef:
    return ComponentRef(name="it", params={}, component=component)


def recipe(*media: tuple[str, ...], evaluate: tuple[str, ...] = (), trainable: tuple[str, ...] | None = None) -> Recipe:
    """Stages whose prompts show these streams, and an evaluation."""
    stages = tuple(
        Stage(
            id=f"s{number}", trainable=trainable, trainer=part(SupervisedFineTuning()),
            tasks=(Task(prompter=part(ConversationPrompter(media=streams)), path=f"stages.{number}"),),
        )
        for number, streams in enumerate(media)
    )  # fmt: skip
    return Recipe(
        name="r", corpus=part(JsonlCorpus(path=Path("talk.jsonl"))), stages=stages,
        encoders={"seen": part(Brightness()), "heard": part(Loudness())},
        fusers={"both": part(Concat(inputs=("heard", "seen")))},
        evaluate=Evaluate(prompter=part(ConversationPrompter(media=evaluate))),
    )  # fmt: skip


def parts(learns: bool, *streams: str) -> dict[str, list[str]]:
    found = {"backbone": ["backbone.weight"] if learns else []}
    return found | {f"connectors.{stream}": [f"connectors.{stream}.weight"] for stream in streams}


def look(given: Recipe, missing: dict[tuple[str, str], str], learns: bool = True, **more: Any) -> None:
    asked = []
    for task in given.tasks:
        assert isinstance(task.prompter.component, Prompter)
        asked.append((f"{task.path}.prompter", task.prompter.component, queries(TRAIN, LABELS)))
    assert given.evaluate is not None and given.evaluate.prompter is not None
    asked.append(("evaluate, split test", given.evaluate.prompter.component, queries(TEST, LABELS)))
    check_media(given, parts(learns, "seen", "heard", "both"), asked, missing, **more)


def gone(stream: str, *numbers: int) -> dict[tuple[str, str], str]:
    return {(stream, f"u{i}"): f"/films/{i}.mp4 is not there" for i in numbers}


def test_a_stream_that_no_utterance_of_training_has_is_an_error_with_the_commonest_reason() -> None:
    given = recipe(("seen",), ("heard",), evaluate=("seen", "heard"))
    look(given, gone("seen", 0, 1, 2))  # one of four is enough
    missing = {**gone("seen", 0, 1, 2), ("seen", "u3"): "3.mp4 is empty (0 bytes)"}
    with pytest.raises(MercError) as told:
        look(given, missing)
    for words in (
        "seen: none of the 4 utterances that are learned from has features", "the commonest reason (3 of 4), of u0: "
        "/films/0.mp4 is not there", "take 'seen' out of the prompts of stages.0",
    ):  # fmt: skip
        assert words in str(told.value)
    look(given, missing, inherited=("connectors.seen",))  # another run has trained it


def test_of_a_fuser_every_encoder_has_some() -> None:
    with pytest.raises(MercError, match="seen: none of the 4 utterances"):
        look(recipe(("both",), evaluate=("both",)), gone("seen", 0, 1, 2, 3))


def test_a_connector_that_only_the_evaluation_would_use() -> None:
    with pytest.raises(MercError, match=r"evaluate, split test: it shows 'heard', which no stage's prompts show"):
        look(recipe(("seen",), evaluate=("seen", "heard")), {})
    look(recipe(("seen",), evaluate=("seen", "heard")), {}, inherited=("connectors.heard",))
    look(recipe(evaluate=("heard",)), {})  # nothing is trained at all


def test_a_stage_in_which_nothing_that_learns_has_input() -> None:
    only = recipe(("seen",), ("seen", "heard"), trainable=("connectors.heard",))
    with pytest.raises(MercError, match=r"stage s0: nothing that learns \(connectors\.heard\) .* show none"):
        look(only, {})
    films = recipe(("seen",), trainable=("connectors.*",))
    look(films, gone("seen", 0, 1, 2))
    with pytest.raises(MercError, match=r"stage s0: nothing .*seen: none of the 4 .*\(4 of 4\), of u0: /films/0\.mp4"):
        look(films, gone("seen", 0, 1, 2, 3))
    with pytest.raises(MercError, match="stage s0: nothing that learns"):
        look(recipe(("seen",)), gone("seen", 0, 1, 2, 3), learns=False)  # a frozen backbone
