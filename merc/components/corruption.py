"""Corruption: what a clip would be like in worse conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from merc.components.base import Component
from merc.components.encoder import Clip, Missing, Modality


class CorruptionCase(NamedTuple):
    """One row of the table."""

    severity: float
    """How bad it is, in the corruption's ``unit``."""
    streams: tuple[str, ...]
    """The encoders whose streams are corrupted; none where the words alone are."""


@dataclass(frozen=True, kw_only=True)
class Corruption(Component):
    """Makes an evaluation's media or words worse, at each of its ``severities``, to see what the numbers lose.

    A clip of sound or pictures is corrupted before the encoders see it, as they want it (its rate, its frames), and
    what they make of it is kept in the feature store by the corruption's class, ``version``, parameters and severity.
    One whose only modality is ``text`` corrupts the words of utterances, wherever a prompt shows them and an encoder
    reads them, earlier utterances' too. ``streams`` names the encoders that it is meant for (none: all of its
    modalities that prompts show).

    The same clip gets the same random numbers at every severity, from ``evaluate.corrupt_seed`` and never from the
    run's seed. Two of its methods may be implemented: ``apply``, or for what is lost as a whole ``withholds``.

    Sound that is played softly:

    >>> from dataclasses import dataclass
    >>> from merc.components import AudioClip
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Softer(Corruption):
    ...     modalities = ("audio",)
    ...     unit = "dB"
    ...     severities: tuple[float, ...] = (10.0, 20.0)
    ...
    ...     def apply(self, clip, severity, rng):
    ...         return AudioClip(samples=clip.samples * np.float32(10 ** (-severity / 20)), rate=clip.rate)
    >>> loud = AudioClip(samples=np.ones(2, "float32"), rate=16_000)
    >>> Softer().apply(loud, 20.0, np.random.default_rng(0)).samples.round(3).tolist()
    [0.10000000149011612, 0.10000000149011612]
    """

    kind: ClassVar[str] = "corruption"
    modalities: ClassVar[tuple[Modality, ...]]
    """Those of the clips that it can corrupt."""
    unit: ClassVar[str]
    """What severities are measured in."""
    version: ClassVar[str] = "1"
    """Another one means that the same clip and severity give another clip."""
    severities: tuple[float, ...]
    streams: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.severities or len(set(self.severities)) != len(self.severities):
            raise ValueError(f"severities names at least one, each once, not {list(self.severities)}")
        for severity in self.severities:
            if fault := self.fault(severity):
                raise ValueError(f"severities: {severity:g} {fault}")

    @property
    def of_words(self) -> bool:
        """Whether it corrupts the words of utterances, and not what encoders see."""
        return self.modalities == ("text",)

    def fault(self, severity: float) -> str | None:
        """What is wrong with a severity, as the end of a sentence (``is no share from 0 to 1``); None where it can
        be."""
        return None

    def cases(self, streams: Mapping[str, Modality]) -> Sequence[CorruptionCase]:
        """The rows of its table; by default all streams at once, a row for each severity.

        Args:
            streams: The encoders' streams that it is meant for, with the modality of each.
        """
        return [CorruptionCase(severity, tuple(streams)) for severity in self.severities]

    def withholds(self, severity: float, rng: np.random.Generator) -> bool:
        """Whether an utterance has nothing of the case's streams: they are missing then, as a file that is not there,
        and nothing is decoded. ``rng`` is the utterance's own."""
        return False

    def apply(self, clip: Clip, severity: float, rng: np.random.Generator) -> Clip | Missing:
        """What becomes of a clip; by default nothing does.

        Args:
            clip: The clip, which is not to be changed itself.
            severity: How bad it gets, in ``unit``.
            rng: The utterance's own random numbers, the same at every severity.

        Returns:
            A clip of the same kind, or Missing with the reason where nothing is left of it. ``clip`` itself counts as
            not touched.
        """
        return clip
