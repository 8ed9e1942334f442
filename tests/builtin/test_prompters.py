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


class TestConversationThatIsOver(PrompterContract):
    component = ConversationPrompter(media=("face",), following=1, speakers="roles", quotes=True, opening="{text}?\n")


class TestConversationWithDemonstrations(PrompterContract):
    component = ConversationPrompter(media=("face",))

    def demonstrations(self) -> tuple[Query, ...]:
        return (query(1),)


def query(index: int, **more: object) -> Query:
    return Query(conversation=TALK, index=index, labels=LABELS, **more)  # type: ignore[arg-type]


def text(prompt: Prompt) -> str:
    shown = {Text: lambda s: s.text, Slot: lambda s: f"<{s.stream} {s.utterance}>", Answer: lambda s: "|"}
    return "".join(shown[type(s)](s) for s in prompt.segments)  # type: ignore[no-untyped-call]


OTHERS = ", and other braces doubled; it is"
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
        ({"following": -1}, "following counts utterances from 0, not -1"),
        ({"instruction": "{emotions}"}, f"instruction may hold {{labels}} and {{words}}{OTHERS} '{{emotions}}'"),
        ({"instruction": "{}"}, f"instruction may hold {{labels}} and {{words}}{OTHERS} '{{}}'"),
        ({"question": "So {"}, f"question may hold {{speaker}} and {{text}}{OTHERS} 'So {{'"),
        ({"question": "{speaker.x}"}, f"question may hold {{speaker}} and {{text}}{OTHERS} '{{speaker.x}}'"),
        ({"opening": "{label}"}, f"opening may hold {{speaker}} and {{text}}{OTHERS} '{{label}}'"),
        (
            {"following": 1, "following_mark": ""},
            "with following and an empty following_mark nothing says which utterance is asked about; put {text} into "
            "the question",
        ),
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


def test_following_utterances_stand_between_the_shared_history_and_the_question() -> None:
    prompter = ConversationPrompter(following=1, media=("face",))
    assert prompter.looks_ahead() == 1 and ConversationPrompter().looks_ahead() == 0
    found = text(prompter.prompt(query(0)))
    assert found == HEAD + "Ann:<face u0> We won!\nThen:\nSpeaker:<face u1> Again?\nAnn feels|"
    # The last one has none, and is asked about as ever.
    plain = text(ConversationPrompter(media=("face",)).prompt(query(2)))
    assert text(ConversationPrompter(following=2, media=("face",)).prompt(query(2))) == plain
    two = text(ConversationPrompter(following=2).prompt(query(0)))
    assert two == HEAD + "Ann: We won!\nThen:\nSpeaker: Again?\nAnn: Yes {labels}.\nAnn feels|"


def test_without_a_mark_what_follows_is_the_history_of_later_prompts() -> None:
    """So the tree computes it once, and only the question is added."""
    prompter = ConversationPrompter(following=1, following_mark="", question='saying "{text}" {speaker} feels')
    found = text(prompter.prompt(query(0)))
    assert found == HEAD + 'Ann: We won!\nSpeaker: Again?\nsaying "We won!" Ann feels|'
    encoder = PromptEncoder(byte_level())

    def nodes(asks: ConversationPrompter) -> int:
        return len(
            build_tree([encoder.encode(asks.prompt(query(i)), lambda s, u: 0, answers="none") for i in range(3)])
        )

    assert nodes(prompter) <= nodes(replace(prompter, following=0))
    assert nodes(ConversationPrompter(following=1)) > nodes(ConversationPrompter())


def test_speakers_by_the_order_in_which_they_speak() -> None:
    found = text(ConversationPrompter(speakers="roles").prompt(query(2)))
    assert found == HEAD + "Speaker 1: We won!\nSpeaker: Again?\nSpeaker 1: Yes {labels}.\nSpeaker 1 feels|"
    bare = ConversationPrompter(speakers="roles", history=0).prompt(query(2))
    assert (
        text(bare) == HEAD + "Speaker 1: Yes {labels}.\nSpeaker 1 feels|"
    )  # the number does not depend on the history


def test_quotes_a_question_before_and_the_words_of_labels() -> None:
    asks = ConversationPrompter(
        quotes=True, opening='What does {speaker} feel who says "{text}"?\n', question="It is", history=1,
        instruction="Answer {words}.\n",
    )  # fmt: skip
    found = text(asks.prompt(query(1)))
    assert found == (
        'Answer joy, angry.\nWhat does Speaker feel who says "Again?"?\nAnn: "We won!"\nSpeaker: "Again?"\nIt is|'
    )
    shown = text(asks.prompt(query(0, demonstrations=(query(2),))))
    assert shown.count("What does Ann feel") == 2


def test_what_belongs_to_an_utterance_says_so() -> None:
    segments = ConversationPrompter(media=("face",), following=1).prompt(query(0)).segments
    own = [getattr(one, "utterance", "") for one in segments]
    assert own == ["", "u0", "u0", "u0", "", "u1", "u1", "u1", "", ""]


def test_streams_and_cues_without_words() -> None:
    asks = ConversationPrompter(media=("face",), words=False, quotes=True)
    assert text(asks.prompt(query(1))) == HEAD + "Ann:<face u0>\nSpeaker:<face u1>\nSpeaker feels|"
    talk = replace(query(0).conversation, utterances=(replace(query(0).target, cues={"tone": "loud"}),))
    prompt = ConversationPrompter(cues=("tone",), words=False).prompt(Query(conversation=talk, index=0, labels=LABELS))
    assert text(prompt) == HEAD + "Ann: (loud)\nAnn feels|"
    with pytest.raises(ValueError, match="leaves nothing of an utterance"):
        ConversationPrompter(words=False)
    with pytest.raises(ValueError, match=r"\{text\} stands for those of the target"):
        ConversationPrompter(words=False, media=("face",), question='saying "{text}" {speaker} feels')
