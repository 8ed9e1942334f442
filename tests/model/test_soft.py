"""Soft prompts: a stream without an utterance at the beginning of every prompt, exact on the tree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

import merc.testing
from merc.builtin.connectors import Linear, Soft
from merc.components import Answer, FeatureSpec, Prompt, Query, Segment, Slot, Text, Turn
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.generation import Sampling, generate
from merc.model.media_tokens import MediaTokens
from merc.model.state import load_stage, save_stage
from merc.model.tuning import select_trainable, tune
from merc.prompting import EncodedPrompt, PromptEncoder
from tests.model.alone import key, together
from tests.model.tiny import tiny_llama
from tests.prompting.tokenizers import TRIMS, byte_level, llama_like
from tests.tunings import tuning_of

LABELS = LabelSpace(("joy", "anger"))
TALK = Conversation(id="c", utterances=tuple(Utterance(id=f"u{i}", text=t, label="joy") for i, t in enumerate("abcd")))
LENGTH = 3


class TestSoft(merc.testing.ConnectorContract):
    component = Soft(length=4)


def model_of(tokenizer: PreTrainedTokenizerFast | None = None, context: int = 256) -> EmotionModel:
    tokenizer = tokenizer or byte_level()
    llm = tiny_llama(vocab_size=len(tokenizer))
    llm.config.max_position_embeddings = context
    torch.manual_seed(1)
    connectors = {"prompt": Soft(length=LENGTH, deviation=1.0), "face": Linear()}
    media = MediaTokens({"face": FeatureSpec(6)}, connectors, {}, 32)
    table = np.random.default_rng(2).standard_normal((4, 2, 6)).astype("float32")
    media.source = lambda stream, utterance, draw: table[int(utterance[1])]
    model = EmotionModel(tune(llm, tuning_of("frozen")), tokenizer, media)
    model.probe()
    return model.eval()


def segments(index: int) -> list[Segment]:
    found: list[Segment] = [Text("Who?")]
    for said in TALK.utterances[: index + 1]:
        found += [Slot("face", said.id), Text(f" {said.text}\n")]
    return found


def encoded(model: EmotionModel, before: Sequence[Segment] = ()) -> list[EncodedPrompt]:
    made = []
    for index, said in enumerate(TALK.utterances):
        prompt = Prompt((*before, *segments(index), Answer()), said.id)
        made.append(model.encode(prompt, Query(conversation=TALK, index=index, labels=LABELS), "labels"))
    return made


def embeddings(model: EmotionModel, items: Sequence[object]) -> Tensor:
    """The row of a prompt ``[items, hidden]``, put together by hand."""
    rows = []
    for item in items:
        if isinstance(item, int):
            rows.append(model.base.get_input_embeddings()(torch.tensor(item)))
        elif item[0] == "prompt":  # type: ignore[index]
            rows.append(model.media.connectors["prompt"].vectors[item[2]])  # type: ignore[index]
        else:
            features = model.media.source("face", item[1], 0)  # type: ignore[misc, index]
            rows.append(model.media.connectors["face"].network(torch.from_numpy(features))[item[2]])  # type: ignore[index]
    return torch.stack(rows)


def test_each_prompt_on_the_tree_is_that_prompt_alone() -> None:
    """Log-probabilities are those of transformers' own pass over the soft tokens and the words, and so is the
    gradient of the soft tokens."""
    model = model_of()
    prompts = encoded(model)
    (tree, _), *others = model.trees([prompts], 10_000)
    assert not others and len(tree) == 1, "the prompts share what stands at their beginning"
    vectors = model.media.connectors["prompt"].vectors
    found = together(model, [prompts])
    wanted = {}
    for prompt in prompts:
        assert prompt.context[:LENGTH] == tuple(("prompt", "", i) for i in range(LENGTH))
        for answer in prompt.answers:
            row = embeddings(model, (*prompt.context, *answer.tokens[:-1]))
            logits = model.base(inputs_embeds=row[None]).logits[0, len(prompt.context) - 1 :]
            wanted[key(prompt, answer)] = logits.log_softmax(-1).gather(1, torch.tensor(answer.tokens)[:, None]).sum()
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-5)
    (one,), (two,) = (torch.autograd.grad(sum(some.values()), [vectors]) for some in (found, wanted))
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
    assert bool(one.any())


def test_the_words_are_those_of_the_prompt_without_soft_tokens() -> None:
    for tokenizer, first in ((byte_level(), 0), (byte_level(begin=True), 1), (llama_like(), 1)):
        model = model_of(tokenizer)
        for prompt in encoded(model):
            soft = prompt.context[first : first + LENGTH]
            assert soft == tuple(("prompt", "", i) for i in range(LENGTH)), prompt.context[:6]
            rest = (*prompt.context[:first], *prompt.context[first + LENGTH :])
            asked = Prompt((*segments(int(prompt.target[1])), Answer()), prompt.target)
            made = PromptEncoder(tokenizer).encode(asked, model.media.length, LABELS, "joy", "labels")
            assert (rest, prompt.answers) == (made.context, made.answers)
            assert first == 0 or prompt.context[0] == tokenizer.bos_token_id


def test_before_the_first_turn_of_a_chat() -> None:
    for tokenizer, first in ((byte_level(), 0), (byte_level(TRIMS, begin=True), 1)):
        (prompt, *_) = encoded(model_of(tokenizer), (Turn("user"),))
        assert prompt.context[first : first + LENGTH] == tuple(("prompt", "", i) for i in range(LENGTH))
        assert prompt.context[first + LENGTH] == tokenizer.convert_tokens_to_ids("<|im_start|>")


def test_a_prompter_may_place_them() -> None:
    model = model_of()
    prompts = encoded(model, (Text("Now:"), Slot("prompt")))
    for prompt in prompts:
        places = [i for i, item in enumerate(prompt.context) if isinstance(item, tuple) and item[0] == "prompt"]
        words = len(model.prompts.encode(Prompt((Text("Now:"), Answer("x")), "u"), lambda s, u: 0).context) - LENGTH
        assert places == list(range(words, words + LENGTH))


@pytest.mark.parametrize("slot", [Slot("prompt", "u0"), Slot("face")])
def test_a_slot_with_an_utterance_too_many_or_too_few_names_the_connector(slot: Slot) -> None:
    with pytest.raises(MercError, match=f"^connectors.{slot.stream} "):
        encoded(model_of(), (slot,))


def test_they_count_where_a_prompt_is_too_long() -> None:
    model = model_of()
    (prompt, *_) = encoded(model)
    query = Query(conversation=TALK, index=0, labels=LABELS)
    asked = Prompt((*segments(0), Answer()), "u0")
    length = len(prompt.context)
    assert model.encode(asked, query, longest=length).context == prompt.context
    assert model.encode(asked, query, longest=length - 1).left_out == length


def test_they_are_no_media_of_an_utterance() -> None:
    model = model_of()
    (batch,) = model.batches(encoded(model), 10_000)
    found = model.outputs(batch, ("media",))
    assert list(found.media or ()) == ["face"]
    assert model.media.fit(["u0"]) == []


def test_what_is_written_goes_on_from_them() -> None:
    model = model_of()
    prompts = encoded(model)
    texts = generate(model, prompts, Sampling(4))
    for prompt, (text,) in zip(prompts, texts, strict=True):
        row, new = embeddings(model, prompt.context), []
        for _ in range(4):
            token = int(model.base(inputs_embeds=row[None]).logits[0, -1].argmax())
            if token in (model.tokenizer.eos_token_id, model.base.generation_config.eos_token_id):
                break
            new.append(token)
            row = torch.cat([row, model.base.get_input_embeddings()(torch.tensor([token]))])
        assert text.text == model.tokenizer.decode(new, skip_special_tokens=True)


def test_they_learn_alone_and_are_saved(tmp_path: Path) -> None:
    model = model_of()
    assert select_trainable(model, ["connectors.prompt"]) == ["connectors.prompt"]
    learning = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert learning == ["media.connectors.prompt.vectors"]
    save_stage(model, tmp_path)
    other = model_of()
    with torch.no_grad():
        other.media.connectors["prompt"].vectors.zero_()
    load_stage(other, tmp_path)
    assert torch.equal(other.media.connectors["prompt"].vectors, model.media.connectors["prompt"].vectors)
