"""What a report links to of an utterance's media: a player of its file, and small pictures of it beside the report."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from merc.components import Frames, Missing, Prediction, VideoClip
from merc.components.reasons import say_missing
from merc.conversation import Conversation, Utterance
from merc.evaluation.breakdown import finder
from merc.files import whole_file
from merc.media import decode_file
from merc.media.decode import locate, want_of
from merc.threads import in_threads

FOLDER = "frames"
"""The folder of a run with the pictures."""

_FRAMES = Frames(count=3)
_HEIGHT = 96
_AT_ONCE = 8  # utterances of one file whose frames are in memory together

Key = tuple[str | None, str, str]
"""The split and the conversation of a corpus, and the utterance."""


def picture_name(conversation: Conversation, utterance: Utterance) -> str:
    """The file below ``frames/`` for an utterance, whatever letters its id has."""
    key = json.dumps([conversation.split, conversation.id, utterance.id])
    return f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.jpg"


@dataclass
class Links:
    """Gives the media of utterances as addresses relative to the folder where a report will stand, and counts the
    utterances whose file is not there."""

    place: Path
    pictures: frozenset[str] = frozenset()
    linked: int = 0
    moved: list[Path] = field(default_factory=list)

    @staticmethod
    def of(run: Path, place: Path) -> Links:
        """Those of a run directory, which may stand elsewhere (``run``) while it is made."""
        folder = run / FOLDER
        return Links(place, frozenset(file.name for file in folder.glob("*.jpg")))

    def of_utterance(self, conversation: Conversation, utterance: Utterance) -> dict[str, str]:
        """``video`` and ``audio`` are what a page can play, with the seconds from and to which as their fragment;
        ``frames`` is a picture. Each is left out where there is none."""
        links: dict[str, str] = {}
        name = picture_name(conversation, utterance)
        if name in self.pictures:
            links["frames"] = f"{FOLDER}/{name}"
        files = {"video": utterance.media("video"), "audio": utterance.media("audio")}
        if files["audio"] == files["video"]:
            del files["audio"]
        for modality, path in files.items():
            if path is None:
                continue
            self.linked += 1
            if path.is_file():
                links[modality] = self._address(path) + _fragment(*utterance.span(modality))
            else:
                self.moved.append(path)
        return links

    def note(self) -> str:
        """The sentence about files that are not there; empty where all are."""
        if not self.moved:
            return ""
        return (
            f"{len(self.moved):,} of {self.linked:,} media files of utterances are not where the corpus says, so these "
            f"have no player (the first is {self.moved[0]})."
        )

    def _address(self, path: Path) -> str:
        return quote(os.fsencode(os.path.relpath(path.absolute(), self.place.absolute())))


def _fragment(start: float | None, end: float | None) -> str:
    if start is None and end is None:
        return ""
    return f"#t={start or 0:g}" + ("" if end is None else f",{end:g}")


def write_pictures(
    run: Path,
    predictions: Iterable[Prediction],
    conversations: Sequence[Conversation],
    progress: Callable[[float, str], None],
) -> str:
    """Write three frames of each utterance that was predicted and has a video, side by side in one small picture, into
    the folder ``frames`` of a run directory. A picture of an earlier time stays where its video is gone meanwhile.

    Returns:
        A sentence: of how many there are pictures, and why others have none.
    """
    conversation_of = finder(conversations)
    predicted: dict[tuple[str | None, str], set[str]] = {}
    talks: dict[tuple[str | None, str], Conversation] = {}
    for p in predictions:
        if (talk := conversation_of(p)) is not None:
            talks[talk.split, talk.id] = talk
            predicted.setdefault((talk.split, talk.id), set()).add(p.id)
    faults: list[tuple[str, str]] = []
    files: dict[Path, list[tuple[Path, Utterance]]] = {}
    for key, talk in talks.items():
        for utterance in talk.utterances:
            if utterance.id in predicted[key]:
                source = locate(utterance, _FRAMES)
                if isinstance(source, Missing):
                    faults.append((utterance.id, source.reason))
                else:
                    picture = run / FOLDER / picture_name(talk, utterance)
                    files.setdefault(source, []).append((picture, utterance))
    tasks = [(path, some[i : i + _AT_ONCE]) for path, some in files.items() for i in range(0, len(some), _AT_ONCE)]
    written = 0
    with closing(in_threads(_write, tasks, os.cpu_count() or 1)) as done:
        for number, ((_, some), reasons) in enumerate(done, start=1):
            faults += reasons
            written += len(some) - len(reasons)
            progress(number / len(tasks), f"{written:,} pictures")
    total = written + len(faults)
    return (
        say_missing("frames", total, faults, "picture")
        if faults
        else f"frames: all {total:,} utterances have a picture"
    )


def _write(task: tuple[Path, Sequence[tuple[Path, Utterance]]]) -> list[tuple[str, str]]:
    """Write the pictures of some utterances of one file; gives those that have none, with the reason."""
    path, some = task
    faults = []
    clips = decode_file(path, [want_of(utterance, _FRAMES) for _, utterance in some], seed=0)
    for (picture, utterance), decoded in zip(some, clips, strict=True):
        if isinstance(decoded.clip, VideoClip):
            with whole_file(picture, sync=False) as temporary:
                temporary.write_bytes(_side_by_side(decoded.clip))
        else:
            assert isinstance(decoded.clip, Missing)
            faults.append((utterance.id, decoded.clip.reason))
    return faults


def _side_by_side(clip: VideoClip) -> bytes:
    from PIL import Image

    height, width = clip.frames[0].shape[:2]
    small = (max(1, round(_HEIGHT * width / height)), _HEIGHT)
    strip = Image.new("RGB", (small[0] * len(clip.frames), _HEIGHT))
    for place, frame in enumerate(clip.frames):
        strip.paste(Image.fromarray(frame).resize(small), (place * small[0], 0))
    out = io.BytesIO()
    strip.save(out, "JPEG", quality=75)
    return out.getvalue()
