"""Losses and gradients of a step against formulas written out plainly, a prompt at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merc_bemerc.l2 import L2
from merc_farcer.loss import FarcerNLL
from torch import Tensor

from merc.builtin.losses import LabelCE, TokenNLL
from merc.builtin.prompters import ConversationPrompter
from merc.components import Batch, Loss, LossContext, Outputs, Query
from merc.conversation import Conversation, LabelSpace
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.training.loop import fit
from merc.training.settings import Settings
from tests.losses import built
from tests.training.jobs import (
    LABELS,
    Gradients,
    context_of,
    encoded,
    gradients,
    model_of,
    plain_log_probabilities,
    same_state,
    state_of,
    trained,
)

Formula = Callable[[EmotionModel, list[Conversation]], Tensor]


def _each(model: EmotionModel, talks: list[Conversation]) -> list[tuple[str, dict[str, Tensor]]]:
    return [
        (str(u.label), plain_log_probabilities(model, talk, index))
        for talk in talks
        for index, u in enumerate(talk.utterances)
    ]


def _answers(model: EmotionModel, talks: list[Conversation]) -> list[Tensor]:
    return [-found[LABELS.words_of(label)[0]] for label, found in _each(model, talks)]


def _tokens(model: EmotionModel, talks: list[Conversation]) -> int:
    """How many tokens all right answers have, the end token among them."""
    prompts = [encoded(model, talk, index) for talk in talks for index in range(len(talk.utterances))]
    return sum(len(answer.tokens) for prompt in prompts for answer in prompt.answers)


def by_utterance(model: EmotionModel, talks: list[Conversation]) -> Tensor:
    return torch.stack(_answers(model, talks)).mean()


def by_token(model: EmotionModel, talks: list[Conversation]) -> Tensor:
    return torch.stack(_answers(model, talks)).sum() / _tokens(model, talks)


def among_labels(model: EmotionModel, talks: list[Conversation]) -> Tensor:
    losses = []
    for label, found in _each(model, talks):
        scores = [torch.stack([found[w] for w in LABELS.words_of(name)]).logsumexp(0) for name in LABELS.labels]
        losses.append(-torch.stack(scores).log_softmax(0)[LABELS.index(label)])
    return torch.stack(losses).mean()


def balanced(model: EmotionModel, talks: list[Conversation]) -> Tensor:
    labels = [str(u.label) for talk in talks for u in talk.utterances]
    counts = Counter(labels)
    weights = torch.tensor([len(labels) / (len(counts) * counts[label]) for label in labels])
    return (weights * torch.stack(_answers(model, talks))).sum() / weights.sum()


def _token_losses(model: EmotionModel, talks: list[Conversation], own: bool) -> list[list[tuple[int, Tensor]]]:
    """Each token of each right answer with its loss, in the plainest way: a pass for every token, behind the right ones
    before it, or behind the model's own."""
    found = []
    for prompt in (encoded(model, talk, index) for talk in talks for index in range(len(talk.utterances))):
        (answer,) = prompt.answers
        row = [int(item) for item in prompt.context]  # type: ignore[arg-type]
        losses = []
        for token in answer.tokens:
            logits = model.llm(input_ids=torch.tensor([row])).logits[0, -1].float()
            losses.append((token, -logits.log_softmax(-1)[token]))
            row.append(int(logits.argmax()) if own else token)
        found.append(losses)
    return found


def equation_7(model: EmotionModel, talks: list[Conversation]) -> Tensor:
    """FARCER, eq. 7: - sum_i w_i log softmax(l_i) / sum_i w_i over the tokens of the labels, with the weights of
    scikit-learn's compute_class_weight over these tokens."""
    from sklearn.utils.class_weight import compute_class_weight

    found = [pair for losses in _token_losses(model, talks, own=False) for pair in losses]
    tokens = [token for token, _ in found]
    classes = sorted(set(tokens))
    weight = dict(
        zip(classes, compute_class_weight("balanced", classes=np.array(classes), y=tokens).tolist(), strict=True)
    )
    total = torch.stack([weight[token] * loss for token, loss in found]).sum()
    return total / sum(weight[token] for token in tokens)


def behind_its_own_words(model: EmotionModel, talks: list[Conversation]) -> Tensor:
    """As FARCER trains: the model says as many tokens as the label has, and each is compared with the label's."""
    return torch.stack([loss for losses in _token_losses(model, talks, own=True) for _, loss in losses]).mean()


