"""The towers of native multimodal models as encoders: their tokens are computed once and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import merc
from merc_omni.family import Family, Medium
from merc_omni.models import Model

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Tower(merc.Encoder):
    """The tower and projector of a native multimodal model, for one medium."""

    medium: ClassVar[Medium]
    path: merc.FolderOrName
    """The model's folder or its name on the hub, the same as the backbone's."""
    revision: str | None = None
    """The version of a model on the hub (a branch, tag or commit); null is its main one."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """What the tower computes in while it is frozen. One that learns computes in float32."""
    lora: int = 0
    """The rank of adapters on its linear layers, which learn in its place where a stage names it in ``trainable``; 0
    lets its own weights learn."""
    lora_layers: str = ""
    """A regular expression of the whole names of the layers that get adapters; empty is all linear layers."""

    def __post_init__(self) -> None:
        if self.lora < 0:
            raise ValueError(f"lora is a rank, from 0 on, not {self.lora}")

    @property
    def model(self) -> Model:
        """The model."""
        return Model(self.path, f"encoder omni-{self.medium}: path", self.revision)

    def family(self) -> Family:
        """The model's family. Raises MercError where it takes no such media."""
        family = self.model.family()
        if self.medium not in family.media:
            raise merc.MercError(
                f"{self.model.where}: {self.path!r} is a {family.whole.model_type}, which takes "
                f"{' and '.join(family.media)}; leave omni-{self.medium} out, or give the model that takes it"
            )
        return family

    def spec(self) -> merc.FeatureSpec:
        """Tokens of the language model's width, and where they lie."""
        family = self.family()
        return merc.FeatureSpec(dim=family.width, axes=family.places_named(self.medium))

    def network(self) -> merc.FrozenNetwork:
        """The tower and its projector; pictures and videos go through the same."""
        keep = self.family().towers[self.medium]
        count = sum(p.numel() for p in self.model.shape(keep, self.dtype).parameters())
        return merc.FrozenNetwork(f"{self.path}: {', '.join(keep)}", count)

    def identity(self) -> Mapping[str, Any]:
        """The weights, by their content."""
        return self.model.pretrained.identity()

    def prepare(self) -> merc.PrepareFunction:
        """What the tower takes: patches, pictures or a spectrogram."""
        one = self.family().preparing(self.medium, self.model.pretrained, getattr(self, "pixels", None))
        return lambda clips: [one(clip) for clip in clips]

    def places(self, prepared: Any) -> Any:
        """Where the tokens lie that it gives."""
        return self.family().places(self.medium, prepared)

    def build(self) -> nn.Module:
        """The tower, with its adapters where ``lora`` asks for them."""
        network = self._network("float32")
        network.requires_grad_(not self.lora)
        network = self._adapted(network) if self.lora else network
        self._keep_idle(network)
        return network

    def _keep_idle(self, network: nn.Module) -> None:
        """Leave weights as they are on which no token depends: layers behind the one that is read, tokens of a mode
        that is not used."""
        import torch

        learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
        (rows,) = self.prepare()([self._sample()])
        (tokens,) = network([torch.from_numpy(rows)])
        for parameter, gradient in zip(
            learning, torch.autograd.grad(tokens.square().sum(), learning, allow_unused=True), strict=True
        ):
            parameter.requires_grad_(gradient is not None)

    def _sample(self) -> merc.Clip:
        """A short clip of its medium."""
        import numpy as np

        if self.medium == "audio":
            return merc.AudioClip(samples=np.full(8_000, 0.1, np.float32), rate=16_000)
        return merc.VideoClip(frames=np.full((2, 64, 64, 3), 90, np.uint8), times=np.array([0.0, 0.5]))

    def _network(self, dtype: str) -> nn.Module:
        from torch import nn

        family, medium = self.family(), self.medium

        class Network(nn.Module):
            """A clip after the other, since clips have sizes of their own."""

            def __init__(self, model: Any) -> None:
                super().__init__()
                self.model = model

            def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
                return [family.tokens(self.model, medium, one) for one in inputs]

        return Network(self.model.network(family.towers[medium], dtype))

    def _adapted(self, network: nn.Module) -> nn.Module:
        import torch
        from peft import LoraConfig, inject_adapter_in_model
        from torch import nn

        every = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
        layers: str | list[str] = self.lora_layers or every
        try:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                config = LoraConfig(r=self.lora, lora_alpha=2 * self.lora, target_modules=layers)
                return inject_adapter_in_model(config, network)  # type: ignore[no-any-return]
        except ValueError as error:
            raise merc.MercError(
                f"encoder omni-{self.medium}: lora_layers={self.lora_layers!r} names no layer; its linear layers are "
                f"{every[0]} to {every[-1]}"
            ) from error

    def load(self, device: str) -> merc.EncodeFunction:
        """The frozen tower."""
        return self.encode_by(self._network(merc.computed_in(self.dtype, device)), device)


@dataclass(frozen=True, kw_only=True)
class _Seeing(Tower):
    """What pictures and videos share."""

    modality = "video"
    frames: int = 8
    """How many frames of an utterance are shown."""
    pixels: int | None = 100_352
    """The most pixels of a frame, for a model that takes frames of any size; null leaves it to the model's own
    settings. A Qwen2-VL gives a token for each 28 x 28 pixels of two frames: 128 at 100,352 pixels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames < 1:
            raise ValueError(f"frames counts from 1, not {self.frames}")
        if self.pixels is not None and self.pixels < 56 * 56:
            raise ValueError(f"pixels is at least 3136 (56 x 56), not {self.pixels}")

    def sampling(self) -> merc.Frames:
        """Frames in their own size: they keep their shape when they are made smaller."""
        return merc.Frames(count=self.frames)


@dataclass(frozen=True, kw_only=True)
class OmniVideo(_Seeing):
    """The tower of a native multimodal model, shown an utterance as a video, such as that of
    ``Qwen/Qwen2.5-VL-7B-Instruct``, under the connector ``identity``. Its tokens are kept, keyed by the weights."""

    medium = "video"


@dataclass(frozen=True, kw_only=True)
class OmniImage(_Seeing):
    """The tower of a native multimodal model, shown frames of an utterance as pictures, one after the other, under the
    connector ``identity``. Its tokens are kept, keyed by the weights."""

    medium = "image"
    frames: int = 1

    def sampling(self) -> merc.Frames:
        """The middle frame, or several in equal distances."""
        return merc.Frames(count=self.frames, strategy="middle" if self.frames == 1 else "uniform")


@dataclass(frozen=True, kw_only=True)
class OmniAudio(Tower):
    """The audio tower of a native multimodal model, such as that of ``Qwen/Qwen2.5-Omni-7B``, under the connector
    ``identity``. Its tokens are kept, keyed by the weights."""

    medium = "audio"
    modality = "audio"

    def sampling(self) -> merc.Waveform:
        """Sound at 16 kHz."""
        return merc.Waveform(rate=16_000)

    def remark(self, clip: merc.Clip, features: merc.Features) -> str | None:
        """That the model hears the beginning alone."""
        longest = self.family().hears(self.model.pretrained)
        if longest is None or not isinstance(clip, merc.AudioClip) or clip.seconds <= longest:
            return None
        return f"its sound is longer than the {longest:g} s that the model hears, and only these were encoded"
