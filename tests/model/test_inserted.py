"""What connectors put into layers: each prompt on the tree is that prompt alone, with the equations written out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import merc.testing
from merc.builtin.connectors import Linear
from merc.components import Answer, Connector, FeatureSpec, Missing, Prompt, Query, Segment, Slot, Text, layer_names
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.model.generation import Sampling, generate
from merc.model.media_tokens import MediaTokens
from merc.model.parameters import count_parameters
from merc.model.prefix_cache import KeptPrefix
from merc.model.state import load_stage, save_stage
from merc.model.tuning import select_trainable, tune
from merc.prompting import EncodedPrompt, SeenItem, build_chains
from tests.model.alone import key, together
from tests.model.tiny import tiny_llama
from tests.prompting.tokenizers import byte_level
from tests.toys.glance import Glance
from tests.tunings import tuning_of

LABELS = LabelSpace(("joy", "anger"))
TALK = Conversation(id="c", utterances=tuple(Utterance(id=f"u{i}", text=t, label="joy") for i, t in enumerate("abcd")))
SPECS = {"face": FeatureSpec(6), "voice": FeatureSpec(4)}
COUNTS = {("face", "u0"): 2, ("face", "u1"): 1, ("face", "u3"): 3, ("voice", "u0"): 1, ("voice", "u3"): 2}
"""u2 has nothing, u1 no voice."""


class TestGlance(merc.testing.ConnectorContract):
    component = Glance()


@dataclass(frozen=True, kw_only=True)
class Beside(Glance):
    """Media that stand in the prompt and are looked at too."""

    def tokens(self, count: int) -> int:
        return count


class Latest(Glance):
    """What looks at the utterance that was shown last alone."""

    def insert(self, llm: nn.Module) -> Mapping[str, nn.Module]:
        modules = super().insert(llm)
        for module in modules.values():
            look = module.forward
            module.forward = lambda states, media, look=look: look(  # type: ignore[method-assign, assignment]
                states, media._replace(mask=media.mask & (media.age == 0))
            )
        return modules


def model_of(
    glance: Connector | None = None,
    tuning: str = "frozen",
    dtype: torch.dtype = torch.float32,
    voice: Connector | None = None,
) -> EmotionModel:
    tokenizer = byte_level()
    llm = tiny_llama(dtype, vocab_size=len(tokenizer))
    torch.manual_seed(1)
    media = MediaTokens(SPECS, {"face": glance or Glance(), "voice": voice or Linear()}, {}, 32)
    rng = np.random.default_rng(2)
    table = {at: rng.standard_normal((n, SPECS[at[0]].dim)).astype("float32") for at, n in COUNTS.items()}
    media.source = lambda stream, utterance, draw: table.get((stream, utterance), Missing("not there"))
    model = EmotionModel(tune(llm, tuning_of(tuning)), tokenizer, media)
    with torch.no_grad():
        for stream in model.inserted.streams:
            for block in inserted(model, stream).values():
                block.gate.fill_(0.7)
    model.probe()
    return model.eval()


def inserted(model: EmotionModel, stream: str = "face") -> Mapping[str, Any]:
    return model.media.connectors[stream].inserted  # type: ignore[return-value]


def segments(index: int, history: int = 9) -> list[Segment]:
    found: list[Segment] = [Text("Who?")]
    for said in TALK.utterances[max(0, index - history) : index + 1]:
        found += [Slot("voice", said.id), Slot("face", said.id, " seen:"), Text(f" {said.text}\n")]
    return found


def encoded(model: EmotionModel, history: int = 9) -> list[EncodedPrompt]:
    made = []
    for index, said in enumerate(TALK.utterances):
        query = Query(conversation=TALK, index=index, labels=LABELS)
        made.append(model.encode(Prompt((*segments(index, history), Answer()), said.id), query, "labels"))
    return made


@contextlib.contextmanager
def looking(model: EmotionModel, seen: Sequence[Sequence[str]]) -> Iterator[None]:
    """The equations by hand: place i of the one row attends to the faces of ``seen[i]``, one place after the other."""
    connector = model.media.connectors["face"]
    handles = []
    for name, block in inserted(model).items():

        def look(layer: nn.Module, args: Any, block: Any = block) -> Any:
            rows = []
            for state, utterances in zip(args[0][0], seen, strict=True):
                if utterances:
                    faces = torch.cat([connector.layer(torch.from_numpy(face(model, u))) for u in utterances])
                    query = block.query.weight @ block.norm(state)
                    scores = torch.stack([query @ (block.key.weight @ one) for one in faces]) / 32**0.5
                    weights = scores.exp() / scores.exp().sum()
                    state = state + torch.tanh(block.gate) * (weights @ (faces @ block.value.weight.T))
                rows.append(state)
            return (torch.stack(rows)[None], *args[1:])

        handles.append(model.base.get_submodule(name.replace("-", ".")).register_forward_pre_hook(look))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def face(model: EmotionModel, utterance: str) -> Any:
    return model.media.source("face", utterance, 0)  # type: ignore[misc]


def alone(model: EmotionModel, items: Sequence[Any]) -> Tensor:
    """Logits ``[places, vocabulary]`` of one prompt, by transformers' own pass and the equations above."""
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
            stream, utterance, number = item
            if stream == "face" and number == 0:
                now = (*now, utterance)
            features = torch.from_numpy(model.media.source(stream, utterance, 0))  # type: ignore[misc, arg-type]
            connector = model.media.connectors[stream]
            rows.append((connector.layer if stream == "face" else connector.network)(features)[number])
        seen.append(now)
    if isinstance(model.media.connector_parts["face"], Latest):
        seen = [utterances[-1:] for utterances in seen]
    with looking(model, seen):
        return model.base(inputs_embeds=torch.stack(rows)[None], use_cache=False).logits[0]  # type: ignore[no-any-return]