def with_l2(model: EmotionModel, talks: list[Conversation]) -> Tensor:
    squares = [p.square().sum() for p in model.parameters() if p.requires_grad]
    return by_utterance(model, talks) + 0.01 * torch.stack(squares).sum()


def answers_and_labels(model: EmotionModel, talks: list[Conversation]) -> Tensor:
    return 0.3 * by_utterance(model, talks) + 2.0 * among_labels(model, talks)


CASES: dict[str, tuple[Formula, Sequence[Loss]]] = {
    "answers": (by_utterance, (TokenNLL(),)),
    "tokens": (by_token, (TokenNLL(average="tokens"),)),
    "labels": (among_labels, (LabelCE(),)),
    "balanced": (balanced, (TokenNLL(class_weights="balanced"),)),
    "eq. 7": (equation_7, (FarcerNLL(answers_read="teacher-forced"),)),
    "free running": (behind_its_own_words, (FarcerNLL(token_weights="none"),)),
    "l2": (with_l2, (TokenNLL(), L2(weight=0.01))),
    "two with weights": (answers_and_labels, (TokenNLL(weight=0.3), LabelCE(weight=2.0))),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("layout", ["tree", "separate"])
def test_a_step_is_the_formula(
    name: str, layout: str, backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    formula, losses = CASES[name]
    model, talks = model_of(backbone), talks[:4]
    model.layout = layout  # type: ignore[assignment]
    settings = Settings(batch_conversations=4, max_grad_norm=None)
    taken, seen, _ = gradients(model, talks, tmp_path, settings, losses=losses)
    (found,) = taken
    loss = formula(model, talks)
    loss.backward()
    # What is logged is the loss of the data: the penalty is no part of it.
    logged = by_utterance(model, talks) if name == "l2" else loss
    assert seen.losses == [pytest.approx(float(logged.detach()), rel=1e-5)]
    learning = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    assert found.keys() == learning.keys() and len(found) > 10
    for parameter, gradient in learning.items():
        assert gradient is not None
        torch.testing.assert_close(found[parameter], gradient, rtol=1e-4, atol=1e-6, msg=parameter)
    squares = torch.stack([g.square().sum() for g in learning.values() if g is not None]).sum()
    assert seen.events("step")[0]["grad_norm"] == pytest.approx(float(squares.sqrt()), rel=1e-4)


SHARED: list[Loss] = [
    TokenNLL(),
    TokenNLL(average="tokens"),
    LabelCE(),
    TokenNLL(class_weights="balanced"),
    FarcerNLL(),
]


@pytest.mark.parametrize("shared", SHARED)
def test_one_pass_or_many_is_one_step(shared: Loss, backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    model = model_of(backbone)
    found = {}
    for budget in (100_000, 150, 1):
        settings = Settings(batch_conversations=4, batch_tokens=budget, max_grad_norm=None)
        losses = (shared, L2(weight=0.01))
        found[budget] = gradients(model, talks[:4], tmp_path / str(budget), settings, losses=losses)
    one, several, each = found.values()
    # Of the 14 prompts, those that share nearly all of the longest stay in one pass however small the budget is; with
    # the words of all labels behind each they share less of it.
    assert one[2] == 1 and 1 < several[2] < each[2] == (12 if shared.answers == "labels" else 7)
    for taken, seen, _ in (several, each):
        assert seen.losses == pytest.approx(one[1].losses, rel=1e-5)
        for name, gradient in one[0][0].items():
            torch.testing.assert_close(taken[0][name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_texts_of_their_own_stand_beside_labels(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    """A stage may ask some prompts for a label and others for a text: each keeps its own kind of loss."""
    from merc.components import Answer, Prompt, Prompter, Text

    class Mixed(Prompter):
        def prompt(self, query: Query) -> Prompt:
            if query.index % 2:
                return Prompt((Text("Say:"), Answer(text="the day")), query.target.id)
            return ConversationPrompter().prompt(query)

    model, talk = model_of(backbone), talks[0]
    assert len(talk.utterances) >= 2
    settings = Settings(batch_conversations=1)
    _, seen, _ = gradients(model, [talk], tmp_path, settings, losses=(LabelCE(),), prompter=Mixed())
    prompt = model.prompts.encode(
        Mixed().prompt(Query(conversation=talk, index=1, labels=LABELS)), lambda stream, utterance: 0
    )
    (answer,) = prompt.answers
    row = torch.tensor([[*prompt.context, *answer.tokens]])
    logits = model.llm(input_ids=row).logits[0].log_softmax(-1)[len(prompt.context) - 1 :]
    text = -torch.stack([logits[i, token] for i, token in enumerate(answer.tokens)]).sum()
    losses = []
    for index, said in enumerate(talk.utterances):
        if index % 2:
            losses.append(float(text.detach()))
            continue
        found = plain_log_probabilities(model, talk, index)
        scores = [torch.stack([found[w] for w in LABELS.words_of(name)]).logsumexp(0) for name in LABELS.labels]
        losses.append(float(-torch.stack(scores).detach().log_softmax(0)[LABELS.index(str(said.label))]))
    assert seen.losses == [pytest.approx(sum(losses) / len(losses), rel=1e-5)]


def test_sets_of_different_labels_are_learned_among_their_own(
    backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    """Two sets in one stage: a softmax over each one's own labels, never over those of the other."""
    from merc.components import Example

    glad = LabelSpace(("fear", "joy", "sadness"), {"joy": ("glad", "joy")})
    joined = LabelSpace.joined([LABELS, glad])
    talk = next(t for t in talks if any(u.label in glad.labels for u in t.utterances))
    asked = next(i for i, u in enumerate(talk.utterances) if u.label in glad.labels)
    model, losses, asks = model_of(backbone), [], ConversationPrompter(instruction="What is it?")
    for space in (LABELS, glad):
        query = Query(conversation=talk, index=asked, labels=space)
        (encoded,) = [model.prompts.encode(asks.prompt(query), lambda *_: 0, space, query.target.label, "labels")]
        scores = {label: [] for label in space.labels}
        for answer in encoded.answers:
            row = torch.tensor([[*encoded.context, *answer.tokens]])
            logits = model.llm(input_ids=row).logits[0].log_softmax(-1)[len(encoded.context) - 1 :]
            said = torch.stack([logits[i, token] for i, token in enumerate(answer.tokens)]).sum()
            scores[space.labels[answer.label]].append(said)
        found = torch.stack([torch.stack(words).logsumexp(0) for words in scores.values()])
        losses.append(-found.log_softmax(0)[space.index(str(query.target.label))])
    plain = torch.stack(losses).mean()
    plain.backward()
    gradient = {n: p.grad.detach().clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()

    context, seen = context_of(model, [talk], tmp_path, labels=joined, strategy=(strategy := Gradients()))
    groups = [[Example(Query(conversation=talk, index=asked, labels=space), asks)] for space in (LABELS, glad)]
    settings = Settings(batch_conversations=2, max_grad_norm=None)
    fit(replace(context, examples=lambda epoch: groups), settings, (LabelCE(),))
    assert seen.losses == [pytest.approx(float(plain.detach()), rel=1e-5)]
    assert gradient and set(gradient) <= set(strategy.taken[0])
    for name, wanted in gradient.items():
        torch.testing.assert_close(strategy.taken[0][name], wanted, rtol=1e-4, atol=1e-6, msg=name)


@dataclass(frozen=True, kw_only=True)
class Focal(Loss):
    """A plugin's loss in ten lines: it has everything that ``sft`` has."""

    answers = "labels"
    gamma: float = 2.0

    def build(self, context: LossContext) -> torch.nn.Module:
        class Function(torch.nn.Module):
            def forward(_, outputs: Outputs, batch: Batch) -> Tensor:
                right = batch.label_scores(outputs.path_log_probs).log_softmax(-1).gather(1, batch.truth[:, None])[:, 0]
                return -((1 - right.exp()) ** self.gamma) * right

        return Function()


def test_a_loss_of_a_plugin(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    model, talks = model_of(backbone), talks[:4]
    settings = Settings(batch_conversations=4, max_grad_norm=None)
    taken, seen, _ = gradients(model, talks, tmp_path, settings, losses=(Focal(),))
    each = []
    for label, found in _each(model, talks):
        scores = [torch.stack([found[w] for w in LABELS.words_of(name)]).logsumexp(0) for name in LABELS.labels]
        p = torch.stack(scores).softmax(0)[LABELS.index(label)]
        each.append(-((1 - p) ** 2) * p.log())
    loss = torch.stack(each).mean()
    loss.backward()
    assert seen.losses == [pytest.approx(float(loss.detach()), rel=1e-5)]
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(taken[0][name], parameter.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_each_loss_is_logged_by_its_name(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    losses = (TokenNLL(weight=0.5), LabelCE(), TokenNLL(average="tokens"))
    _, seen = trained(model_of(backbone), talks[:4], tmp_path, Settings(batch_conversations=4), losses=losses)
    (step,) = seen.events("step")
    assert list(step["losses"]) == ["token-nll", "label-ce", "token-nll-2"]
    assert step["loss"] == pytest.approx(sum(step["losses"].values()))


@dataclass(frozen=True, kw_only=True)
class Wrong(Loss):
    """A loss that breaks its contract in one of several ways."""

    how: str = ""

    def build(self, context: LossContext) -> torch.nn.Module:
        class Function(torch.nn.Module):
            def forward(_, outputs: Outputs, batch: Batch) -> Any:
                right = -batch.at_right_answer(outputs.path_log_probs)
                wrong = {"shape": right.sum(), "type": 1.0, "gradient": right.detach(), "number": right * torch.nan}
                return wrong[self.how]

        return Function()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("shape", "loss 'Wrong' gives () for"),
        ("type", "loss 'Wrong' gives float for"),
        ("gradient", "loss 'Wrong' gives values without a gradient"),
        ("number", "the loss 'Wrong' is nan at step 1. In the batch were the utterances"),
    ],
)
def test_a_loss_that_breaks_its_contract_is_named(
    how: str, said: str, backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    with pytest.raises(MercError) as caught:
        trained(model_of(backbone), talks[:4], tmp_path, Settings(), losses=(Wrong(how=how),))
    assert said in str(caught.value)


@dataclass(frozen=True, kw_only=True)
class Misspelled(Loss):
    """Says what no pass gives."""

    needs = frozenset({"state"})

    def build(self, context: LossContext) -> Any:
        return torch.nn.Module()


@dataclass(frozen=True, kw_only=True)
class OtherAnswers(Misspelled):
    """Says answers that there are not."""

    needs = frozenset({"states"})
    answers = "label"  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True)
class NoModule(Loss):
    """Builds a plain function."""

    def build(self, context: LossContext) -> Any:
        return lambda outputs, batch: -outputs.path_log_probs


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (Misspelled(), "loss 'Misspelled': its 'needs' says 'state'. Did you mean 'states'?"),
        (OtherAnswers(), "loss 'OtherAnswers': its 'answers' says 'label'. Did you mean 'labels'?"),
        (NoModule(), "loss 'NoModule': build() gives function; it must give a torch.nn.Module"),
    ],
)
def test_what_a_loss_declares_is_checked(loss: Loss, said: str) -> None:
    with pytest.raises(MercError) as caught:
        built(loss, labels=3)
    assert said in str(caught.value)


def test_weights_that_are_all_0(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    losses = (TokenNLL(weight=0.0), LabelCE(weight=0.0))
    with pytest.raises(MercError, match=r"token-nll, label-ce with a weight of 0 each.* weight above"):
        trained(model_of(backbone), talks[:4], tmp_path, Settings(), losses=losses)


def test_without_a_loss_it_is_token_nll(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    runs = [trained(model_of(backbone), talks[:4], tmp_path, Settings(), losses=some) for some in ((), (TokenNLL(),))]
    assert [seen.losses for _, seen in runs] == [runs[0][1].losses] * 2
    assert list(runs[0][1].events("step")[0]["losses"]) == ["token-nll"]


def test_penalties_alone_are_no_loss(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    with pytest.raises(MercError, match="l2 has only penalties; add a loss of answers, such as token-nll"):
        trained(model_of(backbone), talks[:4], tmp_path, Settings(), losses=(L2(weight=0.1),))


def test_answers_that_are_rewritten_are_single(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    for losses in ((FarcerNLL(), FarcerNLL()), (FarcerNLL(), LabelCE())):
        with pytest.raises(MercError, match="farcer-nll"):
            trained(model_of(backbone), talks[:4], tmp_path, Settings(), losses=losses)


@dataclass(frozen=True, kw_only=True)
class Learned(Loss):
    """A loss with parameters of its own, on states."""

    needs = frozenset({"states"})

    def build(self, context: LossContext) -> torch.nn.Module:
        class Function(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = torch.nn.Linear(context.width, len(context.labels))

            def forward(self, outputs: Outputs, batch: Batch) -> Tensor:
                return torch.nn.functional.cross_entropy(self.layer(outputs.states), batch.truth, reduction="none")

        return Function()


def test_a_loss_with_parameters_resumes_to_the_same_numbers(
    backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    settings, losses = Settings(epochs=2, lr=5e-3, batch_conversations=3, checkpoint_every=1), (Learned(),)
    whole, stopped = model_of(backbone), model_of(backbone)
    _, seen = trained(whole, talks, tmp_path / "whole", settings, losses=losses)
    assert seen.losses[-1] < seen.losses[0]

    class Enough(BaseException):
        pass

    context, _ = context_of(stopped, talks, tmp_path / "cut")
    steps: list[Any] = []

    def log(record: Any) -> None:
        steps.append(record)
        if len(steps) == 3:
            raise Enough

    with pytest.raises(Enough):
        fit(replace(context, log=log), settings, losses)
    resumed = model_of(backbone)
    trained(resumed, talks, tmp_path / "cut", settings, losses=losses, resume=True)
    assert same_state(state_of(whole), state_of(resumed))


def test_only_what_is_needed_is_computed(backbone: Path, talks: list[Conversation]) -> None:
    model = model_of(backbone, media=True)
    (batch,) = model.batches([encoded(model, talks[0], 0)], 10_000)
    only = model.outputs(batch, {"states"})
    assert [name for name, value in only._asdict().items() if value is not None] == ["states"]
    with torch.no_grad():
        full = model.outputs(batch, {"path_log_probs", "token_log_probs", "states", "media"})
    assert full.path_log_probs.shape == (1,) and full.states.shape == (1, model.base.config.hidden_size)
    assert full.token_log_probs.sum() == pytest.approx(float(full.path_log_probs[0]))


@dataclass(frozen=True, kw_only=True)
class Sometimes(TokenNLL):
    """The loss of answers that are one of ``labels``; other prompts do not count, though they have a value."""

    labels: tuple[str, ...] = ()

    def build(self, context: LossContext) -> torch.nn.Module:
        function = super().build(context)
        wanted = [context.labels.labels.index(label) for label in self.labels]
        function.counts = lambda batch: sum(  # type: ignore[assignment,method-assign]
            ((batch.truth == one).float() for one in wanted), torch.zeros(len(batch.prompts))
        )
        return function


def of_one_label(talks: list[Conversation], label: str) -> list[Conversation]:
    return [replace(c, utterances=tuple(replace(u, label=label) for u in c.utterances)) for c in talks]


def test_a_step_of_which_nothing_counts_changes_nothing(
    backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    """A step without what a loss counts is skipped and counted; what it gives beside is not learned undivided."""
    mixed = [*of_one_label(talks[:1], "anger"), *of_one_label(talks[1:2], "joy")]
    settings = Settings(batch_conversations=1, epochs=2, lr=1e-2)
    model = model_of(backbone)
    report, seen = trained(model, mixed, tmp_path / "a", settings, losses=(Sometimes(labels=("joy",)),))
    skipped = [record for record in seen.events("step") if record.get("skipped")]
    assert report.steps == 4 and len(skipped) == 2 and all("loss" not in record for record in skipped)
    assert any("2 of 4 steps had nothing that counts for a loss" in sentence for sentence in seen.said)
    one, both = (sum(len(talk.utterances) for talk in some) for some in (mixed[:1], mixed))
    assert any(f"{one} of {both} prompts of the first epoch count for no loss" in sentence for sentence in seen.said)

    untouched = model_of(backbone)
    before = state_of(untouched)
    with pytest.raises(MercError, match=r"stages\.merc: there is nothing to learn.*2 of 2 steps"):
        trained(untouched, mixed, tmp_path / "b", settings, losses=(Sometimes(labels=("sadness",)),))
    assert same_state(state_of(untouched), before)


def test_a_loss_of_which_nothing_counts_adds_nothing_to_the_others(
    backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    angry = of_one_label(talks[:2], "anger")
    settings = Settings(batch_conversations=1, lr=1e-2)
    one, two = model_of(backbone), model_of(backbone)
    trained(one, angry, tmp_path / "one", settings, losses=(TokenNLL(),))
    _, seen = trained(two, angry, tmp_path / "two", settings, losses=(TokenNLL(), Sometimes(labels=("joy",))))
    assert same_state(state_of(two), state_of(one))
    assert all(list(record["losses"]) == ["token-nll"] for record in seen.events("step"))
    assert any("2 of 2 steps had nothing that counts for the loss Sometimes" in sentence for sentence in seen.said)
