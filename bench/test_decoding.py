"""Decoders that ask many things about each utterance, against every prompt computed on its own."""

from __future__ import annotations

import pytest
import torch

from bench.workload import LABELS, load, rounds, typical
from merc.builtin.prompters import ConversationPrompter
from merc.session.data import queries
from merc.session.shared_model import SharedModel

QUESTIONS = ("{speaker} sounds", "The emotion of {speaker} is", "What does {speaker} feel?", "In a word, {speaker} is")
COUNT, NEW = 8, 16
LAST = 4
"""Of how many utterances, the last of the dialogue, rationales are sampled: eight for each take their time."""


@pytest.fixture(scope="module")
def asks() -> SharedModel:
    """In float32, in which texts are the same."""
    pytest.importorskip("merc_decoding")
    return SharedModel(model=load("float32").eval(), prompter=ConversationPrompter(), labels=LABELS)


def dialogue(asks, compare, found, say, last=0):
    group = queries(typical(found, asks.model.prompts, 1), LABELS)[0][-last:]
    longest = len(asks.encode(group[-1]).context)
    say(f"{compare.title}: {len(group)} utterances of a dialogue, the longest prompt of {longest} tokens")
    return group


def chances(decoded) -> torch.Tensor:
    return torch.tensor([list(one.probabilities.values()) for one in decoded])


def test_ensemble(asks, compare, found, say):
    """Five questions about each utterance."""
    from merc_decoding.ensemble import Ensemble

    group = dialogue(asks, compare, found, say)
    others = tuple(ConversationPrompter(question=question) for question in QUESTIONS)
    decoder, prompters = Ensemble(prompters_=others), (asks.prompter, *others)

    def separate() -> torch.Tensor:
        each = [[asks.score([q], prompts=[p.prompt(q)]).values.softmax(-1) for p in prompters] for q in group]
        return torch.stack([torch.cat(rows).mean(0) for rows in each])

    def check(name, plain, mine):
        torch.testing.assert_close(chances(mine).double(), plain, atol=1e-4, rtol=0)

    name = "separate prompts"
    compare(lambda: decoder.decode(asks, group), {name: separate}, rounds(), check, len(group), "utterances", {name: 4})


def test_self_consistency(asks, compare, found, say):
    """Eight rationales for each utterance, and the labels after each."""
    from merc_decoding.rationale import SelfConsistency

    group = dialogue(asks, compare, found, say, LAST)
    decoder = SelfConsistency(count=COUNT, temperature=1.0, max_new_tokens=NEW, incomplete="use")

    def separate() -> list[tuple[str, torch.Tensor]]:
        found = []
        for query in group:
            for seed in range(COUNT):
                ((one,),) = asks.generate([query], max_new_tokens=NEW, temperature=1.0, seed=seed)
                after = asks.prompt(query).after(f"{one.text.strip()}{decoder.conclude}")
                found.append((one.text.strip(), asks.score([query], prompts=[after]).values.softmax(-1)))
        return found

    def check(name, plain, mine):
        # Seed 0 and number 0 are the same draw; the others are other draws.
        assert [text for text, _ in plain[::COUNT]] == [one.details["rationales"][0] for one in mine]
        assert all(len(one.details["rationales"]) == COUNT for one in mine)

    name = "separate prompts"
    compare(lambda: decoder.decode(asks, group), {name: separate}, rounds(), check, len(group), "utterances", {name: 4})
