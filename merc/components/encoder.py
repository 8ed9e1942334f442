"""Encoder: decoded media in, features out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from merc.components.base import Component

if TYPE_CHECKING:
    from torch import nn

Modality = Literal["video", "audio", "text"]


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The pictures that a video encoder wants of every utterance. A clip that has fewer frames than asked for gives
    every frame that it has, and the shortfall is counted. ValueError for counts below 1, and for several draws of
    frames that are not random."""

    count: int
    """How many frames."""
    strategy: Literal["uniform", "random", "middle", "times"] = "uniform"
    """``uniform`` takes the middles of ``count`` equal parts, ``middle`` the ``count`` neighbouring frames around the
    middle, ``random`` draws them (seeded by the run's seed, the clip and the draw; in time order), ``times`` takes
    those that are on show at ``times``."""
    size: tuple[int, int] | None = None
    """Height and width in pixels; ``None`` keeps the video's own."""
    draws: int = 1
    """How many different random draws are kept, which the epochs take in turn."""
    sound: int | None = None
    """Samples a second of the sound that is wanted beside the pictures (``VideoClip.sound``); ``None`` for none."""
    times: tuple[float, ...] = ()
    """With ``times``: seconds from the start of the utterance, ``count`` of them."""

    def __post_init__(self) -> None:
        if self.count < 1 or self.draws < 1:
            raise ValueError(f"frames and draws count from 1, not {self.count} and {self.draws}")
        if self.draws > 1 and self.strategy != "random":
            raise ValueError(
                f"draws: {self.draws} needs sampling: random; {self.strategy} always takes the same frames"
            )
        if len(self.times) != (self.count if self.strategy == "times" else 0):
            raise ValueError(f"strategy times wants one of times for each of the {self.count} frames, others want none")

    @staticmethod
    def at(*times: float) -> Frames:
        """The frames that are on show at ``times``, in seconds from the start of the utterance.

        >>> Frames.at(0.4, 1.2)
        Frames(count=2, strategy='times', size=None, draws=1, sound=None, times=(0.4, 1.2))
        """
        return Frames(count=len(times), strategy="times", times=times)


@dataclass(frozen=True, kw_only=True)
class Waveform:
    """The sound that an audio encoder wants, in mono."""

    rate: int = 16_000
    """Samples in a second."""
    min_seconds: float = 0.1
    """Shorter sound counts as missing."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a text encoder wants: the words of the utterance."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """What an encoder wants that looks numbers up which somebody measured before: which utterance it is."""


NoMedia = Words | Named
"""What an encoder wants that reads no media."""
Sampling = Frames | Waveform | NoMedia
"""What an encoder wants of every utterance."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoClip:
    """The pictures of an utterance."""

    frames: npt.NDArray[np.uint8]
    """``[n, height, width, 3]`` RGB."""
    times: npt.NDArray[np.float64]
    """``[n]``: when each is shown, in seconds from the start of the utterance."""
    sound: AudioClip | None = None
    """What is heard meanwhile, where ``Frames.sound`` asks for it and the file has sound that can be read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AudioClip:
    """The sound of an utterance, in mono.

    >>> AudioClip(samples=np.zeros(8_000, "float32"), rate=16_000).seconds
    0.5
    """

    samples: npt.NDArray[np.float32]
    """``[n]``, from -1 to 1."""
    rate: int
    """Samples in a second."""

    @property
    def seconds(self) -> float:
        """How long it lasts, in seconds."""
        return len(self.samples) / self.rate


@dataclass(frozen=True, kw_only=True)
class TextClip:
    """The words of the utterance."""

    text: str
    """The words, as the corpus has them."""


@dataclass(frozen=True, kw_only=True)
class NamedClip:
    """Which utterance it is."""

    id: str
    """The utterance's id, as the corpus has it."""


Clip = VideoClip | AudioClip | TextClip | NamedClip
"""What an encoder sees of one utterance, by what it asks for."""


