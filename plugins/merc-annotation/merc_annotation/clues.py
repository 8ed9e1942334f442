"""Which clue is of which modality, and what of them an observation shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from merc import Observation

CLUES: Mapping[str, str] = {
    "visual_expression": "visual",
    "visual_objective": "visual",
    "audio_tone": "audio",
    "lexical": "text",
}
"""The modality of each clue, by field: C_ved, C_vod, C_atd and C_ls of Algorithm 1."""


def check_clues(clues: Mapping[str, str], modalities: Sequence[str]) -> None:
    """Raises ValueError for clues that are of no modality, or none."""
    if not clues:
        raise ValueError("clues names no clue; give some, as in {audio_tone: audio}")
    for field, modality in clues.items():
        if modality not in modalities:
            raise ValueError(f"clues.{field} is of {', '.join(modalities)}, not {modality!r}")


def shown_clues(one: Observation, clues: Mapping[str, str]) -> dict[str, str]:
    """The clues that an observation shows, by field."""
    cues = one.query.target.cues
    return {field: cues[field] for field in clues if cues.get(field)}


def why_none(one: Observation, clues: Mapping[str, str]) -> str:
    """The reason of an utterance without any clue."""
    reasons = dict.fromkeys(f"{field}: {one.lacking.get(field, 'nobody wrote it')}" for field in clues)
    return f"there is no clue to go by ({'; '.join(reasons)})"


def by_modality(texts_of: Mapping[str, str], clues: Mapping[str, str]) -> dict[str, str]:
    """The texts of clues by modality, several of one together."""
    texts: dict[str, list[str]] = {}
    for field, text in texts_of.items():
        texts.setdefault(clues[field], []).append(text)
    return {modality: " ".join(several) for modality, several in texts.items()}
