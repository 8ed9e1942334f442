"""The source of a tiny text encoder, for plugins that tests install: how often each letter stands in a text."""

LETTERS = """\
from dataclasses import dataclass

import merc
import numpy as np


@dataclass(frozen=True, kw_only=True)
class Letters(merc.Encoder):
    modality = "text"
    words: int | None = None  # a token for each of the first so many words; None: one for the whole text
    missing: str = ""  # a text that has this word among them has no features, nor has one without letters
    first: str = "a"  # so that two encoders differ by a parameter

    def sampling(self):
        return merc.Words()

    def spec(self):
        return merc.FeatureSpec(dim=26)

    def load(self, device):
        return lambda clips: [self.count(clip.text.lower()) for clip in clips]

    def count(self, text):
        spoken = text.split()[: self.words]
        if self.missing in spoken:
            return merc.Missing(f"a {self.missing} has no letters")
        pieces = [text] if self.words is None else spoken
        counts = np.array([[piece.count(chr(97 + i)) for i in range(26)] for piece in pieces], "float32")
        return counts if counts.any() else merc.Missing("no letters")
"""
