"""The prompter that needs no paper: who said what, media beside the words, and a short question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from merc.components import Answer, Prompt, Prompter, Query, Segment, Slot, Text, Turn, check_placeholder
from merc.conversation import Conversation, Utterance
from merc.errors import MercError


@dataclass(frozen=True, kw_only=True)
class ConversationPrompter(Prompter):
    """The conversation up to the target, one line per utterance, and a question that names the target's speaker.

    Where a recipe shows labels of past utterances, the first word of each stands after its utterance, in square
    brackets. What all prompts of a conversation share stands first, and the question is short, so that the prompt tree
    has little to compute twice. With ``following`` it is *offline*: what is said next stands between the history that
    prompts share and the question.
    """

    instruction: str = "Recognise the emotion of what is said. The emotions are: {labels}.\n"
    """The text that stands first, with the labels in the place of ``{labels}``, or the first word of each, which is
    what the model answers, in that of ``{words}``."""
    opening: str = ""
    """A text between the instruction and the conversation, with the target's speaker in the place of ``{speaker}`` and
    its words in that of ``{text}``: a question that comes before the conversation. Prompts share nothing after it."""
    question: str = "{speaker} feels"
    """The text that stands last, with the target's speaker in the place of ``{speaker}`` and its words in that of
    ``{text}``."""
    speakers: Literal["names", "roles"] = "names"
    """How speakers are called: by their ``names``, or by ``roles``, "Speaker 1" for who speaks first in the
    conversation."""
    quotes: bool = False
    """Whether the words of an utterance stand between quotation marks."""
    words: bool = True
    """Whether the words of utterances are shown; else their streams and cues stand alone."""
    media: tuple[str, ...] = ()
    """The streams whose tokens stand before the words of an utterance."""
    media_of: Literal["target", "all"] = "all"
    """Of which utterances the streams are shown: the ``target`` alone, or ``all`` that are shown."""
    cues: tuple[str, ...] = ()
    """The names of cues that are written after the words."""
    history: int | None = None
    """How many utterances before the target are shown; null shows all."""
    following: int = 0
    """How many utterances after the target are shown, before the question. Above 0 the run is offline: it answers
    conversations that are over, and refuses those that go on."""
    following_mark: str = "Then:\n"
    """The text before the utterances after the target. With an empty one these stand as the conversation goes on, so
    that prompts share them too and they cost next to nothing; the question then has to name the target's words
    (``{text}``)."""
    end: bool = True
    """Whether the tokenizer's end token follows the answer."""
    chat: bool = False
    """Whether it goes through the tokenizer's chat template: what is asked is the user's turn and the answer the
    model's, a demonstration two turns before."""

    def __post_init__(self) -> None:
        for name in ("history", "following"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} counts utterances from 0, not {value}")
        if not self.words and not self.media and not self.cues:
            raise ValueError("words: false leaves nothing of an utterance; show streams by 'media', or cues by 'cues'")
        check_placeholder("instruction", self.instruction, "labels", "words")
        check_placeholder("opening", self.opening, "speaker", "text")
        check_placeholder("question", self.question, "speaker", "text")
        if not self.words and self._repeats_words(self.opening + self.question):
            raise ValueError("words: false shows no words, and {text} stands for those of the target; take it out")
        if self.following and not self.following_mark and not self._repeats_words(self.question):
            raise ValueError(
                "with following and an empty following_mark nothing says which utterance is asked about; put {text} "
                "into the question"
            )

    def streams(self) -> tuple[str, ...]:
        """The streams of ``media``."""
        return self.media

    def cue_fields(self) -> tuple[str, ...]:
        """The names in ``cues``."""
        return self.cues

    def looks_ahead(self) -> int:
        """``following``."""
        return self.following

    def prompt(self, query: Query) -> Prompt:
        """Instruction, demonstrations, conversation, question, answer."""
        labels = query.labels
        words = ", ".join(labels.words_of(label)[0] for label in labels.labels)
        user, model = ([Turn("user")], [Turn("assistant")]) if self.chat else ([], [])
        instruction = self.instruction.format(labels=", ".join(labels.labels), words=words)
        segments: list[Segment] = [*user, Text(instruction)]
        for example in query.demonstrations:
            label = example.target.label
            if label is None:
                raise MercError(f"demonstration {example.target.id!r} has no label to show")
            word = labels.words_of(label)[0]
            segments += [*self._talk(example), *model, Text(word if self.chat else f" {word}\n\n"), *user]
        segments += [*self._talk(query), *model, Answer(prefix="" if self.chat else " ", end=self.end)]
        return Prompt(tuple(segments), query.target.id)

    def _talk(self, query: Query) -> list[Segment]:
        """The conversation about one target, and the question."""
        names = self._names(query.conversation)
        target = names[query.index], query.target.text.strip()
        first = 0 if self.history is None else max(0, query.index - self.history)
        ahead = range(query.index + 1, min(query.index + 1 + self.following, len(names)))
        segments: list[Segment] = [Text(self._filled(self.opening, *target))] if self.opening else []
        segments += [part for index in range(first, query.index + 1) for part in self._line(query, index, names[index])]
        if ahead and self.following_mark:
            segments.append(Text(self.following_mark))
        segments += [part for index in ahead for part in self._line(query, index, names[index])]
        return [*segments, Text(self._filled(self.question, *target))]

    def _line(self, query: Query, index: int, name: str) -> list[Segment]:
        """An utterance: who, media, words, and what stands beside them."""
        utterance = query.conversation.utterances[index]
        line: list[Segment] = [Text(f"{name}:", utterance.id)]
        if self.media_of == "all" or index == query.index:
            line.extend(Slot(stream, utterance.id) for stream in self.media)
        past = query.label_history[index] if query.label_history and index < query.index else None
        felt = f" [{query.labels.words_of(past)[0]}]" if past else ""
        words = utterance.text.strip()
        words = f' "{words}"' if self.quotes else f" {words}"
        return [*line, Text(f"{words if self.words else ''}{self._beside(utterance)}{felt}\n", utterance.id)]

    def _names(self, conversation: Conversation) -> list[str]:
        """How the speaker of each utterance is called; roles are counted in the order in which they first speak."""
        speakers = [utterance.speaker for utterance in conversation.utterances]
        if self.speakers == "names":
            return [name or "Speaker" for name in speakers]
        roles: dict[str, int] = {}
        return [f"Speaker {roles.setdefault(name, len(roles) + 1)}" if name else "Speaker" for name in speakers]

    def _beside(self, utterance: Utterance) -> str:
        cues = [utterance.cues[name] for name in self.cues if name in utterance.cues]
        return f" ({'; '.join(cues)})" if cues else ""

    def _repeats_words(self, text: str) -> bool:
        """Whether a text names the words of the target."""
        return self._filled(text, "", "A") != self._filled(text, "", "")

    @staticmethod
    def _filled(text: str, speaker: str, words: str) -> str:
        return text.format(speaker=speaker, text=words)