def all_alone(model: EmotionModel, prompts: Sequence[EncodedPrompt]) -> dict[tuple[str, int, int], Tensor]:
    found = {}
    for prompt in prompts:
        for answer in prompt.answers:
            logits = alone(model, (*prompt.context, *answer.tokens[:-1]))[len(prompt.context) - 1 :]
            found[key(prompt, answer)] = logits.log_softmax(-1).gather(1, torch.tensor(answer.tokens)[:, None]).sum()
    return found


@pytest.mark.parametrize("glance", [Glance(), Glance(every=1), Beside(), Latest(every=1)])
@pytest.mark.parametrize("history", [0, 1, 9])
def test_each_prompt_on_the_tree_is_that_prompt_alone(glance: Connector, history: int) -> None:
    model = model_of(glance)
    prompts = encoded(model, history)
    (tree, _), *others = model.trees([prompts], 10_000)
    assert not others and len(tree) == 1
    found, wanted = together(model, [prompts]), all_alone(model, prompts)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-5)
    learning = {n: p for n, p in model.learning().items() if "connectors.face" in n}
    assert any("gate" in name for name in learning)
    one, two = (torch.autograd.grad(sum(some.values()), list(learning.values())) for some in (found, wanted))
    for name, a, b in zip(learning, one, two, strict=True):
        assert bool(a.any()), name
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_prompts_computed_on_their_own_see_the_same() -> None:
    """As rows of a batch without a tree, and in many small trees."""
    model = model_of()
    prompts = encoded(model)
    wanted = together(model, [prompts])
    small = together(model, [prompts], budget=20)
    batch = make_batch([tree for prompt in prompts for tree in build_chains(prompt)], plain=True)
    paths = [answer for prompt in prompts for answer in prompt.answers]
    rows = dict(zip([key(p, a) for p in prompts for a in p.answers], model.log_probabilities(batch), strict=True))
    assert len(paths) == len(rows)
    for name, value in wanted.items():
        torch.testing.assert_close(small[name], value, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(rows[name], value, rtol=1e-5, atol=1e-5)


def test_a_slot_takes_no_place_and_says_from_where_on_its_media_are_seen() -> None:
    model = model_of()
    prompt = encoded(model)[3]
    plain = [item.item if isinstance(item, SeenItem) else item for item in prompt.context]
    assert [item.media for item in prompt.context if isinstance(item, SeenItem)] == [
        (("face", "u0"),), (("face", "u1"),), (("face", "u3"),),
    ]  # fmt: skip
    # The same words, each a text of its own, where no slot stands.
    words: list[Segment] = []
    for segment in segments(3):
        if not isinstance(segment, Slot) or segment.stream == "voice":
            words.append(segment)
        elif model.media.slot("face", segment.utterance).seen:
            words.append(Text(" seen:"))
    bare = model.prompts.encode(Prompt((*words, Answer()), "u3"), model.media.slot, LABELS, "joy")
    assert plain == list(bare.context)
    (first, *_) = (i for i, item in enumerate(prompt.context) if isinstance(item, SeenItem))
    before = model.prompts.encode(Prompt((*words[:3], Answer()), "u3"), model.media.slot, LABELS, "joy")
    assert first == len(before.context), "the first token after the words that stand with the slot"


def test_a_slot_at_the_very_end_is_seen_by_what_predicts_the_answer() -> None:
    model = model_of()
    query = Query(conversation=TALK, index=0, labels=LABELS)
    with_face, without = (
        model.encode(Prompt((Text("Who?"), *slot, Answer()), "u0"), query, "labels")
        for slot in ([Slot("face", "u0")], [])
    )
    assert isinstance(with_face.context[-1], SeenItem) and with_face.context[-1].item == without.context[-1]
    found = together(model, [[with_face]])
    for name, value in all_alone(model, [with_face]).items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-5)
        assert not torch.isclose(together(model, [[without]])[name], value, atol=1e-4)


