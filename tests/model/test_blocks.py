"""Utterances that are read in both directions: the tree gives what a dense mask of each prompt gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from merc.builtin.backbones import HuggingFace
from merc.builtin.prompters import ConversationPrompter
from merc.components import Query, Slot, Text
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.model.generation import Sampling, generate
from merc.model.prefix_cache import KeptPrefix, first_of
from merc.prompting import AnswerPath, BlockItem, EncodedPrompt, PromptEncoder, build_tree
from tests.model.alone import key, media_tokens, together
from tests.model.tiny import FEATURES, tiny_llama, tuned_model
from tests.prompting.tokenizers import byte_level

LABELS = LabelSpace(("joy", "anger", "angst"))
TALK = Conversation(
    id="d",
    utterances=tuple(
        Utterance(id=f"u{i}", speaker="AB"[i % 2], text=text) for i, text in enumerate(("Hi!", "No.", "Oh?", "Hi!"))
    ),
)
ENCODER = PromptEncoder(byte_level(), backbone=HuggingFace(path="./none", attention="utterance"))
PLAIN = PromptEncoder(byte_level(), backbone=HuggingFace(path="./none"))


def prompts(encoder: PromptEncoder = ENCODER, following: int = 0) -> list[EncodedPrompt]:
    asks = ConversationPrompter(
        instruction="{labels}\n", question="{speaker}?", media=("face",), following=following, end=False
    )
    every = [Query(conversation=TALK, index=i, labels=LABELS) for i in range(4)]
    return [
        encoder.encode(asks.prompt(query), lambda s, u: FEATURES.get((s, u), 0), LABELS, "joy", "labels")
        for query in every
    ]


@pytest.fixture(scope="module")
def model() -> EmotionModel:
    return tuned_model(tiny_llama(vocab_size=len(ENCODER.tokenizer)))


def dense(model: EmotionModel, prompt: EncodedPrompt, answer: AnswerPath) -> Tensor:
    """The log-probability of an answer, by transformers' own forward pass with a mask of this prompt alone."""
    items = [*prompt.context, *answer.tokens[:-1]]
    size = len(items)
    mask = torch.ones(size, size, dtype=torch.bool).tril()
    for at, item in enumerate(items):
        if isinstance(item, BlockItem):
            begin = at - item.place
            mask[at, begin : begin + len(item.block)] = True
    embed = model.base.get_input_embeddings()
    bare = [item.item if isinstance(item, BlockItem) else item for item in items]
    rows = [embed(torch.tensor([i]))[0] if isinstance(i, int) else media_tokens(model, *i[:2])[i[2]] for i in bare]
    out = model.base(inputs_embeds=torch.stack(rows)[None], attention_mask=mask[None, None], use_cache=False)
    first = len(prompt.context) - 1
    logits = out.logits[0, first : first + len(answer.tokens)].log_softmax(-1)
    return logits.gather(1, torch.tensor(answer.tokens)[:, None]).sum()  # type: ignore[no-any-return]


def test_an_utterance_is_a_block_and_the_question_is_none() -> None:
    one = prompts()[1].context
    sizes = [len(item.block) if isinstance(item, BlockItem) else 0 for item in one]
    places = [item.place for item in one if isinstance(item, BlockItem)]
    first, second = (len(item.block) for item in one if isinstance(item, BlockItem) and item.place == 0)
    assert places == [*range(first), *range(second)]
    assert sizes[0] == sizes[-1] == 0
    slots = [item.item for item in one if isinstance(item, BlockItem) and not isinstance(item.item, int)]
    assert slots == [("face", "u0", 0), ("face", "u0", 1), ("face", "u1", 0)]
    assert not any(isinstance(item, BlockItem) for item in prompts(PLAIN)[1].context)


@pytest.mark.parametrize("following", [0, 1])
@pytest.mark.parametrize("budget", [1, 60, 10_000])
def test_the_tree_is_a_dense_mask_of_each_prompt(model: EmotionModel, budget: int, following: int) -> None:
    every = prompts(following=following)
    found = together(model, [every], budget)
    wanted = {key(p, a): dense(model, p, a) for p in every for a in p.answers}
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=2e-5, atol=2e-5)
    learning = [p for p in model.parameters() if p.requires_grad]
    got, right = (
        torch.autograd.grad(sum(values.values()), learning, allow_unused=True)  # type: ignore[arg-type]
        for values in (found, wanted)
    )
    for mine, theirs in zip(got, right, strict=True):
        if theirs is not None:
            torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=2e-4)


def test_it_is_another_model_than_the_causal_one(model: EmotionModel) -> None:
    with torch.no_grad():
        blocks, causal = together(model, [prompts()]), together(model, [prompts(PLAIN)])
    assert max(abs(float(blocks[name] - causal[name])) for name in causal) > 0.01


def test_utterances_that_begin_alike_are_not_shared_in_part(model: EmotionModel) -> None:
    """Each of their tokens sees all of them: "Hi! A" has no state in common with "Hi! B"."""
    one, two = (replace(TALK, utterances=(replace(TALK.utterances[0], text=text),)) for text in ("Hi! A", "Hi! B"))
    asks = ConversationPrompter(instruction="{labels}\n", question="?", end=False)
    both = [
        replace(ENCODER.encode(asks.prompt(Query(conversation=talk, index=0, labels=LABELS)), lambda s, u: 0, LABELS,
                               "joy", "labels"), target=name)
        for name, talk in (("one", one), ("two", two))
    ]  # fmt: skip
    with torch.no_grad():
        found = together(model, [both])
        for prompt in both:
            for answer in prompt.answers:
                torch.testing.assert_close(
                    found[key(prompt, answer)], dense(model, prompt, answer), rtol=2e-5, atol=2e-5
                )


