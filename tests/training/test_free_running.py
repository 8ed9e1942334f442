"""Answers behind the model's own words: the same where these are right, and what they should be where not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from merc_farcer.loss import free_running, longest_answer

from merc.conversation import Conversation
from merc.model.batch import TreeBatch, make_batch
from merc.model.emotion_model import EmotionModel
from merc.prompting import AnswerPath, EncodedPrompt
from tests.training.jobs import encoded, model_of


def said_by(model: EmotionModel, context: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The likeliest tokens, one after the other, in the plainest way."""
    row = list(context)
    for _ in range(count):
        row.append(int(model.llm(input_ids=torch.tensor([row])).logits[0, -1].argmax()))
    return tuple(row[len(context) :])


def batches(model: EmotionModel, prompts: list[EncodedPrompt]) -> list[TreeBatch]:
    return [make_batch(*some) for some in model.trees([prompts], 10_000)]


def free(model: EmotionModel, prompts: list[EncodedPrompt]) -> list[TreeBatch]:
    forced = batches(model, prompts)
    return [free_running(model, batch, 0, longest_answer(forced)) for batch in forced]


def loss(model: EmotionModel, found: list[TreeBatch]) -> float:
    total = sum(model.log_probabilities(b).sum() for b in found)
    return float(-total.detach() / sum(b.path_length.sum() for b in found))


@pytest.fixture
def prompts(backbone: Path, talks: list[Conversation]) -> tuple[EmotionModel, list[EncodedPrompt]]:
    model = model_of(backbone).eval()
    return model, [encoded(model, talk, i) for talk in talks[:2] for i in range(len(talk.utterances))]


@pytest.mark.parametrize("layout", ["tree", "separate"])
def test_where_the_prediction_is_right_both_have_the_same_loss(layout: str, prompts) -> None:
    model, plain = prompts
    model.layout = layout
    right = [EncodedPrompt(p.target, p.context, (AnswerPath(said_by(model, p.context, 4), gold=True),)) for p in plain]
    forced, running = batches(model, right), free(model, right)
    assert loss(model, running) == loss(model, forced)
    assert [[tree.items for tree in b.trees] for b in running] == [[tree.items for tree in b.trees] for b in forced]


@pytest.mark.parametrize("layout", ["tree", "separate"])
def test_where_it_is_wrong_the_answer_is_learned_after_what_was_said(layout: str, prompts) -> None:
    model, plain = prompts
    model.layout = layout
    wrong = []
    for p in plain:
        first, second, third = said_by(model, p.context, 3)
        # Of some the first token is right; behind another second one the model would say something else than its third.
        answer = (first if len(wrong) % 2 else first + 1, second + 1, third)
        wrong.append(EncodedPrompt(p.target, p.context, (AnswerPath(answer, gold=True),)))
    running = free(model, wrong)
    found = {p.target: p.answers[0] for batch in running for p in batch.prompts}
    assert found.keys() == {p.target for p in wrong}
    for p in wrong:
        assert found[p.target].tokens == p.answers[0].tokens
        assert found[p.target].inputs == said_by(model, p.context, 2)
    assert loss(model, running) != loss(model, batches(model, wrong))


def test_dropout_is_off_while_the_model_says_it_and_on_again_after(prompts) -> None:
    model, plain = prompts
    model.train()
    state = torch.get_rng_state()
    free(model, plain)
    assert model.training and torch.equal(torch.get_rng_state(), state)
