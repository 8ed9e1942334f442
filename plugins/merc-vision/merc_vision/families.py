"""The families of vision transformers that encoders are made of: where transformers keeps each, its shape from
configuration alone, and how its pictures are normalised. Imports without torch."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from merc import Encoder, FolderOrName, FrozenNetwork, MercError, Missing, Pretrained, VideoClip
from merc_vision.public import CLIP, EVA, MAE, VIDEOMAE, VIT

if TYPE_CHECKING:
    from merc import PrepareFunction

_log = logging.getLogger(__name__)

Three = tuple[float, float, float]

CLIP_MEAN, CLIP_DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALVES = (0.5, 0.5, 0.5)

_PREPROCESSORS = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")


@dataclass(frozen=True)
class Family:
    """Models of one architecture.

    ``model`` and ``config`` are classes of transformers; ``types`` are the ``model_type`` that its folders state, and
    a model that holds more keeps the vision part in ``section`` and its weights under names that ``renames`` makes its
    own. ``defaults`` is what transformers takes where a configuration says nothing. ``mean`` and ``deviation`` are the
    documented normalisation of pictures from 0 to 1, for weights that come without their own. ``public`` are the
    shapes of well-known weights by their hub names, ``unread`` modules that the last hidden state does not depend on.
    """

    name: str
    model: str
    config: str
    types: tuple[str, ...]
    mean: Three
    deviation: Three
    public: Mapping[str, Mapping[str, Any]]
    section: str | None = None
    renames: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """``dim`` numbers per token; pictures of ``image`` pixels were trained on, in patches of ``patch``; a video model
    takes ``frames`` at once and puts ``tubelet`` of them into a token."""

    dim: int
    patch: int
    image: int
    frames: int = 1
    tubelet: int = 1


_SMALL = {"hidden_size": 768, "image_size": 224, "patch_size": 16}

FAMILIES = {
    family.name: family
    for family in (
        Family(
            "clip", "CLIPVisionModel", "CLIPVisionConfig", ("clip", "clip_vision_model"), CLIP_MEAN, CLIP_DEVIATION,
            CLIP, section="vision_config", defaults={"hidden_size": 768, "image_size": 224, "patch_size": 32},
            unread=("post_layernorm",),
        ),
        Family(
            "mae", "ViTMAEModel", "ViTMAEConfig", ("vit_mae",), IMAGENET_MEAN, IMAGENET_DEVIATION,
            MAE, defaults=_SMALL,
        ),
        Family(
            "videomae", "VideoMAEModel", "VideoMAEConfig", ("videomae",), IMAGENET_MEAN, IMAGENET_DEVIATION,
            VIDEOMAE, defaults=_SMALL | {"num_frames": 16, "tubelet_size": 2},
        ),
        Family(
            "eva", "Blip2VisionModel", "Blip2VisionConfig", ("blip-2", "blip_2_vision_model"), CLIP_MEAN,
            CLIP_DEVIATION, EVA, section="vision_config", renames={r"^vision_model\.": ""},
            defaults={"hidden_size": 1408, "image_size": 224, "patch_size": 14},
        ),
        Family(
            "vit-cls", "ViTModel", "ViTConfig", ("vit",), HALVES, HALVES,
            VIT, defaults=_SMALL, options={"add_pooling_layer": False},
        ),
    )
}  # fmt: skip


def weights(family: Family, path: str, revision: str | None) -> Pretrained:
    """What a ``path`` names, for the messages of an encoder."""
    return Pretrained(path, f"encoder {family.name!r}: path", revision)


def configuration(family: Family, path: str, revision: str | None, *, own: bool = False) -> dict[str, Any]:
    """The vision part's configuration as plain values; ``own``: that of the weights, fetched if need be, and not what
    is known of public ones. Raises MercError for a model of another family."""
    config = weights(family, path, revision).config(None if own else family.public)
    kind = config.get("model_type")
    if kind not in family.types:
        raise MercError(
            f"encoder {family.name!r}: path: {path!r} is a model of type {kind!r}; one of type "
            f"{' or '.join(repr(one) for one in family.types)} is wanted"
        )
    # a larger model is the first of the types, and keeps the vision part in a section
    return dict(config.get(family.section) or {}) if family.section and kind == family.types[0] else config


@lru_cache(maxsize=64)
def shape(family_name: str, path: str, revision: str | None) -> Shape:
    """The shape of a model, from its configuration. Raises MercError."""
    family = FAMILIES[family_name]
    known = {**family.defaults, **configuration(family, path, revision)}
    return Shape(
        int(known["hidden_size"]),
        _square(known["patch_size"]),
        _square(known["image_size"]),
        int(known.get("num_frames", 1)) if family_name == "videomae" else 1,
        int(known.get("tubelet_size", 1)) if family_name == "videomae" else 1,
    )


def _square(size: int | list[int]) -> int:
    return int(size if isinstance(size, int) else size[0])


@lru_cache(maxsize=64)
def frozen(family_name: str, path: str, revision: str | None) -> FrozenNetwork:
    """How many parameters a model has, counted on torch's meta device. Raises MercError."""
    import torch
    import transformers

    family = FAMILIES[family_name]
    config = getattr(transformers, family.config).from_dict(configuration(family, path, revision))
    with torch.device("meta"):
        net = getattr(transformers, family.model)(config, **family.options)
    name = path if revision is None else f"{path}@{revision}"
    return FrozenNetwork(f"{family.model} {name}", sum(p.numel() for p in net.parameters()))


