"""The prompter ``conversation``."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from merc.builtin.prompters import ConversationPrompter
from merc.components import Answer, Prompt, Query, Slot, Text
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.prompting import EncodedPrompt, PromptEncoder, build_tree
from merc.testing import PrompterContract
from tests.prompting.tokenizers import byte_level

LABELS = LabelSpace(("joy", "anger"), {"anger": ("angry", "anger")})
TALK = Conversation(
    id="d",
    utterances=(
        Utterance(id="u0", speaker="Ann", text=" We won! ", label="joy", cues={"face": "a smile", "prosody": "fast"}),
        Utterance(id="u1", speaker=None, text="Again?", label="anger", cues={"prosody": "low"}),
        Utterance(id="u2", speaker="Ann", text="Yes {labels}.", label="joy"),
    ),
)


class TestConversation(PrompterContract):
    component = ConversationPrompter()
    name = "conversation"


class TestConversationWithEverything(PrompterContract):
    component = ConversationPrompter(media=("face", "voice"), media_of="target", cues=("face", "prosody"), history=2)


class TestConversationWithDemonstrations(PrompterContract):
    component = ConversationPrompter(media=("face",))

    def demonstrations(self) -> tuple[Query, ...]:
        return (query(1),)


def query(index: int, **more: object) -> Query:
    return Query(conversation=TALK, index=index, labels=LABELS, **more)  # type: ignore[arg-type]


def text(prompt: Prompt) -> str:
    shown = {Text: lambda s: s.text, Slot: lambda s: f"<{s.stream} {s.utterance}>", Answer: lambda s: "|"}
    return "".join(shown[type(s)](s) for s in prompt.segments)  # type: ignore[no-untyped-call]


HEAD = "Recognise the emotion of what is said. The emotions are: joy, anger.\n"


def test_the_conversation_a_line_an_utterance_and_a_short_question() -> None:
    assert text(ConversationPrompter().prompt(query(1))) == HEAD + "Ann: We won!\nSpeaker: Again?\nSpeaker feels|"


def test_what_is_said_after_the_target_is_not_shown() -> None:
    assert "Again" not in text(ConversationPrompter().prompt(query(0)))


def test_words_in_braces_are_words() -> None:
    assert "Ann: Yes {labels}.\n" in text(ConversationPrompter().prompt(query(2)))


def test_media_stand_before_the_words() -> None:
    found = text(ConversationPrompter(media=("face", "voice")).prompt(query(1)))
    assert found == (HEAD + "Ann:<face u0><voice u0> We won!\nSpeaker:<face u1><voice u1> Again?\nSpeaker feels|")
    found = text(ConversationPrompter(media=("face",), media_of="target").prompt(query(1)))
    assert found == HEAD + "Ann: We won!\nSpeaker:<face u1> Again?\nSpeaker feels|"
    assert ConversationPrompter(media=("face", "voice")).streams() == ("face", "voice")


def test_cues_stand_after_the_words_where_there_are_any() -> None:
    found = text(ConversationPrompter(cues=("face", "prosody")).prompt(query(2)))
    assert found == (HEAD + "Ann: We won! (a smile; fast)\nSpeaker: Again? (low)\nAnn: Yes {labels}.\nAnn feels|")


@pytest.mark.parametrize(("history", "first"), [(None, 0), (5, 0), (1, 1), (0, 2)])
def test_history(history: int | None, first: int) -> None:
    found = text(ConversationPrompter(history=history).prompt(query(2)))
    lines = ["Ann: We won!\n", "Speaker: Again?\n", "Ann: Yes {labels}.\n"]
    assert found == HEAD + "".join(lines[first:]) + "Ann feels|"


def test_demonstrations_stand_between_with_their_first_word() -> None:
    found = text(ConversationPrompter(history=0).prompt(query(0, demonstrations=(query(1), query(2)))))
    assert found == (
        HEAD + "Speaker: Again?\nSpeaker feels angry\n\nAnn: Yes {labels}.\nAnn feels joy\n\nAnn: We won!\nAnn feels|"
    )


def test_a_demonstration_without_a_label() -> None:
    silent = replace(TALK, utterances=(replace(TALK.utterances[0], label=None),))
    shown = Query(conversation=silent, index=0, labels=LABELS)
    with pytest.raises(MercError, match="demonstration 'u0' has no label to show"):
        ConversationPrompter().prompt(query(1, demonstrations=(shown,)))


def test_past_labels_stand_after_the_words_where_a_recipe_gives_them() -> None:
    found = text(ConversationPrompter().prompt(query(2, label_history=("joy", None, None))))
    assert found == HEAD + "Ann: We won! [joy]\nSpeaker: Again?\nAnn: Yes {labels}.\nAnn feels|"
    # By the word that the verbalizer has for the label, as in a demonstration and in the answer.
    found = text(ConversationPrompter().prompt(query(2, label_history=(None, "anger", None))))
    assert "Speaker: Again? [angry]\n" in found
    # Never the target's own.
    assert "[" not in text(ConversationPrompter().prompt(query(0, label_history=("joy", "anger", "joy"))))


def test_end_says_whether_an_end_token_is_learned() -> None:
    assert ConversationPrompter().prompt(query(0)).answer == Answer()
    assert ConversationPrompter(end=False).prompt(query(0)).answer == Answer(end=False)


def test_own_words() -> None:
    prompter = ConversationPrompter(instruction="Labels: {labels}.\n\n", question="How does {speaker} feel?")
    assert text(prompter.prompt(query(0))) == "Labels: joy, anger.\n\nAnn: We won!\nHow does Ann feel?|"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"history": -1}, "history counts utterances from 0, not -1"),
        ({"instruction": "{emotions}"}, "instruction may hold {labels}, and other braces doubled; it is '{emotions}'"),
        ({"instruction": "{}"}, "instruction may hold {labels}, and other braces doubled; it is '{}'"),
        ({"question": "So {"}, "question may hold {speaker}, and other braces doubled; it is 'So {'"),
        ({"question": "{speaker.x}"}, "question may hold {speaker}, and other braces doubled; it is '{speaker.x}'"),
    ],
)
def test_parameters_that_are_no_good(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ConversationPrompter(**parameters)  # type: ignore[arg-type]


def test_prompts_of_a_conversation_share_all_but_their_questions() -> None:
    encoder = PromptEncoder(byte_level())
    prompter = ConversationPrompter(media=("face",))
    encoded = [encoder.encode(prompter.prompt(query(i)), lambda s, u: 2, LABELS, "joy") for i in range(3)]
    longest = max(encoded, key=lambda p: p.depth)
    questions = sum(len(encoder.encode(question(i), lambda s, u: 0, answers="none").context) for i in range(3))
    answers = sum(len(p.answers[0].tokens) - 1 for p in encoded)
    assert len(build_tree(encoded)) <= len(longest.context) + questions + answers
    assert isinstance(longest, EncodedPrompt)


def question(index: int) -> Prompt:
    return Prompt((Text(f"{TALK.utterances[index].speaker or 'Speaker'} feels"), Answer()), "u")


def test_cues_that_it_reads_are_named() -> None:
    assert ConversationPrompter().cue_fields() == ()
    assert ConversationPrompter(cues=("face", "body")).cue_fields() == ("face", "body")
