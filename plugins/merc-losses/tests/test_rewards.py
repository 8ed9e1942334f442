"""Rewards and how they are added up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from merc_losses.rewards import Format, LabelAccuracy, Length, totals

import merc
import merc.testing
from tests.tiny_backbone import write_tiny_recipe

R1 = "<think>A frown.</think><answer>anger</answer>"


class TestFormat(merc.testing.RewardContract):
    component = Format()
    name = "format"

    def texts(self) -> Sequence[str]:
        return (R1, "anger", "")


class TestLabelAccuracy(merc.testing.RewardContract):
    component = LabelAccuracy()
    name = "label-accuracy"


class TestLength(merc.testing.RewardContract):
    component = Length(least=1, most=3)
    name = "length"


def query(label: str | None = "anger") -> merc.Query:
    talk = merc.Conversation(id="c", utterances=(merc.Utterance(id="u", text="Oh!", label=label),))
    return merc.Query(
        conversation=talk, index=0, labels=merc.LabelSpace(("joy", "anger"), {"anger": ("anger", "rage")})
    )


def written(*texts: str, ended: bool = True) -> list[merc.Generation]:
    return [merc.Generation(text, (1, 2), (-0.5, -1.5), ended) for text in texts]


def test_format() -> None:
    texts = (R1, " <think>a\nb</think> \n<answer>joy</answer> ", "<answer>joy</answer>", R1 + " So.", "<think></think>")
    assert Format().scores(query(), written(*texts)) == [1, 1, 0, 0, 0]
    assert Format().scores(query(), written(R1, ended=False)) == [0]
    assert Format(pattern="joy|anger").scores(query(), written("joy", "joy!")) == [1, 0]
    with pytest.raises(ValueError, match="no regular expression"):
        Format(pattern="(")


def test_label_accuracy() -> None:
    texts = (
        R1,
        "rage",
        "joy",
        "anger, joy",
        "",
        "She is angry, no: anger.",
        "<think>anger</think><answer>joy</answer>",
    )
    assert LabelAccuracy().scores(query(), written(*texts)) == [1, 1, 0, 0, 0, 1, 0]
    with pytest.raises(merc.MercError, match=r"label-accuracy.*'u' has no label"):
        LabelAccuracy().scores(query(None), written("joy"))


def test_length() -> None:
    assert Length(least=2, most=3).scores(query(), written("a", "a b", "a b c", "a b c d")) == [0, 1, 1, 0]
    with pytest.raises(ValueError, match="least is from 0 to most"):
        Length(least=4, most=3)
    with pytest.raises(ValueError, match="weight is 0 or above"):
        Length(weight=-1.0)


def test_utterances_without_a_label_are_named_before_answers_about_them_are_judged() -> None:
    LabelAccuracy().check(query().labels, [query(), query()])
    other = replace(query(None), conversation=merc.Conversation(id="d", utterances=(merc.Utterance(id="v", text="?"),)))
    with pytest.raises(merc.MercError, match=r"utterance 'u' has no label \(1 more have none\).*take this reward out"):
        LabelAccuracy().check(query().labels, [query(), query(None), query(None), other])


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe whose corpus has a sentiment of every utterance, and no label of one in train and of one in test."""
    recipe = write_tiny_recipe(tmp_path_factory.mktemp("tiny"), trainer="epochs: 1")
    talks = [json.loads(line) for line in (recipe.parent / "talk.jsonl").read_text().splitlines()]
    for talk in talks:
        for utterance in talk["utterances"]:
            utterance["sentiment"] = "positive"
            if utterance["id"] in ("train3_1", "test0_0"):
                del utterance["label"]
    (recipe.parent / "talk.jsonl").write_text("\n".join(map(json.dumps, talks)) + "\n")
    return recipe


def test_a_training_that_would_judge_an_utterance_without_a_label_does_not_begin(recipe: Path, tmp_path: Path) -> None:
    """Not even where the prompts of the stage have something else to teach of it."""
    stage = {
        "id": "words",
        "prompter": {"name": "auxiliary", "asks": "sentiment", "prompter": {"name": "conversation"}},
        "trainer": {"name": "grpo", "rewards": ["label-accuracy"], "epochs": 1},
    }
    with pytest.raises(merc.MercError, match="stage words: reward 'label-accuracy': utterance 'train3_1' has no label"):
        merc.run(recipe, run_dir=tmp_path / "run", stages=[stage], evaluate=None)
    assert not (tmp_path / "run").exists()


def test_a_decoder_that_would_judge_an_utterance_without_a_label_is_refused_before_training(
    recipe: Path, tmp_path: Path
) -> None:
    decoder = {"name": "ranked", "rewards": ["label-accuracy"], "count": 2, "max_new_tokens": 2}
    evaluate = {"decoder": decoder, "splits": ["test"]}
    with pytest.raises(merc.MercError, match=r"evaluate\.decoder: reward 'label-accuracy': utterance 'test0_0' has no"):
        merc.run(recipe, run_dir=tmp_path / "run", evaluate=evaluate)
    assert not (tmp_path / "run").exists()
    session = merc.run(recipe, run_dir=tmp_path / "run", evaluate={"decoder": decoder, "splits": ["dev"]})
    talk = merc.Conversation(id="c", utterances=(merc.Utterance(id="u", text="Oh!"),))
    with pytest.raises(merc.MercError, match=r"evaluate\.decoder: reward 'label-accuracy': utterance 'u' has no label"):
        session.predict(talk)


@dataclass(frozen=True, kw_only=True)
class Broken(merc.Reward):
    value: float = float("nan")

    def scores(self, query: merc.Query, answers: Sequence[merc.Generation]) -> Sequence[float]:
        return [self.value] * len(answers)


def test_totals() -> None:
    rewards = (LabelAccuracy(weight=2.0), Length(most=1, weight=0.5))
    total, by_name = totals(rewards, ["a", "b"], query(), written("anger", "rage so", "joy"))
    assert total == [2.5, 2.0, 0.5] and by_name == {"a": [1, 1, 0], "b": [1, 0, 1]}
    with pytest.raises(merc.MercError, match=r"reward 'a' gives \[nan\] for 1 answers about utterance 'u'"):
        totals((Broken(),), ["a"], query(), written("joy"))
