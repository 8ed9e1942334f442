"""What a person gives to be predicted in files: conversations, clips, and folders of clips."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from merc.components import (
    AudioClip,
    Corpus,
    CorpusData,
    Encoder,
    Frames,
    NoMedia,
    Prompter,
    Query,
    VideoClip,
    Waveform,
    Words,
)
from merc.components.corpus import check_spelling
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError, brief, first_names
from merc.files import MEDIA_ENDINGS
from merc.media import Decoding, probe_media
from merc.recipe import ComponentRef, Recipe
from merc.recipe.recognise import corpus_at, matches
from merc.registry import get_registry
from merc.session.data import encoders_of
from merc.session.wiring import Setup
from merc.speech import Listener

_NAMED = 5
_SOUND = (".wav", ".flac", ".mp3")
LONGEST_UTTERANCE = 30.0
"""A clip that lasts more seconds is hardly one utterance."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A conversation to be asked about. ``clip`` is the file that it was made of, where it is a clip; ``fault`` why
    nothing can be said of it; ``arrays`` the media that are no files, by utterance and modality. Where there is a
    ``listener``, the clip is a recording whose utterances it hears; the conversation stands for it until then."""

    conversation: Conversation
    clip: Path | None = None
    fault: str = ""
    listener: Listener | None = None
    arrays: Mapping[str, Mapping[str, AudioClip | VideoClip]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads inputs for a trained run: its recipe, and how it predicts. ``say`` is given sentences for the user.

    A recording is a clip whose words are not given, and which is longer than an utterance or belongs to a run that goes
    by the words. Its utterances are heard: by ``listener``, which makes every clip without words a recording, or by
    what ``default_listener`` gives, if anything.

    A file that is no clip is read by ``corpus``, a name and parameters as in "table columns.text=Line"; without one by
    the corpus that recognises it."""

    recipe: Recipe
    setup: Setup
    say: Callable[[str], None]
    listener: Listener | None = None
    default_listener: Callable[[], Listener | None] = lambda: None
    corpus: str | None = None

    @property
    def goes_by_words(self) -> bool:
        """Whether predictions depend on what is said."""
        return needs_words(self.setup.prompter, self._encoders, self.setup.labels)

    @property
    def _encoders(self) -> Mapping[str, ComponentRef]:
        return encoders_of(self.recipe, self.setup.prompter.streams())

    def files(self, paths: Sequence[Path], text: str | None, speaker: str | None) -> list[Given]:
        """The conversations of files and folders, in their order; ``text`` and ``speaker`` are of clips.

        Raises MercError for a file that is neither a clip nor conversations, words that are wanted and not given, and
        clips of which none can be read.
        """
        sources = [source for path in paths for source in self._sources(path)]
        clips = [path for path in sources if is_clip(path)]
        self._check_words(clips, text, speaker)
        names = dict(zip(clips, clip_names(clips), strict=True))
        inputs: list[Given] = []
        for path in sources:
            if path in names:
                inputs.append(self._clip(path, names[path], text, speaker))
            else:
                inputs += [Given(conversation=one) for one in self._conversations(path)]
        faulty = [one for one in inputs if one.fault]
        if faulty and len(faulty) == len(inputs):
            more = f" (and so with {len(faulty) - 1} more)" if len(faulty) > 1 else ""
            raise MercError(f"{faulty[0].fault}{more}")
        return inputs

    def _conversations(self, path: Path) -> list[Conversation]:
        """The conversations of a file that is no clip."""
        if self.corpus is not None:
            corpus = _named_corpus(self.corpus, path)
        else:
            corpus, guess = recognised_corpus(path)
            if guess:
                self.say(guess)
        conversations, notes = with_known_labels(corpus.load(), self.setup.labels)
        for note in notes:
            self.say(note)
        return conversations

    def _sources(self, path: Path) -> list[Path]:
        """The files that a path names: itself, or the clips of a folder."""
        if not path.is_dir():
            return [path]
        clips, others = clips_in(path)
        if not clips:
            raise MercError(f"the folder {path} holds no clip; give the files of conversations by their names")
        if others:
            counts = Counter(one.suffix.lower() or "without an ending" for one in others)
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items()))
            first = first_names([one.relative_to(path).as_posix() for one in others], _NAMED)
            self.say(
                f"{path}: {len(clips)} clips; {len(others)} other files are left aside ({kinds}: {first}); give "
                f"conversations, tables and subtitles by file, and merc corpus look {path} says what each is"
            )
        return clips

    def _check_words(self, clips: Sequence[Path], text: str | None, speaker: str | None) -> None:
        """See that the words and the speaker fit the clips, and that the run can do without words where none are
        given."""
        if not clips:
            if text is not None or speaker is not None:
                raise MercError(
                    "--text and --speaker belong to a clip; a .jsonl file holds the words of its conversations"
                )
            return
        if text and len(clips) > 1:
            raise MercError(
                f"--text is what is said in one clip, and {len(clips)} are given; put the words of each beside it in a "
                ".jsonl file of conversations"
            )
        if text is None and self.goes_by_words and self._listener is None:
            several = f" and {len(clips) - 1} more: put words and clips into a .jsonl file" if len(clips) > 1 else ""
            raise MercError(
                f"this run goes by the words too: say what is said in {clips[0]}{several}, as in "
                '--text "I can\'t believe it", or --text \'\' if nothing is (in Python text=""); or install '
                "merc-speech, which hears it"
            )
        self.check_media_count(str(clips[0]))

    def check_media_count(self, what: str) -> None:
        """Say it where media do not count."""
        if not self._encoders:
            self.say(f"the prompts of this run show words alone: nothing of {what} but --text counts")

    @property
    def _listener(self) -> Listener | None:
        """What hears recordings, where there is something that does."""
        return self.listener or self.default_listener()

    def _clip(self, path: Path, name: str, text: str | None, speaker: str | None) -> Given:
        talk = clip_conversation(path, name, text, speaker)
        try:
            info = probe_media(path, Decoding.of(self.recipe).limits)
        except MercError as error:
            if not path.exists():  # a name that was mistyped, and no clip that is damaged
                raise
            return Given(conversation=talk, clip=path, fault=str(error))
        long = info.seconds is not None and info.seconds > LONGEST_UTTERANCE
        if text is None and self._listener is not None and (long or self.goes_by_words or self.listener is not None):
            if info.audio:
                return Given(conversation=talk, clip=path, listener=self._listener)
            self.say(f"{path.name} has no audio track, so nothing is heard in it: it is one utterance without words")
        if long and info.seconds is not None:
            self.say(f"{path.name} is one utterance of {info.seconds:.0f} s{self.looked_at(info.seconds)}")
        return Given(conversation=talk, clip=path)

    def looked_at(self, seconds: float) -> str:
        """How little of so many seconds encoders take, in their own terms; empty where they take all of it.

        A text that goes on a sentence: ", of which 'face' sees 8 frames".
        """
        takes = []
        for name, part in self._encoders.items():
            encoder = part.component
            if not isinstance(encoder, Encoder):
                continue
            sampling, tokens = encoder.sampling(), encoder.spec().tokens
            if isinstance(sampling, Frames):
                takes.append(f"{name!r} sees {sampling.count} frame{'s' * (sampling.count > 1)} of {seconds:.0f} s")
            elif isinstance(sampling, Waveform) and tokens is not None:
                takes.append(f"{name!r} sums {seconds:.0f} s up in {tokens} token{'s' * (tokens > 1)}")
        return f": {', '.join(takes)}" if takes else ""


