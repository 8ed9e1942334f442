"""From a folder of recordings to segments that annotators are asked about, each recording heard once."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import merc
from merc_annotation.segments import Segment, Segmenting, by_shots, cut_at_shots, find_shots


@dataclass(frozen=True, kw_only=True)
class RecordingsCorpus(merc.Corpus):
    """The recordings of a folder, each a conversation, as they are heard: what somebody says without a pause is an
    utterance, or each shot is. They have no labels. Recordings in which nothing is said, or that cannot be heard, are
    named and left out. What was heard is kept, and heard again only where the recording or these parameters change."""

    path: Path
    """The folder; recordings in folders within it count too."""
    segments: Segmenting = "speech"
    """What is an utterance: ``speech``; ``shots``, each with what is said in it; or ``both``, speech that is cut where
    a shot ends."""
    denoise: bool = False
    """Whether noise is taken out of the sound first, by RNNoise; what is heard, and all later sound, is the clean one.
    Sound that has no noise suffers a little."""
    separate: Path | None = None
    """An ONNX model that tells apart voices that overlap, ``[1, samples]`` at 16 kHz to ``[1, voices, samples]``; null
    leaves them together. Voices overlap where a segmenter hears that they do: ``pyannote`` does."""
    segmenter: str | None = None
    """What finds speech, by name: ``speaker-clusters speakers=2``; null takes the usual one."""
    transcriber: str | None = None
    """What writes it down: ``whisper path=./whisper-small``; null takes the usual one."""
    folder: Path | None = None
    """Where what was heard is kept; null is a folder of merc's cache."""

    def __post_init__(self) -> None:
        if self.separate is not None and self.segments != "speech":
            raise ValueError(f"separate tells utterances of speech apart; leave out segments: {self.segments}")

    def load(self) -> merc.CorpusData:
        """Hear what was not heard yet.

        Raises MercError where there is no recording, where nothing is installed that hears, and where all are left out.
        """
        home = merc.user_path(self.path)
        files = sorted(p for p in home.rglob("*") if p.suffix.lower() in merc.MEDIA_ENDINGS) if home.is_dir() else []
        if not files:
            raise merc.MercError(
                f"{home} holds no recording ({merc.first_names(merc.MEDIA_ENDINGS)}); give the folder with your "
                "recordings"
            )
        names = [_name(path, home) for path in files]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise merc.MercError(f"two recordings are called {twice[0]!r} but for their endings; rename one of them")
        identity = self._identity()
        heard = self._heard(home)
        heard.mkdir(parents=True, exist_ok=True)
        records, notes = merc.Records(), []
        listeners = Listeners(self.segmenter, self.transcriber)
        for path, name in zip(files, names, strict=True):
            stem = hashlib.sha256(name.encode()).hexdigest()[:12]
            made_from = {"content": merc.hash_file(path), **identity}
            record = _read(heard / f"{stem}.json")
            whole = record.get("from") == made_from and all((heard / one).is_file() for one in record["sounds"])
            if not whole:
                record = {"from": made_from, **self._listen(listeners, path, heard / f"{stem}.wav", name)}
                with merc.whole_file(heard / f"{stem}.json") as temporary:
                    temporary.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
            notes += [f"{path.name}: {note}" for note in record["notes"]]
            if record["conversation"] is None:
                continue
            for one in record["conversation"]["utterances"]:
                _locate(one, path, heard, record)
            records.add(record["conversation"], path, str(path), None)
        data = records.data()
        if not data.conversations:
            raise merc.MercError(
                f"in none of the {len(files)} recordings of {home} is anything said that could be heard; {notes[0]}"
            )
        return dataclasses.replace(data, notes=[*notes, *data.notes])

    def _identity(self) -> dict[str, Any]:
        """What decides the utterances beside the recordings."""
        if self.separate is not None and not merc.user_path(self.separate).is_file():
            raise merc.MercError(f"corpus.separate: there is no file {self.separate}; give an ONNX model")
        model = None if self.separate is None else merc.hash_file(merc.user_path(self.separate))
        chosen = {"segmenter": self.segmenter, "transcriber": self.transcriber}
        return {"segments": self.segments, "denoise": self.denoise, "separate": model, **chosen}

    def _heard(self, home: Path) -> Path:
        if self.folder is not None:
            return merc.user_path(self.folder) / "heard"
        key = json.dumps([str(home.resolve()), self._identity()], sort_keys=True)
        return merc.cache_folder("recordings", hashlib.sha256(key.encode()).hexdigest()[:16])

    def _listen(self, listeners: Listeners, path: Path, sound: Path, name: str) -> dict[str, Any]:
        """What is heard of a recording: the ``conversation`` (null where it is left out), whether it has ``pictures``,
        ``notes`` on it, its ``clean`` sound, and the ``sounds`` that were made of it."""
        made: dict[str, Any] = {"conversation": None, "pictures": False, "notes": [], "clean": None, "sounds": []}
        try:
            info = merc.probe_media(path)
            if not info.audio and self.segments != "shots":
                raise merc.MercError(f"{path.name} has no audio track, so nothing is heard in it")
            source = path
            if self.denoise and info.audio:
                from merc_speech import denoise

                denoise(path, sound)
                source, made["clean"] = sound, sound.name
            segments = _said(listeners.get(), source, name) if info.audio else []
            if self.separate is not None:
                from merc_speech import separate_overlaps

                note = separate_overlaps(source, segments, self.separate, sound.parent)
                made["notes"] += [note] if note else []
            if self.segments != "speech":
                edges, spoken = find_shots(path), len(segments)
                segments = (
                    by_shots(name, edges, segments) if self.segments == "shots" else cut_at_shots(edges, segments)
                )
                counts = {"shot": len(edges) - 1, "utterance": spoken, "segment": len(segments)}
                made["notes"].append(", ".join(f"{n} {what}{'s' * (n != 1)}" for what, n in counts.items()))
        except merc.MercError as error:
            return {**made, "notes": [f"left out: {error}"], "clean": None}
        if not segments:
            return {**made, "notes": ["left out: nobody speaks in it"], "clean": None}
        utterances = [{key: value for key, value in one.items() if key != "words"} for one in segments]
        sounds = [one["own_sound"] for one in utterances if "own_sound" in one]
        sounds += [made["clean"]] if made["clean"] else []
        conversation = {"id": name, "utterances": utterances}
        return {**made, "conversation": conversation, "pictures": info.video, "sounds": sounds}


