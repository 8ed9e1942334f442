"""What goes on from kept keys and values is what the whole prompts give, and computes only what it adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from merc.model.emotion_model import EmotionModel
from merc.model.generation import Sampling, generate
from merc.model.prefix_cache import KeptPrefix
from merc.prompting import EncodedPrompt
from tests.model.alone import log_probability_alone
from tests.model.architectures import SEPARATE, TREE, WINDOW, WINDOWED, build
from tests.model.test_generate import NEW, model_of
from tests.model.test_tree_exact import text_talks, two_talks
from tests.model.tiny import tuned_model


def alone(model: EmotionModel, prompt: EncodedPrompt) -> Tensor:
    """Scores of three labels, from the prompt alone."""
    with torch.no_grad():
        found = [log_probability_alone(model, prompt, answer) for answer in prompt.answers]
    return torch.stack([found[0], found[1], torch.logaddexp(found[2], found[3])])


def assert_scores(
    model: EmotionModel,
    kept: KeptPrefix,
    prompts: Sequence[EncodedPrompt],
    budget: int = 4096,
    known: Mapping[int, Tensor] | None = None,
) -> None:
    """Scores are those of the prompts alone, to 1e-5 of the largest. ``known`` are these, where they are, by ``id``."""
    found = {id(p): (scores, state) for p, scores, state in kept.score(prompts, 3, "none", budget)}
    assert len(found) == len(prompts)
    for prompt in prompts:
        wanted = alone(model, prompt) if known is None else known[id(prompt)]
        assert (found[id(prompt)][0] - wanted).abs().max() <= 1e-5 * max(1.0, float(wanted.abs().max()))


def computed_by(model: EmotionModel, call: Callable[[], object]) -> int:
    """How many tokens went through the first layer."""
    seen: list[int] = []
    layers = next(m for m in model.base.modules() if isinstance(m, torch.nn.ModuleList))
    hook = layers[0].register_forward_hook(
        lambda module, args, kwargs, out: seen.append(_size(args, kwargs)), with_kwargs=True
    )
    call()
    hook.remove()
    return sum(seen)


def _size(args: tuple, kwargs: dict) -> int:  # type: ignore[type-arg]
    states = args[0] if args else kwargs["hidden_states"]
    return int(states.shape[0] * states.shape[1])


@pytest.mark.parametrize("name", [*TREE, *SEPARATE, *(f"{name}, window" for name in WINDOWED)])
def test_scores_are_those_of_the_whole_prompts(name: str) -> None:
    """Of a backbone of each kind: those that go on, those that look through a window, those that cannot go on."""
    made = {**TREE, **SEPARATE, **{f"{name}, window": make for name, make in WINDOWED.items()}}[name]
    model = tuned_model(build(made), "frozen")
    for talks in (two_talks(), text_talks()):
        one, two = talks
        known = {id(prompt): alone(model, prompt) for prompt in (*one, *two)}
        kept = KeptPrefix.of(model, one[0])
        assert bool(model.forgets) == (name in SEPARATE)
        assert_scores(model, kept, one, known=known)  # the first is what is kept, the others share a beginning with it
        for prompt in one:  # a conversation that goes on
            kept.extend(prompt)
            assert_scores(model, kept, [prompt], known=known)
        assert_scores(model, kept, [*one, *two], known=known)  # others, shorter and longer, and of another conversation
        assert_scores(model, kept, two, 20, known=known)
        kept.extend(two[0])
        assert_scores(model, kept, [*one, *two], known=known)


def test_only_what_is_new_is_computed() -> None:
    model = tuned_model()
    one, _ = two_talks()
    labels = 3  # nodes of the answers' tree: 7, 7 9, and the last tokens are only predicted
    kept = KeptPrefix.of(model, one[0])
    assert computed_by(model, lambda: kept.score(one[:1], 3, "none", 4096)) == len(one[0].context) + labels - 1
    assert computed_by(model, lambda: kept.score(one[:1], 3, "none", 4096)) == 1 + labels - 1
    shared = len(one[0].context) - 2  # the question stands at the end of each prompt
    kept.extend(one[1])
    assert (
        computed_by(model, lambda: kept.score([one[1]], 3, "none", 4096)) == len(one[1].context) - shared + labels - 1
    )


def test_media_that_are_kept_are_not_computed_again() -> None:
    model = tuned_model()
    one, _ = two_talks()
    kept = KeptPrefix.of(model, one[0])
    kept.score(one[:1], 3, "none", 4096)
    seen: list[str] = []
    tokens = model.media.tokens
    model.media.tokens = lambda media, draw: seen.extend(" ".join(one) for one in media) or tokens(media, draw)  # type: ignore[method-assign]
    kept.extend(one[1])
    kept.score([one[1]], 3, "none", 4096)
    assert seen and not any(name in ("face u0", "voice u0") for name in seen)


def test_a_fork_goes_on_apart_and_shares_memory() -> None:
    model = tuned_model()
    one, two = two_talks()
    kept = KeptPrefix.of(model, one[0])
    kept.score(one[:1], 3, "none", 4096)
    fork = kept.fork()
    keys = [c._cache.layers[0].keys.untyped_storage().data_ptr() for c in (kept, fork)]
    assert keys[0] == keys[1]
    fork.extend(two[0])
    assert_scores(model, fork, two)
    assert computed_by(model, lambda: kept.score(one[:1], 3, "none", 4096)) == 3
    assert_scores(model, kept, [*two, *one])


def test_memory_is_said_and_given_back() -> None:
    model = tuned_model()
    one, _ = two_talks()
    kept = KeptPrefix.of(model, one[2])
    assert kept.nbytes == 0
    kept.score([one[2]], 3, "none", 4096)
    a_token = 3 * 2 * 2 * 8 * 4  # layers, keys and values, heads, width of a head, bytes
    assert kept.nbytes == (len(one[2].context) + 2) * a_token  # the answers' two nodes until the next pass
    kept.free()
    assert kept.nbytes == 0
    assert_scores(model, kept, one)


@pytest.mark.parametrize("name", ["llama", "gemma2", "gpt2", "opt", "qwen3", "mistral", "mamba", "bloom"])
@pytest.mark.parametrize("how", [Sampling(NEW), Sampling(NEW, count=3, temperature=1.5, seed=4)])
def test_texts_are_those_after_the_whole_prompts(name: str, how: Sampling) -> None:
    model = model_of(name)
    for one, two in [two_talks(), text_talks()] if name not in ("bloom",) else [text_talks()]:
        kept = KeptPrefix.of(model, one[0])
        for prompt in (*one, *two):
            wanted = [text.tokens for text in generate(model, [prompt], how)[0]]
            assert [text.tokens for text in kept.generate(prompt, how, 2)] == wanted
        kept.extend(one[1])
        assert [t.tokens for t in kept.generate(one[1], how, 8)] == [
            t.tokens for t in generate(model, [one[1]], how)[0]
        ]
        assert_scores(model, kept, one)


def test_texts_compute_what_is_new() -> None:
    model = model_of("llama")
    one, _ = two_talks()
    kept = KeptPrefix.of(model, one[2])
    first = computed_by(model, lambda: kept.generate(one[2], Sampling(NEW), 8))
    again = computed_by(model, lambda: kept.generate(one[2], Sampling(NEW), 8))
    assert first == len(one[2].context) + again and again <= NEW
    several = computed_by(model, lambda: kept.generate(one[2], Sampling(NEW, count=4, temperature=1.0), 8))
    assert several <= 4 * NEW


def test_texts_go_on_past_the_window() -> None:
    """A prompt that fits into the window, and a text that does not."""
    model = model_of("mistral")
    prompt = replace(text_talks()[0][0], context=text_talks()[0][0].context[: WINDOW - 3])
    kept, how = KeptPrefix.of(model, prompt), Sampling(10)
    assert kept.generate(prompt, how, 1)[0].tokens == generate(model, [prompt], how)[0][0].tokens


def test_the_reason_says_which_backbone() -> None:
    model = tuned_model(build(SEPARATE["jamba"]), "frozen")
    KeptPrefix.of(model, text_talks()[0][0])
    assert model.forgets.startswith("nothing is kept between calls:") and "JambaForCausalLM" in model.forgets


def test_a_backbone_that_computes_otherwise_from_keys_is_found_out() -> None:
    """One that forgets what is kept, and one that fails, compute anew."""
    model = tuned_model()
    forward = model.base.model.forward

    def deaf(past_key_values=None, **more):  # type: ignore[no-untyped-def]
        if past_key_values is not None and past_key_values.get_seq_length():
            raise ValueError
        return forward(past_key_values=past_key_values, **more)

    model.base.model.forward = deaf
    one, _ = two_talks()
    assert_scores(model, KeptPrefix.of(model, one[0]), one)
    assert "LlamaForCausalLM does not go on from keys and values (ValueError)" in str(model.forgets)
