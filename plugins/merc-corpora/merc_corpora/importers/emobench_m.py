"""EmoBench-M: questions about clips of thirteen sets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import merc
from merc_corpora.importers.clips import Clips
from merc_corpora.importers.questions import Entry, entries_of, joined
from merc_corpora.importers.tables import folder_of

POLARITY = ("neutral", "negative", "positive")
SETS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "RAVDSS_song": ("ravdess-song", ("neutral", "calm", "happy", "sad", "angry", "fearful")),
    "RAVDSS_speech": (
        "ravdess-speech", ("neutral", "calm", "happy", "sad", "angry", "fearful", "surprised", "disgust"),
    ),
    "MOSI": ("cmu-mosi", POLARITY),
    "MOSEI": ("cmu-mosei", POLARITY),
    "FGMSA": ("fmsa-sc", ("weak negative", "strong negative", "neutral", "strong positive", "weak positive")),
    "SIMS": ("ch-sims", POLARITY),
    "ch-simsv2s": ("ch-sims-v2", POLARITY),
    "mer2023": ("mer2023", ("happy", "sad", "neutral", "angry", "worried", "surprise")),
    "MC-EIU": ("mc-eiu", ()),
    "MELD": ("meld", ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")),
    "funny": ("ur-funny", ("true", "false")),
    "MUSTARD": ("mustard", ("true", "false")),
    "smile": ("smile", ()),
}  # fmt: skip
"""The name and the labels of each file's set; those of two files are no single labels."""
EMOTIONS = ("happy", "surprise", "sad", "disgust", "anger", "fear", "neutral")
INTENTS = (
    "questioning", "agreeing", "acknowledging", "encouraging", "consoling", "suggesting", "wishing", "neutral",
)  # fmt: skip
_PLACE = re.compile(r"<(video|image|audio)>\s*")
_WORD = re.compile(r"[A-Za-z]+(?: [A-Za-z]+)*")


@dataclass(frozen=True, kw_only=True)
class EmoBenchMCorpus(merc.Corpus):
    """EmoBench-M (Hu et al., 2025), all for testing: ``benchmark_json/<set>.json`` and the clips in ``dataset/<set>``.

    Each file is a list of entries with ``id``, ``video`` (``videos/ch-simsv2s/aqgy4_0004/00023.mp4``) and
    ``conversations``: the question of ``human`` and the right answer of ``gpt``. Of eleven sets the answer is a label;
    of MC-EIU it is an emotion and an intent, which become ``extra``'s ``pair``; of SMILE it is why an audience laughs,
    ``extra``'s ``reference``. The question, without ``<video>``, is ``extra``'s ``question``, and the answer as it
    stands ``answer``. A conversation's dataset is ``emobench-m-<set>``, its id ``emobench-m-meld/0``. What is said
    stands in the questions; the utterances have no text of their own.

    Files, keys and labels are those of the authors' repository (Emo-gml/EmoBench-M); how MC-EIU's answers are written
    is not documented there, so both labels are looked for, the emotion first. Not verified on the set itself.
    """

    root: Path
    """The folder that holds ``benchmark_json`` and ``dataset``."""
    sets: tuple[str, ...] = ()
    """The sets to read, by the names of their files; by default all that are there, and a note names those that are
    not."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.sets if name not in SETS]
        if unknown:
            raise ValueError(f"sets names {unknown[0]!r}; the sets are {', '.join(SETS)}")

    def load(self) -> merc.CorpusData:
        """Read the files. Raises MercError where one is not there or not as it should be, naming the entry."""
        root = folder_of(
            self.root, "emobench-m", ["benchmark_json"], "the folder with benchmark_json and dataset in it"
        )
        files = {name: root / "benchmark_json" / f"{name}.json" for name in self.sets or SETS}
        absent = [name for name, file in files.items() if not file.is_file()]
        if absent and (self.sets or len(absent) == len(files)):
            raise merc.MercError(f"{root / 'benchmark_json'} lacks {', '.join(f'{name}.json' for name in absent)}")
        parts = {SETS[name][0]: self._read(root, name, file) for name, file in files.items() if file.is_file()}
        notes = [f"sets that are not there: {', '.join(absent)}"] if absent else []
        return joined({f"emobench-m-{name}": part for name, part in parts.items()}, notes)

    def _read(self, root: Path, file_name: str, file: Path) -> merc.CorpusData:
        name, labels = SETS[file_name]
        clips = Clips(f"emobench-m-{name}", root / "dataset" / file_name)
        if not clips.folder.is_dir():
            clips.folder = next((one for one in (root / "dataset").glob(f"{file_name}*") if one.is_dir()), clips.folder)
        for where, entry in entries_of(file, ("id", "video", "conversations")):
            question, answer = _turns((where, entry))
            label, extra = _right(file_name, labels, answer, where)
            video = Path(str(entry["video"])).with_suffix("").as_posix()
            clips.add(
                str(entry["id"]), "test", [video, video.removeprefix("videos/")], where, label=label,
                extra={"question": question, "answer": answer, **extra},
            )  # fmt: skip
        data = clips.data(labels or None)
        notes = tuple(
            note for note in data.notes if not note.startswith(("clips without a subtitle", "clips without a l"))
        )
        return merc.CorpusData(conversations=data.conversations, labels=data.labels, notes=notes, counts=data.counts)


def _turns(entry: Entry) -> tuple[str, str]:
    """The question without its place for a clip, and the right answer."""
    where, held = entry
    by_speaker: dict[str, str] = {}
    turns = held["conversations"]
    for turn in turns if isinstance(turns, list) else []:
        if isinstance(turn, dict) and isinstance(turn.get("value"), str):
            by_speaker.setdefault(str(turn.get("from")), turn["value"].strip())
    if not by_speaker.get("human") or not by_speaker.get("gpt"):
        raise merc.MercError(f"{where}: 'conversations' has no 'value' of human, or none of gpt")
    return _PLACE.sub("", by_speaker["human"]).strip(), by_speaker["gpt"]


def _right(name: str, labels: tuple[str, ...], answer: str, where: str) -> tuple[str | None, dict[str, Any]]:
    """The label that an answer is, or what else is right."""
    if name == "smile":
        return None, {"reference": answer}
    words = [word.strip().lower() for word in _WORD.findall(answer)]
    if name == "MC-EIU":
        named = [word for word in words if word in {*EMOTIONS, *INTENTS}]
        if len(named) != 2 or named[0] not in EMOTIONS or named[1] not in INTENTS:
            raise merc.MercError(
                f"{where}: the answer is {answer!r}; an emotion ({', '.join(EMOTIONS)}) and then an intent "
                f"({', '.join(INTENTS)}) were expected"
            )
        return None, {"pair": {"emotion": named[0], "intent": named[1]}}
    known = [word for word in words if word in labels]
    if len(known) != 1:
        raise merc.MercError(f"{where}: the answer is {answer!r}; one of {', '.join(labels)} was expected")
    return known[0], {}
