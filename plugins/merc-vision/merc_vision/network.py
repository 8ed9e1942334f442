"""A vision transformer in memory, shared by all encoders of a run that look through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np
import torch
import transformers
from torch import Tensor

from merc import VideoClip
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
            pictures = self.normalised(frames[at : at + size])
            more: dict[str, Any] = {"interpolate_pos_encoding": pictures.shape[-1] != self.image}
            if self.family.name == "mae":
                # it would shuffle the patches: by ascending numbers it leaves them in order
                count = (pictures.shape[-2] // self.patch) * (pictures.shape[-1] // self.patch)
                more["noise"] = torch.arange(count, device=self.device).expand(len(pictures), count)
            with torch.inference_mode():
                yield self.net(pixel_values=pictures, **more).last_hidden_state.float()


def shared(family_name: str, path: str, revision: str | None, dtype: str, device: str) -> Network:
    """The network of these weights, loaded if no encoder has it in memory."""
    key = (family_name, path, revision, dtype, device)
    network = _LOADED.get(key)
    if network is None:
        network = _LOADED[key] = Network(FAMILIES[family_name], path, revision, dtype, device)
    return network
