"""Prompter: a conversation and a target in, a prompt of segments out. It knows no model and no tokenizer."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar, Literal

from merc.components.base import Component
from merc.conversation import Conversation, LabelSpace, Utterance


@dataclass(frozen=True)
class Text:
    """Words of the prompt. Each Text is tokenized on its own, so let it begin and end where words do.

    Prompts of one conversation share what they have in common from the start: put shared things first.
    """

    text: str
    """The words, with the space around them."""
    utterance: str = field(default="", repr=False, compare=False)
    """The id of the utterance whose line they belong to; empty for words of no utterance. Texts and slots of one
    utterance that stand side by side are what a backbone with ``attention: utterance`` reads in both directions."""


@dataclass(frozen=True)
class Slot:
    """The place of one utterance's tokens of a stream. A slot whose utterance lacks the modality is left out."""

    stream: str
    """The name of an encoder or fuser in the recipe, or of a connector that takes no input."""
    utterance: str = ""
    """The utterance's id; empty for a connector that takes no input."""
    before: str = ""
    """Words in front of the tokens, which stand only with them."""
    after: str = ""
    """Words after the tokens, which stand only with them."""


@dataclass(frozen=True)
class Control:
    """Control tokens of the backbone's tokenizer, such as ``<|vision_start|>``, one after the other and nothing else.

    In a Text the same letters stay words, so that nothing that a corpus holds can become a control token. A prompter
    with a Control fits the backbones that have it; what a backbone wants around its media it says itself
    (``Backbone.slot``), so that every prompter works with it.
    """

    text: str
    """The control tokens, as the tokenizer spells them."""


@dataclass(frozen=True)
class Turn:
    """What follows is said by this role. A prompt that begins with a Turn goes through the tokenizer's own chat
    template (a tokenizer without one gets a plain rendering, and the log says so)."""

    role: Literal["system", "user", "assistant"]
    """Who says it, in the template's words."""


@dataclass(frozen=True)
class Answer:
    """The end of a prompt: what the model is to say."""

    text: str | None = None
    """The text to learn (a description, say); ``None`` for the label of the target, by the words of the label space."""
    prefix: str = " "
    """What stands between the prompt and the answer's first word, and is tokenized with that word."""
    end: bool = True
    """Whether the tokenizer's end token follows, so that a model learns where to stop and a label that begins another
    ("sad", "sadness") has no head start."""
    rejected: tuple[str, ...] = ()
    """Answers that the right one is preferred to, for a loss that compares (``Loss.answers = "pairs"``): texts, or
    labels where the answer is a label. Nothing else reads them."""


Segment = Text | Slot | Control | Turn | Answer
"""What a prompt is made of."""


@dataclass(frozen=True)
class Prompt:
    """What a model is asked. ValueError for segments that do not end with their one Answer."""

    segments: tuple[Segment, ...]
    """Its parts in order, the last of which is the one Answer."""
    target: str
    """The id of the utterance that is asked about."""

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
    """What a prompt is to be made of.

    >>> talk = Conversation(id="c", utterances=(Utterance(id="u0", text="Hi!"), Utterance(id="u1", text="Oh.")))
    >>> query = Query(conversation=talk, index=1, labels=LabelSpace(("joy", "sadness")))
    >>> query.target.text, query.is_last
    ('Oh.', True)
    """

    conversation: Conversation
    """The conversation; utterances after the target may be in it."""
    index: int
    """Which of its utterances is asked about, from 0."""
    labels: LabelSpace
    """The labels to choose from."""
    demonstrations: tuple[Query, ...] = ()
    """Queries whose targets are labelled, in the order in which they are shown."""
    label_history: tuple[str | None, ...] | None = None
    """Where a recipe shows the labels of the utterances before, an entry for each utterance of the conversation:
    ``None`` from the target on, and for those before it that have no label."""

    @property
    def target(self) -> Utterance:
        """The utterance that is asked about."""
        return self.conversation.utterances[self.index]

    @property
    def segment(self) -> tuple[str, str]:
        """The conversation and its first utterance, by their ids: segments of one conversation keep its id."""
        return self.conversation.id, self.conversation.utterances[0].id

    @property
    def is_last(self) -> bool:
        """Whether the target is the last utterance of the conversation."""
        return self.index == len(self.conversation.utterances) - 1


def check_placeholder(name: str, text: str, *placeholders: str) -> None:
    """Check a text that ``str.format`` is to fill in, for a prompter's ``__post_init__``.

    Args:
        name: The parameter that holds it.
        text: The text.
        placeholders: The names that it may have between braces; it need not.

    Raises:
        ValueError: It has another one, or braces that are not doubled.

    >>> check_placeholder("question", "So {", "speaker")
    Traceback (most recent call last):
    ValueError: question may hold {speaker}, and other braces doubled; it is 'So {'
    """
    try:
        text.format(**dict.fromkeys(placeholders, ""))
    except (KeyError, IndexError, ValueError, AttributeError):
        allowed = " and ".join(f"{{{one}}}" for one in placeholders)
        raise ValueError(f"{name} may hold {allowed}, and other braces doubled; it is {text!r}") from None


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

    def looks_ahead(self) -> int:
        """How many utterances after the target its prompts show, at most. Above 0 it is *offline*: numbers say so, and
        a conversation that goes on is refused. By default that of the prompters among its parameters, else 0."""
        inner = (getattr(self, one.name) for one in fields(self))
        return max((one.looks_ahead() for one in inner if isinstance(one, Prompter)), default=0)

    def answer_fields(self) -> tuple[str, ...]:
        """The names of the cues that answers are made of, such as a description to learn. They are wanted where a
        model learns and of what is shown as a demonstration, and are no input where it is asked."""
        return ()