class FamilyEncoder(Encoder):
    """What encoders around the weights of one family share. It is no dataclass, so that each of them lists all its
    parameters itself, in an order of its own."""

    family: ClassVar[str]
    path: FolderOrName
    revision: str | None

    def network(self) -> FrozenNetwork:
        """The vision transformer, counted from its configuration."""
        return frozen(self.family, self.path, self.revision)

    def identity(self) -> dict[str, Any]:
        """The content of the weights, where ``path`` is a folder."""
        return weights(FAMILIES[self.family], self.path, self.revision).identity()

    def prepare(self) -> PrepareFunction:
        """Clips to the pictures ``[frames, height, width, 3]`` uint8 that the network sees."""
        return lambda clips: [self._pictures(clip) for clip in clips]

    def _pictures(self, clip: VideoClip) -> npt.NDArray[np.uint8] | Missing:
        return np.ascontiguousarray(clip.frames) if len(clip.frames) else Missing("it has no frames")


def counts_from_one(encoder: Encoder, *names: str) -> None:
    """Raise ValueError for the first of the named parameters that is given and below 1."""
    for name in names:
        value = getattr(encoder, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} counts from 1, not {value}")


def normalisation(family: Family, path: str, revision: str | None) -> tuple[Three, Three]:
    """Mean and deviation of red, green and blue, of pictures from 0 to 1: from the weights' own preprocessor, else the
    family's documented ones, which the log says."""
    source = weights(family, path, revision)
    for name in _PREPROCESSORS:
        preprocessing = source.read_json(name) or {}
        preprocessing = preprocessing.get("image_processor", preprocessing)
        if "image_mean" in preprocessing and "image_std" in preprocessing:
            mean, deviation = _three(preprocessing["image_mean"]), _three(preprocessing["image_std"])
            _log.info("encoder %r: pictures are normalised as %s of %s says", family.name, name, path)
            return mean, deviation
    _log.warning(
        "encoder %r: %s says no image_mean and image_std in a preprocessor_config.json; pictures are normalised as is "
        "usual for %s, by %s and %s",
        family.name, path, family.model, list(family.mean), list(family.deviation),
    )  # fmt: skip
    return family.mean, family.deviation


def _three(values: list[float]) -> Three:
    red, green, blue = values
    return float(red), float(green), float(blue)
