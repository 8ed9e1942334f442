"""The tree computes what the prompts computed alone compute: logits, losses and gradients."""

from __future__ import annotations

import torch

from merc.model.batch import make_batch
from merc.prompting import AnswerPath, EncodedPrompt, grow
from tests.model.tiny import tiny_model

PROMPTS = [
    EncodedPrompt(
        "u0",
        (1, 2, ("face", "u0", 0), ("face", "u0", 1), 5),
        (AnswerPath((7, 8), 0, 0, True), AnswerPath((7, 9), 1, 0), AnswerPath((4,), 2, 0)),
    ),
    EncodedPrompt(
        "u1",
        (1, 2, ("face", "u0", 0), ("face", "u0", 1), 5, 6, ("voice", "u1", 0), 5),
        (AnswerPath((7, 8), 0, 0), AnswerPath((7, 9), 1, 0, True), AnswerPath((4,), 2, 0)),
    ),
    EncodedPrompt(
        "u2",
        (1, 2, ("face", "u0", 0), ("face", "u0", 1), 5, 6, ("voice", "u1", 0), 9, 11, 12, 5),
        (AnswerPath((7, 8), 0, 0), AnswerPath((7, 9), 1, 0), AnswerPath((4,), 2, 0, True)),
    ),
    EncodedPrompt(
        "v0",
        (1, 3, ("face", "v0", 0), ("face", "v0", 1), ("face", "v0", 2), 5),
        (AnswerPath((7, 8), 0, 0), AnswerPath((7, 9), 1, 0), AnswerPath((4,), 2, 0, True)),
    ),
]


def test_quick():
    model = tiny_model()
    together = model.trees([PROMPTS[:3], PROMPTS[3:]], 64)
    print([(len(g), p) for g, p in together])
    batch = make_batch(*together[0])
    a = model.log_probabilities(batch)
    b = torch.cat(
        [
            model.log_probabilities(make_batch([grow([EncodedPrompt(p.target, p.context, (x,))])]))
            for p in batch.prompts
            for x in p.answers
        ]
    )
    print((a - b).abs().max())
    assert torch.allclose(a, b, atol=1e-5)
    model.layout = "separate"
    batch = make_batch(*model.trees([PROMPTS[:3], PROMPTS[3:]], 640)[0])
    s = model.score(batch, 3)
    print(s.softmax(-1), s.shape)
