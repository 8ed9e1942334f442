"""The key of an answer: all that it depends on, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from merc.components.annotator import Annotator
from merc.components.encoder import Frames, Missing, Waveform
from merc.components.prompter import Query
from merc.errors import MercError
from merc.media import MEDIA_VERSION, Want

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
    asked = {"video": annotator.video(), "audio": annotator.audio()}
    samplings = {modality: sampling for modality, sampling in asked.items() if sampling is not None}
    video = samplings.get("video")
    if isinstance(video, Frames) and video.draws != 1:
        raise MercError(f"{where}: annotator {part.name!r} wants {video.draws} draws of a clip; it is asked once")
    kind = type(annotator)
    whole = {
        "annotator": part.name.rpartition("/")[2],
        "class": f"{kind.__module__}:{kind.__qualname__}",
        "version": annotator.version,
        "fields": sorted(annotator.fields()),
        "identity": annotator.identity(),
        "samplings": {modality: asdict(sampling) for modality, sampling in samplings.items()},
        "media": MEDIA_VERSION if samplings else 0,
    }
    digest = _digest(whole, f"{where}: identity() of annotator {part.name!r}")
    return Teacher(name, part.name, annotator, tuple(annotator.fields()), samplings, digest)


def key_of(teacher: Teacher, query: Query, media: Mapping[str, tuple[str, Want] | Missing]) -> str:
    """64 hexadecimal digits. ``media`` gives by modality the hash of the file and what is wanted of it, or the reason
    why there is none: an answer without it is another answer, and may repeat the reason."""
    said = query.target
    whole = {
        "teacher": teacher.digest,
        "text": said.text,
        "speaker": said.speaker,
        "media": {modality: _place(found) for modality, found in media.items()},
        "context": teacher.annotator.context(query),
    }
    return _digest(whole, f"{teacher}, utterance {said.id!r}: context(query)")


def _place(found: tuple[str, Want] | Missing) -> Any:
    if isinstance(found, Missing):
        return found.reason
    content, want = found
    # The sampling is the teacher's, and counts in its digest.
    return [content, {key: value for key, value in asdict(want).items() if key != "sampling"}]


def keys_among(keys: Sequence[str]) -> list[str]:
    """The keys of answers that depend on those of the whole set as well."""
    whole = hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()
    return [hashlib.sha256(f"{key}\n{whole}".encode()).hexdigest() for key in keys]


def _digest(whole: Mapping[str, Any], what: str) -> str:
    try:
        text = json.dumps(whole, sort_keys=True, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise MercError(f"{what} must give plain values, since answers are kept by it ({error})") from None
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
