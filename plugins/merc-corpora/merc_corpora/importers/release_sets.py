"""The sets of MMEVerse's release: the columns of their tables, their labels and the counts that are reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import merc
from merc_corpora.importers import bold, films, mafw, mer
from merc_corpora.importers.clips import SPLITS, TABLE_1, TABLE_2, Reported

MELD = ("neutral", "surprise", "fear", "sad", "joy", "disgust", "anger")
IEMOCAP = ("neutral", "frustration", "anger", "excited", "happiness", "surprise", "sadness", "fear", "disgust", "other")
MC_EIU = ("anger", "disgust", "fear", "happy", "neutral", "sad", "surprise")
INTENTIONS = (
    "acknowledging", "agreeing", "consoling", "encouraging", "neutral", "questioning", "suggesting", "sympathizing",
    "wishing",
)  # fmt: skip
E3 = ("angry", "disgusted", "happy", "sad", "sarcastic", "scared", "shy", "surprised")
POLARITY = ("negative", "neutral", "positive")
SESSIONS = {f"{word}{i}": "test" if i == 5 else "train" for word in ("session", "") for i in range(1, 6)}
PARTS = {**SPLITS, "test1": "test", "test2": "test", "test3": "test", "test_semi": "test"}
FURTHER = {"sentiment": POLARITY, "intention": INTENTIONS}
"""What else a clip may be labelled with, beside its label."""


@dataclass(frozen=True)
class Columns:
    """A set of the release. ``names`` are those that its folder and tables may have, ``files`` further ones of tables
    within that folder; ``label``, ``text``, ``split`` and ``several`` (several labels) are columns, ``chinese`` the
    column of the words in Chinese where ``text`` is their translation, ``more`` further ones by what they become. A
    table that is ``shared`` has rows of another set, whose ``split`` is empty. ``digits`` is how long a clip's number
    is."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    label: str | None
    text: str
    split: str | None = "mode"
    splits: Mapping[str, str] = field(default_factory=lambda: PARTS)
    more: Mapping[str, str] = field(default_factory=dict)
    several: str | None = None
    shared: bool = False
    chinese: str | None = None
    files: tuple[str, ...] = ()
    digits: int = 0
    reported: tuple[Reported, ...] = ()


def _all(count: int) -> Reported:
    return Reported("clips", count, TABLE_1)


def _in(count: int, *splits: str) -> Reported:
    return Reported(f"clips of the {' and '.join(splits)} split{'s' * (len(splits) > 1)}", count, TABLE_2, splits)


def _of_part(*parts: str) -> Reported:
    def having(utterance: merc.Utterance) -> bool:
        return utterance.extra.get("part") in parts

    whole = len(parts) > 1
    return Reported(
        f"clips of {' and '.join(parts)}", 3784 if whole else 411, TABLE_1 if whole else TABLE_2, (), having
    )


def _of_four_classes(utterance: merc.Utterance) -> bool:
    return utterance.label in ("neutral", "anger", "excited", "happiness", "sadness")


_TESTED = ("dev", "test")
SETS: dict[str, Columns] = {
    "mer2023": Columns(
        ("MER2023", "MER2024"), mer.LABELS, "emotion_label", "english", "MER2023_mode", shared=True,
        chinese="chinese",
        reported=(_of_part("train", "test1"), _of_part("test1")),
    ),
    "mer2024": Columns(
        ("MER2024",), mer.LABELS, "emotion_label", "english", "MER2024_mode", shared=True,
        chinese="chinese", reported=(_in(1169, "test"),)
    ),
    "meld": Columns(
        ("MELD",), MELD, "Emotion", "text", more={"sentiment": "Sentiment"},
        reported=(_all(13798), _in(2610, "test"), _in(3719, *_TESTED)),
    ),
    "iemocap": Columns(
        ("IEMOCAP",), IEMOCAP, "official_label", "text", "session", SESSIONS,
        reported=(
            _all(10039),
            Reported(
                "clips of the test split in four classes, with excited", 1241, TABLE_2, ("test",), _of_four_classes
            ),
        ),
    ),
    "caer": Columns(
        ("CAER",), films.CAER_LABELS, "emotion_label", "text_whisper", reported=(_all(13175), _in(3953, *_TESTED))
    ),
    "e3": Columns(
        ("E3",), E3, "emotion", "conversation", more={"person": "person", "sentiment": "sentiment"},
        reported=(_all(16320), _in(3288, *_TESTED)),
    ),
    "dfew": Columns(
        ("DFEW",), films.DFEW_LABELS, "label", "sentence", digits=5, reported=(_all(11697), _in(2341, *_TESTED))
    ),
    "mafw": Columns(
        ("MAFW",), mafw.LABELS, "single_label", "text_whisper", several="multi_label", digits=5,
        reported=(
            _all(10045), _in(1839, "test"),
            Reported(
                "clips of the test split with several labels", 580, TABLE_2, ("test",),
                lambda utterance: "labels" in utterance.extra,
            ),
        ),
    ),
    "mc-eiu": Columns(
        ("MC-EIU",), MC_EIU, "emotion", "Subtitle", more={"intention": "intent"},
        reported=(_all(10830), _in(3249, *_TESTED)),
    ),
    "cmu-mosi": Columns(
        ("CMU-MOSI",), POLARITY, "sentiment_label", "text", files=("CMU-MOSEI",),
        reported=(_all(2199), _in(686, "test")),
    ),
    "cmu-mosei": Columns(
        ("CMU-MOSEI",), POLARITY, "sentiment_label", "text", reported=(_all(22856), _in(4659, "test"))
    ),
    "ch-sims": Columns(
        ("SIMS", "CH-SIMS"), POLARITY, "val_label", "english", None, chinese="chinese", reported=(_in(457, "test"),)
    ),
    "ch-sims-v2": Columns(
        ("CH-SIMS_v2_s", "CH-SIMS-v2"), POLARITY, "annotation", "text", reported=(_all(4403), _in(1034, "test"))
    ),
    "bold": Columns(
        ("BOLD",), bold.LABELS, None, "text_whisper", several="Emotion_label", reported=(_all(10072), _in(1116, "dev"))
    ),
}  # fmt: skip
