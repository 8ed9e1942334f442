"""Speaker vectors: the GE2E network whose weights come in the package ``resemblyzer``, as a module of our own.

Wan et al. 2018, Generalized end-to-end loss for speaker verification: three LSTM layers over 40 mel bands, the last
state through a linear layer and a ReLU, of length 1. Windows of 1.6 s, as it was trained.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from merc_speech.weights import packaged

if TYPE_CHECKING:
    import torch
    from torch import nn

WEIGHTS = packaged(
    package="resemblyzer",
    distribution="resemblyzer",
    file="pretrained.pt",
    sha256="39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
)

RATE = 16_000
FRAME = 160
"""Samples a frame: 10 ms."""
FRAMES = 160
"""Frames a window: 1.6 s."""
WINDOW = FRAMES * FRAME / RATE
BANDS, WIDTH, LAYERS = 40, 256, 3
_SPECTRUM = 400
_LOUDNESS = 10 ** (-30 / 20)
"""Quieter sound is made so loud (root mean square), as the network was trained."""
_BATCH = 64

Vectors = npt.NDArray[np.float32]


def network() -> nn.Module:
    """The network with its weights: mel spectra ``[windows, frames, 40]`` to vectors ``[windows, 256]`` of length 1.
    Raises MercError without its package."""
    import torch

    # The file is a pickle; weights_only reads tensors and plain containers and runs nothing.
    state = torch.load(WEIGHTS.path(), map_location="cpu", weights_only=True)["model_state"]
    net = build()
    net.load_state_dict({name: value for name, value in state.items() if not name.startswith("similarity_")})
    return net.eval().requires_grad_(False)


def build() -> nn.Module:
    """The network without weights."""
    import torch
    from torch import nn

    class SpeakerNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(BANDS, WIDTH, LAYERS, batch_first=True)
            self.linear = nn.Linear(WIDTH, WIDTH)

        def forward(self, mels: torch.Tensor) -> torch.Tensor:
            _, (states, _) = self.lstm(mels)
            raw = torch.relu(self.linear(states[-1]))
            return raw / raw.norm(dim=1, keepdim=True).clamp_min(1e-6)

    return SpeakerNetwork()


@lru_cache
def _bands() -> torch.Tensor:
    import torch
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(_SPECTRUM // 2 + 1, BANDS, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney")
    return torch.from_numpy(np.asarray(filters, np.float32))


def mel(samples: npt.NDArray[np.float32]) -> torch.Tensor:
    """The power in 40 mel bands (Slaney's), 100 times a second: ``[frames, 40]``."""
    import torch

    spectrum = torch.stft(
        torch.from_numpy(np.ascontiguousarray(samples)), _SPECTRUM, FRAME, window=torch.hann_window(_SPECTRUM),
        center=True, pad_mode="constant", return_complex=True,
    )  # fmt: skip
    return spectrum.abs().square().T @ _bands()


def loud(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The sound, made louder where it is quieter than the network is used to."""
    power = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
    return samples * np.float32(_LOUDNESS / power) if 0 < power < _LOUDNESS else samples


def voice_function(net: nn.Module, device: str, hop: float) -> Callable[[npt.NDArray[np.float32]], Vectors]:
    """A function from the sound of a span to the vectors of its windows, one every ``hop`` seconds; a span that is
    shorter than a window, and the rest after the last whole one, is filled up with silence if most of it is there."""
    import torch

    step = round(hop * RATE / FRAME)

    @torch.inference_mode()
    def vectors(samples: npt.NDArray[np.float32]) -> Vectors:
        frames = len(samples) // FRAME
        starts = list(range(0, max(frames - FRAMES, 0) + 1, step))
        spectrum = mel(np.pad(loud(samples), (0, FRAMES * FRAME)))
        windows = torch.stack([spectrum[at : at + FRAMES] for at in starts])
        parts = [net(windows[at : at + _BATCH].to(device)).cpu() for at in range(0, len(windows), _BATCH)]
        return torch.cat(parts).numpy()

    return vectors
