"""A vision transformer in memory, shared by all encoders of a run that look through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from merc import VideoClip, computed_in
from merc_vision.families import FAMILIES, Family, configuration, normalisation, weights

FORWARD = {"cpu": 4, "cuda": 32}
"""Pictures a forward pass: what keeps a device busy, and the memory small."""

_LOADED: WeakValueDictionary[tuple[str | None, ...], Network] = WeakValueDictionary()


class Network:
    """Weights on a device. Several encoders of a run are several views through one of it: they are told apart by
    ``asker``, and what one of them had computed of a clip, another gets without computing it again."""

    def __init__(self, family: Family, path: str, revision: str | None, dtype: str, device: str) -> None:
        config = getattr(transformers, family.config).from_dict(configuration(family, path, revision, own=True))
        if family.name == "mae":
            config.mask_ratio = 0.0  # trained on a quarter of the patches; all are seen here
        self.net: Any = weights(family, path, revision).network(
            getattr(transformers, family.model), config=config, key_mapping=dict(family.renames) or None,
            dtype=getattr(torch, dtype), **family.options,
        ).to(device)  # fmt: skip
        mean, deviation = normalisation(family, path, revision)
        self.mean, self.deviation = (torch.tensor(three, device=device).view(3, 1, 1) for three in (mean, deviation))
        self.family, self.device, self.dtype = family, device, getattr(torch, dtype)
        self.image = config.image_size if isinstance(config.image_size, int) else config.image_size[0]
        self.patch = config.patch_size if isinstance(config.patch_size, int) else config.patch_size[0]
        self._seen: WeakKeyDictionary[VideoClip, tuple[object, Tensor]] = WeakKeyDictionary()

    def states(self, clips: Sequence[VideoClip], asker: object, keep: bool) -> list[Tensor]:
        """The last hidden state of every frame of each clip, ``[frames, 1 + patches, dim]`` float32 on the device, CLS
        first. With ``keep`` they stay for other askers as long as the clip itself does."""
        by_clip: dict[int, Tensor] = {}
        for place, clip in enumerate(clips):
            if clip in self._seen and self._seen[clip][0] is not asker:
                by_clip[place] = self._seen[clip][1]
        todo = [place for place in range(len(clips)) if place not in by_clip]
        if todo:
            pictures = np.concatenate([clips[place].frames for place in todo])
            counts = [len(clips[place].frames) for place in todo]
            states = torch.cat(list(self._forward(pictures))).split(counts)
            by_clip.update(zip(todo, states, strict=True))
        if keep:
            for place in todo:
                self._seen[clips[place]] = (asker, by_clip[place])
        return [by_clip[place] for place in range(len(clips))]

    def video(self, frames: np.ndarray) -> Tensor:
        """The last hidden state of a video ``[frames, height, width, 3]``, ``[tokens, dim]`` float32."""
        with torch.inference_mode():
            return self.net(pixel_values=self.normalised(frames)[None]).last_hidden_state[0].float()

    def normalised(self, frames: np.ndarray) -> Tensor:
        """Pictures ``[n, height, width, 3]`` uint8 as the network takes them, ``[n, 3, height, width]``."""
        pictures = torch.from_numpy(np.ascontiguousarray(frames)).to(self.device).permute(0, 3, 1, 2)
        return ((pictures.float() / 255 - self.mean) / self.deviation).to(self.dtype)

    def _forward(self, frames: np.ndarray) -> Iterator[Tensor]:
        size = FORWARD.get(torch.device(self.device).type, 32)
        for at in range(0, len(frames), size):
            with torch.inference_mode():
                yield self.of_pictures(self.normalised(frames[at : at + size]))

    def of_pictures(self, pictures: Tensor) -> Tensor:
        """The last hidden state of normalised pictures, ``[n, 1 + patches, dim]`` float32, with a gradient where the
        network has one."""
        more: dict[str, Any] = {"interpolate_pos_encoding": pictures.shape[-1] != self.image}
        if self.family.name == "mae":
            # it would shuffle the patches: by ascending numbers it leaves them in order
            count = (pictures.shape[-2] // self.patch) * (pictures.shape[-1] // self.patch)
            more["noise"] = torch.arange(count, device=pictures.device).expand(len(pictures), count)
        states: Tensor = self.net(pixel_values=pictures, **more).last_hidden_state.float()
        return states


class Learner(nn.Module):
    """Weights of a family that may learn. Takes pictures ``[frames, height, width, 3]`` uint8 a clip, gives features
    ``[tokens, dim]``: what ``view`` takes of their last hidden state, that of a video where it is ``together``."""

    def __init__(self, network: Network, view: Callable[[Tensor], Tensor], together: bool = False) -> None:
        super().__init__()
        self.net, self.view, self.together = network.net, view, together
        self.register_buffer("mean", network.mean)
        self.register_buffer("deviation", network.deviation)
        self.network = [network]  # no module, so nothing of it is registered twice
        with torch.device("meta"):
            made = type(self.net)(self.net.config, **network.family.options)
        learns = {name for name, parameter in made.named_parameters() if parameter.requires_grad}
        for name, parameter in self.net.named_parameters():
            read = not any(one in name.split(".") for one in network.family.unread)
            parameter.requires_grad_(name in learns and read)

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Features of each clip; pictures of all clips are seen some at once."""
        pictures = [self._normalised(one) for one in inputs]
        if self.together:
            return [self.view(self.net(pixel_values=one[None]).last_hidden_state[0].float()) for one in pictures]
        (network,), every = self.network, torch.cat(pictures)
        size = FORWARD.get(every.device.type, 32)
        states = torch.cat([network.of_pictures(some) for some in every.split(size)])
        return [self.view(own) for own in states.split([len(one) for one in pictures])]

    def _normalised(self, frames: Tensor) -> Tensor:
        return ((frames.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.deviation).to(self.net.dtype)


def learner(
    family_name: str, path: str, revision: str | None, view: Callable[[Tensor], Tensor], together: bool = False
) -> Learner:
    """The weights, float32 on the CPU, with a gradient. No other encoder shares them."""
    return Learner(Network(FAMILIES[family_name], path, revision, "float32", "cpu"), view, together)


def shared(family_name: str, path: str, revision: str | None, dtype: str, device: str) -> Network:
    """The network of these weights, loaded if no encoder has it in memory."""
    dtype = computed_in(dtype, device)
    key = (family_name, path, revision, dtype, device)
    network = _LOADED.get(key)
    if network is None:
        network = _LOADED[key] = Network(FAMILIES[family_name], path, revision, dtype, device)
    return network
