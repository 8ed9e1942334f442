"""A training step over dialogues: the prompt tree against one sample an utterance.

Every way computes the loss of the same answers behind the same prompts with all their history, its gradients, and a
step of AdamW whose learning rate is 0, so that the next way finds the same weights. Loss and gradient norm must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from bench.plain import Feed, packed, padded, samples, shuffled, steps
from bench.workload import LABELS, joined, load, rounds, typical, work
from merc.builtin.losses import TokenNLL
from merc.builtin.prompters import ConversationPrompter
from merc.model import attention
from merc.model.batch import make_batch
from merc.model.lora_layer import AdaptedLinear
from merc.model.precision import autocast
from merc.training.strategy import TorchStrategy
from tests.losses import use_loss

BUDGET = 4096
ROWS = 1024
"""Tokens in a row of packing with a mask: the quickest of 512, 1024, 2048 and 4096 (see README.md)."""


class Bench:
    """A model that learns, and steps of it in every layout."""

    def __init__(self, dtype: str, media: Callable[[int], Any] | None = None, layers: int | None = None) -> None:
        self.model = load(dtype, media, layers)
        self.precision = "bfloat16" if dtype == "bfloat16" else "model"
        self.strategy = TorchStrategy()
        use_loss(self.model, TokenNLL(), len(LABELS))
        learning = [p for n, p in self.model.llm.named_parameters() if f"llm.{n}" in self.model.learns]
        self.strategy.prepare(self.model, [{"params": learning, "lr": 5e-4}], self.precision)
        self.model.train()

    def tree(self, groups) -> tuple[float, float]:
        """As merc trains."""
        count = sum(map(len, groups))
        total = 0.0
        micro = self.model.trees(groups, BUDGET)
        for index, trees in enumerate(micro):
            loss = self.strategy.loss_values(make_batch(*trees), 0).sum() / count
            self.strategy.backward(loss, last=index + 1 == len(micro))
            total += float(loss.detach())
        return total, self.strategy.step(0.0, None)

    def plain(self, count: int, feeds: Callable[[], Iterable[Feed]]) -> tuple[float, float]:
        """One step over everything that is fed, gradients added up."""
        total = 0.0
        for feed in feeds():
            with autocast("cpu", self.precision, self.model):
                found, _ = steps(self.model, feed)
            loss = -found.sum() / count
            self.strategy.backward(loss, last=False)
            total += float(loss.detach())
        return total, self.strategy.step(0.0, None)


@pytest.fixture(scope="module", params=["bfloat16", "float32"])
def bench(request):
    return Bench(request.param)


def ways(bench: Bench, prompts) -> dict[str, Callable[[], tuple[float, float]]]:
    items = samples(prompts)
    return {
        "padded batches of 4": lambda: bench.plain(len(prompts), lambda: padded(shuffled(items), 4)),
        "packing": lambda: bench.plain(len(prompts), lambda: packed(items, ROWS, blockwise=False)),
        "blockwise packing": lambda: bench.plain(len(prompts), lambda: packed(items, BUDGET, blockwise=True)),
    }


def check(name: str, plain: tuple[float, float], tree: tuple[float, float], exact: bool) -> None:
    loss, norm = (1e-4, 1e-3) if exact else (2e-2, 5e-2)
    assert plain[0] == pytest.approx(tree[0], rel=loss), f"{name}: the losses differ"
    assert plain[1] == pytest.approx(tree[1], rel=norm), f"{name}: the gradients differ"


def test_meld(bench, compare, found, say):
    given = work(typical(found, bench.model.prompts, 4), bench.model.prompts)
    say(f"{compare.title}: {given}")
    compare(
        lambda: bench.tree(given.groups),
        ways(bench, given.prompts),
        rounds(),
        lambda name, a, b: check(name, a, b, bench.precision == "model"),
        len(given.prompts),
        "utterances",
        {"padded batches of 4": 7, "packing": 5},
    )


def test_fifty_utterances(bench, compare, found, say):
    """One dialogue as long as IEMOCAP's."""
    if bench.precision == "model":
        pytest.skip("only in bfloat16, to be quick")
    given = work([joined(found.conversations, 50, seed=0)], bench.model.prompts)
    say(f"{compare.title}: {given}")
    plain = ways(bench, given.prompts)
    del plain["padded batches of 4"]
    compare(
        lambda: bench.tree(given.groups),
        plain,
        max(1, rounds() - 1),
        lambda name, a, b: check(name, a, b, False),
        len(given.prompts),
        "utterances",
        {"packing": 12},
    )


@pytest.mark.parametrize("utterances", ["MELD's", 50])
def test_parts_of_trees(bench, compare, found, say, monkeypatch, utterances):
    """Questions that repeat the words, and one following utterance: half of a tree is branches, which see nothing of
    each other. Attention in parts skips what attention over whole trees computes of them, which is most where a
    dialogue is long, and next to nothing where it is as short as MELD's."""
    if bench.precision == "bfloat16":
        pytest.skip("only in float32, to be quick")
    asks = ConversationPrompter(end=False, following=1, following_mark="", question='saying "{text}" {speaker} feels')
    long = utterances == 50
    chosen = [joined(found.conversations, 50, seed=0)] if long else typical(found, bench.model.prompts, 4)
    given = work(chosen, bench.model.prompts, prompter=asks)
    say(f"{compare.title}: {given}")

    def whole() -> tuple[float, float]:
        with monkeypatch.context() as patch:
            patch.setattr(attention, "PART_NODES", 1_000_000)
            return bench.tree(given.groups)

    compare(
        lambda: bench.tree(given.groups),
        {"whole trees": whole},
        rounds(),
        lambda name, a, b: check(name, a, b, exact=True),
        len(given.prompts),
        "utterances",
        {"whole trees": 1.2} if long else {},
    )


@pytest.mark.parametrize("question", ["short", "repeats the words"])
def test_own_derivatives(bench, compare, found, say, monkeypatch, question):
    """Attention whose backward pass is written out and LoRA's layers in one step, against torch's own derivative of
    attention, PEFT's own layers, and both."""
    more = {"question": 'saying "{text}" {speaker} feels'} if question == "repeats the words" else {}
    asks = ConversationPrompter(end=False, **more)
    given = work(typical(found, bench.model.prompts, 4), bench.model.prompts, prompter=asks)
    say(f"{compare.title}: {given}")

    def step(torchs: bool, pefts: bool) -> tuple[float, float]:
        with monkeypatch.context() as patch:
            if torchs:
                patch.setattr(attention._InParts, "apply", lambda forward, parts, scale, *states: forward(*states))
            if pefts:
                patch.setattr(AdaptedLinear, "_adapter", lambda layer, x: None)
            return bench.tree(given.groups)

    compare(
        lambda: step(False, False),
        {
            "torch's attention": lambda: step(True, False),
            "PEFT's layers": lambda: step(False, True),
            "both": lambda: step(True, True),
        },
        rounds(),
        lambda name, a, b: check(name, a, b, bench.precision == "model"),
        len(given.prompts),
        "utterances",
        {"both": 1.2} if bench.precision == "bfloat16" else {},
    )
