"""A native multimodal backbone in the tree gives the logits of transformers' own forward pass of the same model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import merc
import merc.testing
from merc.builtin.connectors import Identity, Linear
from merc.builtin.prompters import ConversationPrompter
from merc.components import Frozen
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.model.generation import Sampling, generate
from merc.model.media_tokens import MediaTokens
from merc.model.prefix_cache import KeptPrefix
from merc.model.tuning import tune
from merc.prompting import EncodedPrompt
from tests.native import CONTROLS, HIDDEN, KINDS, Kind, Native, Tower, clip, patches, seconds_of, tokenizer, whole_model

LABELS = LabelSpace(("joy", "anger"), {"joy": ("joy", "happy")})
PAD = CONTROLS.index("<|video_pad|>")
CLIPS = {"u0": clip(0), "u1": clip(1, frames=6, height=24, width=16, rate=1.3), "u3": clip(2, frames=2, rate=5.0)}
TALK = Conversation(
    id="talk",
    utterances=tuple(
        Utterance(id=f"u{i}", speaker="AB"[i % 2], text=text, label=("joy", "anger")[i % 2])
        for i, text in enumerate(("Look!", "Not <|vision_start|> again.", "No picture here.", "And now?"))
    ),
)


reference = cache(whole_model)
"""The model class as it is, pictures and all."""


@dataclass(frozen=True, kw_only=True)
class Chat(merc.Prompter):
    """Each utterance a turn of the model's own chat template, its video before its words."""

    def prompt(self, query: merc.Query) -> merc.Prompt:
        segments: list[Any] = []
        for utterance in query.conversation.utterances[: query.index + 1]:
            segments += [merc.Turn("user"), merc.Slot("video", utterance.id), merc.Text(utterance.text)]
        return merc.Prompt((*segments, merc.Turn("assistant"), merc.Answer(prefix="")), query.target.id)

    def streams(self) -> tuple[str, ...]:
        return ("video",)


def model_of(kind: Kind, **more: Any) -> EmotionModel:
    """The backbone without its tower, and the features that the tower gave."""
    tower, backbone = Tower(model=kind), Native(model=kind)
    media = MediaTokens({"video": tower.spec()}, {"video": Identity()}, {}, HIDDEN, {"video": tower})
    features = dict(zip(CLIPS, tower.load("cpu")(list(CLIPS.values())), strict=True))
    media.source = lambda stream, utterance, draw: features.get(utterance, merc.Missing("no video"))
    model = EmotionModel(tune(backbone.load("cpu"), Frozen()), tokenizer(), media)
    model.backbone = backbone
    model.eval()
    model.probe()
    return model


def encoded(model: EmotionModel, prompter: merc.Prompter, answers: Any = "labels") -> list[EncodedPrompt]:
    queries = [merc.Query(conversation=TALK, index=i, labels=LABELS) for i in range(4)]
    return [model.encode(prompter.prompt(query), query, answers) for query in queries]


def by_transformers(kind: Kind, prompt: EncodedPrompt, answer: tuple[int, ...]) -> Tensor:
    """The logits that predict an answer's tokens, by the model class from pixels."""
    ids = [PAD if isinstance(item, tuple) else item for item in (*prompt.context, *answer[:-1])]
    shown = dict.fromkeys(item[1] for item in prompt.context if isinstance(item, tuple))
    inputs: dict[str, Any] = {}
    if shown:
        values, grids = zip(*(patches(CLIPS[name].frames) for name in shown), strict=True)
        inputs = {"pixel_values_videos": torch.cat(values), "video_grid_thw": torch.tensor(grids)}
        if kind == "qwen2.5-vl":
            inputs["second_per_grid_ts"] = [seconds_of(CLIPS[name]) for name in shown]
    row = torch.tensor([ids])
    kinds = 2 * (row == PAD).int()
    with torch.no_grad():
        out = reference(kind)(input_ids=row, mm_token_type_ids=kinds, use_cache=False, **inputs)
    return out.logits[0, len(prompt.context) - 1 :]  # type: ignore[no-any-return]


@pytest.mark.parametrize("layout", ["tree", "separate"])
@pytest.mark.parametrize("prompter", [Chat(), ConversationPrompter(media=("video",))], ids=["chat", "conversation"])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_of_every_prompt_are_those_of_transformers(kind: Kind, prompter: merc.Prompter, layout: str) -> None:
    model = model_of(kind)
    assert (model.layout, model.note) == ("tree", "")
    model.layout = layout
    checked = 0
    for trees, plain in model.trees([encoded(model, prompter)], 100_000):
        batch = make_batch(trees, plain)
        with torch.no_grad():
            logits = model.logits(batch)
        paths = [(tree.prompts[index], answer) for tree in trees for index, answer, _ in tree.paths]
        for number, (prompt, answer) in enumerate(paths):
            mine = logits[batch.step_read[batch.step_path == number]]
            torch.testing.assert_close(
                mine,
                by_transformers(kind, prompt, answer.tokens),
                rtol=1e-4,
                atol=1e-5,
                msg=lambda m, p=prompt: f"{p.target}: {m}",
            )
            checked += 1
    assert checked == 4 * 3


