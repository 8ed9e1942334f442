"""Observations of utterances: what is decoded together, and what a teacher is shown of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from merc.components.annotator import Observation
from merc.components.encoder import AudioClip, Missing, VideoClip
from merc.cues.plan import Question
from merc.media import Decoded, Decoders, Want

# The utterances of one file that are decoded in one go; their clips are in memory together.
_TOGETHER = 4
# Random frames are drawn by the content of the clip alone: whatever a run's seed, a teacher saw the same.
_SEED = 0

Clips = Mapping[str, Decoded]
"""What was decoded of an utterance, by modality."""


def groups(questions: Sequence[Question]) -> Iterator[list[Question]]:
    """Neighbours that lie in the same files."""
    group: list[Question] = []
    for question in questions:
        if group and (len(group) == _TOGETHER or _paths(question) != _paths(group[0])):
            yield group
            group = []
        group.append(question)
    if group:
        yield group


def _paths(question: Question) -> dict[str, Path]:
    return {modality: path for modality, (path, _, _) in question.files.items()}


def decode(decoders: Decoders, questions: Sequence[Question]) -> list[Clips]:
    """The clips of each question by modality; a file is opened once."""
    clips: list[dict[str, Decoded]] = [{} for _ in questions]
    files: dict[tuple[Path, str], list[tuple[int, str, Want]]] = {}
    for at, question in enumerate(questions):
        for modality, (path, content, want) in question.files.items():
            files.setdefault((path, content), []).append((at, modality, want))
    for (path, content), wants in files.items():
        parts = decoders.decode(path, [want for _, _, want in wants], _SEED, content)
        for (at, modality, _), decoded in zip(wants, parts, strict=True):
            clips[at][modality] = decoded
    return list(clips)


def observation_of(question: Question, clips: Clips) -> Observation:
    """What a teacher is shown of an utterance."""
    clip = {modality: one.clip for modality, one in clips.items()} | dict(question.lacking)
    video, audio = (clip.get(modality, Missing("not asked for")) for modality in ("video", "audio"))
    assert isinstance(video, VideoClip | Missing) and isinstance(audio, AudioClip | Missing)
    return Observation(query=question.query, video=video, audio=audio, lacking=question.lacking_cues)