def check_once(inputs: Iterable[Given], seen: set[tuple[str, str]]) -> None:
    """Raise MercError for a conversation or an utterance whose id was there before; ``seen`` keeps those that were."""
    for one in inputs:
        talk = one.conversation
        for kind, name in (("conversation", talk.id), *(("utterance", u.id) for u in talk.utterances)):
            if (kind, name) in seen:
                raise MercError(f"the id {name!r} is that of two {kind}s of the input; give each its own")
            seen.add((kind, name))


def is_clip(path: Path) -> bool:
    """Whether a file is given as a clip, by the end of its name.

    >>> is_clip(Path("talk.MP4")), is_clip(Path("talk.jsonl"))
    (True, False)
    """
    return path.suffix.lower() in MEDIA_ENDINGS


def recognised_corpus(path: Path) -> tuple[Corpus, str]:
    """What reads the conversations of a file, in its order, and a sentence that shows what was guessed of its form.

    Raises MercError for a file that no corpus recognises, with what it seems to be.
    """
    own = path.suffix.lower() in (".jsonl", ".ndjson", ".json")
    best = next(iter(matches(path)[0]), None) if path.is_file() else None
    if best is None and not own and path.is_file():
        raise MercError(
            f"{path} is neither conversations nor a clip: conversations come in a .jsonl file, in a table, subtitles "
            f"or another form that an installed corpus reads (merc plugins lists them), and a clip is "
            f"{first_names(MEDIA_ENDINGS)}; merc corpus look {path} says what it seems to be"
        )
    if best is None or best.corpus.rpartition("/")[2] == "jsonl":
        corpus = get_registry().resolve("corpus", "merc/jsonl")(path=path)  # type: ignore[call-arg]
        assert isinstance(corpus, Corpus)
        return corpus, ""
    guess = f"{path}: {best.recognised.what}"
    if best.recognised.details:
        guess += f"; it is read by this guess, which can be given corrected: {best.as_argument()}"
    return best.component(), guess


