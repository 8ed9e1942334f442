"""The connectors ``linear`` and ``mlp``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from merc.builtin.connectors import Identity, Linear, Mlp
from merc.components import Connector, FeatureSpec, Stream
from merc.testing import ConnectorContract
from merc.testing.streams import real, stream

SPEC = FeatureSpec(dim=12)


class TestIdentity(ConnectorContract):
    component = Identity()
    hidden = 12


class TestLinear(ConnectorContract):
    component = Linear()
    name = "linear"


class TestLinearNormalizedAndPooled(ConnectorContract):
    component = Linear(normalize="train", pool="mean", dropout=0.1)


class TestMlp(ConnectorContract):
    component = Mlp()
    name = "mlp"


class TestMlpOfThreeNormalizedAndPooled(ConnectorContract):
    component = Mlp(layers=3, width=5, normalize="train", pool="mean", dropout=0.1)


def built(connector: Connector, hidden: int = 16) -> nn.Module:
    torch.manual_seed(0)
    return connector.build(SPEC, hidden).eval()


def test_linear_is_one_layer_for_every_token() -> None:
    module = built(Linear())
    (layer,) = [m for m in module.modules() if isinstance(m, nn.Linear)]
    given = stream((4, 1, 0, 6), 12)
    for row in range(4):
        torch.testing.assert_close(real(module(given), row), real(given, row) @ layer.weight.T + layer.bias)


def test_mlp_is_layers_with_gelu_between() -> None:
    module = built(Mlp(layers=3, width=5))
    layers = [m for m in module.modules() if isinstance(m, nn.Linear)]
    assert [tuple(m.weight.shape) for m in layers] == [(5, 12), (5, 5), (16, 5)]
    given = stream((2,), 12)
    wanted = given.values
    for number, layer in enumerate(layers):
        wanted = wanted @ layer.weight.T + layer.bias
        wanted = nn.functional.gelu(wanted) if number < 2 else wanted
    torch.testing.assert_close(module(given).values, wanted)


def test_width_is_the_llms_by_default() -> None:
    assert [tuple(m.weight.shape) for m in built(Mlp()).modules() if isinstance(m, nn.Linear)] == [(16, 12), (16, 16)]


def test_pool_is_the_mean_of_the_real_tokens() -> None:
    module, plain = built(Linear(pool="mean")), built(Linear())
    given = stream((4, 1, 0), 12, padding=2, rubbish=50.0)
    out = module(given)
    assert out.values.shape == (3, 1, 16)
    assert out.mask.tolist() == [[True], [True], [False]]
    for row in range(2):
        mean = real(given, row).mean(0, keepdim=True)
        torch.testing.assert_close(
            real(out, row), plain(Stream(mean[None], torch.ones(1, 1, dtype=torch.bool))).values[0]
        )
    assert (Linear(pool="mean").tokens(5), Mlp(pool="mean").tokens(5), Linear().tokens(5), Mlp().tokens(5)) == (
        1,
        1,
        5,
        5,
    )


@pytest.mark.parametrize("connector", [Linear(normalize="train"), Mlp(normalize="train")])
def test_normalization_is_by_the_mean_and_deviation_that_numpy_gives(connector: Connector) -> None:
    rng = np.random.default_rng(0)
    scale, shift = rng.uniform(0.01, 100, 12), rng.uniform(-1000, 1000, 12)
    features = [(rng.standard_normal((n, 12)) * scale + shift).astype("float32") for n in (3, 1, 50, 7)]
    module = built(connector)
    module.fit(torch.from_numpy(f) for f in features)
    whole = np.concatenate(features).astype("float64")
    np.testing.assert_allclose(module.get_buffer("mean").numpy(), whole.mean(0), rtol=1e-5)
    np.testing.assert_allclose(module.get_buffer("deviation").numpy(), whole.std(0), rtol=1e-5)
    plain = built(type(connector)())
    normal = ((features[0] - whole.mean(0)) / whole.std(0)).astype("float32")
    mask = torch.ones(1, 3, dtype=torch.bool)
    torch.testing.assert_close(
        module(Stream(torch.from_numpy(features[0])[None], mask)).values,
        plain(Stream(torch.from_numpy(normal)[None], mask)).values, rtol=1e-3, atol=1e-3,
    )  # fmt: skip


def test_a_feature_that_never_changes_is_not_blown_up() -> None:
    module = built(Linear(normalize="train"))
    module.fit([torch.full((5, 12), 3.0)])
    assert module.get_buffer("deviation").tolist() == [1.0] * 12
    assert module.get_buffer("mean").tolist() == [3.0] * 12


def test_without_a_single_feature_nothing_is_normalized() -> None:
    module = built(Linear(normalize="train"))
    module.fit([])
    assert (module.get_buffer("mean") == 0).all() and (module.get_buffer("deviation") == 1).all()


@pytest.mark.parametrize(
    "connector", [Linear(), Mlp(), Linear(pool="mean"), Linear(normalize="train"), Mlp(pool="mean")]
)
def test_nan_at_masked_places_reaches_neither_tokens_nor_gradients(connector: Connector) -> None:
    results = []
    for rubbish in (0.0, float("nan"), float("inf")):
        module = built(connector)
        out = module(stream((4, 1, 0), 12, padding=2, rubbish=rubbish))
        out.values[out.mask].square().sum().backward()
        results.append([out.values[out.mask].detach(), *[p.grad for p in module.parameters()]])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            torch.testing.assert_close(one, two)


def test_layers_count_from_one() -> None:
    with pytest.raises(ValueError, match="layers counts from 1, not 0"):
        Mlp(layers=0)
    assert len([m for m in built(Mlp(layers=1)).modules() if isinstance(m, nn.Linear)]) == 1


@pytest.mark.parametrize("connector", [Linear(dropout=0.5), Mlp(dropout=0.5)])
def test_dropout_is_there_in_training_alone(connector: Connector) -> None:
    given = stream((4,), 12)
    module = built(connector)
    assert torch.equal(module(given).values, module(given).values)
    module.train()
    assert not torch.equal(module(given).values, module(given).values)


@pytest.mark.parametrize("plain", [Linear(), Mlp(layers=3, width=5)])
def test_init_scale_shrinks_what_a_connector_begins_with(plain: Linear | Mlp) -> None:
    given = stream((4, 2), 12)
    small = built(replace(plain, init_scale=0.25))(given).values
    torch.testing.assert_close(small, 0.25 * built(plain)(given).values)


@pytest.mark.parametrize("kind", [Linear, Mlp])
def test_init_scale_is_above_0(kind: type[Linear | Mlp]) -> None:
    with pytest.raises(ValueError, match="init_scale is above 0, not 0"):
        kind(init_scale=0)