class Listeners:
    """What hears, loaded when the first recording needs it."""

    def __init__(self, segmenter: str | None, transcriber: str | None) -> None:
        self._chosen = (segmenter, transcriber)
        self._listener: merc.Listener | None = None

    def get(self) -> merc.Listener:
        """The listener. Raises MercError where nothing is installed that hears."""
        self._listener = self._listener or merc.Listener(*self._chosen)
        return self._listener


def _locate(one: Segment, path: Path, heard: Path, record: dict[str, Any]) -> None:
    """Write into an utterance of a recording where its pictures and its sound are."""
    if record["pictures"]:
        one["video"] = str(path.resolve())
    own = one.pop("own_sound", None)
    if own is not None:
        one |= {"audio": str((heard / own).resolve()), "cut": ["audio"]}
    elif record["clean"]:
        one["audio"] = str((heard / record["clean"]).resolve())
    elif not record["pictures"]:
        one["audio"] = str(path.resolve())


def _said(listener: merc.Listener, path: Path, name: str) -> list[Segment]:
    return [
        {
            "id": one.id, "speaker": one.speaker, "text": one.text, "start": one.start, "end": one.end,
            "words": one.extra.get("transcription", {}).get("words", []),
            **({"missing": dict(one.missing)} if one.missing else {}),
        }
        for one in listener.hear(path, name=name)
    ]  # fmt: skip


def _name(path: Path, home: Path) -> str:
    return path.relative_to(home).with_suffix("").as_posix().replace("/", "_")


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
