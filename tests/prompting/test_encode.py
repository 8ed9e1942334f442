"""Answers, slots and errors of prompts as tokens."""

from __future__ import annotations

import pytest

from merc.components import Answer, Prompt, Slot, Text
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.prompting import EncodedPrompt, PromptEncoder, is_label_prompt
from tests.prompting.tokenizers import byte_level, llama_like

LABELS = LabelSpace(("joy", "sadness"), {"sadness": ("sadness", "sad")})
ENCODER = PromptEncoder(llama_like(None))
END = ENCODER.tokenizer.eos_token_id


def words(tokens: object) -> str:
    """The tokens as they read inside a text."""
    tokenizer = ENCODER.tokenizer
    return tokenizer.decode([tokenizer.convert_tokens_to_ids("a"), *tokens])[1:]  # type: ignore[misc]


def none(stream: str, utterance: str) -> int:
    return 0


def ask(*segments: Text | Slot, answer: Answer | None = None) -> Prompt:
    return Prompt((*(segments or (Text("Ann feels"),)), answer or Answer()), "u1")


def test_gold_hangs_the_first_word_of_the_label() -> None:
    (answer,) = ENCODER.encode(ask(), none, LABELS, "sadness").answers
    assert (answer.label, answer.word, answer.gold) == (1, 0, True)
    assert words(answer.tokens[:-1]) == " sadness"
    assert answer.tokens[-1] == END


def test_labels_hangs_every_word_of_every_label() -> None:
    answers = ENCODER.encode(ask(), none, LABELS, "sadness", "labels").answers
    assert [(a.label, a.word, a.gold) for a in answers] == [(0, 0, False), (1, 0, True), (1, 1, True)]
    assert [words(a.tokens[:-1]) for a in answers] == [" joy", " sadness", " sad"]


def test_none_hangs_nothing() -> None:
    assert ENCODER.encode(ask(), none, LABELS, "sadness", "none").answers == ()


def test_a_text_of_the_prompts_own_is_the_answer() -> None:
    (answer,) = ENCODER.encode(ask(answer=Answer("a broad smile", prefix=":")), none).answers
    assert words(answer.tokens[:-1]) == ":a broad smile"
    assert (answer.label, answer.gold) == (-1, True)


def test_end_may_be_left_out() -> None:
    (answer,) = ENCODER.encode(ask(answer=Answer(end=False)), none, LABELS, "joy").answers
    assert END not in answer.tokens
    tokenizer = byte_level()
    tokenizer = type(tokenizer)(tokenizer_object=tokenizer.backend_tokenizer)  # one that has no end token
    assert PromptEncoder(tokenizer).end_tokens() == ()


def test_slots_are_counted_and_missing_ones_leave_no_trace() -> None:
    lengths = {("face", "u0"): 2, ("voice", "u1"): 1}
    prompt = ask(
        Text("Ann:"), Slot("face", "u0", " <", ">"), Slot("voice", "u0", " (", ")"), Text(" hi"), Slot("voice", "u1")
    )
    context = ENCODER.encode(prompt, lambda s, u: lengths.get((s, u), 0), answers="none").context
    slots = [item for item in context if isinstance(item, tuple)]
    assert slots == [("face", "u0", 0), ("face", "u0", 1), ("voice", "u1", 0)]
    first = context.index(slots[0])
    assert words(i for i in context[1:first] if isinstance(i, int)).lstrip() == "Ann: <"
    assert words(i for i in context[first + 2 : -1] if isinstance(i, int)) == "> hi"


def test_depth_is_what_is_computed_to_predict_the_last_token() -> None:
    encoded = ENCODER.encode(ask(), none, LABELS, "sadness", "labels")
    assert encoded.depth == len(encoded.context) + max(len(a.tokens) for a in encoded.answers) - 1
    assert EncodedPrompt("u", (1, 2), ()).depth == 2


def test_is_label_prompt() -> None:
    assert is_label_prompt(ask())
    assert not is_label_prompt(ask(answer=Answer("a smile")))


@pytest.mark.parametrize(
    ("answer", "labels", "gold", "which", "message"),
    [
        (
            Answer("a smile"),
            LABELS,
            None,
            "labels",
            "the prompt for 'u1' asks for a text, not for a label: labels can't be scored; use "
            "evaluate.decoder={name: generate} or a prompter that asks for the label",
        ),
        (Answer(), None, "joy", "gold", "the prompt for 'u1' asks for a label, and there is no label space"),
        (
            Answer(),
            LABELS,
            None,
            "gold",
            "utterance 'u1' has no label to learn; leave it out of the training data",
        ),
        (
            Answer(),
            LABELS,
            "joyy",
            "gold",
            "unknown label 'joyy'. Did you mean 'joy'? The labels are: joy, sadness",
        ),
        (
            Answer("", prefix="", end=False),
            LABELS,
            None,
            "gold",
            "an answer to the prompt for 'u1' is empty: '' has no tokens, so there is nothing to learn or to score; "
            "give it a word, or an end token (end: true)",
        ),
    ],
)
def test_errors(answer: Answer, labels: LabelSpace | None, gold: str | None, which: str, message: str) -> None:
    with pytest.raises(MercError) as caught:
        ENCODER.encode(ask(answer=answer), none, labels, gold, which)  # type: ignore[arg-type]
    assert str(caught.value) == message
