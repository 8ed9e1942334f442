"""What a person gives to be predicted: a file of conversations, or one clip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from merc.components import Corpus, Encoder, Prompter, Query, Words
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.media.container import EXTENSIONS, Unreadable, opened
from merc.recipe import Part
from merc.registry import get_registry

_SOUND = (".wav", ".flac", ".mp3")


def is_clip(path: Path) -> bool:
    """Whether a file is given as a clip, by the end of its name.

    >>> is_clip(Path("talk.MP4")), is_clip(Path("talk.jsonl"))
    (True, False)
    """
    return path.suffix.lower() in EXTENSIONS


def read_conversations(path: Path, labels: LabelSpace) -> tuple[list[Conversation], list[str]]:
    """The conversations of a JSON Lines file, in its order, and notes on them.

    Raises MercError for a file that is no such file, naming the line, and for labels outside ``labels``.
    """
    if path.suffix.lower() not in (".jsonl", ".ndjson", ".json") and path.is_file():
        raise MercError(
            f"{path} is neither conversations nor a clip, by its name: conversations come in a .jsonl file, one a "
            f"line, and a clip is {' '.join(EXTENSIONS)}"
        )
    corpus = get_registry().resolve("corpus", "merc/jsonl")(path=path)  # type: ignore[call-arg]
    assert isinstance(corpus, Corpus)
    found = corpus.load()
    found.label_space(labels)
    return list(found.conversations), list(found.notes)


def read_clip(path: Path, text: str | None, speaker: str | None) -> Conversation:
    """A conversation of one utterance, which is the clip. Raises MercError for a file that is not there, is empty or
    is neither video nor sound."""
    try:
        with opened(path):
            pass
    except Unreadable as error:
        raise MercError(str(error)) from None
    sound = path.suffix.lower() in _SOUND
    said = Utterance(
        id=path.stem,
        text=text or "",
        speaker=speaker,
        video=None if sound else path,
        audio=path if sound else None,
        origin=str(path),
    )
    return Conversation(id=path.stem, utterances=(said,))


def needs_words(prompter: Prompter, encoders: Mapping[str, Part], labels: LabelSpace) -> bool:
    """Whether predictions depend on the words of an utterance: a prompt shows them, or an encoder reads them."""

    def asked(text: str) -> object:
        talk = Conversation(id="talk", utterances=(Utterance(id="said", text=text),))
        return prompter.prompt(Query(conversation=talk, index=0, labels=labels))

    parts = (part.component for part in encoders.values())
    return asked("one") != asked("two") or any(
        isinstance(part, Encoder) and isinstance(part.sampling(), Words) for part in parts
    )
