"""MOSABench: pictures of several people or things, each with a sentiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import merc
from merc_corpora.importers.questions import Entry, entries_of, text_of
from merc_corpora.importers.tables import folder_of

SENTIMENTS = ("negative", "neutral", "positive")
DISTANCES = ("interlap", "close", "far")
NAMES = ("mosabench.json", "mosabench.jsonl", "MOSABench.json", "MOSABench.jsonl")
SOURCE = "MOSABench (Song et al., 2024)"
_LETTERS = dict(zip("abc", SENTIMENTS, strict=True))
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True, kw_only=True)
class MosaBenchCorpus(merc.Corpus):
    """MOSABench (Song et al., 2024), all for testing: pictures with a text, two objects or more in each, the sentiment
    of every object, and how far the objects are from each other.

    What a public release looks like could not be found, so this is the form that is read: ``mosabench.json``, a list,
    or ``mosabench.jsonl``, whose entries have ``id``, ``image`` (a path below ``root`` or below ``images``), ``text``,
    ``objects`` and ``distance`` (interlap, close or far). ``objects`` is a list of ``{"name": …, "sentiment": …}``, or
    a mapping of sentiments by name; a sentiment is negative, neutral or positive, or the letter A, B or C that stands
    for it in the paper's questions. ``extra`` holds ``objects``, ``distance`` and ``question``, in merc's own words. A
    picture is the utterance's ``video``: a clip of one frame.
    """

    root: Path
    """The folder that holds the file and the pictures."""

    def load(self) -> merc.CorpusData:
        """Read the file. Raises MercError where it is not there or not as it should be, naming the entry."""
        root = merc.user_path(self.root)
        file = next((root / name for name in NAMES if (root / name).is_file()), None)
        if file is None:
            folder_of(root, "mosabench", [NAMES[0]], "the folder with mosabench.json and images in it")
            raise AssertionError
        talks: dict[str, merc.Conversation] = {}
        absent = []
        for entry in entries_of(file, ("id", "image", "text", "objects", "distance")):
            where, held = entry
            name = f"mosabench/{text_of(entry, 'id')}"
            if name in talks:
                raise merc.MercError(f"{where}: the picture {name} is there already")
            distance, objects = text_of(entry, "distance").lower(), _objects(entry)
            if distance not in DISTANCES:
                raise merc.MercError(f"{where}: 'distance' is {distance!r}; it is one of {', '.join(DISTANCES)}")
            picture = _picture(root, text_of(entry, "image"))
            reason = f"no picture {held['image']} in {root}"
            if picture is None:
                absent.append(name)
            utterance = merc.Utterance(
                id=name, text=str(held["text"]).strip(), video=picture, origin=where,
                missing={"audio": "a picture has no sound", **({"video": reason} if picture is None else {})},
                extra={
                    "objects": objects, "distance": distance, "question": _question(str(held["text"]), objects),
                    "answer": ", ".join(one["sentiment"] for one in objects),
                },
            )  # fmt: skip
            talks[name] = merc.Conversation(id=name, split="test", dataset="mosabench", utterances=(utterance,))
        notes = (
            [f"pictures that are not there: {len(absent)} of {len(talks)} ({', '.join(absent[:5])})"] if absent else []
        )
        count = merc.ReportedCount(what="pictures", found=len(talks), reported=1047, source=SOURCE)
        return merc.CorpusData(conversations=list(talks.values()), notes=tuple(notes), counts=(count,))


def _objects(entry: Entry) -> list[dict[str, str]]:
    where, held = entry
    listed: Any = held["objects"]
    pairs = list(listed.items()) if isinstance(listed, Mapping) else [
        (one.get("name"), one.get("sentiment")) for one in listed if isinstance(one, Mapping)
    ] if isinstance(listed, list) else []  # fmt: skip
    objects = []
    for name, sentiment in pairs:
        word = str(sentiment).strip().lower()
        word = _LETTERS.get(word, word)
        if not isinstance(name, str) or not name.strip() or word not in SENTIMENTS:
            raise merc.MercError(
                f"{where}: an object is {name!r} with the sentiment {sentiment!r}; a name and one of "
                f"{', '.join(SENTIMENTS)} were expected"
            )
        objects.append({"name": name.strip(), "sentiment": word})
    if len(objects) < 2 or len(objects) != len(listed):
        raise merc.MercError(
            f"{where}: 'objects' is {listed!r}; two objects or more with names and sentiments were expected"
        )
    return objects


def _picture(root: Path, name: str) -> Path | None:
    places = [folder / name for folder in (root, root / "images")]
    if not Path(name).suffix:
        places = [place.with_suffix(suffix) for place in places for suffix in _PICTURES]
    return next((place for place in places if place.is_file()), None)


def _question(text: str, objects: list[dict[str, str]]) -> str:
    names = " and ".join(one["name"] for one in objects)
    words = f"The picture comes with these words: {text.strip()}\n" if text.strip() else ""
    return (
        f"{words}What is the sentiment of each of {names} in the picture: A negative, B neutral or C positive? Answer "
        f"with one letter for each, in this order, with commas between them."
    )
