"""Every fuser keeps the contract of its kind, and minds only what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from merc_emotion_llama.fusers import AffectGPTAttention, Attention, Conv, ConvAttention, QFormer

import merc.testing
from merc import FeatureSpec, Fuser, Stream
from merc.testing.streams import real, row, stream

DIMS = {"audio": 5, "image": 6, "video": 4}
SPECS = {name: FeatureSpec(dim) for name, dim in DIMS.items()}
SMALL: dict[str, Fuser] = {
    "conv-attention": ConvAttention(tokens_=5, layers=(7, 6), out=3, blocks=2),
    "conv-attention-sum": ConvAttention(tokens_=5, layers=(6,), out=None, blocks=1, kernel=5),
    "attention": Attention(tokens_=5, layers=(7, 6), out=3),
    "conv": Conv(tokens_=5, layers=(7, 6), out=3, blocks=2),
    "q-former": QFormer(tokens_=3, width=8, heads=2, layers=2),
    "affectgpt-attention": AffectGPTAttention(tokens_=2, width=4),
}
every_fuser = pytest.mark.parametrize("fuser", SMALL.values(), ids=SMALL)


class TestConvAttention(merc.testing.FuserContract):
    component = ConvAttention()
    name = "conv-attention"


class TestSumItself(merc.testing.FuserContract):
    component = SMALL["conv-attention-sum"]


class TestAttention(merc.testing.FuserContract):
    component = Attention()
    name = "attention"


class TestConv(merc.testing.FuserContract):
    component = Conv()
    name = "conv"


class TestQFormer(merc.testing.FuserContract):
    component = QFormer(width=48, heads=4)
    name = "q-former"


class TestAffectGPTAttention(merc.testing.FuserContract):
    component = AffectGPTAttention()
    name = "affectgpt-attention"


def module(fuser: Fuser) -> torch.nn.Module:
    torch.manual_seed(0)
    return fuser.build(SPECS)


def batch(counts: Mapping[str, Sequence[int]], padding: int = 0, rubbish: float = 0.0) -> dict[str, Stream]:
    return {name: stream(counts[name], dim, seed, padding, rubbish) for seed, (name, dim) in enumerate(DIMS.items())}


FULL = {"audio": (5, 9, 0, 1), "image": (1, 1, 1, 0), "video": (5, 2, 8, 0)}


@every_fuser
def test_shape_and_count(fuser: Fuser) -> None:
    out, spec = module(fuser).eval()(batch(FULL)), fuser.spec(SPECS)
    assert spec is not None
    assert spec.tokens == fuser.tokens({"audio": 9, "image": 0, "video": 0})
    assert out.values.shape == (4, spec.tokens, spec.dim)
    assert out.mask.shape == (4, spec.tokens)
    assert out.mask.all()


@every_fuser
@settings(max_examples=15, deadline=None)
@given(rows=st.lists(st.tuples(*[st.integers(0, 7)] * 3), min_size=1, max_size=4))
def test_an_utterance_alone_is_as_in_the_batch(fuser: Fuser, rows: list[tuple[int, ...]]) -> None:
    counts = dict(zip(DIMS, zip(*rows, strict=True), strict=True))
    net, given = module(fuser).eval(), batch(counts)
    together = net(given)
    for at, one in enumerate(rows):
        alone = net({name: row(s, at) for name, s in given.items()})
        assert together.mask[at].all() if any(one) else not together.mask[at].any()
        torch.testing.assert_close(real(alone, 0), real(together, at), rtol=1e-5, atol=1e-6)
        # And without the padding that the longest of the batch had made, down to no place at all.
        cut = dict(zip(DIMS, one, strict=True))
        bare = {
            name: Stream(s.values[at : at + 1, : cut[name]], s.mask[at : at + 1, : cut[name]])
            for name, s in given.items()
        }
        torch.testing.assert_close(real(net(bare), 0), real(together, at), rtol=1e-5, atol=1e-6)


@every_fuser
@pytest.mark.parametrize("rubbish", [float("nan"), float("inf"), 1e30])
def test_what_stands_at_masked_places_reaches_neither_tokens_nor_gradients(fuser: Fuser, rubbish: float) -> None:
    found = []
    for there in (0.0, rubbish):
        net = module(fuser).eval()
        out = net(batch({"audio": (4, 0, 0), "image": (1, 1, 0), "video": (0, 3, 0)}, padding=2, rubbish=there))
        out.values[out.mask].square().sum().backward()
        assert torch.isfinite(out.values[out.mask]).all()
        found.append([out.values[out.mask].detach(), *[p.grad for p in net.parameters()]])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


@every_fuser
def test_real_tokens_may_stand_anywhere(fuser: Fuser) -> None:
    net, given = module(fuser).eval(), batch(FULL)
    if isinstance(fuser, QFormer):
        pytest.skip("the place of a token counts here, and it has moved")
    moved = {
        name: Stream(torch.nn.functional.pad(s.values, (0, 0, 2, 1)), torch.nn.functional.pad(s.mask, (2, 1)))
        for name, s in given.items()
    }
    torch.testing.assert_close(net(moved).values, net(given).values, rtol=1e-5, atol=1e-6)


@every_fuser
def test_gradients_reach_every_parameter(fuser: Fuser) -> None:
    net = module(fuser).eval()
    out = net(batch(FULL))
    (out.values * torch.randn(out.values.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@every_fuser
def test_every_stream_and_its_absence_matter(fuser: Fuser) -> None:
    net = module(fuser).eval()
    all_there = net(batch(dict.fromkeys(DIMS, (3,)))).values
    for name in DIMS:
        without = net(batch({other: (0,) if other == name else (3,) for other in DIMS}, padding=1))
        assert without.mask.all()
        assert not torch.allclose(without.values, all_there, atol=1e-4)


@every_fuser
def test_an_utterance_without_any_stream_has_no_token(fuser: Fuser) -> None:
    net = module(fuser)
    out = net(batch(dict.fromkeys(DIMS, (0, 0)), padding=1, rubbish=float("nan")))
    assert not out.mask.any()
    out.values[out.mask].sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


@every_fuser
def test_evaluation_repeats_itself_and_training_repeats_its_seed(fuser: Fuser) -> None:
    net, given = module(fuser), batch(FULL)

    def run(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return net(given).values.detach()

    net.eval()
    assert torch.equal(run(1), run(2))
    fixed = run(1)
    net.train()
    assert torch.equal(run(1), run(1))
    if hasattr(fuser, "dropout"):
        assert not torch.equal(run(1), run(2))
    for part in net.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        elif isinstance(part, torch.nn.MultiheadAttention):
            part.dropout = 0.0
    torch.testing.assert_close(run(1), fixed, rtol=1e-5, atol=1e-6)


@every_fuser
def test_inference_gives_what_training_saw(fuser: Fuser) -> None:
    """torch takes other ways through attention where no gradient is wanted."""
    net, given = module(fuser).eval(), batch(FULL, padding=2, rubbish=float("nan"))
    with torch.inference_mode():
        quick = net(given)
    torch.testing.assert_close(quick.values, net(given).values, rtol=1e-5, atol=1e-6)


@every_fuser
def test_bfloat16_gives_nearly_the_same(fuser: Fuser) -> None:
    net, given = module(fuser).eval(), batch(FULL)
    with torch.autocast("cpu", torch.bfloat16):
        rough = net(given).values
    torch.testing.assert_close(rough.float(), net(given).values, rtol=0.1, atol=0.1)


@given(count=st.integers(1, 40), tokens=st.integers(1, 40))
@settings(max_examples=50, deadline=None)
def test_tokens_are_brought_to_a_number_as_adaptive_average_pooling_does(count: int, tokens: int) -> None:
    values = torch.randn(1, count, 2, generator=torch.Generator().manual_seed(count))
    wanted = torch.nn.functional.adaptive_avg_pool1d(values.transpose(1, 2), tokens).transpose(1, 2)
    mask = torch.arange(count + 3)[None] < count
    given = Stream(torch.nn.functional.pad(values, (0, 0, 0, 3)), mask)
    got = given.shares(tokens) @ given.zeroed()
    torch.testing.assert_close(got, wanted)


def test_the_papers_number_of_parameters() -> None:
    """71 million: the fuser, four linear adapters to 4,096, and LoRA of rank 64 on q and v of 32 layers."""
    inputs = {"audio": FeatureSpec(1280, 64), "cls": FeatureSpec(1408, 1), "video": FeatureSpec(1408, 64)}
    lora = 32 * 2 * 64 * (4096 + 4096)
    adapters = sum((dim + 1) * 4096 for dim in (4 * 1408, 1408, 1280))
    frozen = 6_738_415_616 + 986_000_000
    for out, millions, percent in ((256, 71.54, 0.92), (None, 70.98, 0.91)):
        fuser = ConvAttention(out=out)
        with torch.device("meta"):
            own = sum(p.numel() for p in fuser.build(inputs).parameters())
        learns = own + (fuser.spec(inputs).dim + 1) * 4096 + adapters + lora
        assert round(learns / 1e6, 2) == millions
        assert round(100 * learns / (frozen + learns), 2) == percent


def test_the_width_of_affectgpts_attention_is_the_widest_streams() -> None:
    assert AffectGPTAttention().spec(SPECS) == FeatureSpec(6, 1)
    assert AffectGPTAttention(width=9, tokens_=16).spec(SPECS) == FeatureSpec(9, 16)


@every_fuser
def test_without_streams_there_is_nothing_to_fuse(fuser: Fuser) -> None:
    if fuser == SMALL["affectgpt-attention"]:
        fuser = AffectGPTAttention()
    for way in (fuser.spec, fuser.build):
        with pytest.raises(ValueError, match="there is nothing to fuse: the recipe has no encoder"):
            way({})


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: ConvAttention(tokens_=0), "tokens counts from 1, not 0"),
        (lambda: Attention(out=0), "out counts from 1, not 0"),
        (lambda: Attention(dropout=1.0), "dropout is from 0 to below 1, not 1"),
        (lambda: Conv(layers=()), r"layers are the widths of at least one layer, each at least 1, not \[\]"),
        (lambda: Conv(layers=(4, 0)), r"layers are .* not \[4, 0\]"),
        (lambda: Conv(blocks=0), "blocks counts from 1, not 0"),
        (lambda: ConvAttention(kernel=4), "kernel is odd, so that a convolution keeps the number of tokens, not 4"),
        (lambda: QFormer(dropout=-0.5), "dropout is from 0 to below 1, not -0.5"),
        (lambda: QFormer(width=10, heads=4), r"width is even and a multiple of heads \(4\), not 10"),
        (lambda: QFormer(layers=0), "layers counts from 1, not 0"),
        (lambda: AffectGPTAttention(width=0), "width counts from 1, not 0"),
    ],
)
def test_parameters_that_make_no_sense(made, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made()
