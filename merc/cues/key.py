"""The key of an answer: all that it depends on, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from merc.components.annotator import Annotator
from merc.components.encoder import Frames, Missing, Waveform
from merc.components.prompter import Query
from merc.errors import MercError
from merc.media import MEDIA_VERSION, Want
from merc.passes import class_of, digest, sampling_of

if TYPE_CHECKING:
    from merc.recipe import ComponentRef


@dataclass(frozen=True, eq=False)
class Teacher:
    """An annotator under the name that it has in the recipe. ``digest`` stands for all of it that its answers depend
    on; ``samplings`` is what it wants of an utterance's media, by modality."""

    name: str
    part: str
    annotator: Annotator
    fields: tuple[str, ...]
    samplings: Mapping[str, Frames | Waveform]
    digest: str

    def __str__(self) -> str:
        return f"annotators.{self.name} ({self.part})"


def teacher_of(name: str, part: ComponentRef) -> Teacher:
    """The annotator of a part. Raises MercError for one whose answers could not be found again."""
    annotator = part.component
    where = f"annotators.{name}"
    if not isinstance(annotator, Annotator):
        raise MercError(f"{where}: {part.name!r} is a {type(annotator).kind}, not an annotator")
    media = {"video": annotator.video(), "audio": annotator.audio()}
    samplings = {modality: sampling for modality, sampling in media.items() if sampling is not None}
    video = samplings.get("video")
    if isinstance(video, Frames) and video.draws != 1:
        raise MercError(f"{where}: annotator {part.name!r} wants {video.draws} draws of a clip; it is asked once")
    whole = {
        "annotator": part.name.rpartition("/")[2],
        "class": class_of(annotator),
        "version": annotator.version,
        "fields": sorted(annotator.fields()),
        "identity": annotator.identity(),
        "samplings": {modality: sampling_of(sampling) for modality, sampling in samplings.items()},
        "media": MEDIA_VERSION if samplings else 0,
    }
    key = digest(whole, f"{where}: what identity() of annotator {part.name!r} gives")
    return Teacher(name, part.name, annotator, tuple(annotator.fields()), samplings, key)


def key_of(
    teacher: Teacher, query: Query, media: Mapping[str, tuple[str, Want] | Missing], lacking: Mapping[str, str]
) -> str:
    """64 hexadecimal digits. ``media`` gives by modality the hash of the file and what is wanted of it, or the reason
    why there is none: an answer without it is another answer, and may repeat the reason. ``lacking`` are the reasons
    for cues that the teacher reads and nobody could write."""
    target = query.target
    whole = {
        "teacher": teacher.digest,
        "text": target.text,
        "speaker": target.speaker,
        "media": {modality: _place(place, teacher.samplings[modality]) for modality, place in media.items()},
        "context": teacher.annotator.context(query),
    }
    if teacher.annotator.reads():
        whole["cues"] = {field: target.cues.get(field) or [lacking[field]] for field in teacher.annotator.reads()}
    if teacher.annotator.sees_label():
        whole["label"] = target.label
    return digest(whole, f"{teacher}, utterance {target.id!r}: what context(query) gives")


def _place(place: tuple[str, Want] | Missing, usual: Frames | Waveform) -> Any:
    if isinstance(place, Missing):
        return place.reason
    content, want = place
    # The sampling is the teacher's, and counts in its digest, unless it was chosen for this utterance.
    own = {} if want.sampling == usual else {"sampling": sampling_of(want.sampling)}
    return [content, {key: value for key, value in asdict(want).items() if key != "sampling"} | own]


def keys_among(keys: Sequence[str]) -> list[str]:
    """The keys of answers that depend on those of the whole set as well."""
    whole = hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()
    return [hashlib.sha256(f"{key}\n{whole}".encode()).hexdigest() for key in keys]