@dataclass(frozen=True)
class FeatureSpec:
    """What a stream of features looks like.

    >>> FeatureSpec(dim=1280, axes=("seconds", "row", "column")).width
    1283
    """

    dim: int
    """Numbers in a token, as connectors see it."""
    tokens: int | None = None
    """The most tokens of an utterance; ``None`` for as many as the clip gives."""
    axes: tuple[str, ...] = ()
    """What an encoder says of where a token lies, for a backbone whose positions depend on it. These numbers stand
    after the others in each token, so that features are ``[tokens, dim + axes]``; connectors never see them."""

    @property
    def width(self) -> int:
        """How many numbers a stored token has: ``dim`` and one for each of ``axes``."""
        return self.dim + len(self.axes)


@dataclass(frozen=True)
class Missing:
    """Stands for a clip that is not there, or for what a component could not make of one."""

    reason: str
    """Why, as the user reads it."""


@dataclass(frozen=True)
class FrozenNetwork:
    """The size of an encoder's network."""

    name: str
    """What encoders that use the same weights share, so that these are counted once."""
    parameters: int
    """How many parameters it has."""


Features = npt.NDArray[np.float32]
"""The features of one clip, ``[tokens, FeatureSpec.width]``."""
EncodeFunction = Callable[[Sequence[Clip]], Sequence["Features | Missing"]]
"""A batch of clips to the features of each, in order; Missing with the reason for a clip that has none."""
PrepareFunction = Callable[[Sequence[Clip]], Sequence["npt.NDArray[Any] | Missing"]]
"""A batch of clips to what a network takes of each, ``[n, ...]``; Missing with the reason for a clip that has none."""


