"""IEMOCAP: ten actors in conversations of two, from the layout in which it is published."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import merc
from merc_corpora.iemocap_files import EMOTIONS, UNDECIDED, Judged, TranscriptLine, read_evaluation, read_transcription

SIX = ("happy", "sad", "neutral", "angry", "excited", "frustrated")
NINE = (*SIX, "surprised", "fearful", "disgusted")
FOUR = ("happy", "sad", "neutral", "angry")
LABELS = {"four": FOUR, "five": (*FOUR, "frustrated"), "six": SIX, "nine": NINE, "ten": (*NINE, "other")}
MERGED = {"four": {"excited": "happy"}, "five": {"excited": "happy"}}
"""Published labels that count as another one, by the classes that are read."""
SESSIONS = (1, 2, 3, 4, 5)
TEST = 5
STATED = {"six": {"all": (7433, 151), "test": (1623, 31)}, "four": {"all": (5531, 151), "test": (1241, 31)}}
"""Utterances and dialogues of some classes as the literature counts them, in all and in session 5."""

_DIALOGUE = re.compile(r"Ses0[1-5][FM]_\w+")
_HALVES = ((0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0))
_SHOWN = 10
# The two files of a dialogue round times differently.
_SAME = 0.01


@dataclass(frozen=True, kw_only=True)
class IemocapCorpus(merc.Corpus):
    """IEMOCAP as published: ``Session1`` to ``Session5``, in each ``dialog/transcriptions`` and
    ``dialog/EmoEvaluation``, and where they are there ``sentences/wav`` and ``dialog/avi/DivX``.

    Utterances whose label is none of the chosen ones stay in their conversation as context. Session 5 is the test
    split; a share of the other sessions' dialogues is drawn as the dev split.

    Valence is from -1 to 1 (published from 1 to 5). ``extra`` keeps activation and dominance as published, from 1 to
    5, the code of the label (``emotion``), the evaluators' ``votes`` and the actors' ``own_votes``, each a list of
    labels by who gave them, and the ``actor``.

    The sound is the utterance's own file. The picture is the span of the dialogue's film, and by default the half of it
    that shows the speaker: the actor that the dialogue's name names (F or M), who wears the markers, sits on the left.
    """

    root: Path
    """The folder that holds ``Session1`` to ``Session5``."""
    labels: Literal["four", "five", "six", "nine", "ten"] = "six"
    """The labels: ``six`` are happy, sad, neutral, angry, excited and frustrated; ``nine`` adds surprised, fearful and
    disgusted, ``ten`` other as well. ``four`` are happy, sad, neutral and angry, where excited counts as happy;
    ``five`` adds frustrated to these."""
    undecided: Literal["context", "drawn"] = "context"
    """What utterances are on which the annotators disagreed: ``context``, or labelled by one of their votes, drawn
    (FARCER, III-C)."""
    half: Literal["speaker", "both"] = "speaker"
    """What is kept of the picture: the half with the ``speaker``, or ``both``."""
    dev: float = 0.1
    """The share of the dialogues of Sessions 1 to 4 that is the dev split."""
    seed: int = 0
    """The seed of both draws, of dev dialogues and of undecided labels."""

    def __post_init__(self) -> None:
        check_dev(self.dev)

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A folder with the transcriptions of the five sessions."""
        there = all(_texts(path, number)[0].is_dir() for number in SESSIONS)
        return merc.Recognised(what="IEMOCAP's release", parameters={"root": str(path)}) if there else None

    def load(self) -> merc.CorpusData:
        """Read the five sessions. Raises MercError where a folder or a file is not there or not as published."""
        root = merc.user_path(self.root)
        lacking = [f"Session{number}" for number in SESSIONS if not _texts(root, number)[0].is_dir()]
        if lacking:
            state = f"lacks {', '.join(f'{name}/dialog/transcriptions' for name in lacking)}" if root.is_dir() else ""
            raise merc.MercError(
                f"the folder {root} {state or 'is not there'}; 'root' of the corpus iemocap should be the folder "
                "IEMOCAP_full_release with Session1 to Session5 in it"
            )
        reading = _Reading(self, root)
        conversations = [talk for number in SESSIONS for talk in reading.session(number)]
        conversations = divided(conversations, self.dev, self.seed)
        space = merc.LabelSpace(LABELS[self.labels])
        notes = [*reading.notes(), *self._counts(conversations)]
        return merc.CorpusData(
            conversations=conversations, labels=space, notes=tuple(notes), counts=_stated(conversations)
        )

    def label_of(self, judged: Judged) -> str | None:
        """The label of an utterance; ``None`` for one that is context."""
        known = LABELS[self.labels]
        if judged.code == UNDECIDED and self.undecided == "drawn":
            candidates = self.candidates(judged)
            # By the utterance's name, so that its label depends on no other utterance.
            return random.Random(f"{self.seed}/{judged.name}").choice(candidates) if candidates else None
        label = self._merged(EMOTIONS.get(judged.code, ""))
        return label if label in known else None

    def candidates(self, judged: Judged) -> list[str]:
        """What annotators voted for of the labels that are read, each label once."""
        known = LABELS[self.labels]
        votes = [self._merged(vote) for votes in _evaluators(judged).values() for vote in votes]
        return sorted({vote for vote in votes if vote in known})

    def _merged(self, label: str) -> str:
        return MERGED.get(self.labels, {}).get(label, label)

    def _counts(self, talks: Sequence[merc.Conversation]) -> list[str]:
        """A sentence for each number that is not the literature's."""
        if self.undecided == "drawn":
            return []
        notes = []
        for which, reported in STATED.get(self.labels, {}).items():
            some = [talk for talk in talks if which == "all" or talk.split == which]
            counted = (sum(u.label is not None for talk in some for u in talk.utterances), len(some))
            if counted != reported:
                notes.append(
                    f"{which}: {counted[0]:,} utterances of the {self.labels} classes in {counted[1]} dialogues; the "
                    f"literature states {reported[0]:,} in {reported[1]}"
                )
        return notes


