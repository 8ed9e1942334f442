"""Observations, decoded as they are taken, a few ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from merc.components.annotator import Observation
from merc.components.encoder import AudioClip, Missing, VideoClip
from merc.cues.plan import Question
from merc.media import Decoded, Decoders, Decoding, Want

# The utterances of one file that are decoded in one go; their clips are in memory together.
_TOGETHER = 4
# Random frames are drawn by the content of the clip alone: whatever a run's seed, a teacher saw the same.
_SEED = 0

Clips = Mapping[str, Decoded]
Shown = tuple[Question, Observation, Clips]


def observe(questions: Sequence[Question], claim: Callable[[Question], bool], decoding: Decoding) -> Generator[Shown]:
    """Observations of these questions in order, of those that ``claim`` grants as their turn comes. At most twice as
    many files as there are workers are decoded before they are asked for."""
    decoders = Decoders(decoding.limits)
    with ThreadPoolExecutor(decoding.workers, "merc-decode") as pool:
        running: deque[tuple[list[Question], Future[list[Clips]] | None]] = deque()
        try:
            for group in _groups(questions):
                todo = [question for question in group if claim(question)]
                if todo:
                    running.append((todo, pool.submit(_decode, decoders, todo) if todo[0].files else None))
                while len(running) > 2 * decoding.workers:
                    yield from _shown(*running.popleft())
            while running:
                yield from _shown(*running.popleft())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            decoders.stop()


def _groups(questions: Sequence[Question]) -> Iterator[list[Question]]:
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


def _decode(decoders: Decoders, questions: Sequence[Question]) -> list[Clips]:
    """The clips of each question by modality; a file is opened once."""
    found: list[dict[str, Decoded]] = [{} for _ in questions]
    files: dict[tuple[Path, str], list[tuple[int, str, Want]]] = {}
    for at, question in enumerate(questions):
        for modality, (path, content, want) in question.files.items():
            files.setdefault((path, content), []).append((at, modality, want))
    for (path, content), asked in files.items():
        given = decoders.decode(path, [want for _, _, want in asked], _SEED, content)
        for (at, modality, _), decoded in zip(asked, given, strict=True):
            found[at][modality] = decoded
    return list(found)


def _shown(questions: Sequence[Question], decoding: Future[list[Clips]] | None) -> Iterator[Shown]:
    clips: Sequence[Clips] = decoding.result() if decoding is not None else [{} for _ in questions]
    for question, decoded in zip(questions, clips, strict=True):
        clip = {modality: one.clip for modality, one in decoded.items()} | dict(question.lacking)
        video, audio = (clip.get(modality, Missing("not asked for")) for modality in ("video", "audio"))
        assert isinstance(video, VideoClip | Missing) and isinstance(audio, AudioClip | Missing)
        yield question, Observation(query=question.query, video=video, audio=audio), decoded