def test_the_tree_computes_what_prompts_share_once() -> None:
    model = model_of("qwen2-vl")
    prompts = encoded(model, Chat())
    ((trees, _),) = model.trees([prompts], 100_000)
    assert sum(map(len, trees)) < sum(len(p.context) for p in prompts)
    videos = [item for tree in trees for item in tree.items if isinstance(item, tuple)]
    assert len(videos) == len(set(videos)) == sum(len(model.media.source(*key)) for key in _keys())  # type: ignore[misc, arg-type]


def _keys() -> list[tuple[str, str, int]]:
    return [("video", name, 0) for name in CLIPS]


def test_the_conversation_is_tokenized_as_its_rendering() -> None:
    """Control tokens of the backbone are control tokens; those that an utterance spells stay words."""
    model = model_of("qwen2-vl")
    prompt = encoded(model, Chat(), "none")[1]
    tokens = [PAD if isinstance(item, tuple) else item for item in prompt.context]
    counts = {name: len(model.media.source("video", name, 0)) for name in CLIPS}  # type: ignore[misc, arg-type]
    turns = [
        {"role": "user", "content": f"<|vision_start|>{'<|video_pad|>' * counts[u.id]}<|vision_end|>{text}"}
        for u, text in zip(TALK.utterances[:2], ("Look!", "\0"), strict=True)
    ]
    rendered = tokenizer().apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    before, after = (tokenizer()(part, add_special_tokens=False)["input_ids"] for part in rendered.split("\0"))
    spelt = tokenizer()("Not <|vision_start|> again.", add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert tokens == [*before, *spelt, *after]
    assert tokens.count(CONTROLS.index("<|vision_start|>")) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_positions_are_those_of_the_model_class(kind: Kind) -> None:
    model = model_of(kind)
    prompt = encoded(model, Chat(), "none")[3]
    ids = torch.tensor([[PAD if isinstance(item, tuple) else item for item in prompt.context]])
    grids = torch.tensor([patches(CLIPS[name].frames)[1] for name in CLIPS])
    seconds = {"second_per_grid_ts": [seconds_of(c) for c in CLIPS.values()]} if kind == "qwen2.5-vl" else {}
    wanted, _ = reference(kind).model.get_rope_index(
        ids, mm_token_type_ids=2 * (ids == PAD).int(), video_grid_thw=grids, **seconds
    )
    assert torch.tensor(prompt.positions[:-1]).T.tolist() == wanted[:, 0].tolist()
    assert prompt.positions[-1] == tuple(p + 1 for p in prompt.positions[-2])


def written(kind: Kind, prompt: EncodedPrompt, new: int) -> str:
    """The likeliest tokens one after another, each by a forward pass of the model class from pixels."""
    tokens: list[int] = []
    for _ in range(new):
        tokens.append(int(by_transformers(kind, prompt, (*tokens, 0))[-1].argmax()))
        if tokens[-1] == tokenizer().eos_token_id:
            break
    return str(tokenizer().decode(tokens, skip_special_tokens=True))


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_writes_what_transformers_writes(kind: Kind) -> None:
    """Rows with and without videos, of several lengths, side by side. An answer starts after words, so that its tokens
    lie one after the other on every axis."""
    model = model_of(kind)
    prompts = [*encoded(model, Chat(), "none"), encoded(model, ConversationPrompter(), "none")[2]]
    assert [bool(prompt.positions) for prompt in prompts] == [True] * 4 + [False]
    texts = [one.text for (one,) in generate(model, prompts, Sampling(5))]
    assert texts == [written(kind, prompt, 5) for prompt in prompts]


@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_on_from_kept_keys_is_what_the_whole_prompts_give(kind: Kind) -> None:
    """A conversation with videos that goes on, and texts that are drawn after it."""
    model, how = model_of(kind), Sampling(5, count=3, temperature=1.5)
    prompts = encoded(model, Chat())
    drawn = [[one.tokens for one in texts] for texts in generate(model, prompts, how)]
    assert [[one.tokens for one in generate(model, [p], how)[0]] for p in prompts] == drawn
    kept = KeptPrefix.of(model, prompts[0])
    assert model.forgets == ""
    for prompt, tokens in zip(prompts, drawn, strict=True):
        kept.extend(prompt)
        ((_, scores, _),) = kept.score([prompt], 2, "none", 4096)
        (batch,) = model.batches([prompt], 100_000)
        with torch.no_grad():
            wanted = model.score(batch, 2)[0]
        torch.testing.assert_close(scores, wanted, rtol=1e-5, atol=1e-5)
        assert [one.tokens for one in kept.generate(prompt, how, 2)] == tokens


def test_another_encoder_beside_the_tower_lies_as_words_do() -> None:
    """A backbone lays out what it knows; what comes through a connector of its own stands in a row."""
    model = model_of("qwen2-vl")
    face = merc.SlotTokens(stream="face", count=3)
    assert model.backbone is not None
    assert model.backbone.slot(face) == (merc.MediaRun(3),)


def test_words_alone_need_no_positions() -> None:
    model = model_of("qwen2-vl")
    prompts = encoded(model, ConversationPrompter())
    assert not any(prompt.positions for prompt in prompts)
    (batch,) = model.batches(prompts, 100_000)
    assert batch.positions.ndim == 2


def test_number_counts_the_slots_of_a_modality() -> None:
    numbers: list[int] = []

    class Counting(Native):
        def slot(self, slot: merc.SlotTokens) -> Any:
            numbers.append(slot.number)
            return super().slot(slot)

    model = model_of("qwen2-vl")
    model.backbone = Counting()
    encoded(model, Chat(), "none")
    assert numbers == [1, 1, 2, 1, 2, 1, 2, 3]


def _laid_out(pieces: Any) -> Any:
    class Other(Native):
        def slot(self, slot: merc.SlotTokens) -> Any:
            return pieces(slot)

    model = model_of("qwen2-vl")
    model.backbone = Other()
    return encoded(model, Chat(), "none")[0]


def test_a_slot_may_have_words_and_control_tokens_between_its_media() -> None:
    def pieces(slot: merc.SlotTokens) -> Any:
        return (merc.Text("Frame 1: "), merc.MediaRun(2), merc.Control("<|vision_end|><|vision_start|>"),
                merc.MediaRun(slot.count - 2), merc.Text("\n"))  # fmt: skip

    prompt = _laid_out(pieces)
    media = [number for number, item in enumerate(prompt.context) if isinstance(item, tuple)]
    assert [prompt.context[n][2] for n in media] == list(range(len(media)))
    assert prompt.context[media[1] + 1 : media[2]] == (3, 2)
    assert prompt.positions == ()


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (lambda slot: (merc.MediaRun(slot.count - 1),), ("slot()", "Other", "'video'", "u0", "11", "12")),
        (lambda slot: (merc.MediaRun(slot.count, ((0, 0),) * slot.count, 1),), ("MediaRun", "[12, 3]", "Other")),
        (lambda slot: (merc.MediaRun(slot.count, ((0, 0, 0),), 1),), ("MediaRun", "[12, 3]", "advance")),
        (lambda slot: (merc.MediaRun(slot.count, None, 1),), ("MediaRun", "positions", "advance")),
        (lambda slot: (merc.MediaRun(slot.count), merc.Control("<|audio|>")), ("'<|audio|>'", "<|vision_start|>")),
    ],
)  # fmt: skip
def test_a_layout_that_does_not_fit_is_named(pieces: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(MercError) as error:
        _laid_out(pieces)
    assert all(word in str(error.value) for word in words), error.value


def _of_tower(kind: Kind) -> list[merc.SlotTokens]:
    model = model_of(kind)
    return [model.media.slot("video", name) for name in CLIPS]


class TestNative(merc.testing.BackboneContract):
    component = Native(model="qwen2.5-vl")
    slots = _of_tower("qwen2.5-vl")


class TestTower(merc.testing.EncoderContract):
    component = Tower(model="qwen2-vl")
    tolerance = 1e-3


def test_identity_wants_features_of_the_width() -> None:
    with pytest.raises(MercError, match=r"identity.*7 numbers.*32.*linear"):
        Identity().build(merc.FeatureSpec(dim=7), 32)
    assert isinstance(Identity().build(merc.FeatureSpec(dim=32, axes=("row",)), 32), torch.nn.Identity)


def test_connectors_never_see_where_tokens_lie() -> None:
    spec = merc.FeatureSpec(dim=2, axes=("seconds",))
    media = MediaTokens({"video": spec}, {"video": Linear()}, {}, 4)
    values: Mapping[str, Any] = {"u": np.array([[1, 2, 0.5], [3, 4, 1.5]], "float32")}
    media.source = lambda stream, utterance, draw: values[utterance]
    (layer,) = [m for m in media.modules() if isinstance(m, torch.nn.Linear)]
    torch.testing.assert_close(media([("video", "u", 2)]), layer(torch.tensor([[1.0, 2], [3, 4]])))
    where = media.slot("video", "u").where
    assert where is not None and where.tolist() == [[0.5], [1.5]]
    pooled = MediaTokens({"video": spec}, {"video": replace(Linear(), pool="mean")}, {}, 4)
    pooled.source = media.source
    assert (pooled.slot("video", "u").count, pooled.slot("video", "u").where) == (1, None)
