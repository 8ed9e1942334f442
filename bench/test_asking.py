"""What may be asked of a model: eight texts from one prompt, eight answers to each query of a step, and the labels of a
conversation that goes on."""

from __future__ import annotations

import pytest
import torch

from bench.workload import LABELS, joined, load, rounds
from merc.builtin.prompters import ConversationPrompter
from merc.session.data import queries
from merc.session.shared_model import SharedModel

COUNT, NEW, HISTORY, QUERIES = 8, 16, 30, 4


def asking(dtype: str) -> SharedModel:
    return SharedModel(model=load(dtype).eval(), prompter=ConversationPrompter(), labels=LABELS)


def test_eight_texts(compare, found, say):
    """Drawn from one prompt after 30 utterances, against a call for each, in float32, in which texts are the same."""
    asks = asking("float32")
    query = queries([joined(found.conversations, HISTORY + 1, seed=0)], LABELS)[0][HISTORY]
    say(f"{compare.title}: {COUNT} texts of {NEW} tokens after a prompt of {len(asks.encode(query).context)}")
    how = {"max_new_tokens": NEW, "temperature": 1.0}

    def check(name, plain, mine):
        assert plain[0].tokens == mine[0].tokens  # seed 0 and number 0; the others are other draws
        assert len(plain) == len(mine) == COUNT

    compare(
        lambda: asks.generate([query], count=COUNT, **how)[0],
        {f"{COUNT} calls": lambda: [asks.generate([query], seed=seed, **how)[0][0] for seed in range(COUNT)]},
        rounds(),
        check,
        COUNT,
        "texts",
        {f"{COUNT} calls": 3},
    )


def test_answers_of_a_step(compare, found, say):
    """Eight answers to each query of a step, as GRPO has the model write them, against a call for each answer."""
    asks = asking("float32")
    step = queries([joined(found.conversations, HISTORY, seed=0)], LABELS)[0][-QUERIES:]
    longest = len(asks.encode(step[-1]).context)
    say(f"{compare.title}: {COUNT} answers of {NEW} tokens to each of {QUERIES} queries, prompts of up to {longest}")
    how = {"max_new_tokens": NEW, "temperature": 1.0}

    def separate():
        return [[asks.generate([query], seed=seed, **how)[0][0] for seed in range(COUNT)] for query in step]

    def check(name, plain, mine):
        for one, other in zip(plain, mine, strict=True):
            assert one[0].tokens == other[0].tokens  # seed 0 and number 0; the others are other draws
            assert len(one) == len(other) == COUNT

    name = f"{COUNT} calls a query"
    answers = QUERIES * COUNT
    compare(
        lambda: asks.generate(step, count=COUNT, **how),
        {name: separate},
        rounds(),
        check,
        answers,
        "answers",
        {name: 3},
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_live(dtype, compare, found, say):
    """The next utterance after 30, whose words are computed with the labels, against the whole prompt."""
    asks = asking(dtype)
    own = queries([joined(found.conversations, HISTORY + 1, seed=0)], LABELS)[0]
    cache = asks.cache(own[HISTORY - 1 : HISTORY])
    cache.score(own[HISTORY - 1 : HISTORY])
    query = own[HISTORY]
    say(f"{compare.title}: a prompt of {len(asks.encode(query).context)} tokens, {cache.length} were held")

    def live() -> torch.Tensor:
        goes_on = cache.fork()  # so that every round begins with what was held
        goes_on.extend([query])
        return goes_on.score([query]).values.softmax(-1)

    def check(name, plain, mine):
        torch.testing.assert_close(mine, plain, atol=1e-5 if dtype == "float32" else 5e-2, rtol=0)

    whole = {"the whole prompt": lambda: asks.score([query]).values.softmax(-1)}
    compare(live, whole, rounds(), check, 1, "utterances", {"the whole prompt": 5})
