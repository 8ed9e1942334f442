"""The corpus ``skits``: conversations that merc makes itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import merc
from merc_skits.expression import EMOTIONS
from merc_skits.making import clip_path, extra_of, make
from merc_skits.script import MODALITIES, VERSION, Conflicts, Modality, Scene, write_script
from merc_skits.sentences import SPLITS, Split


@dataclass(frozen=True, kw_only=True)
class SkitsCorpus(merc.Corpus):
    """Short conversations with drawn faces and synthetic speech, the same for the same seed.

    Every utterance is labelled with one of seven emotions, balanced within a split, and has an mp4 clip (H.264 and AAC,
    1.5 to 4 s). The voice and the face follow the emotion; now and then one of the two is played down. Splits share no
    sentence, no speaker and no face.

    With ``conflict``, modalities express different emotions in some utterances: in ``{video: 0.3, audio: 0.3}`` the
    face has the label's emotion and the voice another one in three of ten utterances, the voice has it and the face
    another one in three others, and in the rest both have it. With ``text`` the words hint at the label, and face and
    voice share another emotion. Neither is played down there. Every utterance is then marked in ``extra.conflict``:
    which modality ``leads`` (null: they agree) and what each ``says``.

    The clips are made at the first use and kept beside ``conversations.jsonl``, which the corpus ``jsonl`` reads.
    """

    seed: int = 0
    """The seed of everything that is drawn: words, voices, faces and emotions."""
    conversations: dict[str, int] = field(default_factory=lambda: {"train": 40, "dev": 10, "test": 14})
    """How many conversations each split has."""
    utterances: int = 5
    """How many utterances each conversation has."""
    text_signal: float = 0.0
    """The share of the utterances, from 0 to 1, whose words hint at the emotion; those of the others tell nothing of
    it."""
    conflict: dict[Modality, float] = field(default_factory=dict)
    """The share of utterances, from 0 to 1, in which modalities express different emotions, by the one that the label
    follows: ``video``, ``audio``, ``text``."""
    conflict_splits: tuple[Split, ...] = ("test",)
    """The splits that have such utterances."""
    folder: str | None = None
    """Where the clips are kept; null is a folder of merc's cache."""

    def __post_init__(self) -> None:
        if not isinstance(self.conversations, Mapping) or set(self.conversations) != set(SPLITS):
            raise ValueError(
                f"conversations must give a number for each of {', '.join(SPLITS)} (0 leaves a split out), "
                f"not {self.conversations}"
            )
        if any(count < 0 for count in self.conversations.values()) or not any(self.conversations.values()):
            raise ValueError(f"conversations must be counts from 0, and not all 0, not {self.conversations}")
        if self.utterances < 1:
            raise ValueError(f"utterances (in a conversation) must be at least 1, not {self.utterances}")
        if not 0 <= self.text_signal <= 1:
            raise ValueError(f"text_signal is a share from 0 to 1, not {self.text_signal}")
        if unknown := [name for name in self.conflict if name not in MODALITIES]:
            raise ValueError(f"conflict gives shares for {', '.join(MODALITIES)}, not for {unknown[0]!r}")
        shares = self.conflict.values()
        if any(not 0 <= share <= 1 for share in shares) or sum(shares) > 1 + 1e-9:
            raise ValueError(f"conflict gives shares from 0 to 1 that add up to 1 at most, not {self.conflict}")
        if not self.conflict_splits or any(split not in SPLITS for split in self.conflict_splits):
            raise ValueError(
                f"conflict_splits names at least one of {', '.join(SPLITS)}, not {list(self.conflict_splits)}"
            )

    def load(self) -> merc.CorpusData:
        """Make what is not there yet, and give the conversations."""
        conflicts = Conflicts(self.conflict, self.conflict_splits)
        scenes = list(write_script(self.seed, self.conversations, self.utterances, self.text_signal, conflicts))
        record = {
            "version": VERSION,
            "seed": self.seed,
            "conversations": {split: self.conversations[split] for split in SPLITS},
            "utterances": self.utterances,
            "text_signal": float(self.text_signal),
        }
        if self.conflict:  # a corpus without conflicts keeps the name that it always had in the cache
            record["conflict"] = {name: float(self.conflict[name]) for name in MODALITIES if name in self.conflict}
            record["conflict_splits"] = [split for split in SPLITS if split in self.conflict_splits]
        if self.folder is None:
            key = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
            folder = merc.cache_folder("skits", key)
        else:
            folder = merc.user_path(self.folder)
        make(folder, record, scenes)
        return merc.CorpusData(
            conversations=[_conversation(scene, folder, bool(self.conflict)) for scene in scenes],
            labels=merc.LabelSpace(EMOTIONS),
        )


def _conversation(scene: Scene, folder: Path, marked: bool) -> merc.Conversation:
    utterances = tuple(
        merc.Utterance(
            id=line.id,
            text=line.text,
            speaker=line.speaker.name,
            label=line.emotion,
            video=clip_path(folder, line),
            extra=extra_of(line, marked),
        )
        for line in scene.lines
    )
    return merc.Conversation(id=scene.id, split=scene.split, utterances=utterances)
