"""Backbones that cannot take a tree mask, or look through a window: separate prompts, the same results, and a note."""

from __future__ import annotations

import pytest
import torch
from transformers import Qwen2Config

from merc.builtin.losses import LabelCE, TokenNLL
from merc.components import Frozen
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.model.tuning import tune
from merc.prompting import build_trees, label_scores
from merc.training.losses import class_weights
from tests.losses import built, values_of
from tests.model.alone import key, log_probability_alone, together
from tests.model.architectures import BASE, CONTEXT, SEPARATE, TREE, WINDOW, WINDOWED, build
from tests.model.test_tree_exact import assert_exact, text_talks, two_talks
from tests.model.tiny import tiny_media, tuned_model


def model_of(name: str) -> EmotionModel:
    # peft leaves some recurrent layers alone: here the backbone is frozen, connectors and the fuser learn.
    return tuned_model(build({**SEPARATE, **WINDOWED, **TREE}[name]), "frozen")


@pytest.mark.parametrize("name", SEPARATE)
def test_separate_prompts_give_the_same_and_a_note_says_so(name: str) -> None:
    model = model_of(name)
    assert model.layout == "separate"
    assert model.note.startswith(f"every prompt is computed on its own: {type(model.base).__name__} ")
    assert all(plain for _, plain in model.trees(two_talks(), 100))
    for groups in (two_talks(), text_talks()):
        assert_exact(model, groups)
        assert_exact(model, groups, 45)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("jamba", "JambaForCausalLM does not keep to a tree mask (it mixes tokens along the sequence)"),
        ("bloom", "BloomForCausalLM does not take a tree mask (ValueError)"),
        ("gpt_neo", "GPTNeoForCausalLM has local attention, which counts places in the row"),
    ],
)
def test_the_note_says_why(name: str, reason: str) -> None:
    assert model_of(name).note == f"every prompt is computed on its own: {reason}"


@pytest.mark.parametrize("name", WINDOWED)
def test_prompts_deeper_than_the_window_are_computed_alone(name: str) -> None:
    torch.manual_seed(0)
    model = tuned_model(build(WINDOWED[name]), "frozen")
    assert (model.layout, model.window) == ("tree", WINDOW)
    groups = text_talks()
    deep = [p for g in groups for p in g if p.depth > WINDOW]
    assert deep
    apart = [p for trees, plain in model.trees(groups, 1000) if plain for t in trees for p in t.prompts]
    assert {p.target for p in apart} == {p.target for p in deep}
    assert_exact(model, groups)
    # In a tree they would not be the same, so the test above sees the window.
    with torch.no_grad():
        batch = make_batch(build_trees(groups[0], 1000))
        wrong = model.log_probabilities(batch)
        right = torch.stack([log_probability_alone(model, p, a) for p in batch.prompts for a in p.answers])
    assert (wrong - right).abs().max() > 1e-2


def test_shallow_prompts_share_a_tree_beside_deep_ones() -> None:
    model = model_of("mistral")
    talk = [p for p in text_talks()[0] if p.depth > WINDOW]
    assert len(talk) == 2
    shallow = [type(p)(f"s{i}", p.context[: 9 + i], p.answers) for i, p in enumerate(talk)]
    found = model.trees([[*shallow, *talk]], 1000)
    shared = [t for trees, plain in found if not plain for t in trees]
    assert [p.target for t in shared for p in t.prompts] == ["s0", "s1"]
    assert_exact(model, [[*shallow, *talk]])


def test_a_window_that_is_off_or_wide_changes_nothing() -> None:
    config = Qwen2Config(**BASE, use_sliding_window=False, sliding_window=4)
    off = EmotionModel(tune(build(lambda: config), Frozen()), None, tiny_media())
    assert off.window is None
    wide = tuned_model(build(TREE["gemma3"]), "frozen")
    assert wide.window == 64
    assert not any(plain for _, plain in wide.trees(two_talks(), 1000))


def test_the_separate_layout_of_a_tree_backbone_gives_the_same() -> None:
    model = tuned_model()
    model.layout = "separate"
    assert_exact(model, two_talks())


def test_losses_and_scores_do_not_depend_on_the_layout() -> None:
    model = tuned_model()
    talk = two_talks()[0]
    talk = [*talk, talk[1]]  # an utterance that a stage shows twice counts twice
    classes, counts = torch.tensor([0.5, 1.0, 2.0]), {"label0": 4, "label1": 2, "label2": 1}
    by_tokens = built(TokenNLL(average="tokens", class_weights="balanced"), 3, counts)
    found = []
    for layout in ("tree", "separate"):
        model.layout = layout
        (batch,) = [make_batch(*group) for group in model.trees([talk], 10_000)]
        with torch.no_grad():
            values = model.log_probabilities(batch)
        order = sorted(range(len(batch.prompts)), key=lambda i: batch.prompts[i].target)
        assert [batch.prompts[i].target for i in order] == ["a0", "a1", "a1", "a2"]
        scores = label_scores(
            values, batch.path_length, batch.path_prompt, batch.path_label, (len(batch.prompts), 3), "none"
        )
        found.append(
            [
                values_of(LabelCE(), values, batch, 3)[order],
                scores[order],
                class_weights(batch, classes)[order],
                by_tokens.functions["token-nll"].counts(batch)[order],
            ]
        )
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


def test_rows_stay_within_the_budget_and_a_prompts_answers_together() -> None:
    model = model_of("mamba")
    groups = text_talks()
    for budget in (1, 50, 100, 300):
        batches = model.trees(groups, budget)
        held = [[key(p, a) for t in trees for p in t.prompts for _, a, _ in t.paths] for trees, _ in batches]
        assert sorted(k for h in held for k in h) == sorted(key(p, a) for g in groups for p in g for a in p.answers)
        for (trees, _), names in zip(batches, held, strict=True):
            targets = {t for t, _, _ in names}
            assert len(names) == 4 * len(targets)
            assert len(trees) * max(map(len, trees)) <= budget or len(targets) == 1
        assert len(together(model, groups, budget)) == 24


def test_context_is_what_the_configuration_says() -> None:
    assert model_of("gpt_neo").context == CONTEXT
    assert model_of("mamba").context is None
