"""What a step learns may be made when it is due, with the model as it is then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from merc.components import Example, WeightedAnswer
from merc.conversation import Conversation
from merc.errors import MercError
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.prompting import build_chains
from merc.training import fit
from merc.training.rollout import Rollout
from merc.training.settings import Settings
from merc.training.steps import encode_example
from tests.training.jobs import (
    LABELS,
    CutOff,
    Gradients,
    Seen,
    context_of,
    model_of,
    same_state,
    state_of,
    without_labels,
)
from tests.training.test_several_answers import assert_gradients, examples_of
from tests.training.toys import Written

SETTINGS = Settings(epochs=2, lr=5e-3, batch_conversations=3, max_grad_norm=None)


def hard(model: Any, seen: list[int] | None = None) -> Rollout:
    """Learns what the model has wrong or nearly wrong, as it is: two answers, the second weighed by its chance."""

    def rollout(groups: Sequence[Sequence[Example]], step: int) -> Sequence[Sequence[Example]]:
        if seen is not None:
            seen.append(step)
        learned = []
        for group in groups:
            chances = model.score([one.query for one in group]).values.softmax(-1)[:, 0].tolist()
            answers = [(WeightedAnswer((5, 6)), WeightedAnswer((7,), chance)) for chance in chances]
            learned.append([replace(one, answers=own) for one, own in zip(group, answers, strict=True)])
        return learned

    return rollout


def rolled(
    model: EmotionModel, talks: Sequence[Conversation], folder: Path, settings: Settings = SETTINGS, **more: Any
) -> Seen:
    context, seen = context_of(model, talks, folder, **more)
    fit(context, settings, (Written(),), hard(context.model))
    return seen


def test_a_step_learns_what_its_rollout_gives(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    model, strategy = model_of(backbone), Gradients()
    context, seen = context_of(model, talks[:2], tmp_path, strategy=strategy)
    given: list[tuple[int, list[str], bool, bool]] = []
    own = (WeightedAnswer((5, 9, 4), 0.75), WeightedAnswer((5, 7), -1.5))

    def rollout(groups: Sequence[Sequence[Example]], step: int) -> Sequence[Sequence[Example]]:
        names = [one.query.target.id for group in groups for one in group]
        given.append((step, names, model.training, torch.is_grad_enabled()))
        return [[replace(one, answers=own) for one in group[:1]] for group in groups]

    fit(context, replace(SETTINGS, epochs=1, batch_conversations=2), (Written(),), rollout)
    every = [u.id for talk in talks[:2] for u in talk.utterances]
    ((step, names, training, gradients),) = given
    assert (step, training, gradients) == (0, False, False) and sorted(names) == sorted(every)
    losses = []
    for example, *_ in examples_of(talks[:2], context.examples(0)[0][0].prompter):
        start = model.prompts.encode(example.prompt(), lambda *_: 0, answers="none").context
        for answer in own:
            logits = model.llm(input_ids=torch.tensor([[*start, *answer.tokens]])).logits[0].log_softmax(-1)
            steps = [logits[len(start) - 1 + i, token] for i, token in enumerate(answer.tokens)]
            losses.append(-answer.weight * torch.stack(steps).sum())
    plain = torch.stack(losses).sum() / 2
    assert seen.losses == [pytest.approx(float(plain.detach()), rel=1e-5)]
    assert_gradients(model, plain, strategy.taken[0])


def test_it_sees_the_model_as_it_is_at_each_step(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    model = model_of(backbone)
    context, _ = context_of(model, talks, tmp_path)
    rollout, weights = hard(context.model), []

    def watched(groups: Sequence[Sequence[Example]], step: int) -> Sequence[Sequence[Example]]:
        weights.append(sum(float(p.square().sum()) for p in model.parameters() if p.requires_grad))
        return rollout(groups, step)

    report = fit(context, SETTINGS, (Written(),), watched)
    assert len(weights) == report.steps == 8 and len(set(weights)) == 8


@pytest.mark.parametrize("after", [2, 5])
def test_cut_off_in_the_middle_of_an_epoch(
    after: int, backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    """The best state on dev, early stopping and checkpoints are the loop's, and so with a rollout: the same numbers."""
    settings = replace(SETTINGS, epochs=4, evaluate_every=3, checkpoint_every=2, patience=2)
    values = {3: 0.5, 6: 0.7, 9: 0.6, 12: 0.65}

    def evaluate(seen: Seen) -> Callable[[], Mapping[str, Any]]:
        return lambda: {"weighted_f1": values[seen.events("step")[-1]["step"]]}

    whole, seen = model_of(backbone), Seen()
    context, _ = context_of(whole, talks, tmp_path / "whole", seen=seen, evaluate=evaluate(seen))
    report = fit(context, settings, (Written(),), hard(context.model))
    assert (report.stopped_early, report.steps) == (True, 12)
    assert report.best is not None and report.best["step"] == 6

    cut, seen_cut = model_of(backbone), Seen()
    context, _ = context_of(cut, talks, tmp_path / "cut", seen=seen_cut, evaluate=evaluate(seen_cut))

    def log(record: Mapping[str, Any]) -> None:
        seen_cut.log.append(dict(record))
        if record["event"] == "step" and record["step"] == after:
            raise CutOff

    with pytest.raises(CutOff):
        fit(replace(context, log=log), settings, (Written(),), hard(context.model))
    resumed, again = model_of(backbone), Seen(log=list(seen_cut.log))
    context, _ = context_of(resumed, talks, tmp_path / "cut", seen=again, evaluate=evaluate(again), resume=True)
    steps: list[int] = []
    found = fit(context, settings, (Written(),), hard(context.model, steps))
    assert steps[0] == (after - 1) // 2 * 2  # the last checkpoint before
    assert again.losses[after:] == seen.losses[steps[0] :]
    assert replace(found, seconds=report.seconds) == report
    assert same_state(state_of(whole), state_of(resumed))


