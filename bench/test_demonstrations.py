"""Ten fixed seven-shot prompts over MELD's dev dialogues: the shots computed once against separate prompts.

As training does, the dialogues take the ten draws in turn, and those with the same draw are joined in one tree. The
plain ways feed every utterance's whole prompt, shots included. Loss and gradients, or probabilities, must agree.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from bench import plain
from bench.plain import padded, samples, shuffled
from bench.test_training_step import Bench, check
from bench.workload import LABELS, Work, rounds, talks
from merc.components import Pool, Query
from merc.model.batch import make_batch
from merc.model.precision import autocast
from merc.prompting import PromptEncoder, build_tree, label_scores
from merc.session.data import labelled, queries
from merc.training.groups import Group, joined, shots_of

SETS, SHOTS = 10, 7
STEP = 4
"""Dialogues of a step whose tokens are counted."""

MEASURED = 2
"""Dialogues of the step that is measured, since separate prompts take long; what four share, they share less."""


@pytest.fixture(scope="module")
def bench():
    return Bench("bfloat16")


@pytest.fixture(scope="module")
def splits() -> tuple[list[list[Query]], list[list[Query]]]:
    """The labelled queries of train and dev, by dialogue."""
    one, two = (queries(talks(split).conversations, LABELS, labelled) for split in ("train", "dev"))
    return one, two


def with_shots(train: list[list[Query]], asked: Sequence[list[Query]], draw: int) -> list[list[Query]]:
    """The queries with one of ten draws of seven shots."""
    from merc.builtin.selectors import Random

    pool = Pool([q for group in train for q in group])
    select = Random(k=SHOTS, sets=SETS).load(pool)
    return [
        [
            replace(q, demonstrations=tuple(pool.queries[p] for p in places))
            for q, places in zip(group, select(group, None, draw), strict=True)
        ]
        for group in asked
    ]


def work(groups: Sequence[list[Query]], encoder: PromptEncoder, which: str) -> tuple[Work, list[Group]]:
    """Their prompts, with the tokens of the joined tree and of separate prompts."""
    from merc.builtin.prompters import ConversationPrompter

    prompter = ConversationPrompter(end=False)
    made = [
        Group(
            tuple(
                encoder.encode(prompter.prompt(q), lambda stream, utterance: 0, LABELS, q.target.label, which)
                for q in group
            ),
            shots_of(group),
        )
        for group in groups
    ]
    rows = [len(p.context) + len(a.tokens) - 1 for g in made for p in g.prompts for a in p.answers]
    tokens = sum(len(build_tree(prompts)) for prompts in joined(made))
    return Work(tuple(g.prompts for g in made), tokens, sum(rows)), made


def usual(groups: list[list[Query]], count: int, seed: int) -> list[list[Query]]:
    """``count`` dialogues that together have as many utterances as so many usually have."""
    mean = sum(map(len, groups)) / len(groups)
    draws = [random.Random(f"{seed}/{number}").sample(groups, count) for number in range(100)]
    return min(draws, key=lambda picked: abs(sum(map(len, picked)) - count * mean))


def dev_in_tokens(train: list[list[Query]], dev: list[list[Query]], encoder: PromptEncoder) -> list[str]:
    """What all of dev comes to, in tokens alone: by steps of four dialogues, and by draws."""
    every = [with_shots(train, dev[draw::SETS], draw) for draw in range(SETS)]
    steps = [groups[at : at + STEP] for groups in every for at in range(0, len(groups), STEP)]
    lines = []
    for name, some, which in (
        (f"steps of {STEP} dialogues", steps, "gold"),
        ("a tree for each draw", every, "gold"),
        ("scoring, a tree for each draw", every, "labels"),
    ):
        counts = [work(groups, encoder, which)[0] for groups in some]
        tree, apart = sum(w.tree_tokens for w in counts), sum(w.apart_tokens for w in counts)
        lines.append(f"all of dev, {name}: {tree} tokens against {apart}: {apart / tree:.1f} times fewer")
    return lines


def test_dev_in_tokens(bench, splits, benchmark, say):
    for line in benchmark.pedantic(lambda: dev_in_tokens(*splits, bench.model.prompts), rounds=1):
        say(line)


def test_training_step(bench, splits, compare, say):
    """One step of dialogues that show the same seven shots."""
    train, dev = splits
    given, groups = work(with_shots(train, usual(dev, MEASURED, 0), 0), bench.model.prompts, "gold")
    say(f"{compare.title}: {given}")
    items = samples(given.prompts)
    name = "padded batches of 4"
    compare(
        lambda: bench.tree(joined(groups)),
        {name: lambda: bench.plain(len(given.prompts), lambda: padded(shuffled(items), 4))},
        max(1, rounds() - 2),
        lambda name, a, b: check(name, a, b, False),
        len(given.prompts),
        "utterances",
        {name: 8},
    )


def test_scoring(bench, splits, compare, say):
    """Seven labels for the utterances of one dialogue."""
    train, dev = splits
    model = bench.model
    given, groups = work(with_shots(train, usual(dev, 1, 1), 0), model.prompts, "labels")
    say(f"{compare.title}: {given}")
    prompts, items = given.prompts, samples(given.prompts)
    place = {p.target: i for i, p in enumerate(prompts)}

    @torch.inference_mode()
    def tree() -> torch.Tensor:
        model.eval()
        found = torch.empty(len(prompts), len(LABELS))
        for trees in model.trees(joined(groups), 4096):
            batch = make_batch(*trees)
            with autocast("cpu", "bfloat16"):
                scores = model.score(batch, len(LABELS))
            found[[place[p.target] for p in batch.prompts]] = scores
        return found.softmax(-1)

    @torch.inference_mode()
    def rows() -> torch.Tensor:
        model.eval()
        found = torch.zeros(len(items))
        for feed in padded(items, 8):
            with autocast("cpu", "bfloat16"):
                parts, owner = plain.steps(model, feed)
            found.index_add_(0, torch.tensor([s.path for s in feed.samples])[owner], parts)
        shape = (len(prompts), len(LABELS))
        prompt, label = (torch.tensor([getattr(s, name) for s in items]) for name in ("prompt", "label"))
        return label_scores(found, torch.ones(len(items)), prompt, label, shape, "none").softmax(-1)

    def agree(name: str, other: torch.Tensor, mine: torch.Tensor) -> None:
        torch.testing.assert_close(mine, other, atol=5e-2, rtol=0)

    name = "padded batches of 8"
    compare(tree, {name: rows}, max(1, rounds() - 2), agree, len(prompts), "utterances", {name: 8})
