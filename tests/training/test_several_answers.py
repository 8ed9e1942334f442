"""Losses over several answers to a prompt: rejected ones, and those that an example brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

import merc.testing
from merc.builtin.losses import LabelCE, TokenNLL
from merc.builtin.prompters import ConversationPrompter
from merc.builtin.tunings import Full
from merc.components import Answer, Batch, Example, Loss, LossContext, Outputs, Prompt, Query, WeightedAnswer
from merc.conversation import Conversation
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.training.loop import fit
from merc.training.settings import Settings
from tests.toys.policy_gradient import PolicyGradient
from tests.toys.preference import Preference
from tests.training.jobs import LABELS, Gradients, Learning, context_of, learn, model_of, plain_log_probabilities

SETTINGS = Settings(batch_conversations=2, max_grad_norm=None)


class Rejecting(ConversationPrompter):
    """Prompts whose right answer is the target's label, preferred to the two labels before it."""

    def prompt(self, query: Query) -> Prompt:
        prompt, at = super().prompt(query), query.labels.index(str(query.target.label))
        wrong = query.labels.labels[at - 1], query.labels.labels[at - 2]
        return replace(prompt, segments=(*prompt.segments[:-1], replace(prompt.answer, rejected=wrong)))


@dataclass(frozen=True, kw_only=True)
class Margin(Loss):
    """-log σ(β (log p of the right answer - log p of a rejected one)), the mean over a prompt's rejected answers."""

    answers = "pairs"
    beta: float = 0.5

    def build(self, context: LossContext) -> nn.Module:
        class Function(nn.Module):
            def forward(_, outputs: Outputs, batch: Batch) -> Tensor:
                right, rejected = batch.at_right_answer(outputs.path_log_probs), batch.path_rejected
                prompt = batch.path_prompt[rejected]
                gaps = right[prompt] - outputs.path_log_probs[rejected]
                count = torch.bincount(prompt, minlength=len(right)).clamp(min=1)
                return torch.zeros_like(right).index_add(0, prompt, -logsigmoid(self.beta * gaps)) / count

        return Function()


def step(
    model: EmotionModel, groups: Sequence[Sequence[Example]], losses: Sequence[Loss], folder: Path
) -> tuple[float, dict[str, Tensor], list[str]]:
    """The loss of a step, its gradients, and what the user was told."""
    context, seen = context_of(model, [], folder, strategy=(strategy := Gradients()))
    fit(replace(context, examples=lambda epoch: groups), SETTINGS, losses)
    return seen.losses[0], strategy.taken[0], seen.said


def examples_of(talks: Sequence[Conversation], prompter: ConversationPrompter, **more: Any) -> list[list[Example]]:
    return [
        [
            Example(Query(conversation=talk, index=i, labels=LABELS), prompter, **more)
            for i, utterance in enumerate(talk.utterances)
            if utterance.label is not None
        ]
        for talk in talks
    ]


def assert_gradients(model: EmotionModel, plain: Tensor, taken: dict[str, Tensor]) -> None:
    plain.backward()
    wanted = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    assert wanted and wanted.keys() <= taken.keys()
    assert any(bool(value.any()) for value in wanted.values())
    for name, value in wanted.items():
        torch.testing.assert_close(taken[name], value, rtol=1e-3, atol=1e-5, msg=name)


