"""Probabilities as cues: the annotator ``class-chances``, and the prompter ``beside`` that has cues made unseen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import merc


@dataclass(frozen=True, kw_only=True)
class ClassChances(merc.Annotator):
    """The probabilities that an encoder's features end with, such as those of ``face-emotion``, as a cue: ``joy 0.61,
    neutral 0.39``. The decoder ``late-fusion`` takes it as a member.
    """

    encoder: merc.Encoder
    """The encoder, of picture or of sound."""
    classes: tuple[str, ...]
    """The label that each of the last numbers is the probability of, in their order; one may stand several times, and
    has the sum then."""
    cue: str = "chances"
    """What the cue is called."""

    def __post_init__(self) -> None:
        if not self.classes or any(not name.strip() or "," in name for name in self.classes):
            raise ValueError("classes names a label for each of the last numbers, without commas")

    def fields(self) -> tuple[str, ...]:
        """``cue``."""
        return (self.cue,)

    def video(self) -> merc.Frames | None:
        """What an encoder of picture wants."""
        sampling = self.encoder.sampling()
        return sampling if isinstance(sampling, merc.Frames) else None

    def audio(self) -> merc.Waveform | None:
        """What an encoder of sound wants."""
        sampling = self.encoder.sampling()
        return sampling if isinstance(sampling, merc.Waveform) else None

    def identity(self) -> Mapping[str, Any]:
        """The encoder's class, version and parameters, and the other parameters."""
        cls = type(self.encoder)
        encoder = {"class": f"{cls.__module__}:{cls.__qualname__}", "version": cls.version, **asdict(self.encoder)}
        return {"encoder": encoder, "classes": list(self.classes), "cue": self.cue}

    def load(self, device: str) -> merc.AnnotateFunction:
        """Load the encoder."""
        encode = self.encoder.load(device)

        def annotate(observations: Iterable[merc.Observation]) -> Iterator[tuple[str, merc.Annotation]]:
            for one in observations:
                clip = one.video if self.encoder.modality == "video" else one.audio
                features = clip if isinstance(clip, merc.Missing) else encode([clip])[0]
                yield one.query.target.id, self._annotation(features)

        return annotate

    def _annotation(self, features: np.ndarray | merc.Missing) -> merc.Annotation:
        if isinstance(features, merc.Missing):
            return merc.Annotation(reason=features.reason)
        means = np.asarray(features, "float64")[:, -len(self.classes) :].mean(0)
        chances: dict[str, float] = {}
        for name, value in zip(self.classes, means, strict=True):
            chances[name] = chances.get(name, 0.0) + float(value)
        return merc.Annotation(cues={self.cue: ", ".join(f"{name} {value:.4f}" for name, value in chances.items())})


def chances_in(text: str) -> Mapping[str, float] | None:
    """The probabilities that such a cue holds; None for another text.

    >>> chances_in("joy 0.61, neutral 0.39"), chances_in("a smile")
    ({'joy': 0.61, 'neutral': 0.39}, None)
    """
    chances = {}
    for part in text.split(","):
        name, _, value = part.strip().rpartition(" ")
        try:
            chances[name] = float(value)
        except ValueError:
            return None
    return chances if all(name and 0 <= value <= 1.001 for name, value in chances.items()) else None


@dataclass(frozen=True, kw_only=True)
class Beside(merc.Prompter):
    """Asks as another prompter does, and has cues made that its prompts do not show: for a decoder that reads them."""

    prompter: merc.Prompter
    """The prompter that asks."""
    cues: tuple[str, ...]
    """The cues."""

    def prompt(self, query: merc.Query) -> merc.Prompt:
        """That of ``prompter``."""
        return self.prompter.prompt(query)

    def has_target(self, query: merc.Query) -> bool:
        """As ``prompter`` says."""
        return self.prompter.has_target(query)

    def streams(self) -> tuple[str, ...]:
        """Those of ``prompter``."""
        return self.prompter.streams()

    def cue_fields(self) -> tuple[str, ...]:
        """Those of ``prompter``, and ``cues``."""
        return tuple(dict.fromkeys([*self.prompter.cue_fields(), *self.cues]))

    def answer_fields(self) -> tuple[str, ...]:
        """Those of ``prompter``."""
        return self.prompter.answer_fields()
