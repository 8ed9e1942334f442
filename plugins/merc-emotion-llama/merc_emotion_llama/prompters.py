"""The prompt of Emotion-LLaMAv2 (4.1, 4.4): a block of streams, the subtitle, a task and its instruction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from merc import Answer, MercError, Prompt, Prompter, Query, Segment, Slot, Text, Turn, Utterance
from merc_emotion_llama.instructions import CLOSED, OPEN, PLACES, Task, drawn, pool

TRUTHS = {"sentiment": "sentiment", "intention": "intention", "multi": "labels"}
CHOICES = {
    "sentiment": ("negative", "neutral", "positive"),
    "intention": (
        "acknowledging", "agreeing", "consoling", "encouraging", "neutral", "questioning", "suggesting", "sympathizing",
        "wishing",
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EmotionLlama(Prompter):
    """``emotion-llama``: ``[Vid] <fusion> <image> <video> <audio> [Vid] The person in the video says: … [task] …``

    A stream that an utterance lacks is left out, and so is the sentence of an empty subtitle. The task stands before
    the instruction:

    - ``emotion``, ``sentiment``, ``intention``: one label;
    - ``multi``: several labels, separated by commas, or an open list where there is no label list;
    - ``reason``: a description;
    - ``think``: ``<think>the description</think><answer>the label</answer>``.

    With ``truth: label`` the three tasks of one label can be scored (by the decoder ``verbalizer``); what else is asked
    for is a text. An utterance that lacks what the answer is made of teaches nothing.

    The paper says neither where demonstrations stand (here: turns before it) nor how a missing modality is written
    (here: not at all; ``[Vid]`` stays even where an utterance lacks every stream).

    >>> from merc import Conversation, LabelSpace
    >>> said = Utterance(id="u", text="Go away!", label="anger")
    >>> talk = Conversation(id="c", utterances=(said,))
    >>> asked = Query(conversation=talk, index=0, labels=LabelSpace(("joy", "anger")))
    >>> for one in EmotionLlama(media=("audio",), instruction=0).prompt(asked).segments[1:-1]:
    ...     print(one)
    Text(text='[Vid] ')
    Slot(stream='audio', utterance='u', before='', after=' ')
    Text(text='[Vid] The person in the video says: Go away! ')
    Text(text='[emotion] Which of these emotions does the person in the video feel: joy or anger?')
    """

    task: Task = "emotion"
    """What is asked for."""
    media: tuple[str, ...] = ("fusion", "image", "video", "audio")
    """The streams of the block, in this order."""
    truth: str | None = None
    """What the answer is made of: ``label``, ``open_labels``, or a key of ``extra``. null is ``sentiment`` and
    ``intention`` for these tasks, ``labels`` for ``multi``, else ``label``."""
    choices: tuple[str, ...] = ()
    """The label list in the instruction. By default the labels of the query where ``truth`` is ``label`` or ``labels``;
    else negative, neutral and positive for ``sentiment``, MC-EIU's intentions for ``intention``, and none for other
    tasks."""
    description: str = "multimodal"
    """The cue, or key of ``extra``, that holds the description."""
    instructions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The texts by which a task is asked, by task; one that is not named has merc's own
    (``merc_emotion_llama.instructions``). ``{labels}`` or ``★``, as in the paper's Boxes I and II, stands for the label
    list."""
    instruction: int | None = None
    """The number of the text that is used; null draws one for each utterance."""
    seed: int = 0
    """The seed of the draw, beside the task and the utterance's id."""
    chat: bool = True
    """Whether the prompt is a user's turn in the tokenizer's own template (``[INST] … [/INST]`` for Llama 2)."""
    end: bool = True
    """Whether the end token follows the answer."""

    def __post_init__(self) -> None:
        if len(set(self.media)) != len(self.media):
            raise ValueError(f"media names each stream once, not {list(self.media)}")
        if len(set(self.choices)) != len(self.choices):
            raise ValueError(f"choices names each label once, not {list(self.choices)}")
        for task, texts in self.instructions.items():
            if task not in CLOSED:
                raise ValueError(f"instructions names {task!r}, which is no task; the tasks are {', '.join(CLOSED)}")
            if not texts or any(not text.strip() for text in texts):
                raise ValueError(f"instructions.{task} holds texts, one at least and none of them empty")
        most = len(self._own or CLOSED[self.task])
        if self.instruction is not None and not 0 <= self.instruction < most:
            raise ValueError(f"instruction is a number from 0 to {most - 1} for {self.task}, not {self.instruction}")
        if self.truth is not None and self.task == "reason":
            raise ValueError("reason asks for a description, which 'description' names; leave 'truth' out")
        if self.truth is not None and not self.truth:
            raise ValueError("truth names label, open_labels or a key of extra; it is empty")

    def streams(self) -> tuple[str, ...]:
        """The streams of ``media``."""
        return self.media

    def answer_fields(self) -> tuple[str, ...]:
        """``description``, where it is asked for: it is learned, and never shown."""
        return (self.description,) if self.task in ("reason", "think") else ()

    def has_target(self, query: Query) -> bool:
        """Whether the target has the label, the labels or the description that its answer is made of."""
        described = self.task not in ("reason", "think") or self._description(query.target) is not None
        return described and (self.task == "reason" or bool(self._true(query.target)))

    def drawn(self, query: Query) -> int:
        """The number of the instruction that the target gets, within the pool with a label list or the one without."""
        most = len(self._pool(query))
        if self.instruction is None:
            return drawn(self.task, most, self.seed, query.target.id)
        if self.instruction >= most:
            raise MercError(
                f"instruction is {self.instruction}, and there are {most} for [{self.task}] without a label list, "
                "counted from 0"
            )
        return self.instruction

    def prompt(self, query: Query) -> Prompt:
        """Demonstrations, the block of streams, the subtitle, the instruction. Raises MercError for a truth that the
        label list lacks."""
        segments: list[Segment] = []
        for example in query.demonstrations:
            if not self.has_target(example):
                raise MercError(f"demonstration {example.target.id!r} has no answer to [{self.task}] to show")
            segments += [*self._user_turn(example), *self._turn("assistant"), Text(self._shown(example))]
            segments += [] if self.chat else [Text("\n\n")]
        segments += self._user_turn(query)
        return Prompt((*segments, self._answer(query)), query.target.id)

    def labels(self, query: Query) -> tuple[str, ...]:
        """The label list that the instruction holds: the words by which each label is answered."""
        if self.choices:
            return self.choices
        if self._name not in ("label", "labels"):
            return CHOICES.get(self.task, ())
        return tuple(self._word(query, label) for label in query.labels.labels)

    @property
    def _name(self) -> str:
        return self.truth or TRUTHS.get(self.task, "label")

    def _pool(self, query: Query) -> Sequence[str]:
        labels = self.labels(query)
        listing = any(place in text for text in self._own for place in PLACES)
        if not labels and (listing if self._own else self.task not in OPEN):
            raise MercError(f"[{self.task}] is asked with a list of labels, and there is none; name them in 'choices'")
        return pool(self.task, labels, self._own)

    @property
    def _own(self) -> Sequence[str]:
        return self.instructions.get(self.task, ())

    def _user_turn(self, query: Query) -> list[Segment]:
        spoken = query.target.text.strip()
        block: list[Segment] = [Slot(stream, query.target.id, after=" ") for stream in self.media]
        if block:
            block = [Text("[Vid] "), *block]
        words = ("[Vid] " if block else "") + (f"The person in the video says: {spoken} " if spoken else "")
        instruction = self._pool(query)[self.drawn(query)]
        speech = [Text(words)] if words else []
        return [*self._turn("user"), *block, *speech, Text(f"[{self.task}] {instruction}")]

    def _turn(self, role: str) -> list[Segment]:
        if self.chat:
            return [Turn("user" if role == "user" else "assistant")]
        return [Text(" ")] if role == "assistant" else []

    def _answer(self, query: Query) -> Answer:
        if self._is_label:
            return Answer(end=self.end)
        # At inference there is nothing to learn, and the text is not looked at.
        return Answer(text=self._text(query) if self.has_target(query) else "", end=self.end)

    @property
    def _is_label(self) -> bool:
        return self._name == "label" and self.task in ("emotion", "sentiment", "intention")

    def _shown(self, query: Query) -> str:
        return self._word(query, str(query.target.label)) if self._is_label else self._text(query)

    def _text(self, query: Query) -> str:
        """The answer as a text. Whatever it is made of is there."""
        if self.task == "reason":
            return str(self._description(query.target))
        labels = self._true(query.target)
        known = self.labels(query)
        words = [self._word(query, one) for one in labels]
        for word in words:
            if known and word not in known:
                raise MercError(
                    f"utterance {query.target.id!r}: {self._name!r} has {word!r}, which is none of {', '.join(known)}; "
                    "name the labels in the prompter's 'choices'"
                )
        if self.task != "multi" and len(words) > 1:
            raise MercError(
                f"utterance {query.target.id!r}: {self._name!r} holds several, and [{self.task}] asks for one; "
                "set task: multi"
            )
        answer = ", ".join(words)
        if self.task != "think":
            return answer
        return f"<think>{self._description(query.target)}</think><answer>{answer}</answer>"

    def _true(self, target: Utterance) -> tuple[str, ...]:
        """What is true of the target, none where it lacks it."""
        held = {"label": target.label, "open_labels": target.open_labels}
        value = held[self._name] if self._name in held else target.extra.get(self._name)
        if isinstance(value, str):
            return (value,) if value.strip() else ()
        if value is None:
            return ()
        if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
            return tuple(value)
        raise MercError(f"utterance {target.id!r}: {self._name!r} is {value!r}; a label or a list of them was expected")

    def _description(self, target: Utterance) -> str | None:
        description = target.cues.get(self.description) or target.extra.get(self.description)
        return description.strip() or None if isinstance(description, str) else None

    def _word(self, query: Query, label: str) -> str:
        return query.labels.words_of(label)[0] if label in query.labels.labels else label
