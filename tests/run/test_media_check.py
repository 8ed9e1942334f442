"""Whether what is trained has media to learn from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from merc.builtin.fusers import Concat
from merc.builtin.jsonl import JsonlCorpus
from merc.builtin.prompters import ConversationPrompter
from merc.builtin.sft import SupervisedFineTuning
from merc.components import Component, Prompter
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.features import FeatureStore, FeatureTable
from merc.recipe import Evaluate, Part, Recipe, Stage, Task
from merc.run.data import queries
from merc.run.media_check import check_media
from tests.features.parts import Brightness, Loudness

TRAIN = [Conversation(id="c", split="train", utterances=tuple(Utterance(id=f"u{i}", text="Hm.") for i in range(4)))]
TEST = [Conversation(id="t", split="test", utterances=(Utterance(id="t0", text="Hm."),))]
LABELS = LabelSpace(("joy", "anger"))


def part(component: Component) -> Part:
    return Part(name="it", params={}, component=component)


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


def table(missing: dict[tuple[str, str], str], folder: Path) -> FeatureTable:
    return FeatureTable(FeatureStore(folder), {}, missing)


def model(learns: bool, *streams: str) -> Any:
    parts = {"backbone": ["backbone.weight"] if learns else []}
    parts |= {f"connectors.{stream}": [f"connectors.{stream}.weight"] for stream in streams}
    return SimpleNamespace(parts=lambda: parts)


def look(given: Recipe, missing: dict[tuple[str, str], str], folder: Path, learns: bool = True, **more: Any) -> None:
    asked = []
    for task in given.tasks:
        assert isinstance(task.prompter.component, Prompter)
        asked.append((f"{task.path}.prompter", task.prompter.component, queries(TRAIN, LABELS)))
    assert given.evaluate is not None and given.evaluate.prompter is not None
    asked.append(("evaluate, split test", given.evaluate.prompter.component, queries(TEST, LABELS)))
    check_media(given, model(learns, "seen", "heard", "both"), asked, table(missing, folder), **more)


def gone(stream: str, *numbers: int) -> dict[tuple[str, str], str]:
    return {(stream, f"u{i}"): f"/films/{i}.mp4 is not there" for i in numbers}


def test_a_stream_that_no_utterance_of_training_has_is_an_error_with_the_commonest_reason(tmp_path: Path) -> None:
    given = recipe(("seen",), ("heard",), evaluate=("seen", "heard"))
    look(given, gone("seen", 0, 1, 2), tmp_path)  # one of four is enough
    missing = {**gone("seen", 0, 1, 2), ("seen", "u3"): "3.mp4 is empty (0 bytes)"}
    with pytest.raises(MercError) as told:
        look(given, missing, tmp_path)
    for words in (
        "seen: none of the 4 utterances that are learned from has features", "the commonest reason (3 of 4), of u0: "
        "/films/0.mp4 is not there", "take 'seen' out of the prompts of stages.0",
    ):  # fmt: skip
        assert words in str(told.value)
    look(given, missing, tmp_path, begun=("connectors.seen",))  # another run has trained it


def test_of_a_fuser_every_encoder_has_some(tmp_path: Path) -> None:
    with pytest.raises(MercError, match="seen: none of the 4 utterances"):
        look(recipe(("both",), evaluate=("both",)), gone("seen", 0, 1, 2, 3), tmp_path)


def test_a_connector_that_only_the_evaluation_would_use(tmp_path: Path) -> None:
    with pytest.raises(MercError, match=r"evaluate, split test: it shows 'heard', which no stage's prompts show"):
        look(recipe(("seen",), evaluate=("seen", "heard")), {}, tmp_path)
    look(recipe(("seen",), evaluate=("seen", "heard")), {}, tmp_path, begun=("connectors.heard",))
    look(recipe(evaluate=("heard",)), {}, tmp_path)  # nothing is trained at all


def test_a_stage_in_which_nothing_that_learns_has_input(tmp_path: Path) -> None:
    only = recipe(("seen",), ("seen", "heard"), trainable=("connectors.heard",))
    with pytest.raises(MercError, match=r"stage s0: nothing that learns \(connectors\.heard\) .* show none"):
        look(only, {}, tmp_path)
    films = recipe(("seen",), trainable=("connectors.*",))
    look(films, gone("seen", 0, 1, 2), tmp_path)
    with pytest.raises(MercError, match=r"stage s0: nothing .*seen: none of the 4 .*\(4 of 4\), of u0: /films/0\.mp4"):
        look(films, gone("seen", 0, 1, 2, 3), tmp_path)
    with pytest.raises(MercError, match="stage s0: nothing that learns"):
        look(recipe(("seen",)), gone("seen", 0, 1, 2, 3), tmp_path, learns=False)  # a frozen backbone
