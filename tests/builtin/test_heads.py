"""The heads ``regression`` and ``multi-label``: what they learn from, their losses, written out, and what they give."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from merc.builtin.heads import MultiLabel, Regression
from merc.components import Head, Query, Targets
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError

AFFECT = Regression(outputs={"valence": (-1, 1), "intensity": (0, 5)})
TAGS = MultiLabel(labels=("joy", "fear", "anger"), field="tags")


def said(origin: str | None = None, **more: Any) -> Utterance:
    return Utterance(id="u", text="Hi.", origin=origin, **more)


@pytest.mark.parametrize(("head", "utterance", "target"), [
    (AFFECT, said(), [None, None]),
    (AFFECT, said(valence=0.5), [0.5, None]),
    (AFFECT, said(values={"valence": -1.0, "intensity": 5.0}), [-1.0, 5.0]),
    (AFFECT, said(extra={"intensity": 3}), [None, 3.0]),
    (TAGS, said(), [None, None, None]),
    (TAGS, said(values={"tags": ("fear",)}), [0.0, 1.0, 0.0]),
    (TAGS, said(values={"tags": ()}), [0.0, 0.0, 0.0]),
    (MultiLabel(labels=("joy", "fear")), said(extra={"labels": ["fear", "joy"]}), [1.0, 1.0]),
    (MultiLabel(labels=("joy", "fear"), field="open_labels"), said(open_labels=("joy",)), [1.0, 0.0]),
])  # fmt: skip
def test_targets_are_what_the_corpus_knows(head: Head, utterance: Utterance, target: list[float | None]) -> None:
    assert list(head.target(utterance)) == target


@pytest.mark.parametrize(("head", "utterance", "words"), [
    (AFFECT, said(valence=1.01), ("valence is 1.01", "from -1 to 1")),
    (AFFECT, said(values={"intensity": -0.1}), ("intensity is -0.1", "from 0 to 5")),
    (AFFECT, said(values={"intensity": ("high",)}), ("intensity", "a number is wanted")),
    (AFFECT, said(values={"intensity": math.nan}), ("intensity is nan", "from 0 to 5")),
    (TAGS, said(values={"tags": ("joi",)}), ("tags has 'joi'", "Did you mean 'joy'?", "joy, fear, anger")),
    (TAGS, said(values={"tags": 0.5}), ("tags is 0.5", "a list of labels")),
    (TAGS, said(extra={"tags": "joy"}), ("tags is 'joy'", "a list of labels")),
])  # fmt: skip
def test_what_cannot_be_true_is_named_with_its_place(head: Head, utterance: Utterance, words: tuple[str, ...]) -> None:
    talk = Conversation(id="c", utterances=(Utterance(**{**vars(utterance), "origin": "talk.jsonl, line 3"}),))
    with pytest.raises(MercError) as caught:
        head.targets([Query(conversation=talk, index=0, labels=LabelSpace(("joy",)))])
    for word in ("talk.jsonl, line 3", "utterance 'u'", *words):
        assert word in str(caught.value)


def test_an_output_is_in_its_range_and_zero_is_the_middle() -> None:
    module = AFFECT.build(4)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        assert module(torch.randn(2, 4)).tolist() == [[0.0, 2.5], [0.0, 2.5]]
        module.layers.weight.fill_(1.0)
        outputs = module(torch.tensor([[100.0, 0, 0, 0], [-100.0, 0, 0, 0], [0.1, 0.2, 0, 0]]))
    torch.testing.assert_close(outputs[:2], torch.tensor([[1.0, 5.0], [-1.0, 0.0]]))
    torch.testing.assert_close(outputs[2], torch.tensor([math.tanh(0.3), 2.5 + 2.5 * math.tanh(0.3)]))


def test_the_loss_of_numbers_is_the_squared_error_in_halves_of_the_range() -> None:
    outputs = torch.tensor([[0.5, 4.0], [-1.0, 0.0]])
    targets = Targets(torch.tensor([[1.0, 1.5], [0.0, 0.0]]), torch.ones(2, 2, dtype=torch.bool))
    written_out = [[(0.5 - 1.0) ** 2, ((4.0 - 1.5) / 2.5) ** 2], [(-1.0 - 0.0) ** 2, 0.0]]
    torch.testing.assert_close(AFFECT.losses(outputs, targets), torch.tensor(written_out))


def test_the_loss_of_labels_is_the_binary_cross_entropy() -> None:
    outputs, truth = [[0.3, -2.0, 4.0]], [[1.0, 0.0, 0.0]]
    p = [1 / (1 + math.exp(-x)) for x in outputs[0]]
    written_out = [-(y * math.log(q) + (1 - y) * math.log(1 - q)) for q, y in zip(p, truth[0], strict=True)]
    targets = Targets(torch.tensor(truth), torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(TAGS.losses(torch.tensor(outputs), targets)[0], torch.tensor(written_out))


def test_labels_from_the_threshold_on_are_chosen() -> None:
    chances = TAGS.values([0.0, -0.1, 800.0])["tags"]
    assert chances["labels"] == ["joy", "anger"] and list(chances["probabilities"]) == ["joy", "fear", "anger"]
    assert chances["probabilities"]["joy"] == 0.5 and chances["probabilities"]["anger"] == 1.0
    strict = MultiLabel(labels=TAGS.labels, threshold=0.9).values([0.0, -800.0, 800.0])["labels"]
    assert strict["labels"] == ["anger"] and strict["probabilities"]["fear"] == 0.0


@pytest.mark.parametrize(("make", "words"), [
    (lambda: Regression(outputs={}), "outputs names none"),
    (lambda: Regression(outputs={"valence": (1, 1)}), r"outputs.valence: a range is .*, not \[1, 1\]"),
    (lambda: Regression(outputs={"valence": (0, math.inf)}), "outputs.valence"),
    (lambda: Regression(outputs={"valence": (-1, 1)}, width=0), "width counts from 1, not 0"),
    (lambda: MultiLabel(labels=()), "labels names none"),
    (lambda: MultiLabel(labels=("joy", "Joy")), "labels: .*'joy' and 'Joy'"),
    (lambda: MultiLabel(labels=("joy", " ")), "is empty"),
    (lambda: MultiLabel(labels=("joy",), threshold=1.0), "threshold is between 0 and 1, not 1"),
])  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_a_hidden_layer_stands_before_the_outputs() -> None:
    shapes = [tuple(p.shape) for p in MultiLabel(labels=("joy", "fear"), width=7).build(4).parameters()]
    assert shapes == [(7, 4), (7,), (2, 7), (2,)]
