"""Words that are lost or misheard."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

import merc
from merc_robustness.shares import no_share

_ALIKE = ("aeiou", "bp", "dt", "gk", "mn", "fv", "sz", "lr")
"""Letters that sound alike."""


@dataclass(frozen=True, kw_only=True)
class DropWords(merc.Corruption):
    """Words lost, as in a transcript with gaps.

    ``severities`` are shares of an utterance's words, from 0 to 1, rounded to whole words; 1 leaves none. It takes no
    ``streams``, since words are lost wherever they are shown.
    """

    modalities = ("text",)
    unit = "of words"
    severities: tuple[float, ...] = (0.1, 0.3, 0.5)

    def fault(self, severity: float) -> str | None:
        """A share."""
        return no_share(severity)

    def apply(self, clip: Any, severity: float, rng: np.random.Generator) -> merc.TextClip:
        """The words that are left, in their order."""
        words = clip.text.split()
        lost = set(rng.permutation(len(words))[: round(severity * len(words))].tolist())
        return merc.TextClip(text=" ".join(w for i, w in enumerate(words) if i not in lost)) if lost else clip


@dataclass(frozen=True, kw_only=True)
class Mishear(merc.Corruption):
    """Words misheard, as by a speech recogniser: in each, one letter becomes another that sounds alike (``bad``,
    ``bed``, ``pad``).

    ``severities`` are shares of an utterance's words, from 0 to 1, rounded to whole words. A word that has no such
    letter is never among them. It takes no ``streams``, since words are misheard wherever they are shown.
    """

    modalities = ("text",)
    unit = "of words"
    severities: tuple[float, ...] = (0.1, 0.3, 0.5)

    def fault(self, severity: float) -> str | None:
        """A share."""
        return no_share(severity)

    def apply(self, clip: Any, severity: float, rng: np.random.Generator) -> merc.TextClip:
        """The words, some of them with another letter; the space between them stays."""
        parts = re.split(r"(\s+)", clip.text)
        words = [at for at, part in enumerate(parts) if part.strip()]
        chosen = rng.permutation([at for at in words if _places(parts[at])])[: round(severity * len(words))]
        if not len(chosen):
            return clip
        for at in chosen.tolist():
            parts[at] = _misheard(parts[at], rng)
        return merc.TextClip(text="".join(parts))


def _places(word: str) -> list[int]:
    return [at for at, letter in enumerate(word) if any(letter.lower() in group for group in _ALIKE)]


def _misheard(word: str, rng: np.random.Generator) -> str:
    at = int(rng.choice(_places(word)))
    letter = word[at].lower()
    others = next(group for group in _ALIKE if letter in group).replace(letter, "")
    other = str(rng.choice(list(others)))
    return word[:at] + (other.upper() if word[at].isupper() else other) + word[at + 1 :]
