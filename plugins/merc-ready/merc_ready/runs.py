"""The runs that ship: a folder of this package each, which ``make_runs.py`` beside it has packed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import merc


@dataclass(frozen=True, kw_only=True)
class MeldText(merc.Run):
    """The seven emotions of MELD (neutral, surprise, fear, sadness, joy, disgust, anger) from English words alone:
    SmolLM2-135M, tuned with LoRA on MELD's train split, chosen on its dev split. Its card says how well it does and
    where it fails."""

    def folder(self) -> Path:
        """Where it lies in the package."""
        return Path(__file__).with_name("meld-text")
