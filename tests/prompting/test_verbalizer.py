"""Scores of labels against plain numbers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.prompting import label_scores


def test_synonyms_add_up_and_lengths_divide() -> None:
    # Prompt 0: joy by one word; sadness by two. Prompt 1 the same, its paths among those of prompt 0.
    log_p = torch.tensor([-1.0, -3.0, -2.0, -0.5, -4.0, -6.0])
    lengths = torch.tensor([1, 1, 2, 3, 2, 1])
    prompt = torch.tensor([0, 1, 0, 0, 1, 1])
    label = torch.tensor([0, 0, 1, 1, 1, 1])
    found = label_scores(log_p, lengths, prompt, label, (2, 2), "none")
    wanted = [
        [-1.0, math.log(math.exp(-2.0) + math.exp(-0.5))],
        [-3.0, math.log(math.exp(-4.0) + math.exp(-6.0))],
    ]
    torch.testing.assert_close(found, torch.tensor(wanted))
    found = label_scores(log_p, lengths, prompt, label, (2, 2), "tokens")
    wanted = [
        [-1.0, math.log(math.exp(-2.0 / 2) + math.exp(-0.5 / 3))],
        [-3.0, math.log(math.exp(-4.0 / 2) + math.exp(-6.0))],
    ]
    torch.testing.assert_close(found, torch.tensor(wanted))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.floats(-500, 0), st.integers(1, 5)), min_size=1, max_size=30
    ),
    st.sampled_from(["none", "tokens"]),
)
def test_scores_and_their_gradient_are_those_of_plain_numbers(
    paths: list[tuple[int, int, float, int]], normalize: str
) -> None:
    log_p = torch.tensor([p[2] for p in paths], dtype=torch.double, requires_grad=True)
    columns = [torch.tensor([p[i] for p in paths]) for i in (3, 0, 1)]
    found = label_scores(log_p, *columns, (3, 4), normalize)  # type: ignore[arg-type]
    chosen = [(row, column) for row in range(3) for column in range(4)]
    plain = torch.tensor([p[2] for p in paths], dtype=torch.double, requires_grad=True)
    total = torch.zeros((), dtype=torch.double)
    for row, column in chosen:
        mine = [i for i, p in enumerate(paths) if p[:2] == (row, column)]
        if not mine:  # a label without a path has no probability
            assert found[row, column] == -math.inf
            continue
        scores = torch.stack([plain[i] / (paths[i][3] if normalize == "tokens" else 1) for i in mine])
        score = torch.logsumexp(scores, 0)
        torch.testing.assert_close(found[row, column], score)
        total = total + score * (row + 2 * column + 1)
    weights = torch.tensor([[row + 2 * column + 1.0 for column in range(4)] for row in range(3)], dtype=torch.double)
    (torch.where(torch.isfinite(found), found, 0) * weights).sum().backward()
    total.backward()
    torch.testing.assert_close(log_p.grad, plain.grad)


@pytest.mark.parametrize("shift", [0.0, -10_000.0])
def test_improbable_answers_do_not_vanish(shift: float) -> None:
    log_p = torch.tensor([-1.0, -2.0, -1.5]) + shift
    prompt, label, ones = torch.zeros(3, dtype=torch.long), torch.tensor([0, 0, 1]), torch.ones(3, dtype=torch.long)
    found = label_scores(log_p, ones, prompt, label, (1, 2), "none").softmax(-1)
    one = math.exp(-1) + math.exp(-2)
    torch.testing.assert_close(found[0, 0], torch.tensor(one / (one + math.exp(-1.5))), rtol=2e-3, atol=0.0)