@pytest.mark.parametrize("trees", [True, False])
def test_the_prefix_cache_and_scoring_agree(model: EmotionModel, trees: bool) -> None:
    before, model.passes.tree_by_tree = model.passes.tree_by_tree, trees
    try:
        every = prompts()
        kept = KeptPrefix.of(model, first_of(every[0], len(every[0].context) - 2))
        with torch.no_grad():
            for prompt in every:  # a conversation that goes on
                kept.extend(first_of(prompt, len(prompt.context) - 2))
                ((_, scores, _),) = kept.score([prompt], 3, "none", 4096)
                wanted = torch.stack([dense(model, prompt, answer) for answer in prompt.answers])
                torch.testing.assert_close(scores, wanted, rtol=2e-5, atol=2e-5)
            (batch,) = model.batches(every, 10_000)
            for prompt, scores in zip(batch.prompts, model.score(batch, 3), strict=True):
                wanted = torch.stack([dense(model, prompt, answer) for answer in prompt.answers])
                torch.testing.assert_close(scores, wanted, rtol=2e-5, atol=2e-5)
    finally:
        model.passes.tree_by_tree = before


def test_what_is_written_goes_on_from_such_a_pass() -> None:
    asks = ConversationPrompter(instruction="{labels}\n", question="{speaker}?", end=False)
    prompt = ENCODER.encode(
        asks.prompt(Query(conversation=TALK, index=2, labels=LABELS)), lambda s, u: 0, answers="none"
    )
    model = tuned_model(tiny_llama(vocab_size=len(ENCODER.tokenizer)))
    model._tokenizer = ENCODER.tokenizer
    kept = KeptPrefix.of(model, first_of(prompt, len(prompt.context) - 1))
    (text,) = kept.generate(prompt, Sampling(max_new_tokens=3), 1)
    with torch.no_grad():
        for place in range(len(text.tokens)):
            answer = AnswerPath(text.tokens[: place + 1])
            steps = sum(text.log_probs[: place + 1])
            assert float(dense(model, replace(prompt, answers=(answer,)), answer)) == pytest.approx(steps, abs=1e-4)
    with pytest.raises(MercError, match=r"backbone.attention: utterance cannot write after the prompt for 'u2'"):
        generate(model, [prompt], Sampling(max_new_tokens=1))


def test_a_backbone_that_takes_no_mask_is_refused(model: EmotionModel) -> None:
    model.layout, model.note = "separate", "it mixes tokens along the sequence"
    try:
        with pytest.raises(MercError, match=r"backbone.attention: utterance needs a mask .*it mixes tokens") as caught:
            model.trees([prompts()], 100)
        assert "backbone.attention=causal" in str(caught.value)
    finally:
        model.layout, model.note = "tree", ""


def test_segments_say_whose_words_they_are_and_are_compared_without() -> None:
    assert Text("Hi", "u0") == Text("Hi") and repr(Text("Hi", "u0")) == "Text(text='Hi')"
    assert Slot("face", "u0").utterance == "u0"


def test_trees_are_attended_to_apart_and_in_one_row_without_padding(model: EmotionModel) -> None:
    """As with a mask over whole rows, to rounding; and it is what this backbone does on a CPU."""
    assert model.passes.tree_by_tree
    every = prompts(PLAIN)
    batch = make_batch([build_tree(every[:1]), build_tree(every[1:3]), build_tree(every[3:])])
    assert len(batch.places) == batch.size <= batch.tokens.numel()
    assert torch.equal(batch.places, batch.places.sort().values)
    with torch.no_grad():
        apart = model.log_probabilities(batch)
        model.passes.tree_by_tree = False
        try:
            whole = model.log_probabilities(batch)
        finally:
            model.passes.tree_by_tree = True
    torch.testing.assert_close(apart, whole, rtol=2e-5, atol=2e-5)


def test_labels_are_scored_in_float32_by_a_model_in_bfloat16() -> None:
    """Two labels whose logits are the same in bfloat16 are told apart, and the order is that of exact arithmetic."""
    model = tuned_model(tiny_llama(torch.bfloat16, vocab_size=64), tuning="frozen")
    head = model.base.get_output_embeddings().weight
    prompt = EncodedPrompt("u", (1, 2, 33, 5), (AnswerPath((7,), 0, 0, True), AnswerPath((8,), 1, 0)))
    (batch,) = model.batches([prompt], 100)
    with torch.no_grad():
        states = model.hidden(batch)
        head[8] = head[7]
        least = int((states[0] * head[7]).abs().argmin())
        head[8, least] *= 1 + 2**-7  # the next number in bfloat16
        exact = states.float() @ head[[7, 8]].float().T
        rounded = model.logits(batch)[0, [7, 8]]
        scores = model.score(batch, 2)[0]
    assert rounded[0] == rounded[1]
    torch.testing.assert_close(scores[0] - scores[1], exact[0, 0] - exact[0, 1], rtol=1e-3, atol=1e-6)
    assert scores[0] != scores[1]
