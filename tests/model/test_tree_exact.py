"""The tree computes what the prompts computed alone compute: log-probabilities, losses and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.builtin.losses import LabelCE, TokenNLL
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.prompting import AnswerPath, EncodedPrompt, Item, label_scores
from tests.losses import values_of
from tests.model.alone import key, log_probability_alone, logits_alone, together
from tests.model.architectures import ADDITIVE, CONTEXT, OWN_HEAD, TREE, build
from tests.model.tiny import tuned_model
from tests.prompting.strategies import SLOT_TOKENS, talks

Talk = list[EncodedPrompt]

ANSWERS = (AnswerPath((7, 8), 0, 0), AnswerPath((7, 9, 3), 1, 0), AnswerPath((4,), 2, 0), AnswerPath((7, 9), 2, 1))


def slot(stream: str, utterance: str) -> tuple[Item, ...]:
    return tuple((stream, utterance, i) for i in range(SLOT_TOKENS[stream, utterance]))


def prompt(target: str, gold: int, *parts: tuple[Item, ...]) -> EncodedPrompt:
    context = tuple(item for part in parts for item in part)
    return EncodedPrompt(target, context, tuple(replace(a, gold=a.label == gold) for a in ANSWERS))


def two_talks() -> list[Talk]:
    """Two conversations, one with a growing history, with slots of several lengths (u2 has no voice, u3 no face). With
    all their answers they are longer, side by side, than the context of the small models."""
    head, ask = (1, 2, 33), (5, 40)
    u0 = (*slot("face", "u0"), *slot("voice", "u0"), 11, 12, 13)
    u1 = (*slot("face", "u1"), *slot("voice", "u1"), *slot("both", "u0"), 14, 11)
    u2 = (*slot("face", "u2"), *slot("both", "u2"), 15, *slot("both", "u3"), *slot("voice", "u3"), 16, 17, 18)
    one = [prompt("a0", 0, head, u0, ask), prompt("a1", 1, head, u0, u1, ask), prompt("a2", 2, head, u0, u1, u2, ask)]
    two = [
        prompt("b0", 1, head, u2, ask),
        prompt("b1", 0, head, u2, (19, 20), (5, 41)),
        prompt("b2", 2, head, u2, (19, 21)),
    ]
    return [one, two]


def text_talks() -> list[Talk]:
    return [
        [
            replace(p, context=tuple(50 + i % 9 if isinstance(x, tuple) else x for i, x in enumerate(p.context)))
            for p in talk
        ]
        for talk in two_talks()
    ]


def assert_exact(model: EmotionModel, groups: Sequence[Talk], budget: int = 10_000, tolerance: float = 2e-5) -> None:
    """Log-probabilities of all answers, and the gradients of a loss over them, are those of the prompts alone."""
    weights = {
        key(p, a): 0.5 + ((7 * i) % 5) / 3
        for i, (p, a) in enumerate((p, a) for g in groups for p in g for a in p.answers)
    }
    found = together(model, groups, budget)
    assert found.keys() == weights.keys()
    loss = sum(weights[k] * v for k, v in found.items())
    learning = {n: p for n, p in model.named_parameters() if p.requires_grad}
    alone = {key(p, a): log_probability_alone(model, p, a) for g in groups for p in g for a in p.answers}
    for name, value in alone.items():
        torch.testing.assert_close(
            found[name], value, rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )
    loss_alone = sum(weights[k] * v for k, v in alone.items())
    # Words alone under a frozen backbone: nothing that learns takes part.
    assert loss.requires_grad == loss_alone.requires_grad  # type: ignore[union-attr]
    if not loss.requires_grad:  # type: ignore[union-attr]
        return
    got = torch.autograd.grad(loss, list(learning.values()), allow_unused=True)  # type: ignore[arg-type]
    wanted = torch.autograd.grad(loss_alone, list(learning.values()), allow_unused=True)  # type: ignore[arg-type]
    largest = max(float(w.abs().max()) for w in wanted if w is not None)
    for name, mine, theirs in zip(learning, got, wanted, strict=True):
        if mine is None or theirs is None:
            assert mine is None and theirs is None, f"{name}: only one of both has a gradient"
            continue
        assert theirs.dtype == torch.float32
        gap = float((mine - theirs).abs().max())
        assert gap <= 10 * tolerance * max(1.0, largest), f"{name}: gradients are {gap} apart of {largest}"


@pytest.fixture(scope="module")
def llama() -> EmotionModel:
    return tuned_model()


def test_every_part_has_a_gradient_to_compare(llama: EmotionModel) -> None:
    """What the other tests compare is not nothing: adapters, connectors and the fuser all learn from these talks."""
    loss = sum(together(llama, two_talks()).values())
    learning = {n: p for n, p in llama.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(loss, list(learning.values()))  # type: ignore[arg-type]
    assert all(float(g.abs().max()) > 0 for g in found)
    assert any("lora_A" in n for n in learning)
    assert any("media.fusers.both.absent.voice" in n for n in learning)


@settings(max_examples=15, deadline=None)
@given(groups=st.lists(talks(most=3), min_size=1, max_size=2), budget=st.sampled_from([12, 40, 10_000]))
def test_random_prompts(llama: EmotionModel, groups: list[Talk], budget: int) -> None:
    named = [[replace(p, target=f"{i}/{p.target}") for p in talk] for i, talk in enumerate(groups)]
    assert_exact(llama, named, budget)


@pytest.mark.parametrize("budget", [1, 20, 30, 60, 10_000])
def test_any_budget_gives_the_same(llama: EmotionModel, budget: int) -> None:
    assert_exact(llama, two_talks(), budget)


@pytest.mark.parametrize("name", TREE)
def test_architectures(name: str) -> None:
    model = tuned_model(build(TREE[name]))
    assert (model.layout, model.note) == ("tree", "")
    # Side by side the talks are longer than the context: positions are depths, not places.
    batches = [make_batch(*g) for g in model.trees(two_talks(), 10_000)]
    assert max(b.tokens.shape[1] for b in batches) > CONTEXT or len(batches[0].tokens) > 1
    assert_exact(model, two_talks())
    assert_exact(model, text_talks())


@pytest.mark.parametrize("name", ["llama", "gemma2", "gpt2"])
def test_a_row_longer_than_the_context(name: str) -> None:
    """One row holds all the trees, each within the context."""
    model = tuned_model(build(TREE[name]))
    trees = [t for group, _ in model.trees(text_talks(), 10_000) for t in group]
    row = [t for _ in range(3) for t in trees]
    batch = _one_row(row)
    assert batch.tokens.shape[0] == 1 and batch.tokens.shape[1] > CONTEXT
    with torch.no_grad():
        found = model.log_probabilities(batch)
        wanted = [log_probability_alone(model, t.prompts[i], a) for t in row for i, a, _ in t.paths]
    torch.testing.assert_close(found, torch.stack(wanted), rtol=2e-5, atol=2e-5)


def _one_row(trees: list) -> object:  # type: ignore[type-arg]
    import merc.model.batch as module

    whole = module.pack_rows
    module.pack_rows = lambda given: [list(given)]
    try:
        return make_batch(trees)
    finally:
        module.pack_rows = whole


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma2", "gpt2", "gptj"])
def test_bfloat16(name: str) -> None:
    """With a bfloat16 backbone (8 bits of mantissa) and float32 adapters, log-probabilities of one token agree to
    0.05 in the mean and 0.3 at most, where the answers themselves lie several units apart."""
    model = tuned_model(build(TREE[name], torch.bfloat16))
    assert model.layout == "tree"
    groups = two_talks()
    with torch.no_grad():
        found = together(model, groups)
        alone = {key(p, a): log_probability_alone(model, p, a) for g in groups for p in g for a in p.answers}
    lengths = {key(p, a): len(a.tokens) for g in groups for p in g for a in p.answers}
    gaps = torch.stack([(found[k] - alone[k]).abs() / lengths[k] for k in alone])
    spread = torch.stack(list(alone.values())).std()
    assert spread > 1
    assert gaps.mean() < 0.05 and gaps.max() < 0.3
    loss = sum(together(model, groups).values())
    learning = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert {p.dtype for p in learning.values()} == {torch.float32}
    got = torch.autograd.grad(loss, list(learning.values()))  # type: ignore[arg-type]
    total = sum(log_probability_alone(model, p, a) for g in groups for p in g for a in p.answers)
    wanted = torch.autograd.grad(total, list(learning.values()))  # type: ignore[arg-type]
    one, two = (torch.cat([g.flatten() for g in grads]) for grads in (got, wanted))
    assert torch.nn.functional.cosine_similarity(one, two, dim=0) > 0.99
    assert abs(one.norm() / two.norm() - 1) < 0.05


@pytest.mark.parametrize("name", ["llama", "gemma2", "granite"])
def test_logits_and_hidden_states_at_the_places_that_are_read(name: str) -> None:
    model = tuned_model(build(TREE[name]))
    assert (model.passes.lm_head == "own") == (name in OWN_HEAD)
    assert model.passes.additive == (name in ADDITIVE)
    ((trees, plain),) = model.trees(two_talks()[:1], 10_000)
    batch = make_batch(trees, plain)
    with torch.no_grad():
        logits, (hidden, _) = model.logits(batch), model._states(batch, 0)
        assert len(logits) == len(hidden) == len(batch.read) < batch.size
        for number, (index, answer, _) in enumerate(trees[0].paths):
            mine = logits[batch.step_read[batch.step_path == number]]
            theirs = logits_alone(model, batch.prompts[index], answer)
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_losses_of_right_answers_are_those_of_the_prompts_alone(llama: EmotionModel) -> None:
    talks = [[replace(p, answers=(next(a for a in p.answers if a.gold),)) for p in talk] for talk in two_talks()]
    ((trees, plain),) = llama.trees(talks, 10_000)
    batch = make_batch(trees, plain)
    with torch.no_grad():
        losses = values_of(TokenNLL(), llama.log_probabilities(batch), batch, 3)
        alone = torch.stack([log_probability_alone(llama, p, p.answers[0]) for p in batch.prompts])
    torch.testing.assert_close(losses, -alone, rtol=1e-4, atol=1e-4)


def test_losses_over_labels_are_those_of_the_prompts_alone(llama: EmotionModel) -> None:
    ((trees, plain),) = llama.trees(two_talks(), 10_000)
    batch = make_batch(trees, plain)
    with torch.no_grad():
        found = llama.log_probabilities(batch)
        labels = values_of(LabelCE(), found, batch, 3)
        for i, p in enumerate(batch.prompts):
            alone = [log_probability_alone(llama, p, a) for a in p.answers]
            scores = torch.stack([alone[0], alone[1], torch.logaddexp(alone[2], alone[3])])
            gold = next(a.label for a in p.answers if a.gold)
            torch.testing.assert_close(labels[i], -scores.log_softmax(0)[gold], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("normalize", ["none", "tokens"])
def test_scores_of_labels_are_those_of_the_prompts_alone(llama: EmotionModel, normalize: str) -> None:
    talk = two_talks()[0]
    (batch,) = llama.batches(talk, 10_000)
    with torch.no_grad():
        scores = llama.score(batch, 3, normalize)  # type: ignore[arg-type]
        alone = torch.stack([log_probability_alone(llama, p, a) for p in batch.prompts for a in p.answers])
    columns = [[len(a.tokens), i, a.label] for i, p in enumerate(batch.prompts) for a in p.answers]
    wanted = label_scores(alone, *torch.tensor(columns).T, (3, 3), normalize)  # type: ignore[arg-type]
    torch.testing.assert_close(scores, wanted, rtol=1e-4, atol=1e-4)


def test_gradients_are_there_after_a_look_at_other_data(llama: EmotionModel) -> None:
    """Scoring in inference mode leaves nothing behind that training could not use."""
    with torch.inference_mode():
        for trees, plain in llama.trees(two_talks(), 10_000):
            llama.score(make_batch(trees, plain), 3)
    assert_exact(llama, two_talks())


@pytest.mark.parametrize("layout", ["tree", "separate"])
def test_states_where_answers_begin(llama: EmotionModel, layout: str) -> None:
    """They are what predicts an answer's first token, whatever else is in the batch; and scores are the same."""
    llama.layout = layout
    try:
        for trees, plain in llama.trees(two_talks(), 10_000):
            batch = make_batch(trees, plain)
            with torch.no_grad():
                scores, states = llama.score_with_states(batch, 3)
                assert torch.equal(scores, llama.score(batch, 3))
                first = llama.base.get_output_embeddings()(states)
                for p, mine in zip(batch.prompts, first, strict=True):
                    torch.testing.assert_close(mine, logits_alone(llama, p, p.answers[1])[0], rtol=1e-4, atol=1e-4)
    finally:
        llama.layout = "tree"
