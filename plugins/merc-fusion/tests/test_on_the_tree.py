"""What layers look at is exact on the prompt tree: each prompt's logits are those of transformers' own pass over that
prompt alone, in which every place gets by hand what it sees."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from merc_fusion.inserted import CrossAttention, GatedCrossAttention
from torch import Tensor, nn

from merc import Missing, SeenMedia, Stream
from merc.builtin.connectors import Linear
from merc.model.emotion_model import EmotionModel
from merc.model.generation import Sampling, generate
from merc.model.media_tokens import MediaTokens
from merc.model.tuning import tune
from merc.prompting import SeenItem
from tests.model.alone import key, together
from tests.model.test_inserted import COUNTS, SPECS, encoded
from tests.model.tiny import tiny_llama
from tests.prompting.tokenizers import byte_level
from tests.tunings import tuning_of

SIZES = {"heads": 2, "head_width": 8}
CONNECTORS = [
    CrossAttention(**SIZES),
    CrossAttention(look="last", **SIZES),
    GatedCrossAttention(every=2, **SIZES),
    GatedCrossAttention(every=1, look="all", latents=3, **SIZES),
]


def model_of(connector: CrossAttention) -> EmotionModel:
    """A tiny LLaMA with random weights, in the connector too, whose gates stand open."""
    tokenizer = byte_level()
    llm = tiny_llama(torch.float32, vocab_size=len(tokenizer))
    torch.manual_seed(1)
    media = MediaTokens(SPECS, {"face": connector, "voice": Linear()}, {}, 32)
    rng = np.random.default_rng(2)
    table = {at: rng.standard_normal((n, SPECS[at[0]].dim)).astype("float32") for at, n in COUNTS.items()}
    media.source = lambda stream, utterance, draw: table.get((stream, utterance), Missing("not there"))
    model = EmotionModel(tune(llm, tuning_of("frozen")), tokenizer, media)
    with torch.no_grad():
        for parameter in media.connectors["face"].parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    model.probe()
    return model.eval()


def tokens_of(model: EmotionModel, stream: str, utterance: str) -> Tensor:
    features = torch.from_numpy(model.media.source(stream, utterance, 0))  # type: ignore[misc, arg-type]
    return model.media.connectors[stream](Stream(features[None], torch.ones(1, len(features)).bool())).values[0]


@contextlib.contextmanager
def looking(model: EmotionModel, seen: Sequence[Sequence[str]]) -> Iterator[None]:
    """Place i of the one row is given the faces of the utterances ``seen[i]``, the last of them 0 utterances ago."""
    handles = []
    for name, block in model.media.connectors["face"].inserted.items():

        def look(layer: nn.Module, args: Any, block: Any = block) -> Any:
            rows = []
            for state, utterances in zip(args[0][0], seen, strict=True):
                if utterances:
                    faces = [tokens_of(model, "face", utterance) for utterance in utterances]
                    ages = [[len(faces) - 1 - i] * len(face) for i, face in enumerate(faces)]
                    age = torch.tensor([age for some in ages for age in some])[None, None]
                    state = block(state[None, None], SeenMedia(torch.cat(faces), age >= 0, age))[0, 0]
                rows.append(state)
            return (torch.stack(rows)[None], *args[1:])

        handles.append(model.base.get_submodule(name.replace("-", ".")).register_forward_pre_hook(look))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def alone(model: EmotionModel, items: Sequence[Any]) -> Tensor:
    """Logits ``[places, vocabulary]`` of one prompt."""
    rows: list[Tensor] = []
    seen: list[tuple[str, ...]] = []
    now: tuple[str, ...] = ()
    for item in items:
        if isinstance(item, SeenItem):
            now = (*now, *(utterance for _, utterance in item.media))
            item = item.item
        if isinstance(item, int):
            rows.append(model.base.get_input_embeddings()(torch.tensor(item)))
        else:
            rows.append(tokens_of(model, item[0], item[1])[item[2]])
        seen.append(now)
    with looking(model, seen):
        return model.base(inputs_embeds=torch.stack(rows)[None], use_cache=False).logits[0]  # type: ignore[no-any-return]


@torch.no_grad()
@pytest.mark.parametrize("connector", CONNECTORS, ids=repr)
def test_each_prompt_on_the_tree_is_that_prompt_alone(connector: CrossAttention) -> None:
    model = model_of(connector)
    prompts = encoded(model)
    (tree, _), *others = model.trees([prompts], 10_000)
    assert not others and len(tree) == 1
    found = together(model, [prompts])
    for prompt in prompts:
        for answer in prompt.answers:
            logits = alone(model, (*prompt.context, *answer.tokens[:-1]))[len(prompt.context) - 1 :]
            wanted = logits.log_softmax(-1).gather(1, torch.tensor(answer.tokens)[:, None]).sum()
            torch.testing.assert_close(found[key(prompt, answer)], wanted, rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("connector", CONNECTORS, ids=repr)
def test_what_is_written_sees_the_media_of_its_prompt(connector: CrossAttention) -> None:
    model = model_of(connector)
    prompts = encoded(model)
    for prompt, (text,) in zip(prompts, generate(model, prompts, Sampling(4)), strict=True):
        logits = alone(model, [*prompt.context, *text.tokens[:-1]])[len(prompt.context) - 1 :]
        assert list(text.tokens) == logits.argmax(-1).tolist()