def test_an_utterance_that_lacks_the_modality_leaves_no_mark() -> None:
    model = model_of()
    prompt = model.encode(
        Prompt((Text("Who?"), Slot("face", "u2", " seen:"), Answer()), "u2"),
        Query(conversation=TALK, index=2, labels=LABELS),
    )
    assert all(isinstance(item, int) for item in prompt.context)
    slot = model.media.slot("face", "u2")
    assert (slot.count, slot.seen) == (0, False)


def test_a_closed_gate_leaves_the_language_model_as_it_was() -> None:
    model = model_of()
    prompts = encoded(model)
    with torch.no_grad():
        for block in inserted(model).values():
            block.gate.zero_()
    closed = together(model, [prompts])
    model.inserted.remove()
    removed = together(model, [prompts])
    for name, value in removed.items():
        assert torch.equal(closed[name], value)
    assert not any(module._forward_pre_hooks for module in model.base.modules())
    names = set(tiny_llama(vocab_size=len(model.tokenizer)).state_dict())
    assert set(model.base.state_dict()) == names, "its parameters have the names that they had"


def test_they_belong_to_the_connector(tmp_path: Path) -> None:
    model = model_of()
    own = {n for n, _ in model.named_parameters() if n.startswith("media.connectors.face.inserted.")}
    assert {n.split(".")[4] for n in own} == {"model-layers-0", "model-layers-2"}
    parts = {part.part: part for part in count_parameters(model)}
    assert parts["connectors.face"].total == sum(p.numel() for p in model.media.connectors["face"].parameters())
    assert parts["connectors.face"].total > 2 * 3 * 32 * 32
    assert select_trainable(model, ["connectors.face"]) == ["connectors.face"]
    assert own <= {n for n, p in model.named_parameters() if p.requires_grad}
    prompts = encoded(model)
    save_stage(model, tmp_path)
    other = model_of()
    with torch.no_grad():
        for parameter in other.media.parameters():
            parameter.add_(1)
    load_stage(other, tmp_path)
    one, two = together(model, [prompts]), together(other, [prompts])
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_they_are_built_on_the_meta_device() -> None:
    with torch.device("meta"):
        llm = tiny_llama(vocab_size=64)
        media = MediaTokens(SPECS, {"face": Glance()}, {}, 32)
        model = EmotionModel(tune(llm, tuning_of("lora")), None, media)
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert {part.part: part.total for part in count_parameters(model)}["connectors.face"] == 224 + 2 * (3072 + 64 + 1)


@pytest.mark.parametrize("tuning", ["frozen", "lora"])
def test_activation_checkpointing_sees_what_its_pass_saw(tuning: str) -> None:
    """Two passes over other media, then both ways back: what a layer computes again is what it computed."""
    from merc.training.loop import _activation_checkpointing

    model = model_of(tuning=tuning)
    prompts = encoded(model)
    gradients = []
    for wanted in (False, True):
        model.train()
        model.zero_grad()
        with _activation_checkpointing(model, wanted):
            losses = [model.log_probabilities(model.batches([prompt], 1000)[0]).sum() for prompt in prompts[:2]]
            torch.stack(losses).sum().backward()
        gradients.append({n: p.grad for n, p in model.learning().items() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() and any("gate" in name for name in gradients[0])
    for name, value in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], value, rtol=1e-5, atol=1e-6)


def test_half_precision_keeps_the_dtype_of_the_language_model() -> None:
    model, exact = model_of(dtype=torch.bfloat16), model_of()
    prompts = encoded(model)
    one, two = together(model, [prompts]), together(exact, [prompts])
    for name, value in two.items():
        torch.testing.assert_close(one[name], value, rtol=0.1, atol=0.5)
    assert {p.dtype for p in model.media.parameters()} == {torch.float32}


def written_alone(model: EmotionModel, prompt: EncodedPrompt, new: int) -> list[int]:
    """The likeliest tokens, one after the other, without a cache: each sees what the end of the prompt sees."""
    items: list[Any] = list(prompt.context)
    found: list[int] = []
    while len(found) < new and not (found and found[-1] in (1, model.base.generation_config.eos_token_id)):
        found.append(int(alone(model, [*items, *found])[-1].argmax()))
    return found


@torch.no_grad()
@pytest.mark.parametrize("glance", [Glance(every=1), Beside(), Latest(every=1)])
def test_what_is_written_sees_the_media_of_its_prompt(glance: Connector) -> None:
    model = model_of(glance)
    prompts = encoded(model)
    assert model.tokenizer.eos_token_id == 1
    for prompt, (text,) in zip(prompts, generate(model, prompts, Sampling(5)), strict=True):
        assert list(text.tokens) == written_alone(model, prompt, 5)


