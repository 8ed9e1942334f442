"""What a person gives to be predicted: files of conversations, clips, and folders of clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from merc.components import Corpus, CorpusData, Encoder, Prompter, Query, Words
from merc.components.corpus import check_spelling
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError, brief
from merc.media.container import EXTENSIONS
from merc.recipe import ComponentRef
from merc.registry import get_registry

_NAMED = 5
_SOUND = (".wav", ".flac", ".mp3")


def is_clip(path: Path) -> bool:
    """Whether a file is given as a clip, by the end of its name.

    >>> is_clip(Path("talk.MP4")), is_clip(Path("talk.jsonl"))
    (True, False)
    """
    return path.suffix.lower() in EXTENSIONS


def read_conversations(path: Path, labels: LabelSpace) -> tuple[list[Conversation], list[str]]:
    """The conversations of a JSON Lines file, in its order, and notes on them.

    Predicting needs no labels: one outside ``labels`` is taken off its utterance, and a note counts it. Raises
    MercError for a file that is no such file, naming the line, and for labels that differ from the run's by capitals
    alone.
    """
    if path.suffix.lower() not in (".jsonl", ".ndjson", ".json") and path.is_file():
        raise MercError(
            f"{path} is neither conversations nor a clip, by its name: conversations come in a .jsonl file, one a "
            f"line, and a clip is {' '.join(EXTENSIONS)}"
        )
    corpus = get_registry().resolve("corpus", "merc/jsonl")(path=path)  # type: ignore[call-arg]
    assert isinstance(corpus, Corpus)
    return with_known_labels(corpus.load(), labels)


def with_known_labels(found: CorpusData, labels: LabelSpace) -> tuple[list[Conversation], list[str]]:
    """Conversations as they were read, without labels that the run does not know, and notes on them. Raises as
    ``read_conversations``."""
    check_spelling(found.conversations, labels.labels, only_known=True)
    conversations, strange = _without_strange_labels(found.conversations, labels)
    notes = list(found.notes)
    if strange:
        counts = ", ".join(f"{brief(label)} ({count})" for label, count in sorted(strange.items())[:_NAMED])
        counts += f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
        total = sum(len(talk.utterances) for talk in conversations)
        have = f"of {total} utterances {'has a label' if strange.total() == 1 else 'have labels'}"
        notes.append(
            f"{strange.total()} {have} that the run does not know: {counts}; they are left aside, for predicting needs "
            f"none (the run's are {', '.join(labels.labels)})"
        )
    return conversations, notes


def _without_strange_labels(
    conversations: Sequence[Conversation], labels: LabelSpace
) -> tuple[list[Conversation], Counter[str]]:
    """The conversations without the labels that a label space does not have, and how often each of those stood."""
    strange = Counter(
        u.label for c in conversations for u in c.utterances if u.label is not None and u.label not in labels.labels
    )
    if not strange:
        return list(conversations), strange
    return [
        replace(c, utterances=tuple(replace(u, label=None) if u.label in strange else u for u in c.utterances))
        for c in conversations
    ], strange


def clips_in(folder: Path) -> tuple[list[Path], int]:
    """The clips in a folder and the folders in it, sorted, and how many files there are none. What is hidden (its name
    begins with a dot) does not count."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    clips = [path for path in files if is_clip(path)]
    return clips, len(files) - len(clips)


def clip_names(clips: Sequence[Path]) -> list[str]:
    """A name for each clip: that of its file without the ending, or its whole path where several have that.

    >>> clip_names([Path("a/1.mp4"), Path("b/1.mp4"), Path("b/2.mp4")])
    ['a/1.mp4', 'b/1.mp4', '2']
    """
    counts = Counter(clip.stem for clip in clips)
    return [clip.stem if counts[clip.stem] == 1 else clip.as_posix() for clip in clips]


def clip_conversation(path: Path, name: str, text: str | None, speaker: str | None) -> Conversation:
    """A conversation of one utterance, which is the clip, both of that name."""
    sound = path.suffix.lower() in _SOUND
    said = Utterance(
        id=name,
        text=text or "",
        speaker=speaker,
        video=None if sound else path,
        audio=path if sound else None,
        origin=str(path),
    )
    return Conversation(id=name, utterances=(said,))


def needs_words(prompter: Prompter, encoders: Mapping[str, ComponentRef], labels: LabelSpace) -> bool:
    """Whether predictions depend on the words of an utterance: a prompt shows them, or an encoder reads them."""

    def asked(text: str) -> object:
        talk = Conversation(id="talk", utterances=(Utterance(id="said", text=text),))
        return prompter.prompt(Query(conversation=talk, index=0, labels=labels))

    parts = (part.component for part in encoders.values())
    return asked("one") != asked("two") or any(
        isinstance(part, Encoder) and isinstance(part.sampling(), Words) for part in parts
    )
