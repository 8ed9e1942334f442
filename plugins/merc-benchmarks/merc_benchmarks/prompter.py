"""The question that a benchmark asks about an utterance, as a prompt and as a text."""

from __future__ import annotations

from dataclasses import dataclass

from merc import Answer, LabelSpace, MercError, Prompt, Prompter, Query, Segment, Slot, Text, Turn, Utterance

QUESTION, REASONED, ANSWER = "question", "question_cot", "answer"


def question_of(utterance: Utterance, labels: LabelSpace, reasoning: bool = False) -> str:
    """What is asked about an utterance: what its corpus holds (``extra.question``, or ``extra.question_cot`` for
    reasoning first), else which of the labels fits.

    >>> question_of(Utterance(id="u", text="Go away!"), LabelSpace(("joy", "anger")))
    'Somebody says: Go away!\\nWhat do they feel: joy or anger? Answer with one of these words alone.'
    """
    held = utterance.extra.get(REASONED if reasoning else QUESTION)
    if isinstance(held, str) and held.strip():
        return held
    if not labels.labels:
        raise MercError(
            f"utterance {utterance.id!r} has no question ({REASONED if reasoning else QUESTION!r} in 'extra'), and its "
            "set has no labels to ask about"
        )
    words = [labels.words_of(label)[0] for label in labels.labels]
    among = " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
    speech = f"Somebody says: {utterance.text.strip()}\n" if utterance.text.strip() else ""
    how = "Reason step by step, then answer" if reasoning else "Answer"
    return f"{speech}What do they feel: {among}? {how} with one of these words{'' if reasoning else ' alone'}."


@dataclass(frozen=True, kw_only=True)
class Question(Prompter):
    """``question``: the question that a benchmark asks about an utterance, behind its media, in the tokenizer's own
    template.

    The corpora ``emobench-m``, ``mme-emotion``, ``mosabench`` and ``emobench`` hold questions; an utterance without one
    is asked which of the labels fits. A stream that an utterance lacks is left out. The answer is a text, or a label
    that can be scored where ``labels`` says so; to be trained on, an utterance holds it in ``extra.answer``.

    >>> from merc import Conversation
    >>> talk = Conversation(id="c", utterances=(Utterance(id="u", text="", extra={"question": "Why?"}),))
    >>> asked = Query(conversation=talk, index=0, labels=LabelSpace(()))
    >>> [one for one in Question(media=()).prompt(asked).segments if isinstance(one, Text)]
    [Text(text='Why?')]
    """

    media: tuple[str, ...] = ()
    """The streams before the question, in this order."""
    reasoning: bool = False
    """Whether it is asked to reason first."""
    labels: bool = False
    """Whether the answer is a label of the set, which can be scored, and not a text."""

    def __post_init__(self) -> None:
        if len(set(self.media)) != len(self.media):
            raise ValueError(f"media names each stream once, not {list(self.media)}")

    def streams(self) -> tuple[str, ...]:
        """The streams of ``media``."""
        return self.media

    def has_target(self, query: Query) -> bool:
        """Whether there is an answer to learn."""
        if self.labels:
            return query.target.label is not None
        return bool(self._answer(query.target))

    def prompt(self, query: Query) -> Prompt:
        """Demonstrations, the media, the question. Raises MercError where there is none."""
        segments: list[Segment] = []
        for example in query.demonstrations:
            if not self.has_target(example):
                raise MercError(f"demonstration {example.target.id!r} has no answer to show")
            answer = (
                example.labels.words_of(str(example.target.label))[0] if self.labels else self._answer(example.target)
            )
            segments += [*self._asked(example), Text(answer)]
        end = Answer() if self.labels else Answer(text=self._answer(query.target))
        return Prompt((*segments, *self._asked(query), end), query.target.id)

    def _asked(self, query: Query) -> list[Segment]:
        slots: list[Segment] = [Slot(stream, query.target.id, after="\n") for stream in self.media]
        text = question_of(query.target, query.labels, self.reasoning)
        return [Turn("user"), *slots, Text(text), Turn("assistant")]

    def _answer(self, utterance: Utterance) -> str:
        held = utterance.extra.get(ANSWER, "")
        return held.strip() if isinstance(held, str) else ""
