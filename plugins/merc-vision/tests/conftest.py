from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """A file with random weights of DenseNet-121 whose numbers stay in a usual range, classifier included."""
    from merc_vision.densenet_net import DenseNet121

    torch.manual_seed(0)
    state = DenseNet121().state_dict()
    for key, value in state.items():
        if "norm" in key and key.endswith(("weight", "bias", "running_mean", "running_var")):
            state[key] = (
                torch.rand_like(value) + 0.5 if key.endswith(("weight", "var")) else torch.randn_like(value) / 5
            )
    state["classifier.weight"], state["classifier.bias"] = torch.randn(1000, 1024), torch.randn(1000)
    path = tmp_path_factory.mktemp("weights") / "densenet121.pth"
    torch.save(state, path)
    return path