def _named_corpus(text: str, path: Path) -> Corpus:
    """The corpus that a name and parameters in one text are, which reads a file. Raises MercError for no such text."""
    try:
        name, *parameters = shlex.split(text)
    except ValueError:
        raise MercError(f"corpus={text}: write a name and parameters, as in corpus='table columns.text=Line'") from None
    return corpus_at(name, path, parameters)


def with_known_labels(data: CorpusData, labels: LabelSpace) -> tuple[list[Conversation], list[str]]:
    """Conversations as they were read, and notes on them.

    Predicting needs no labels: one outside ``labels`` is taken off its utterance, and a note counts it. Raises
    MercError for labels that differ from the run's by capitals alone.
    """
    check_spelling(data.conversations, labels.labels, only_known=True)
    conversations, strange = _without_strange_labels(data.conversations, labels)
    notes = list(data.notes)
    if strange:
        counts = first_names([f"{brief(label)} ({count})" for label, count in sorted(strange.items())], _NAMED)
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


def clips_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The clips in a folder and the folders in it, sorted, and the files that are none. What is hidden (its name begins
    with a dot) does not count."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    return [path for path in files if is_clip(path)], [path for path in files if not is_clip(path)]


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
    utterance = Utterance(
        id=name,
        text=text or "",
        speaker=speaker,
        video=None if sound else path,
        audio=path if sound else None,
        origin=str(path),
    )
    return Conversation(id=name, utterances=(utterance,))


def needs_words(prompter: Prompter, encoders: Mapping[str, ComponentRef], labels: LabelSpace) -> bool:
    """Whether predictions depend on the words of an utterance: a prompt shows them, or an encoder reads them."""

    def prompt_of(text: str) -> object:
        talk = Conversation(id="talk", utterances=(Utterance(id="said", text=text),))
        return prompter.prompt(Query(conversation=talk, index=0, labels=labels))

    samplings = [part.component.sampling() for part in encoders.values() if isinstance(part.component, Encoder)]
    return prompt_of("one") != prompt_of("two") or any(isinstance(one, Words) for one in samplings)


def media_encoders(encoders: Mapping[str, ComponentRef]) -> list[str]:
    """The names of those encoders that read media."""
    parts = ((name, part.component) for name, part in encoders.items())
    return [name for name, part in parts if isinstance(part, Encoder) and not isinstance(part.sampling(), NoMedia)]