@torch.no_grad()
def test_several_texts_of_a_prompt_see_its_media() -> None:
    """Sampled from kept keys and values, several at once: each token has the probability that it has alone."""
    model = model_of(Glance(every=1))
    prompts = encoded(model)
    kept = KeptPrefix.of(model, prompts[1])
    how = Sampling(4, count=3, temperature=0.7, seed=5)
    texts = [*generate(model, prompts, how, rows=4), kept.generate(prompts[3], how, 2)]
    assert [t.tokens for t in texts[3]] == [t.tokens for t in texts[-1]]
    for prompt, own in zip([*prompts, prompts[3]], texts, strict=True):
        assert len({text.tokens for text in own}) > 1
        for text in own:
            logits = alone(model, [*prompt.context, *text.tokens[:-1]])[len(prompt.context) - 1 :]
            wanted = logits.log_softmax(-1).gather(1, torch.tensor(text.tokens)[:, None])[:, 0]
            torch.testing.assert_close(torch.tensor(text.log_probs), wanted, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("face", [Glance(every=1), Latest(every=1)])
def test_what_is_written_sees_both_streams_before_one_layer(face: Connector) -> None:
    """Each text has the probability that it has where its tokens are the right answer on the tree."""
    model = model_of(face, voice=Glance(every=1))
    prompts = encoded(model)
    for prompt, own in zip(prompts, generate(model, prompts, Sampling(4, count=2, seed=5)), strict=True):
        for text in own:
            answer = replace(prompt.answers[0], tokens=tuple(text.tokens))
            (tree,) = model.batches([replace(prompt, answers=(answer,))], 4096)
            torch.testing.assert_close(sum(text.log_probs), float(model.log_probabilities(tree)), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_what_goes_on_from_a_kept_beginning_sees_its_media() -> None:
    model = model_of()
    prompts = encoded(model)
    kept = KeptPrefix.of(model, prompts[0])
    assert not model.forgets
    for beginning in (prompts[0], prompts[2], prompts[1]):
        kept.extend(beginning)
        for _ in range(2):  # the second time from what is kept
            for prompt, scores, _state in kept.score(prompts, 2, "none", 4096):
                wanted = all_alone(model, [prompt])
                torch.testing.assert_close(
                    scores, torch.stack([wanted[key(prompt, a)] for a in prompt.answers]), rtol=1e-5, atol=1e-4
                )


class _Wrong(Glance):
    def insert(self, llm: nn.Module) -> Any:
        return {"model.layers.7": nn.Identity()}


class _Nothing(Glance):
    def insert(self, llm: nn.Module) -> Any:
        return {"model.layers.0": "attention"}


class _Shared(Glance):
    def insert(self, llm: nn.Module) -> Any:
        return dict.fromkeys(layer_names(llm), nn.Identity())


class _Narrow(Glance):
    def insert(self, llm: nn.Module) -> Any:
        class Module(nn.Module):
            def forward(self, states: Tensor, media: Any) -> Tensor:
                return states[:, :1]

        return {"model.layers.1": Module()}


@pytest.mark.parametrize(
    ("connector", "words"),
    [
        (_Wrong(), ("model.layers.7", "LlamaForCausalLM", "model.layers.0 to model.layers.2")),
        (_Nothing(), ("str", "model.layers.0", "torch.nn.Module")),
        (_Shared(), ("one module before several layers",)),
    ],
)
def test_what_cannot_be_inserted_names_the_connector(connector: Connector, words: Sequence[str]) -> None:
    with pytest.raises(MercError) as caught:
        MediaTokens(SPECS, {"face": connector}, {}, 32)
        EmotionModel(tune(tiny_llama(), tuning_of("frozen")), None, MediaTokens(SPECS, {"face": connector}, {}, 32))
    message = str(caught.value)
    assert message.startswith("connectors.face: ") and type(connector).__name__ in message
    assert all(word in message for word in words) and "\n" not in message


def test_states_of_another_shape_name_the_connector_and_the_layer() -> None:
    tokenizer = byte_level()
    media = MediaTokens(SPECS, {"face": _Narrow()}, {}, 32)
    media.source = lambda stream, utterance, draw: np.ones((1, 6), "float32")
    model = EmotionModel(tune(tiny_llama(vocab_size=len(tokenizer)), tuning_of("frozen")), tokenizer, media)
    model.probe()
    prompt = model.encode(Prompt((Slot("face", "u0"), Text("Who?"), Answer()), "u0"),
                          Query(conversation=TALK, index=0, labels=LABELS))  # fmt: skip
    with pytest.raises(MercError, match=r"connectors\.face.*_Narrow.*model\.layers\.1.*states of shape"):
        together(model, [[prompt]])