def test_utterances_need_no_label(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    bare = [without_labels(talk) for talk in talks[:3]]
    context, seen = context_of(model_of(backbone), talks[:3], tmp_path)
    prompter = context.examples(0)[0][0].prompter
    groups = [[replace(one, prompter=prompter) for one in group] for group in context.examples(0)]
    unlabelled = [
        [replace(one, query=replace(one.query, conversation=talk)) for one in group]
        for group, talk in zip(groups, bare, strict=True)
    ]
    fit(replace(context, examples=lambda epoch: unlabelled), SETTINGS, (Written(),), hard(context.model))
    assert len(seen.losses) == 2


def test_equal_answers_of_one_prompt_are_paths_of_it(backbone: Path, talks: list[Conversation]) -> None:
    """Also where every answer has a row of its own: samples are often alike."""
    model = model_of(backbone)
    own = (WeightedAnswer((5, 6), 2.0, {"reward": 3.0, "drawn": (0.5, 0.25)}), WeightedAnswer((5, 6), 2.0))
    example = replace(examples_of(talks[:1], _prompter())[0][0], answers=own)
    prompt = encode_example(model, example, {"own"}, LABELS)
    for batch in (model.batches([prompt], 10_000)[0], make_batch(build_chains(prompt), plain=True)):
        assert len(batch.queries) == 1 and batch.path_prompt.tolist() == [0, 0]
        assert batch.path_numbers("reward")[0] == 3.0 and batch.path_numbers("reward")[1].isnan()
        steps = batch.step_numbers("drawn")
        assert steps[batch.step_path == 0].tolist() == [0.5, 0.25] and steps[batch.step_path == 1].isnan().all()
        with pytest.raises(MercError, match="'reward' is one number for an answer; a loss reads it by path_numbers"):
            batch.step_numbers("reward")
        with pytest.raises(MercError, match="'drawn' is a number for each token; a loss reads it by step_numbers"):
            batch.path_numbers("drawn")
    with pytest.raises(ValueError, match="'drawn' has 1 numbers for an answer of 2 tokens"):
        WeightedAnswer((5, 6), numbers={"drawn": (0.5,)})


def _prompter() -> Any:
    from merc.builtin.prompters import ConversationPrompter

    return ConversationPrompter()


def test_a_rollout_that_gives_nothing(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    context, seen = context_of(model_of(backbone), talks, tmp_path)
    with pytest.raises(MercError, match=r"stages\.merc: the rollout .* at step 1, gave nothing to learn; .* weight 0"):
        fit(context, SETTINGS, (Written(),), lambda groups, step: [[] for _ in groups])
    assert seen.log == []


@pytest.mark.parametrize("given", [None, [None], [[1]]])
def test_a_rollout_that_gives_no_lists_of_examples(
    given: Any, backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    context, _ = context_of(model_of(backbone), talks, tmp_path)
    with pytest.raises(MercError, match=r"stages\.merc: the rollout .* at step 1, gave .* lists of merc.Example"):
        fit(context, SETTINGS, (Written(),), lambda groups, step: given)


def test_a_step_of_so_many_tokens_cannot_be_known(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    context, _ = context_of(model_of(backbone), talks, tmp_path)
    with pytest.raises(MercError, match=r"stages\.merc\.trainer\.batch_conversations: null .* say how many"):
        fit(context, replace(SETTINGS, batch_conversations=None), (Written(),), hard(context.model))


def test_a_context_that_merc_has_not_made(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    with pytest.raises(MercError, match=r"merc.training.fit was given object; give it the context"):
        fit(object(), SETTINGS)  # type: ignore[arg-type]


def kept(model: Any, updates: int) -> Rollout:
    """Asks at the first of so many steps, and learns half of that at each."""
    rollout, made = hard(model), []

    def learned(groups: Sequence[Sequence[Example]], step: int) -> Sequence[Sequence[Example]]:
        if step % updates == 0:
            made[:] = rollout(groups, step)
        return [group[step % 2 :: 2] for group in made]

    return learned


@pytest.mark.parametrize("after", [4, 7, 8])
def test_several_steps_of_one_rollout(after: int, backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    """A checkpoint is never between them, so what a rollout made may be kept in memory."""
    settings = replace(SETTINGS, checkpoint_every=2)
    whole = model_of(backbone)
    context, seen = context_of(whole, talks, tmp_path / "whole")
    report = fit(context, settings, (Written(),), kept(context.model, 3), updates=3)
    assert report.steps == 24 and report.epochs == 2
    assert [one["epoch"] for one in seen.events("step")][11:13] == [1.0, round(1 + 1 / 12, 4)]

    cut, log = model_of(backbone), Seen()
    context, _ = context_of(cut, talks, tmp_path / "cut", seen=log)

    def stop(record: Mapping[str, Any]) -> None:
        log.log.append(dict(record))
        if record["event"] == "step" and record["step"] == after:
            raise CutOff

    with pytest.raises(CutOff):
        fit(replace(context, log=stop), settings, (Written(),), kept(context.model, 3), updates=3)
    resumed = model_of(backbone)
    context, again = context_of(resumed, talks, tmp_path / "cut", resume=True)
    fit(context, settings, (Written(),), kept(context.model, 3), updates=3)
    assert again.rewound == [(after - 1) // 3 * 3]  # the last rollout that was learned whole
    assert again.losses == seen.losses[again.rewound[0] :]
    assert same_state(state_of(whole), state_of(resumed))


def test_steps_that_go_on_need_a_rollout(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    context, _ = context_of(model_of(backbone), talks, tmp_path)
    for updates, rollout in ((0, hard(context.model)), (2, None)):
        with pytest.raises(ValueError, match=f"updates counts the steps .* not {updates}"):
            fit(context, SETTINGS, (Written(),), rollout, updates=updates)