def test_margins_are_those_written_out_plainly(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    model, groups = model_of(backbone), examples_of(talks[:2], Rejecting())
    loss, taken, _ = step(model, groups, (Margin(),), tmp_path)
    losses = []
    for example in (example for group in groups for example in group):
        talk, at = example.query.conversation, LABELS.index(str(example.query.target.label))
        found = plain_log_probabilities(model, talk, example.query.index)
        right, *wrong = (found[LABELS.words_of(LABELS.labels[i])[0]] for i in (at, at - 1, at - 2))
        losses.append(torch.stack([-logsigmoid(0.5 * (right - one)) for one in wrong]).mean())
    plain = torch.stack(losses).mean()
    assert loss == pytest.approx(float(plain.detach()), rel=1e-5)
    assert_gradients(model, plain, taken)


@pytest.mark.parametrize("tuning", ["full", "adapters", "adapters from scratch"])
def test_dpo_is_its_formula_written_out_plainly(
    backbone: Path, talks: list[Conversation], tmp_path: Path, tuning: str
) -> None:
    """Against the model at the start of the stage, whatever was learned since; its gradient is of the model alone."""
    groups = examples_of(talks[:2], Rejecting())
    model, before, now = (model_of(backbone, Full() if tuning == "full" else None) for _ in range(3))
    if tuning == "adapters from scratch":
        for one in (model, before, now):
            for name, parameter in one.named_parameters():
                if "lora_B" in name:
                    torch.nn.init.zeros_(parameter)
    learn(now)
    context, seen = context_of(model, [], tmp_path, strategy=(strategy := Learning()))
    fit(replace(context, examples=lambda epoch: groups), SETTINGS, (Preference(beta=0.5),))
    losses = []
    for example in (example for group in groups for example in group):
        talk, at = example.query.conversation, LABELS.index(str(example.query.target.label))
        mine, theirs = (plain_log_probabilities(m, talk, example.query.index) for m in (now, before))
        gains = [
            mine[word] - theirs[word].detach() for i in (0, 1, 2) for word in LABELS.words_of(LABELS.labels[at - i])[:1]
        ]
        losses.append(torch.stack([-logsigmoid(0.5 * (gains[0] - gain)) for gain in gains[1:]]).mean())
    plain = torch.stack(losses).mean()
    assert float(plain.detach()) != pytest.approx(float(torch.log(torch.tensor(2.0))), rel=1e-3)
    assert seen.losses == [pytest.approx(float(plain.detach()), rel=1e-5)]
    assert_gradients(now, plain, strategy.taken[0])
    # What is copied is said; adapters from scratch need no copy.
    assert any("a copy of what learns" in line for line in seen.said) == (tuning != "adapters from scratch")
    assert model.before is None


def test_own_answers_are_learned_by_their_weights(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    model = model_of(backbone)
    own = (WeightedAnswer((5, 9, 4), 0.75), WeightedAnswer((5, 7), -1.5), WeightedAnswer((6,), 0.25))
    groups = examples_of(talks[:2], ConversationPrompter(), answers=own)
    loss, taken, _ = step(model, groups, (PolicyGradient(),), tmp_path)
    losses = []
    for example in (example for group in groups for example in group):
        context = model.prompts.encode(example.prompt(), lambda *_: 0, answers="none").context
        for answer in own:
            row = torch.tensor([[*context, *answer.tokens]])
            logits = model.llm(input_ids=row).logits[0].log_softmax(-1)[len(context) - 1 :]
            steps = [logits[i, token] for i, token in enumerate(answer.tokens)]
            losses.append(-answer.weight * torch.stack(steps).sum())
    plain = torch.stack(losses).sum() / sum(map(len, groups))
    assert loss == pytest.approx(float(plain.detach()), rel=1e-5)
    assert_gradients(model, plain, taken)


def test_other_losses_beside_them_see_what_they_see_alone(
    backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    own = (WeightedAnswer((5, 9, 4), 0.75), WeightedAnswer((5, 7), -1.5))
    groups = examples_of(talks[:2], Rejecting(), answers=own)
    alone = {}
    every = (Margin(), PolicyGradient(), LabelCE(), TokenNLL())
    for loss in every:
        alone[type(loss)] = step(model_of(backbone), groups, (loss,), tmp_path)[0]
    together = step(model_of(backbone), groups, every, tmp_path)[0]
    assert together == pytest.approx(sum(alone.values()), rel=1e-5)


def test_prompts_without_rejected_answers_are_counted(
    backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    class Some(Rejecting):
        def prompt(self, query: Query) -> Prompt:
            return super().prompt(query) if query.index else ConversationPrompter().prompt(query)

    groups = examples_of(talks[:2], Some())
    _, _, said = step(model_of(backbone), groups, (Margin(),), tmp_path)
    first = sum(example.query.index == 0 for group in groups for example in group)
    assert first and f"{first} of {sum(map(len, groups))} prompts have no rejected answer" in said[0]
    with pytest.raises(MercError, match=r"a loss compares .* no prompt .* use a prompter that gives Answer\.rejected"):
        step(model_of(backbone), examples_of(talks[:2], ConversationPrompter()), (Margin(),), tmp_path)


@dataclass(frozen=True, kw_only=True)
class Says(ConversationPrompter):
    answer: Answer

    def prompt(self, query: Query) -> Prompt:
        prompt = super().prompt(query)
        return replace(prompt, segments=(*prompt.segments[:-1], self.answer))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer("a smile", rejected=("a frown", "a smile")), "rejects 'a smile', which is its right answer"),
        (Answer(rejected=("nobody's",)), 'unknown label "nobody\'s"'),
        (Answer("a smile", prefix="", rejected=("",), end=False), "has no tokens"),
    ],
)
def test_rejected_answers_that_cannot_be(
    backbone: Path, talks: list[Conversation], tmp_path: Path, answer: Answer, message: str
) -> None:
    groups = examples_of(talks[:1], Says(answer=answer))
    with pytest.raises(MercError, match=message):
        step(model_of(backbone), groups, (Margin(),), tmp_path)


def test_own_answers_that_are_not_there(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    groups = examples_of(talks[:1], ConversationPrompter())
    target = groups[0][0].query.target.id
    with pytest.raises(MercError, match=f"{target!r} brings no answers of its own.*Example.answers"):
        step(model_of(backbone), groups, (PolicyGradient(),), tmp_path)

    @dataclass(frozen=True, kw_only=True)
    class Confused(TokenNLL):
        answers = "own"

    groups = examples_of(talks[:1], ConversationPrompter(), answers=(WeightedAnswer((5,)),))
    with pytest.raises(MercError, match="only answers of their own; use a loss whose answers are 'own'"):
        step(model_of(backbone), groups, (Confused(),), tmp_path)
    with pytest.raises(ValueError, match="a token at least"):
        WeightedAnswer(())


class TestPreference(merc.testing.LossContract):
    component = Preference()


class TestPolicyGradient(merc.testing.LossContract):
    component = PolicyGradient()
