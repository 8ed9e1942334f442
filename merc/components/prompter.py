"""Prompter: a conversation and a target in, a prompt of segments out. It knows no model and no tokenizer."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from merc.components.base import Component
from merc.conversation import Conversation, LabelSpace, Utterance


@dataclass(frozen=True)
class Text:
    """Words of the prompt. Each Text is tokenized on its own, so let it begin and end where words do.

    Prompts of one conversation share what they have in common from the start: put shared things first.
    """

    text: str


@dataclass(frozen=True)
class Slot:
    """The place of one utterance's tokens of a stream (an encoder's or fuser's name in the recipe). A slot whose
    utterance lacks the modality is left out; ``before`` and ``after`` are words that stand only with it. The slot of a
    connector that takes no input names no utterance."""

    stream: str
    utterance: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Control:
    """Control tokens of the backbone's tokenizer, such as ``<|vision_start|>``, one after the other and nothing else.

    In a Text the same letters stay words, so that nothing that a corpus holds can become a control token. A prompter
    with a Control fits the backbones that have it; what a backbone wants around its media it says itself
    (``Backbone.slot``), so that every prompter works with it.
    """

    text: str


@dataclass(frozen=True)
class Turn:
    """What follows is said by this role. A prompt that begins with a Turn goes through the tokenizer's own chat
    template (a tokenizer without one gets a plain rendering, and the log says so)."""

    role: Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Answer:
    """The end of a prompt: what the model is to say.

    ``text`` ``None`` means the label of the target, by the words of the label space; otherwise it is the text to
    learn (a description, say). ``prefix`` stands between the prompt and the answer's first word, and is tokenized
    with that word. ``end`` puts the tokenizer's end token after the answer, so that a model learns where to stop and
    a label that begins another ("sad", "sadness") has no head start.

    ``rejected`` are answers that the right one is preferred to, for a loss that compares (``Loss.answers = "pairs"``):
    texts, or labels where the answer is a label. Nothing else reads them.
    """

    text: str | None = None
    prefix: str = " "
    end: bool = True
    rejected: tuple[str, ...] = ()


Segment = Text | Slot | Control | Turn | Answer


@dataclass(frozen=True)
class Prompt:
    """Segments, the last of which is the one Answer. ``target`` is the id of the utterance that is asked about."""

    segments: tuple[Segment, ...]
    target: str

    def __post_init__(self) -> None:
        answers = [s for s in self.segments if isinstance(s, Answer)]
        if len(answers) != 1 or self.segments[-1] is not answers[0]:
            raise ValueError(f"a prompt ends with its one Answer; this one, for {self.target!r}, does not")

    @property
    def answer(self) -> Answer:
        """The Answer at the end."""
        last = self.segments[-1]
        assert isinstance(last, Answer)
        return last

    def after(self, text: str, answer: Answer | None = None) -> Prompt:
        """The prompt that goes on where a model wrote ``text`` as its answer: what it asks for next is ``answer``, by
        default what this prompt asks for.

        >>> Prompt((Text("Why?"), Answer()), "u").after("He laughs. So it is").segments
        (Text(text='Why?'), Text(text=' He laughs. So it is'), Answer(text=None, prefix=' ', end=True, rejected=()))
        """
        turns = [segment for segment in self.segments if isinstance(segment, Turn)]
        begin = (Turn("assistant"),) if turns and turns[-1].role != "assistant" else ()
        written = Text(self.answer.prefix + text.lstrip())
        return replace(self, segments=(*self.segments[:-1], *begin, written, answer or self.answer))


@dataclass(frozen=True, kw_only=True)
class Query:
    """What a prompt is to be made of: utterance ``index`` of ``conversation``, the labels, the demonstrations (each a
    query whose target is labelled), and, where a recipe asks for it, the labels of the utterances before.

    ``label_history`` has an entry for each utterance of the conversation: ``None`` from the target on, and for those
    before it that have no label.
    """

    conversation: Conversation
    index: int
    labels: LabelSpace
    demonstrations: tuple[Query, ...] = ()
    label_history: tuple[str | None, ...] | None = None

    @property
    def target(self) -> Utterance:
        """The utterance that is asked about."""
        return self.conversation.utterances[self.index]

    @property
    def is_last(self) -> bool:
        """Whether the target is the last utterance of the conversation."""
        return self.index == len(self.conversation.utterances) - 1


def check_placeholder(name: str, text: str, placeholder: str) -> None:
    """Raise ValueError for a parameter ``name`` of a prompter whose text ``str.format`` cannot fill in with this
    placeholder alone.

    >>> check_placeholder("question", "So {", "speaker")
    Traceback (most recent call last):
    ValueError: question may hold {speaker}, and other braces doubled; it is 'So {'
    """
    try:
        text.format(**{placeholder: ""})
    except (KeyError, IndexError, ValueError, AttributeError):
        raise ValueError(f"{name} may hold {{{placeholder}}}, and other braces doubled; it is {text!r}") from None


@dataclass(frozen=True, kw_only=True)
class Prompter(Component):
    """Writes the prompt that asks for the emotion of one utterance.

    The smallest complete prompter:

    >>> @dataclass(frozen=True, kw_only=True)
    ... class Plain(Prompter):
    ...     question: str = "Emotion:"
    ...     def prompt(self, query):
    ...         said = [Text(u.text + "\\n") for u in query.conversation.utterances[: query.index + 1]]
    ...         return Prompt((*said, Text(self.question), Answer()), target=query.target.id)
    >>> from merc.conversation import Utterance
    >>> talk = Conversation(id="c", utterances=(Utterance(id="u", text="Hi!"),))
    >>> Plain().prompt(Query(conversation=talk, index=0, labels=LabelSpace(("joy",)))).segments
    (Text(text='Hi!\\n'), Text(text='Emotion:'), Answer(text=None, prefix=' ', end=True, rejected=()))
    """

    kind: ClassVar[str] = "prompter"

    @abstractmethod
    def prompt(self, query: Query) -> Prompt:
        """The prompt for one utterance. The same query always gives the same prompt."""

    def has_target(self, query: Query) -> bool:
        """Whether there is something to learn from a query: by default, whether its target has a label. One that asks
        for a description says whether there is one."""
        return query.target.label is not None

    def streams(self) -> tuple[str, ...]:
        """The names of the streams that its slots may use, so that a recipe can be checked before it runs."""
        return ()

    def cue_fields(self) -> tuple[str, ...]:
        """The names of the cues that its prompts show, so that a recipe can be checked, and the cues be there, before
        it runs. What an answer is made of is none of them."""
        return ()

    def answer_fields(self) -> tuple[str, ...]:
        """The names of the cues that answers are made of, such as a description to learn. They are wanted where a
        model learns and of what is shown as a demonstration, and are no input where it is asked."""
        return ()
