"""Scoring under prefix tuning, whose tokens stand before every prompt as keys and values, against LoRA's adapters."""

from __future__ import annotations

import pytest
import torch

from bench.workload import LABELS, load, rounds, typical
from merc.builtin.prompters import ConversationPrompter
from merc.session.data import queries
from merc.session.shared_model import SharedModel

DIALOGUES = 2


def asking(dtype: str, tuning=None) -> SharedModel:
    return SharedModel(model=load(dtype, tuning=tuning).eval(), prompter=ConversationPrompter(), labels=LABELS)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_prefix_scoring(dtype, compare, found, say):
    """The same prompts under both: a ratio of 1 says that a prefix costs what adapters cost."""
    virtual = pytest.importorskip("merc_peft.virtual")
    lora, prefix = asking(dtype), asking(dtype, virtual.PrefixTuning(tokens=20))
    group = [q for own in queries(typical(found, lora.model.prompts, DIALOGUES), LABELS) for q in own]
    say(f"{compare.title}: the labels of {len(group)} utterances in {DIALOGUES} dialogues, a prefix of 20 tokens")

    def check(name, plain, mine):
        assert mine.shape == plain.shape == (len(group), len(LABELS))
        torch.testing.assert_close(mine.sum(-1), torch.ones(len(group), dtype=mine.dtype), atol=1e-3, rtol=0)
        assert not torch.allclose(mine, plain)  # two models, each with something of its own

    def probabilities(asks: SharedModel) -> torch.Tensor:
        return asks.score(group).values.softmax(-1)

    ways = {"LoRA": lambda: probabilities(lora)}
    compare(lambda: probabilities(prefix), ways, rounds(), check, len(group), "utterances", {"LoRA": 0.9})
