"""FARCER's prompt (Fig. 2): rules, demonstrations as turns, a dialogue with each picture before its words (eq. 5)."""

from __future__ import annotations

from dataclasses import dataclass

from merc import Answer, MercError, Prompt, Prompter, Query, Segment, Slot, Text, Turn


@dataclass(frozen=True, kw_only=True)
class FarcerPrompter(Prompter):
    """Rules in the system's turn; each demonstration as a user's turn and the assistant's; the dialogue; ``LABEL:``.

    Of every utterance, past ones and the target alike, stand its speaker, the tokens of its picture and then its words
    (eq. 5: ``[e_p, e_v1, e_u1, ..., e_vn, e_un]``). An utterance without a picture has its words alone. Where a query
    brings the labels of past utterances (the paper's PL rows), each stands after its utterance's words, in
    demonstrations too.

    >>> from merc import Conversation, LabelSpace, Utterance
    >>> said = [Utterance(id="u0", text="Hey!", speaker="Mark"), Utterance(id="u1", text="Oh.", speaker="Rachel")]
    >>> talk = Conversation(id="c", utterances=tuple(said))
    >>> made = FarcerPrompter().prompt(Query(conversation=talk, index=1, labels=LabelSpace(("joy", "anger"))))
    >>> made.segments[2:-1]  # doctest: +NORMALIZE_WHITESPACE
    (Turn(role='user'), Text(text='DIALOGUE:\\nMark:'), Slot(stream='image', utterance='u0', before='', after=''),
     Text(text=' Hey!\\nRachel:'), Slot(stream='image', utterance='u1', before='', after=''),
     Text(text=' Oh.\\nLABEL:'))
    """

    media: tuple[str, ...] = ("image",)
    """The streams whose tokens stand before an utterance's words; none is the paper's baseline, the bare language
    model."""
    history: int | None = None
    """How many utterances before the target are shown; null shows all."""
    demonstration_history: int | None = None
    """How many utterances before a demonstration's target are shown; null shows as many as ``history`` says."""
    end: bool = False
    """Whether the end token after the label is learned as well."""

    def __post_init__(self) -> None:
        for name in ("history", "demonstration_history"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} counts utterances from 0, not {value}")

    def streams(self) -> tuple[str, ...]:
        """``media``."""
        return self.media

    def prompt(self, query: Query) -> Prompt:
        """Rules, demonstrations, dialogue, answer."""
        back = self.history if self.demonstration_history is None else self.demonstration_history
        segments: list[Segment] = [Turn("system"), Text(self._rules(query))]
        for example in query.demonstrations:
            if example.target.label is None:
                raise MercError(f"demonstration {example.target.id!r} has no label to show")
            word = query.labels.words_of(example.target.label)[0]
            segments += [*self._dialogue(example, back), Turn("assistant"), Text(word)]
        return Prompt(
            (*segments, *self._dialogue(query, self.history), Answer(prefix="", end=self.end)), query.target.id
        )

    def _rules(self, query: Query) -> str:
        words = [query.labels.words_of(label)[0] for label in query.labels.labels]
        seen = "what was said and the pictures of the speakers" if self.media else "what was said"
        examples = "\n\nExamples:" if query.demonstrations else ""
        return (
            f"You are FARCER, and recognise emotions well. Tell the emotion of the last speaker of a dialogue from "
            f"{seen}.\n\nRules:\n1. It is the last speaker of the dialogue whose emotion is asked for.\n"
            f"2. The answer is one of these {len(words)} labels: {', '.join(words)}.\n"
            f"3. The answer is that one label and nothing else.{examples}"
        )

    def _dialogue(self, query: Query, back: int | None) -> list[Segment]:
        """A user's turn. What stands between two pictures is one Text, so that it is tokenized as one."""
        segments: list[Segment] = [Turn("user")]
        words = "DIALOGUE:\n"
        first = 0 if back is None else max(0, query.index - back)
        for index in range(first, query.index + 1):
            utterance = query.conversation.utterances[index]
            words += f"{utterance.speaker or 'Speaker'}:"
            for stream in self.media:
                segments += [Text(words)] if words else []
                segments.append(Slot(stream, utterance.id))
                words = ""
            words += f" {' '.join(utterance.text.split())}".rstrip()
            past = query.label_history[index] if query.label_history and index < query.index else None
            words += f" ({query.labels.words_of(past)[0]})\n" if past else "\n"
        return [*segments, Text(f"{words}LABEL:")]
