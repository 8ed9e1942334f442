"""Scoring 7 labels of 3 words each: every word on the tree against a row for every prompt and word."""

from __future__ import annotations

import pytest
import torch

from bench.plain import padded, samples, steps
from bench.workload import SYNONYMS, load, rounds, typical, work
from merc.model.batch import make_batch
from merc.model.precision import autocast
from merc.prompting import label_scores

BUDGET = 4096
BATCH = 8
"""Rows of a plain batch: the quickest of 4, 8 and 16 (see README.md)."""


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_scoring(dtype, compare, found, say):
    model = load(dtype).eval()
    precision = "bfloat16" if dtype == "bfloat16" else "model"
    chosen = typical(found, model.prompts, 2)
    given = work(chosen, model.prompts, SYNONYMS, every_label=True)
    say(f"{compare.title}: {given}")
    prompts = given.prompts
    place = {p.target: i for i, p in enumerate(prompts)}
    items = samples(prompts)

    @torch.inference_mode()
    def tree() -> torch.Tensor:
        found = torch.empty(len(prompts), len(SYNONYMS))
        for trees in model.trees(given.groups, BUDGET):
            batch = make_batch(*trees)
            with autocast("cpu", precision):
                scores = model.score(batch, len(SYNONYMS))
            found[[place[p.target] for p in batch.prompts]] = scores
        return found.softmax(-1)

    @torch.inference_mode()
    def rows() -> torch.Tensor:
        found = torch.zeros(len(items))
        for feed in padded(items, BATCH):
            with autocast("cpu", precision):
                parts, owner = steps(model, feed)
            found.index_add_(0, torch.tensor([s.path for s in feed.samples])[owner], parts)
        shape = (len(prompts), len(SYNONYMS))
        prompt, label = (torch.tensor([getattr(s, name) for s in items]) for name in ("prompt", "label"))
        return label_scores(found, torch.ones(len(items)), prompt, label, shape, "none").softmax(-1)

    def check(name: str, plain: torch.Tensor, mine: torch.Tensor) -> None:
        torch.testing.assert_close(mine, plain, atol=1e-4 if dtype == "float32" else 5e-2, rtol=0)

    name = f"padded batches of {BATCH}"
    compare(tree, {name: rows}, max(1, rounds() - 1), check, len(prompts), "utterances", {name: 10})
