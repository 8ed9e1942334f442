"""What is learned in which step."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from merc.conversation import Conversation
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.training.settings import Settings
from merc.training.steps import ScheduledStep, StepSchedule
from tests.training.jobs import context_of, model_of, trained, without_labels


@pytest.fixture(scope="module")
def model(backbone: Path) -> EmotionModel:
    return model_of(backbone)


def _targets(scheduled: ScheduledStep) -> list[str]:
    return [p.target for trees, _ in scheduled.step.micro for tree in trees for p in tree.prompts]


def _order(model: EmotionModel, talks: list[Conversation], folder: Path, chosen: Settings, seed: int = 0) -> list[str]:
    context, _ = context_of(model, talks, folder, seed=seed)
    steps = StepSchedule(context, chosen, {"gold"}).after(0)
    return [target for scheduled in steps for target in sorted(_targets(scheduled))]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    conversations=st.one_of(st.none(), st.integers(1, 14)),
    budget=st.sampled_from([1, 60, 130, 300, 4096]),
    gradient_accumulation=st.integers(1, 3),
    epochs=st.integers(1, 3),
)
def test_every_utterance_is_learned_once_an_epoch(
    model, talks, tmp_path, conversations, budget, gradient_accumulation, epochs
):
    gradient_accumulation = gradient_accumulation if conversations is None else 1
    chosen = Settings(
        epochs=epochs,
        batch_conversations=conversations,
        batch_tokens=budget,
        gradient_accumulation=gradient_accumulation,
    )
    context, _ = context_of(model, talks, tmp_path)
    schedule = StepSchedule(context, chosen, {"gold"})
    every = list(schedule.after(0))
    assert len(every) == schedule.total == sum(schedule.counts)
    everything = Counter(u.id for talk in talks for u in talk.utterances)
    for epoch in range(epochs):
        mine = [scheduled for scheduled in every if scheduled.epoch == epoch]
        assert Counter(target for scheduled in mine for target in _targets(scheduled)) == everything
        assert [scheduled.ends_epoch for scheduled in mine] == [False] * (len(mine) - 1) + [True]
        assert mine[-1].epochs == epoch + 1
    for number, scheduled in enumerate(every, start=1):
        assert schedule.epochs(number) == pytest.approx(scheduled.epochs)
        if conversations is None:
            assert 1 <= len(scheduled.step.micro) <= gradient_accumulation
        else:
            assert len({target.rpartition("_")[0] for target in _targets(scheduled)}) <= conversations
        for trees, _ in scheduled.step.micro:
            assert len(trees) == 1 or sum(len(tree) for tree in trees) <= budget


@pytest.mark.parametrize("conversations", [3, None])
def test_going_on_in_the_middle_is_the_rest(model, talks, tmp_path, conversations):
    context, _ = context_of(model, talks, tmp_path)
    schedule = StepSchedule(context, Settings(epochs=2, batch_conversations=conversations, batch_tokens=200), {"gold"})
    every = list(schedule.after(0))
    assert len(every) > 5
    for done in (0, 1, schedule.counts[0], schedule.counts[0] + 1, len(every)):
        assert list(schedule.after(done)) == every[done:]


def test_the_order_depends_on_the_seed_the_stage_and_the_epoch(model, talks, backbone, tmp_path):
    chosen = Settings(epochs=2, batch_conversations=1)
    order = _order(model, talks, tmp_path, chosen)
    half = len(order) // 2
    assert order[:half] != order[half:] and sorted(order[:half]) == sorted(order[half:])
    assert (
        _order(model_of(backbone, seed=9), talks, tmp_path, Settings(epochs=2, batch_conversations=1, lr=1.0)) == order
    )
    assert _order(model, talks, tmp_path, chosen, seed=1) != order


def test_filled_to_a_budget(model, talks, tmp_path):
    """With ``batch_conversations: null`` a pass holds as many conversations as fit, in their order."""
    context, _ = context_of(model, talks, tmp_path)
    few, many = (
        StepSchedule(context, Settings(batch_conversations=None, batch_tokens=budget), {"gold"}).counts
        for budget in (150, 600)
    )
    assert few[0] > many[0] > 1
    accumulated = Settings(batch_conversations=None, batch_tokens=150, gradient_accumulation=2)
    halved = StepSchedule(context, accumulated, {"gold"}).counts
    assert halved[0] == -(-few[0] // 2)


def test_nothing_to_learn(model, talks, tmp_path):
    with pytest.raises(MercError) as error:
        trained(model, [without_labels(talk) for talk in talks], tmp_path, Settings())
    assert str(error.value) == "stages.merc: there is nothing to learn: no utterance of its data has a label"


def test_utterances_without_a_label_are_context_only(model, talks, tmp_path):
    chosen = Settings(batch_conversations=2)
    some = [without_labels(talks[0]), *talks[1:3]]
    learned = set(_order(model, some, tmp_path, chosen))
    assert learned == {u.id for talk in talks[1:3] for u in talk.utterances}


def test_a_prompt_longer_than_the_context(model, talks, tmp_path):
    from dataclasses import replace

    said = replace(talks[0].utterances[0], text="wonderful " * 600)
    long = replace(talks[0], utterances=(said, *talks[0].utterances[1:]))
    with pytest.raises(MercError, match="longer than the model's context of 512"):
        trained(model, [long], tmp_path, Settings())