def check_dev(dev: float) -> None:
    """Raise ValueError for a share of the dialogues that leaves none to learn from."""
    if not 0 <= dev < 1:
        raise ValueError(f"dev is a share of the dialogues, from 0 to less than 1, not {dev:g}")


def divided(talks: Sequence[merc.Conversation], dev: float, seed: int) -> list[merc.Conversation]:
    """Conversations with their splits: session 5 is test, and of the others a share is drawn as dev."""
    rest = sorted(talk.id for talk in talks if talk.extra["session"] != TEST)
    count = max(round(dev * len(rest)), 1) if dev and rest else 0
    drawn = set(random.Random(seed).sample(rest, min(count, max(len(rest) - 1, 0))))
    split = {talk.id: "test" if talk.id not in rest else "dev" if talk.id in drawn else "train" for talk in talks}
    return [replace(talk, split=split[talk.id]) for talk in talks]  # type: ignore[arg-type]


def _stated(talks: Sequence[merc.Conversation]) -> list[merc.ReportedCount]:
    """What the paper of MMEVerse states: all utterances, and in session 5 those of the published labels that its four
    classes are made of, whatever labels are read."""
    utterances = [u for talk in talks for u in talk.utterances]
    four = {code for code, label in EMOTIONS.items() if label in ("neutral", "angry", "happy", "excited", "sad")}
    test = [u for talk in talks if talk.split == "test" for u in talk.utterances if u.extra.get("emotion") in four]
    return [
        merc.ReportedCount(what="utterances", found=len(utterances), reported=10039, source="MMEVerse, Table 1"),
        merc.ReportedCount(
            what="utterances of session 5 in four classes, with excited", found=len(test), reported=1241,
            source="MMEVerse, Table 2",
        ),
    ]  # fmt: skip