@dataclass(frozen=True, kw_only=True)
class Encoder(Component):
    """Turns the decoded media of an utterance into features ``[tokens, dim]`` float32.

    Encoders run once, and the feature store keeps what they gave, keyed by the content of the file, the encoder's name,
    ``version`` and parameters. Raise ``version`` when the same parameters give other numbers. A parameter of type
    ``Path`` that is a file, such as one with weights, counts by its content, and so does what ``identity`` gives.
    ``batch``, how many clips are encoded together, changes no numbers, and counts for nothing where it is a parameter.

    ``load`` gives a function from a batch of clips to a list as long as the batch: features, or ``Missing`` with the
    reason for a clip that has none (no face in the picture, say). A clip on which it raises an exception, or gives
    numbers that are not finite, is tried alone, and is missing with that as the reason; an encoder that fails on every
    clip stops the run. A MercError stops it at once.

    One whose network may learn has ``prepare`` and ``build`` too. Where a stage names it (``trainable:
    [encoders.face]``), what ``prepare`` gives is kept, and features are computed by the network as it is in every step
    and every prediction, and never stored.

    The smallest complete encoder, one token a half second of sound, one number a token:

    >>> from dataclasses import dataclass
    >>> import merc, numpy as np
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Loudness(merc.Encoder):
    ...     modality = "audio"
    ...     window: float = 0.5
    ...
    ...     def sampling(self):
    ...         return merc.Waveform(rate=16_000)
    ...
    ...     def spec(self):
    ...         return merc.FeatureSpec(dim=1)
    ...
    ...     def load(self, device):
    ...         def encode(clips):
    ...             size = int(self.window * 16_000)
    ...             cut = [[c.samples[i : i + size] for i in range(0, len(c.samples), size)] for c in clips]
    ...             return [np.array([[np.sqrt(np.mean(part**2))] for part in parts], "float32") for parts in cut]
    ...         return encode
    >>> encode = Loudness().load("cpu")
    >>> encode([merc.AudioClip(samples=np.ones(16_000, "float32"), rate=16_000)])[0].tolist()
    [[1.0], [1.0]]
    """

    kind: ClassVar[str] = "encoder"
    modality: ClassVar[Modality]
    """What of an utterance it is for; ``sampling`` gives Frames, a Waveform or Words accordingly, or Named."""
    version: ClassVar[str] = "1"
    """Another one means that the same input and parameters give other numbers."""
    batch: ClassVar[int] = 8

    @abstractmethod
    def sampling(self) -> Sampling:
        """What it wants of every utterance."""

    @abstractmethod
    def spec(self) -> FeatureSpec:
        """The shape of its features, known without weights."""

    def network(self) -> FrozenNetwork | None:
        """The size of its network, known without weights, for ``merc params``; ``None`` where it has none or does not
        say."""
        return None

    def identity(self) -> Mapping[str, Any]:
        """What its numbers depend on beside its parameters and ``version``, as plain values: for a parameter that names
        a folder of weights, ``merc.Pretrained.identity``, so that other weights in the same folder give new features.
        Called whenever features are looked up, so it must be quick. By default nothing."""
        return {}

    def remark(self, clip: Clip, features: Features) -> str | None:
        """What the user reads of a clip and the features that it gave, such as what had to be filled up; by default
        nothing. The same words for many clips are reported once, with the clips."""
        return None

    @abstractmethod
    def load(self, device: str) -> EncodeFunction:
        """Load the weights and give the function that encodes a batch of clips.

        Args:
            device: Where the network computes: "cpu", "cuda".

        Raises:
            MercError: The user has to do something (weights that are not there).
        """

    def encode_by(self, network: nn.Module, device: str) -> EncodeFunction:
        """What ``load`` may give, of an encoder that may learn: ``prepare``, then a network without a gradient.

        Args:
            network: As ``build`` gives it.
            device: Where it computes: "cpu", "cuda".
        """
        import torch

        network, prepare = network.to(device), self.prepare()

        @torch.inference_mode()
        def encode(clips: Sequence[Any]) -> list[Features | Missing]:
            prepared = prepare(clips)
            features = iter(
                network([torch.from_numpy(one).to(device) for one in prepared if not isinstance(one, Missing)])
            )
            return [
                one
                if isinstance(one, Missing)
                else np.concatenate([next(features).float().cpu().numpy(), self.places(one)], axis=1)
                for one in prepared
            ]

        return encode

    def prepare(self) -> PrepareFunction:
        """Of an encoder that may learn: the function from a batch of clips to what its network takes.

        It gives an array ``[n, ...]`` of float32, uint8 or int64 for each clip, or Missing with the reason. All that
        needs no gradient (to find a face, to cut, to scale) belongs here, since it is done once and kept."""
        raise NotImplementedError(f"{type(self).__name__} has no prepare()")

    def build(self) -> nn.Module:
        """Of an encoder that may learn: its network, with the weights that ``load`` uses, on the CPU.

        Its ``forward`` takes a list of prepared inputs, tensors ``[n, ...]`` on its device, one a clip, and gives a
        list of their features, tensors ``[tokens, dim]``: those of ``load``, with a gradient. It always computes in
        evaluation mode, so that nothing of it is random and no statistics move. Parameters that come with
        ``requires_grad`` False never learn.

        >>> import torch
        >>> class Network(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layer = torch.nn.Linear(2, 3)
        ...     def forward(self, inputs):
        ...         return list(self.layer(torch.cat(inputs)).split([len(one) for one in inputs]))
        >>> [features.shape for features in Network()([torch.zeros(4, 2), torch.zeros(1, 2)])]
        [torch.Size([4, 3]), torch.Size([1, 3])]
        """
        raise NotImplementedError(f"{type(self).__name__} has no build()")

    def token_count(self, count: int) -> int:
        """Of an encoder that may learn: how many tokens its network gives for a prepared input ``[count, ...]``."""
        return count

    def places(self, prepared: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Of an encoder that may learn: where the tokens lie that its network gives for a prepared input, known before
        it computes, ``[tokens, axes]``. One whose ``spec`` names axes, or whose number of tokens is not in the length
        of the input, gives this; here ``token_count`` tokens without axes."""
        return np.zeros((self.token_count(len(prepared)), 0), np.float32)

    def why_frozen(self) -> str | None:
        """Why it cannot learn, and what to do about it; None if it can."""
        lacking = [name for name in ("prepare", "build") if getattr(type(self), name) is getattr(Encoder, name)]
        if lacking:
            return f"it has no {' and no '.join(f'{name}()' for name in lacking)}, which a network that learns needs"
        if self.spec().axes and type(self).places is Encoder.places:
            return (
                "its features say where their tokens lie, which must be known before the network computes; places() "
                "would say it, and it has none"
            )
        return None
