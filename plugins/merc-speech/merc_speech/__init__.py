"""From a plain recording to utterances: where somebody speaks, who, and what is said.

What other plugins may use of it is named here: noise taken out of a recording, and voices that overlap told apart.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merc_speech.denoising import denoise
    from merc_speech.separating import separate_overlaps

__version__ = "0.1.0"
__all__ = ["denoise", "separate_overlaps"]
_HOME = {"denoise": "denoising", "separate_overlaps": "separating"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"merc_speech.{_HOME[name]}"), name)
    raise AttributeError(f"module 'merc_speech' has no attribute {name!r}")