@dataclass
class _Reading:
    """What was met so far, over all sessions."""

    corpus: IemocapCorpus
    root: Path
    total: int = 0
    context: Counter[str] = field(default_factory=Counter)
    drawn: int = 0
    merged: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def session(self, number: int) -> list[merc.Conversation]:
        """The dialogues of a session, by name."""
        transcriptions, evaluations = _texts(self.root, number)
        # A release that went through a Mac holds a second file of each, whose name begins with "._".
        files = sorted(path for path in transcriptions.glob("*.txt") if _DIALOGUE.fullmatch(path.stem))
        if not files:
            raise merc.MercError(f"{transcriptions} holds no transcription such as Ses0{number}F_impro01.txt")
        talks = []
        for path in files:
            evaluation = evaluations / path.name
            if not evaluation.is_file():
                raise merc.MercError(f"{path} is there and {evaluation} is not; the dialogue has no labels")
            talks.append(self._dialogue(number, path, evaluation))
        for path in evaluations.glob("*.txt"):
            if _DIALOGUE.fullmatch(path.stem) and not (transcriptions / path.name).is_file():
                raise merc.MercError(f"{path} is there and {transcriptions / path.name} is not; its words are lacking")
        return talks

    def notes(self) -> list[str]:
        """What is reported to the user of what was read."""
        notes = []
        if self.context:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.context.items()))
            count = f"{sum(self.context.values())} of {self.total} utterances"
            notes.append(f"{count} are context without a label: {kinds}")
        for which, number in self.merged.items():
            notes.append(f"{number} of {self.total} utterances are published as {which}")
        if self.drawn:
            count = f"{self.drawn} of {self.total} utterances"
            notes.append(f"{count} have no majority and got a label drawn from their annotators' votes")
        for what, places in self.faults.items():
            notes.append(f"{what}: {len(places)} ({merc.first_names(places, _SHOWN)})")
        return notes

    def _fault(self, what: str, place: str) -> None:
        self.faults.setdefault(what, []).append(place)

    def _dialogue(self, session: int, transcription: Path, evaluation: Path) -> merc.Conversation:
        name = transcription.stem
        lines, other = read_transcription(transcription)
        judged, strange = read_evaluation(evaluation)
        for where in other:
            self._fault("lines of transcriptions that are no utterance, passed over", where)
        for where in strange:
            self._fault("votes for an emotion that IEMOCAP does not have, kept as they stand", where)
        seen: dict[str, TranscriptLine] = {}
        for one in lines:
            if one.name in seen:
                raise merc.MercError(f"{one.where}: {one.name} occurs twice; the other: {seen[one.name].where}")
            if not one.name.startswith(f"{name}_"):
                raise merc.MercError(f"{one.where}: {one.name} does not belong to the dialogue {name}")
            seen[one.name] = one
        for one in judged.values():
            if one.name not in seen:
                self._fault("utterances judged and not transcribed, which have no words", one.name)
                seen[one.name] = TranscriptLine(one.name, one.start, one.end, "", one.where)
            elif abs(one.start - seen[one.name].start) > _SAME or abs(one.end - seen[one.name].end) > _SAME:
                self._fault("utterances with other times where they are judged; the transcription's hold", one.name)
        media = _Media(self.root, session, name, self._fault)
        self.total += len(seen)
        ordered = sorted(seen.values(), key=lambda one: one.start)
        utterances = tuple(self._utterance(session, one, judged.get(one.name), media) for one in ordered)
        scenario = name.partition("_")[2]
        return merc.Conversation(
            id=name, dataset="iemocap", utterances=utterances, extra={"session": session, "scenario": scenario}
        )

    def _utterance(self, session: int, line: TranscriptLine, judged: Judged | None, media: _Media) -> merc.Utterance:
        who = line.name.rpartition("_")[2][0]
        label = None if judged is None else self.corpus.label_of(judged)
        if label is None:
            known = judged is not None and EMOTIONS.get(judged.code)
            self.context["not judged" if judged is None else known or "without a majority"] += 1
        elif judged is not None and EMOTIONS.get(judged.code, label) != label:
            self.merged[f"{EMOTIONS[judged.code]} and count as {label}"] += 1
        elif judged is not None and judged.code == UNDECIDED:
            self.drawn += 1
            if len(self.corpus.candidates(judged)) > len(_evaluators(judged)):
                self._fault("utterances with a drawn label that have more candidates than annotators", line.name)
        side = _HALVES[who != line.name[5]]
        return merc.Utterance(
            id=line.name,
            text=line.text,
            speaker=f"{'Woman' if who == 'F' else 'Man'} {session}",
            label=label,
            **media.of(line),
            cut=("audio",),
            region=side if self.corpus.half == "speaker" else None,
            valence=None if judged is None else (judged.valence - 3) / 2,
            extra={"actor": f"Ses0{session}{who}", **({} if judged is None else _extra(judged))},
            origin=line.where,
        )


class _Media:
    """The sound and the film of a dialogue: where they are, or why they are not."""

    def __init__(self, root: Path, session: int, name: str, fault: Any) -> None:
        folder = root / f"Session{session}"
        self.sounds = folder / "sentences" / "wav" / name
        self.film = folder / "dialog" / "avi" / "DivX" / f"{name}.avi"
        self.there = {path.name for path in self.sounds.iterdir()} if self.sounds.is_dir() else set()
        self.fault = fault
        self.lacks: dict[str, str] = {}
        if not self.film.is_file():
            self.lacks["video"] = f"the film {self.film} is not there"
            fault("dialogues without a film", name)
        if not self.sounds.is_dir():
            self.lacks["audio"] = f"the folder {self.sounds} is not there"
            fault("dialogues without a folder of sound", name)

    def of(self, line: TranscriptLine) -> dict[str, Any]:
        """What an utterance says of its media."""
        missing = dict(self.lacks)
        sound = self.sounds / f"{line.name}.wav"
        if "audio" not in missing and sound.name not in self.there:
            missing["audio"] = f"the sound {sound} is not there"
            self.fault("utterances without sound", line.name)
        start: float | None = line.start
        end: float | None = line.end
        if line.end <= line.start:
            self.fault("utterances that end before they begin, so that no picture of them is known", line.name)
            missing["video"] = f"{line.where}: it ends at {line.end:g} s and begins at {line.start:g} s"
            start = end = None
        return {
            "video": None if "video" in missing else self.film,
            "audio": None if "audio" in missing else sound,
            "start": start,
            "end": end,
            "missing": missing,
        }


def _texts(root: Path, session: int) -> tuple[Path, Path]:
    folder = root / f"Session{session}" / "dialog"
    return folder / "transcriptions", folder / "EmoEvaluation"


def _evaluators(judged: Judged) -> Mapping[str, list[str]]:
    return {who: votes for who, votes in judged.votes.items() if who.startswith("E")}


def _extra(judged: Judged) -> dict[str, Any]:
    return {
        "emotion": judged.code,
        "activation": judged.activation,
        "dominance": judged.dominance,
        "votes": dict(_evaluators(judged)),
        "own_votes": {who: votes for who, votes in judged.votes.items() if not who.startswith("E")},
    }
