"""DailyDialog: dialogues of learners' books, from its text files or from Parquet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import merc
from merc import first_names
from merc_corpora.own_files import files_below
from merc_corpora.table.sheets import Layout, read_sheet
from merc_corpora.text_files import read_text
from merc_corpora.texts.files import stated

LABELS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""By the code that the files have for each, from 0; the set calls 0 "no emotion"."""
SPLITS = {"train": "train", "validation": "dev", "test": "test"}
COUNTS = {"train": 87170, "dev": 8069, "test": 7740}
_END = "__eou__"
_WORDS, _EMOTIONS = ("dialog", "dialogue", "utterances"), ("emotion", "emotions")


@dataclass(frozen=True, kw_only=True)
class DailyDialogCorpus(merc.Corpus):
    """DailyDialog (Li et al., 2017), in either form in which it is passed on.

    Text files: ``dialogues_train.txt`` with a dialogue a line, whose utterances end in ``__eou__``, and
    ``dialogues_emotion_train.txt`` with a code for each (0 none, 1 anger, 2 disgust, 3 fear, 4 happiness, 5 sadness, 6
    surprise), the same of validation and test, in ``root`` or in folders of it; or ``dialogues_text.txt`` and
    ``dialogues_emotion.txt`` of the whole set, which is not divided. Parquet: files with ``train``, ``validation`` or
    ``test`` in their path, and the columns ``dialog`` (``utterances``) and ``emotion`` (``emotions``), lists.

    Code 0 is the label ``neutral``. Two people take turns, called A and B, for the files name nobody. A dialogue that
    has another number of codes than of utterances is left out, and counted.
    """

    root: Path
    """The folder that holds the text files or the Parquet files, in it or below."""

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A folder with the text files, or with Parquet files of lists of utterances."""
        if not path.is_dir():
            return None
        form = "text files" if _texts(path) else "Parquet" if _parquets(path) else None
        return form and merc.Recognised(what=f"DailyDialog, {form}", parameters={"root": str(path)})

    def load(self) -> merc.CorpusData:
        """Read the dialogues. Raises MercError where no file of either form is there, or one is not as published."""
        root = merc.user_path(self.root)
        if not root.is_dir():
            raise merc.MercError(f"the folder {root} is not there; 'root' of the corpus dailydialog holds its files")
        talks: list[merc.Conversation] = []
        odd: list[str] = []
        total = 0
        for split, where, words, codes in _dialogues(root):
            total += 1
            if len(words) != len(codes):
                odd.append(where)
            else:
                talks.append(_talk(f"{split or 'd'}_{total}", split, where, words, codes))
        notes = []
        if odd:
            count = f"{len(odd)} of {total} dialogues"
            notes.append(
                f"{count} have another number of emotions than of utterances, and are left out: {first_names(odd)}"
            )
        counts = stated(talks, COUNTS, "DailyDialog (Li et al., 2017)")
        return merc.CorpusData(conversations=talks, labels=merc.LabelSpace(LABELS), notes=tuple(notes), counts=counts)


Dialogue = tuple[str | None, str, Sequence[str], Sequence[Any]]


def _dialogues(root: Path) -> Iterator[Dialogue]:
    """The split, the place, the utterances and the codes of each dialogue."""
    texts, parquets = _texts(root), _parquets(root)
    if texts:
        for split, words, codes in texts:
            yield from _lines(split, words, codes)
    elif parquets:
        for split, path in parquets:
            yield from _rows(split, path)
    else:
        raise merc.MercError(
            f"{root} holds neither dialogues_train.txt and dialogues_emotion_train.txt (nor dialogues_text.txt and "
            "dialogues_emotion.txt), nor Parquet files with train, validation or test in their path; 'root' of the "
            "corpus dailydialog is the folder with these, unpacked"
        )


def _texts(root: Path) -> list[tuple[str | None, Path, Path]]:
    """The text files of each split, or of the whole set where no split has some."""
    here = {path.name: path for path in files_below(root) if path.suffix == ".txt"}
    pairs = [
        (SPLITS[name], here[f"dialogues_{name}.txt"], here[f"dialogues_emotion_{name}.txt"])
        for name in SPLITS
        if f"dialogues_{name}.txt" in here and f"dialogues_emotion_{name}.txt" in here
    ]
    if not pairs and {"dialogues_text.txt", "dialogues_emotion.txt"} <= set(here):
        return [(None, here["dialogues_text.txt"], here["dialogues_emotion.txt"])]
    return pairs  # type: ignore[return-value]


def _parquets(root: Path) -> list[tuple[str, Path]]:
    files = [path for path in files_below(root) if path.suffix == ".parquet"]
    named = [(_split_of(path.relative_to(root)), path) for path in files]
    return [(split, path) for split, path in named if split is not None and _columns(path)]


def _split_of(path: Path) -> str | None:
    """The split that a file's name says as a whole word, or else that of the folder which is nearest."""
    for part in reversed(path.parts):
        words = re.split(r"[\W_]+", part.lower())
        for name, split in SPLITS.items():
            if name in words:
                return split
    return None


def _columns(path: Path) -> tuple[str, str] | None:
    """The columns of utterances and of codes of a Parquet file."""
    try:
        import pyarrow.parquet as pq

        names = pq.read_schema(path).names
    except Exception:  # no Parquet, or no pyarrow
        return None
    words = next((name for name in _WORDS if name in names), None)
    codes = next((name for name in _EMOTIONS if name in names), None)
    return (words, codes) if words and codes else None


def _lines(split: str | None, words: Path, codes: Path) -> Iterator[Dialogue]:
    spoken, felt = (read_text(path).rstrip("\n").split("\n") for path in (words, codes))
    if len(spoken) != len(felt):
        raise merc.MercError(f"{words} has {len(spoken)} lines and {codes} has {len(felt)}; get both anew")
    for number, (line, emotions) in enumerate(zip(spoken, felt, strict=True), start=1):
        utterances = [one.strip() for one in line.split(_END)]
        if utterances and not utterances[-1]:  # what stands after the last mark
            utterances.pop()
        yield split, f"{words}, line {number}", utterances, emotions.split()


def _rows(split: str, path: Path) -> Iterator[Dialogue]:
    words, codes = _columns(path) or ("", "")
    for row in read_sheet(path, Layout()).rows:
        yield split, row.where, [str(one).strip() for one in row.cells[words] or ()], row.cells[codes] or ()


def _talk(name: str, split: str | None, where: str, words: Sequence[str], codes: Sequence[Any]) -> merc.Conversation:
    labels = [LABELS[int(code)] if str(code) in tuple("0123456") else None for code in codes]
    if None in labels:
        code = codes[labels.index(None)]
        raise merc.MercError(f"{where}: the emotion {code!r} is none of the codes 0 to 6 ({', '.join(LABELS)})")
    utterances = [
        merc.Utterance(id=f"{name}_u{turn}", text=text, speaker="AB"[turn % 2], label=label, origin=where)
        for turn, (text, label) in enumerate(zip(words, labels, strict=True))
    ]
    return merc.Conversation(id=name, split=split, dataset="dailydialog", utterances=tuple(utterances))  # type: ignore[arg-type]
