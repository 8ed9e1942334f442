"""Texts that are drawn: reproducible one by one, by the model's probabilities, the prompt computed once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from merc.components import Generation
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.generation import Sampling, generate
from merc.prompting import EncodedPrompt
from tests.model.alone import logits_alone
from tests.model.test_generate import NEW, model_of
from tests.model.test_tree_exact import text_talks, two_talks

WARM = Sampling(NEW, count=3, temperature=1.5, seed=4)


def prompts_of(media: bool = True) -> list[EncodedPrompt]:
    return [p for talk in (two_talks() if media else text_talks()) for p in talk]


def tokens_of(found: list[list[Generation]]) -> list[list[tuple[int, ...]]]:
    return [[one.tokens for one in texts] for texts in found]


def logits_of(model: EmotionModel, prompt: EncodedPrompt, tokens: tuple[int, ...]) -> Tensor:
    """The logits ``[tokens, vocabulary]`` that predict each token after the prompt, computed alone."""
    with torch.no_grad():
        return logits_alone(model, prompt, replace(prompt.answers[0], tokens=tokens))


@pytest.mark.parametrize("name", ["llama", "gemma2", "gpt2", "opt", "mistral", "qwen3", "mamba", "rwkv", "bloom"])
def test_draws_depend_on_nothing_but_the_seed_the_target_and_the_number(name: str) -> None:
    model, prompts = model_of(name), prompts_of(media=name not in ("bloom", "rwkv"))
    found = tokens_of(generate(model, prompts, WARM))
    assert len({texts for each in found for texts in each}) > len(prompts)
    assert tokens_of(generate(model, prompts[::-1], WARM, rows=2)) == found[::-1]
    assert [tokens_of(generate(model, [p], WARM))[0] for p in prompts] == found
    fewer = tokens_of(generate(model, prompts, replace(WARM, count=1)))
    assert fewer == [each[:1] for each in found]
    assert tokens_of(generate(model, prompts, replace(WARM, seed=5))) != found
    renamed = [replace(p, target=f"other-{p.target}") for p in prompts]
    assert tokens_of(generate(model, renamed, WARM)) != found


@pytest.mark.parametrize("how", [WARM, Sampling(NEW), replace(WARM, top_p=0.3)])
def test_log_probabilities_are_the_models_own(how: Sampling) -> None:
    model, prompts = model_of("llama"), prompts_of()
    found = generate(model, prompts, how)
    for prompt, texts in zip(prompts, found, strict=True):
        for one in texts:
            wanted = logits_of(model, prompt, one.tokens).log_softmax(-1)
            wanted = wanted.gather(1, torch.tensor(one.tokens)[:, None])[:, 0]
            torch.testing.assert_close(torch.tensor(one.log_probs), wanted, rtol=1e-4, atol=1e-4)
            assert one.ended == (one.tokens[-1] == 63)
            assert one.ended or len(one.tokens) == NEW


@pytest.mark.parametrize("how", [replace(WARM, temperature=0.7), replace(WARM, top_p=0.6)])
def test_first_tokens_are_drawn_by_their_probabilities(how: Sampling) -> None:
    model, prompt = model_of("llama"), prompts_of()[1]
    count = 4000
    found = generate(model, [prompt], replace(how, max_new_tokens=1, count=count), rows=500)[0]
    share = Counter(one.tokens[0] for one in found)
    chances = (logits_of(model, prompt, (1,))[0].double() / how.temperature).softmax(-1)
    if how.top_p < 1:
        order = chances.argsort(descending=True)
        cut = order[chances[order].cumsum(0) - chances[order] >= how.top_p]
        chances[cut] = 0
        chances /= chances.sum()
        assert 1 < int((chances > 0).sum()) < 64
    for token, chance in enumerate(chances.tolist()):
        error = 4 * (chance * (1 - chance) / count) ** 0.5
        assert abs(share[token] / count - chance) <= error + 1e-9, token


def test_a_low_temperature_gives_the_likeliest_and_zero_gives_copies() -> None:
    model, prompts = model_of("llama"), prompts_of()
    greedy = tokens_of(generate(model, prompts, Sampling(NEW)))
    assert tokens_of(generate(model, prompts, replace(WARM, temperature=1e-4))) == [each * 3 for each in greedy]
    assert tokens_of(generate(model, prompts, replace(WARM, temperature=0.0))) == [each * 3 for each in greedy]
    assert tokens_of(generate(model, prompts, replace(WARM, top_p=1e-6))) == [each * 3 for each in greedy]


def test_a_prompt_is_computed_once_for_all_its_texts() -> None:
    """However many are written, and at however many a time."""
    model, prompt = model_of("llama"), prompts_of()[2]
    seen: list[int] = []
    layer = model.base.model.layers[0]
    layer.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[0] * args[0].shape[1]))
    for rows in (2, 1):
        seen.clear()
        generate(model, [prompt], replace(WARM, count=8), rows=rows)
        assert sum(size > 8 for size in seen) == 1
        assert sum(seen) <= len(prompt.context) - 1 + 8 * NEW
    seen.clear()
    generate(model, [prompt], replace(WARM, count=8), rows=2)
    assert max(seen) == len(prompt.context) - 1


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"temperature": -0.1}, "temperature is 0 .* or above, not -0.1"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0.0}, "top_p is above 0 and at most 1, not 0.0"),
        ({"top_p": 1.5}, "top_p"),
        ({"count": 0}, "count counts from 1, not 0"),
        ({"max_new_tokens": 0}, "max_new_tokens counts from 1, not 0"),
    ],
)
def test_values_that_cannot_be(how: dict[str, float], message: str) -> None:
    with pytest.raises(MercError, match=f"generate: {message}"):
        Sampling(**{"max_new_tokens": 3, **how})  # type: ignore[arg-type]
