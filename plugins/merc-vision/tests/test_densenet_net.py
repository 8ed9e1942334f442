import re

import pytest
import torch
from merc_vision.densenet_net import DenseNet121, build
from torch.nn import functional as F


def published() -> dict[str, tuple[int, ...]]:
    """Names and shapes of torchvision's densenet121, counted out from the paper's table 1."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, width: int) -> None:
        shapes.update({f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{name}.num_batches_tracked"] = ()

    shapes["features.conv0.weight"] = (64, 3, 7, 7)
    norm("features.norm0", 64)
    width = 64
    for block, layers in enumerate((6, 12, 24, 16), start=1):
        for layer in range(1, layers + 1):
            name = f"features.denseblock{block}.denselayer{layer}"
            norm(f"{name}.norm1", width)
            shapes[f"{name}.conv1.weight"] = (128, width, 1, 1)
            norm(f"{name}.norm2", 128)
            shapes[f"{name}.conv2.weight"] = (32, 128, 3, 3)
            width += 32
        if block < 4:
            norm(f"features.transition{block}.norm", width)
            shapes[f"features.transition{block}.conv.weight"] = (width // 2, width, 1, 1)
            width //= 2
    norm("features.norm5", width)
    return shapes


def test_names_and_shapes_are_those_of_the_published_weights():
    own = {name: tuple(value.shape) for name, value in DenseNet121().state_dict().items()}
    assert own == published()
    # with the classifier, torchvision's has 727 tensors
    assert len(own) == 725


def test_it_has_as_many_parameters_as_densenet121():
    classifier = 1024 * 1000 + 1000
    assert sum(p.numel() for p in DenseNet121().parameters()) + classifier == 7_978_856


def plain(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The network as a list of sums and products, from the names of the weights alone."""

    def norm(x, name):
        mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        scale = state[f"{name}.weight"] / (variance + 1e-5).sqrt()
        return F.relu((x - mean[:, None, None]) * scale[:, None, None] + state[f"{name}.bias"][:, None, None])

    x = norm(F.conv2d(x, state["features.conv0.weight"], stride=2, padding=3), "features.norm0")
    x = F.max_pool2d(x, 3, 2, 1)
    for block, layers in enumerate((6, 12, 24, 16), start=1):
        maps = [x]
        for layer in range(1, layers + 1):
            name = f"features.denseblock{block}.denselayer{layer}"
            y = F.conv2d(norm(torch.cat(maps, 1), f"{name}.norm1"), state[f"{name}.conv1.weight"])
            maps.append(F.conv2d(norm(y, f"{name}.norm2"), state[f"{name}.conv2.weight"], padding=1))
        x = torch.cat(maps, 1)
        if block < 4:
            name = f"features.transition{block}"
            x = F.conv2d(norm(x, f"{name}.norm"), state[f"{name}.conv.weight"])
            x = F.avg_pool2d(x, 2, 2)
    return norm(x, "features.norm5").mean((2, 3))


@torch.inference_mode()
def test_it_computes_what_the_paper_says(weights):
    state = torch.load(weights, weights_only=True)
    pictures = torch.randn(2, 3, 96, 70)
    got, expected = build(state)(pictures), plain(state, pictures)
    assert got.shape == (2, 1024)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_the_old_names_of_the_published_file_are_read(weights):
    state = torch.load(weights, weights_only=True)
    old = {
        re.sub(r"(denselayer\d+\.)(norm|conv)([12])", r"\1\2.\3", key): value
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.running_mean" in old
    assert "features.denseblock4.denselayer16.conv.2.weight" in old
    assert not any(key in old for key in state if "denselayer" in key)
    pictures = torch.randn(1, 3, 64, 64)
    assert torch.equal(build(old)(pictures), build(state)(pictures))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("features.norm5.bias"), r"^it lacks features\.norm5\.bias$"),
        (lambda s: [s.pop(k) for k in list(s) if "denseblock4" in k], r"^it lacks (\S+, ){2}\S+ and 157 more$"),
        (lambda s: s.update({"layer1.weight": torch.zeros(1)}), r"^it has the further layer1\.weight$"),
        (lambda s: s.update({"features.conv0.weight": torch.zeros(64, 1, 7, 7)}), "another shape of features.conv0"),
    ],
)
def test_weights_of_another_network_are_told(weights, change, message):
    state = torch.load(weights, weights_only=True)
    change(state)
    with pytest.raises(ValueError, match=message):
        build(state)
