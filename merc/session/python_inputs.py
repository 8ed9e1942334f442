"""What a program gives to be predicted: paths, conversations, and utterances as mappings of words and arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from merc.components import AudioClip, CorpusData, TextClip, VideoClip
from merc.conversation import Conversation, Utterance
from merc.errors import MercError, brief, did_you_mean
from merc.session.arrays import check_clip
from merc.session.inputs import Given, Reader, check_once, with_known_labels

Input = str | Path | Conversation | AudioClip | VideoClip | TextClip | Mapping[str, Any]
"""One thing to predict: a path, a conversation, or an utterance (arrays, words, or a mapping of several)."""

_FIELDS = ("id", "text", "speaker", "audio", "video")
_WANTED = (
    "a path, a merc.Conversation, a merc.AudioClip or VideoClip, or a mapping of text, speaker, audio and video; or a "
    "list of these"
)


def read_given(
    inputs: Any, reader: Reader, text: str | None = None, speaker: str | None = None, clips: Any = None
) -> Iterator[list[Given]]:
    """The conversations of what a program gives: those of a list at once, those of an iterator as they come.

    ``text`` and ``speaker`` are of clips that are paths or arrays, and ``clips`` are arrays for utterances of
    conversations, by id and modality. Raises MercError for what is none of these, and for ids that occur twice.
    """
    seen: set[tuple[str, str]] = set()
    reading = _Reading(reader, text, speaker, clips or {})
    if isinstance(inputs, Iterator):
        blocks: Iterator[Sequence[Any]] = ([one] for one in inputs)
    else:
        blocks = iter([inputs if isinstance(inputs, list | tuple) else [inputs]])
    for block in blocks:
        conversations = reading.block(block)
        check_once(conversations, seen)
        yield conversations


class _Reading:
    """One call: how many utterances without a name there were, and which arrays belong to which utterance."""

    def __init__(self, reader: Reader, text: str | None, speaker: str | None, clips: Any) -> None:
        self.reader, self.text, self.speaker = reader, text, speaker
        self.clips = _checked_clips(clips)
        self.count = 0

    def block(self, inputs: Sequence[Any]) -> list[Given]:
        if not inputs:
            raise MercError(f"there is nothing to predict: the list is empty; give {_WANTED}")
        for one in inputs:
            _check_path(one)
        if all(isinstance(one, str | Path) for one in inputs):
            self._no_clips()
            return self.reader.files([Path(one) for one in inputs], self.text, self.speaker)
        conversations = [one for one in inputs if isinstance(one, Conversation)]
        ids = {u.id for c in conversations for u in c.utterances}
        if unknown := [name for name in self.clips if name not in ids]:
            raise MercError(
                f"clips: no utterance of the conversations has the id {unknown[0]!r}.{did_you_mean(unknown[0], ids)}"
            )
        if (self.text is not None or self.speaker is not None) and len(conversations) == len(inputs):
            raise MercError("text and speaker belong to a clip; a conversation holds its own")
        return [read for one in inputs for read in self._one(one)]

    def _one(self, value: Any) -> list[Given]:
        if isinstance(value, str | Path):
            return self.reader.files([Path(value)], self.text, self.speaker)
        if isinstance(value, Conversation):
            return [self._conversation(value)]
        if isinstance(value, AudioClip | VideoClip | TextClip):
            kind = {AudioClip: "audio", VideoClip: "video", TextClip: "text"}[type(value)]
            value = {kind: value.text if isinstance(value, TextClip) else value}
        if not isinstance(value, Mapping):
            raise MercError(f"{type(value).__name__} is nothing that can be predicted; give {_WANTED}")
        return [self._utterance(value)]

    def _no_clips(self) -> None:
        if self.clips:
            raise MercError("clips are arrays for the utterances of a merc.Conversation; a path has its own media")

    def _conversation(self, talk: Conversation) -> Given:
        if not talk.utterances:
            raise MercError(f"conversation {talk.id!r} has no utterance, so there is nothing to predict")
        _check_text("conversation", talk.id, "id")
        for utterance in talk.utterances:
            _check_text("utterance", utterance.id, "id")
            _check_text(f"utterance {utterance.id!r}", utterance.text)
            _check_text(f"utterance {utterance.id!r}", utterance.speaker or "", "speaker")
        (known,), notes = with_known_labels(CorpusData(conversations=(talk,)), self.reader.setup.labels)
        for note in notes:
            self.reader.say(note)
        arrays = {u.id: self.clips[u.id] for u in talk.utterances if u.id in self.clips}
        return Given(conversation=known, arrays=arrays)

    def _utterance(self, fields: Mapping[str, Any]) -> Given:
        self.count += 1
        name = fields.get("id", f"input-{self.count}")
        if not isinstance(name, str) or not name:
            raise MercError(f"input-{self.count}: its id is {name!r}; a string is wanted")
        _check_text("utterance", name, "id")
        for key in fields:
            if key not in _FIELDS:
                raise MercError(f"{name}: {key!r} is none of {', '.join(_FIELDS)}.{did_you_mean(str(key), _FIELDS)}")
        if not fields:
            raise MercError(f"{name} is an empty mapping; give some of {', '.join(_FIELDS)}")
        for key, of_all in (("text", self.text), ("speaker", self.speaker)):
            if of_all is not None and fields.get(key, of_all) != of_all:
                raise MercError(
                    f"{name}: its {key} is {fields[key]!r}, and {key}={of_all!r} was given too; give one of them"
                )
        text, speaker = fields.get("text", self.text), fields.get("speaker", self.speaker)
        if not isinstance(speaker, str | None):
            raise MercError(f"{name}: its speaker is {type(speaker).__name__}; a string is wanted")
        if text is None and self.reader.goes_by_words:
            raise MercError(
                f'{name}: this run goes by the words too: give them as text="I can\'t believe it", or text="" if '
                "nothing is said"
            )
        _check_text(name, text or "")
        _check_text(name, speaker or "", "speaker")
        media = {key: fields[key] for key in ("audio", "video") if fields.get(key) is not None}
        files = {key: Path(value) for key, value in media.items() if isinstance(value, str | Path)}
        for key, file in files.items():
            if not file.is_file():
                raise MercError(f"{name}: {key} names the file {file}, which is not there")
        arrays = {key: check_clip(name, key, value) for key, value in media.items() if key not in files}
        if files and arrays:
            raise MercError(
                f"{name}: {next(iter(files))} is a file and {next(iter(arrays))} an array; give both as files, or both "
                "as arrays"
            )
        if media:
            self.reader.check_media_count(name)
        utterance = Utterance(
            id=name, text=text or "", speaker=speaker, video=files.get("video"), audio=files.get("audio")
        )
        # Also without media: what a program gives in memory is kept nowhere.
        return Given(
            conversation=Conversation(id=name, utterances=(utterance,)), arrays={} if files else {name: arrays}
        )


def _check_path(value: Any) -> None:
    """Raise MercError for words that stand where a path is wanted."""
    if isinstance(value, str) and (any(c.isspace() for c in value) or not Path(value).suffix):
        try:
            exists = Path(value).exists()
        except (OSError, ValueError):  # too long for a name, or with a NUL in it
            exists = False
        if not exists:
            raise MercError(
                f'{brief(value)!r} is no file or folder; for words give a mapping: {{"text": {brief(value)!r}}}'
            )


def _checked_clips(clips: Any) -> dict[str, dict[str, AudioClip | VideoClip]]:
    if not isinstance(clips, Mapping) or not all(isinstance(own, Mapping) for own in clips.values()):
        raise MercError('clips are arrays by utterance and modality, as in {"u0": {"audio": merc.AudioClip(...)}}')
    checked: dict[str, dict[str, AudioClip | VideoClip]] = {}
    for name, own in clips.items():
        if wrong := [key for key in own if key not in ("audio", "video")]:
            raise MercError(f"clips of {name!r}: {wrong[0]!r} is none of audio and video")
        checked[name] = {key: check_clip(f"utterance {name!r}", key, value) for key, value in own.items()}
    return checked


def _check_text(where: str, text: Any, what: str = "text") -> None:
    if not isinstance(text, str):
        raise MercError(f"{where}: its {what} is {type(text).__name__}; a string is wanted")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MercError(
            f"{where}: its {what} holds half a character, at {error.start}; no model can read that"
        ) from None
