"""Probabilities as cues: the annotator ``class-chances``, and the prompter ``beside`` that has cues made unseen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import merc

TOLERANCE = 0.01
"""By how much the sum of probabilities may differ from 1, as it does in half precision."""


@dataclass(frozen=True, kw_only=True)
class ClassChances(merc.Annotator):
    """The probabilities that an encoder's features end with, such as those of ``face-emotion``, as a cue: ``joy 0.61,
    neutral 0.39``. The decoder ``late-fusion`` takes it as a member.
    """

    encoder: merc.Encoder
    """The encoder, of picture or of sound."""
    classes: tuple[str, ...]
    """The label that each of the last numbers is the probability of, all in their order; one may stand several times,
    and has the sum then."""
    cue: str = "chances"
    """What the cue is called."""

    def __post_init__(self) -> None:
        if not self.classes or any(not name.strip() or "," in name for name in self.classes):
            raise ValueError("classes names a label for each of the last numbers, without commas")
        if self.encoder.modality == "text":
            raise ValueError("encoder reads words; name one of picture or of sound, such as face-emotion")

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
        """The encoder's class, version and parameters, what its numbers depend on beside these, such as the hash of its
        weights, and the other parameters."""
        cls = type(self.encoder)
        encoder = {"class": f"{cls.__module__}:{cls.__qualname__}", "version": cls.version, **asdict(self.encoder)}
        beside = dict(self.encoder.identity())
        return {
            "encoder": encoder,
            "classes": list(self.classes),
            "cue": self.cue,
            **({"of": beside} if beside else {}),
        }

    def load(self, device: str) -> merc.AnnotateFunction:
        """Load the encoder. Raises MercError for one that sees and hears nothing, or gives fewer numbers than there are
        classes."""
        if self.video() is None and self.audio() is None:
            raise self._error("reads neither picture nor sound; name an encoder that does, such as face-emotion")
        width = self.encoder.spec().dim
        if len(self.classes) > width:
            raise self._error(f"gives {width} numbers, and classes names {len(self.classes)} labels; name fewer")
        encode = self.encoder.load(device)

        def annotate(observations: Iterable[merc.Observation]) -> Iterator[tuple[str, merc.Annotation]]:
            for one in observations:
                clip = one.video if self.encoder.modality == "video" else one.audio
                features = clip if isinstance(clip, merc.Missing) else encode([clip])[0]
                yield one.query.target.id, self._annotation(features, width)

        return annotate

    def _annotation(self, features: np.ndarray | merc.Missing, width: int) -> merc.Annotation:
        """The cue of features ``[tokens, width and axes]``. Raises MercError where they hold no probabilities."""
        if isinstance(features, merc.Missing):
            return merc.Annotation(reason=features.reason)
        rows = np.asarray(features, "float64")[:, width - len(self.classes) : width]
        for row in rows:
            if not (np.all(row >= -TOLERANCE) and abs(row.sum() - 1) <= TOLERANCE):
                numbers = ", ".join(f"{value:.3g}" for value in row[:10]) + (", ..." if len(row) > 10 else "")
                raise self._error(
                    f"gives features whose last {len(row)} numbers are {numbers}: no probabilities with the sum 1. "
                    "Name another encoder, or all of its classes, in their order"
                )
        means = rows.mean(0).clip(0)
        chances: dict[str, float] = {}
        for name, value in zip(self.classes, means, strict=True):
            chances[name] = chances.get(name, 0.0) + float(value)
        return merc.Annotation(cues={self.cue: ", ".join(f"{name} {value:.4f}" for name, value in chances.items())})

    def _error(self, fault: str) -> merc.MercError:
        return merc.MercError(f"class-chances: the encoder {type(self.encoder).__name__} {fault}")


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
