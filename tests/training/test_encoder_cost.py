"""What is said of encoders that learn before the first step."""

from __future__ import annotations

import pytest
import torch

from merc.errors import MercError
from merc.training.encoder_cost import _seconds
from tests.model.test_learning_encoders import model_of


def test_a_network_without_a_gradient_is_named() -> None:
    model = model_of(True)
    assert _seconds(model, "face", ["u0"]) > 0
    network = model.media.encoders["face"]
    compute = network.forward
    network.forward = lambda inputs: [features.detach() for features in compute(inputs)]
    with torch.enable_grad(), pytest.raises(MercError, match=r"encoders\.face: the network of build\(\) .*gradient"):
        _seconds(model, "face", ["u0"])
