"""Conv-Attention of Emotion-LLaMAv2, forward and backward, against a plain reading of its equations.

The plain reading takes one utterance after another, as the paper writes it down: audio, the CLS token repeated for
every place, and the temporal visual tokens through an MLP each, concatenated and stacked, equations 3 and 4, the sum,
the linear layer. Shapes are the paper's: 64 tokens of 1,280 numbers, one of 1,408, 64 of 1,408. Values and gradients
must agree.
"""

from __future__ import annotations

import os

import pytest
import torch
from torch.nn.functional import conv1d, linear

from merc import FeatureSpec, Stream

INPUTS = {"audio": FeatureSpec(1280, 64), "cls": FeatureSpec(1408, 1), "video": FeatureSpec(1408, 64)}
TOKENS = 64


def plain(p: dict[str, torch.Tensor], utterance: dict[str, torch.Tensor | None]) -> torch.Tensor:
    """The fused feature ``[64, 256]`` of one utterance."""

    def layer(name: str, x: torch.Tensor) -> torch.Tensor:
        return linear(x, p[f"{name}.weight"], p[f"{name}.bias"])

    def mlp(name: str, x: torch.Tensor) -> torch.Tensor:
        return layer(f"{name}.layers.1", layer(f"{name}.layers.0", x).relu()).relu()

    hidden = []
    for name, x in utterance.items():
        if x is None:
            hidden.append(torch.zeros(TOKENS, 128))
        else:
            hidden.append(mlp(f"streams.{name}", x.expand(TOKENS, -1)))
    f_d, f_s = torch.cat(hidden, dim=1), torch.stack(hidden, dim=2)
    weights = layer("branches.attention.weights", mlp("branches.attention.mlp", f_d))
    f_attn = (f_s @ weights.unsqueeze(-1)).squeeze(-1)
    f = conv1d(f_d.T, p["branches.conv.entry.weight"], p["branches.conv.entry.bias"])
    for block in range(4):
        name = f"branches.conv.blocks.{block}"
        x = conv1d(f, p[f"{name}.weight"], p[f"{name}.bias"], padding=1)
        f = f + x * torch.sigmoid(x)
    return layer("out", f_attn + f.T)


@pytest.mark.parametrize("utterances", [10, 64])
def test_conv_attention(compare, utterances):
    fusers = pytest.importorskip("merc_emotion_llama.fusers")
    torch.manual_seed(0)
    module = fusers.ConvAttention(dropout=0.0).build(INPUTS)
    p = dict(module.named_parameters())
    # Each fifth utterance lacks one stream, the sound and the film by turns.
    lacks = {row: "audio" if row % 2 else "video" for row in range(0, utterances, 5)}
    batch = {}
    for name, spec in INPUTS.items():
        values = torch.randn(utterances, spec.tokens, spec.dim)
        here = torch.tensor([lacks.get(row) != name for row in range(utterances)])
        batch[name] = Stream(values, here[:, None].expand(-1, spec.tokens))
    towards = torch.randn(utterances, TOKENS, 256)

    def done(total: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        for one in p.values():
            one.grad = None
        (total * towards).sum().backward()
        return total.detach(), [one.grad for one in p.values()]

    def by_utterance() -> tuple[torch.Tensor, list[torch.Tensor]]:
        fused = []
        for row in range(utterances):
            streams = {n: s.values[row] if bool(s.mask[row].any()) else None for n, s in batch.items()}
            fused.append(plain(p, streams))
        return done(torch.stack(fused))

    def check(name: str, other, mine) -> None:
        torch.testing.assert_close(other[0], mine[0], rtol=1e-3, atol=1e-4)
        for key, one, two in zip(p, other[1], mine[1], strict=True):
            difference = float((one - two).norm() / two.norm())
            assert difference < 1e-4, f"{name}: the gradients of {key} differ by {difference:g}"

    compare(
        lambda: done(module(batch).values),
        {"a plain reading, utterance by utterance": by_utterance},
        rounds=int(os.environ.get("MERC_BENCH_ROUNDS", "15")),
        check=check,
        count=utterances,
        unit="utterances",
        goals={},
    )
