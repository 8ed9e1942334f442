"""Emotion-LLaMAv2's 448 media tokens an utterance: a step over a dialogue's prompt tree against separate samples.

The media are random features of the paper's shapes through the real connectors and Conv-Attention: 64 tokens of the
fusion, 256 of the image, 64 of the video and 64 of the sound. A dialogue has ten utterances. Layouts:

- ``paper``: the prompter ``emotion-llama``, which knows no conversation: each utterance has a block, words and an
  instruction of its own, and prompts share their first few words;
- ``target``: the prompter ``conversation``, the words of all the history and the media of the target: the words are
  shared, the media are not;
- ``all``: the same with the media of all the history, which the next prompts share.

Layers cost alike, so the model has ``MERC_BENCH_LAYERS`` of SmolLM2's 30: a step of the plain way over the media of all
the history has some 25,000 tokens. ``test_tokens`` computes nothing and counts tokens of whole dialogues.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from bench.plain import padded, samples, shuffled
from bench.test_training_step import BUDGET, Bench, check
from bench.workload import LABELS, joined, rounds, work
from merc.builtin.connectors import Linear
from merc.builtin.prompters import ConversationPrompter
from merc.components import FeatureSpec, Prompter
from merc.prompting import PromptEncoder

LAYERS = int(os.environ.get("MERC_BENCH_LAYERS", "2"))
UTTERANCES = 10
SPECS = {
    "audio": FeatureSpec(1280, 64),
    "cls": FeatureSpec(1408, 1),
    "image": FeatureSpec(4 * 1408, 256),
    "video": FeatureSpec(1408, 64),
}
MEDIA = {"fusion": 64, "image": 256, "video": 64, "audio": 64}


@cache
def features(stream: str, utterance: str, draw: int) -> Any:
    """Random features, the same each time."""
    generator = np.random.default_rng(zlib.crc32(f"{stream}/{utterance}".encode()))
    return generator.standard_normal((SPECS[stream].tokens, SPECS[stream].dim), dtype=np.float32)


def media(width: int) -> Any:
    """The connectors and the fuser of ``recipes/emotion-llama-v2/paper.yaml``, without dropout."""
    from merc_emotion_llama.fusers import ConvAttention

    from merc.model.media_tokens import MediaTokens

    fuser = ConvAttention(inputs=("audio", "cls", "video"), dropout=0.0)
    made = MediaTokens(SPECS, dict.fromkeys(MEDIA, Linear()), {"fusion": fuser}, width)
    made.source = features
    return made


def prompters() -> dict[str, Callable[[], Prompter]]:
    from merc_emotion_llama.prompters import EmotionLlama

    return {
        "paper": lambda: EmotionLlama(media=tuple(MEDIA), end=False),
        "target": lambda: ConversationPrompter(media=tuple(MEDIA), media_of="target", end=False),
        "all": lambda: ConversationPrompter(media=tuple(MEDIA), media_of="all", end=False),
    }


def length(stream: str, utterance: str) -> int:
    return MEDIA[stream]


@pytest.fixture(scope="module")
def bench() -> Bench:
    pytest.importorskip("merc_emotion_llama")
    return Bench("bfloat16", media, LAYERS)


@pytest.mark.parametrize("layout", ["paper", "target", "all"])
def test_step(bench, compare, found, say, layout):
    some = [joined(found.conversations, UTTERANCES, seed=0)]
    given = work(some, bench.model.prompts, LABELS, prompter=prompters()[layout](), lengths=length)
    trees = sum(len(tree) for group, _ in bench.model.trees(given.groups, BUDGET) for tree in group)
    say(f"{compare.title}: {given}; {trees} as merc splits the tree")
    items = shuffled(samples(given.prompts))
    sizes = {"samples one by one": 1, "padded batches of 4": 4}
    if layout == "all":  # of 500 to 5,000 tokens: padding would be most of it
        del sizes["padded batches of 4"]
    compare(
        lambda: bench.tree(given.groups),
        {
            name: lambda size=size: bench.plain(len(given.prompts), lambda: padded(items, size))
            for name, size in sizes.items()
        },
        rounds(),
        lambda name, a, b: check(name, a, b, False),
        len(given.prompts),
        "utterances",
        {},
    )


def test_tokens(benchmark, found, say):
    """How many tokens the prompts of every fifth dialogue have in the tree, and how many one by one."""
    pytest.importorskip("merc_emotion_llama")
    from merc_embedded.smollm2 import SmolLM2

    encoder = PromptEncoder(SmolLM2().tokenizer())

    def everything() -> None:
        for name, asks in prompters().items():
            given = work(found.conversations[::5], encoder, LABELS, prompter=asks(), lengths=length)
            number = len(given.prompts)
            say(
                f"{name}: {given.tree_tokens / number:.0f} tokens an utterance against "
                f"{given.apart_tokens / number:.0f}, {given.apart_tokens / given.tree_tokens:.2f} times fewer"
            )

    benchmark.pedantic(everything, rounds=1)
