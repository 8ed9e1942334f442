"""The plain ways: a row, or a stretch of a row, for every prompt.

Each is written directly on transformers, with the mercies that the tree has too: the LM head only where a token of the
answer is predicted, no answer's last token fed, the same precision. Media tokens come from the model's own connectors,
computed for what is fed.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, scaled_dot_product_attention
from transformers import AttentionInterface

from merc.prompting import EncodedPrompt, Item, SlotItem

BLOCKWISE = "merc_bench_blockwise"


@dataclass(frozen=True)
class Sample:
    """One prompt with one answer: the tokens to feed, and the answer that the last of them predict."""

    tokens: tuple[Item, ...]
    answer: tuple[int, ...]
    prompt: int
    path: int
    label: int

    @property
    def places(self) -> range:
        """The places that predict the answer's tokens."""
        return range(len(self.tokens) - len(self.answer), len(self.tokens))


@dataclass(frozen=True)
class Feed:
    """The input of one forward pass, and where in the flattened result each sample starts."""

    inputs: dict[str, Any]
    samples: Sequence[Sample]
    starts: Sequence[int]
    places: int

    @property
    def slots(self) -> dict[int, SlotItem]:
        """Where in the flattened input a media token stands, and which."""
        pairs = zip(self.samples, self.starts, strict=True)
        return {at + i: t for s, at in pairs for i, t in enumerate(s.tokens) if not isinstance(t, int)}


def samples(prompts: Sequence[EncodedPrompt]) -> list[Sample]:
    """A sample for each answer of each prompt."""
    made: list[Sample] = []
    for index, prompt in enumerate(prompts):
        for answer in prompt.answers:
            tokens = (*prompt.context, *answer.tokens[:-1])
            made.append(Sample(tokens, answer.tokens, index, len(made), answer.label))
    return made


def shuffled(items: Sequence[Sample]) -> list[Sample]:
    """As a data loader gives them."""
    order = list(items)
    random.Random(0).shuffle(order)
    return order


def padded(items: Sequence[Sample], size: int) -> Iterator[Feed]:
    """Batches of ``size`` samples in the order given, padded on the right, with the usual mask."""
    for at in range(0, len(items), size):
        some = items[at : at + size]
        length = max(len(s.tokens) for s in some)
        tokens = torch.tensor([[*_ids(s), *[2] * (length - len(s.tokens))] for s in some])
        mask = torch.tensor([[1] * len(s.tokens) + [0] * (length - len(s.tokens)) for s in some])
        starts = [row * length for row in range(len(some))]
        yield Feed({"input_ids": tokens, "attention_mask": mask}, some, starts, tokens.numel())


def packed(items: Sequence[Sample], length: int, blockwise: bool) -> Iterator[Feed]:
    """Rows of at most ``length`` tokens, samples side by side, largest first into the first row with room; none sees
    another.

    Either through a mask of ``length`` by ``length``, which is what transformers has for a CPU, or ``blockwise``:
    attention computed for each sample by itself, as flash-attention's kernels for ragged rows do on a GPU.
    """
    rows: list[list[Sample]] = []
    for sample in sorted(items, key=lambda s: len(s.tokens), reverse=True):
        for row in rows:
            if sum(len(s.tokens) for s in row) + len(sample.tokens) <= length:
                row.append(sample)
                break
        else:
            rows.append([sample])
    for row in rows:
        tokens = torch.tensor([[t for s in row for t in _ids(s)]])
        places = torch.tensor([[i for s in row for i in range(len(s.tokens))]])
        starts = [0]
        for sample in row:
            starts.append(starts[-1] + len(sample.tokens))
        inputs: dict[str, Any] = {"input_ids": tokens, "position_ids": places}
        if blockwise:
            inputs["blocks"] = list(itertools.pairwise(starts))
        else:
            block = torch.tensor([i for i, s in enumerate(row) for _ in s.tokens])
            inputs["attention_mask"] = ((block[:, None] == block[None, :]).tril())[None, None]
        yield Feed(inputs, row, starts[:-1], tokens.numel())


def _ids(sample: Sample) -> list[int]:
    return [t if isinstance(t, int) else 0 for t in sample.tokens]


def _embedded(model: Any, feed: Feed) -> dict[str, Any]:
    """The input with media tokens in their places; as it is where there are none."""
    slots = feed.slots
    if not slots:
        return feed.inputs
    counts: dict[tuple[str, str], int] = {}
    for stream, utterance, index in slots.values():
        counts[stream, utterance] = max(counts.get((stream, utterance), 0), index + 1)
    first = dict(zip(counts, itertools.accumulate(counts.values(), initial=0), strict=False))
    inputs = dict(feed.inputs)
    words = model.base.get_input_embeddings()(inputs.pop("input_ids"))
    media = model.media([(*key, count) for key, count in counts.items()]).to(words.dtype)
    rows = media[[first[stream, utterance] + index for stream, utterance, index in slots.values()]]
    flat = words.reshape(-1, words.shape[-1]).index_copy(0, torch.tensor(list(slots)), rows)
    return {**inputs, "inputs_embeds": flat.view_as(words)}


def steps(model: Any, feed: Feed) -> tuple[Tensor, Tensor]:
    """The log-probability of each token of the answers, and which sample of the feed each belongs to."""
    config = model.base.config
    usual = config._attn_implementation
    if "blocks" in feed.inputs:
        config._attn_implementation = BLOCKWISE
    try:
        states = model.base.get_decoder()(**_embedded(model, feed), use_cache=False).last_hidden_state
    finally:
        config._attn_implementation = usual
    read = [start + i for s, start in zip(feed.samples, feed.starts, strict=True) for i in s.places]
    logits = model.base.get_output_embeddings()(states.reshape(-1, states.shape[-1])[read])
    wanted = torch.tensor([t for s in feed.samples for t in s.answer])
    owner = torch.tensor([i for i, s in enumerate(feed.samples) for _ in s.answer])
    return log_softmax(logits.float(), dim=-1)[torch.arange(len(wanted)), wanted], owner


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    *,
    scaling: float,
    blocks: Any,
    **_: Any,
) -> tuple[Tensor, None]:
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    pieces = [
        scaled_dot_product_attention(query[:, :, a:b], key[:, :, a:b], value[:, :, a:b], is_causal=True, scale=scaling)
        for a, b in blocks
    ]
    return torch.cat(pieces, 2).transpose(1, 2).contiguous(), None


AttentionInterface.register(BLOCKWISE, _attention)
