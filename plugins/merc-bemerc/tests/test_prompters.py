"""The prompts of the two tuning stages: the four parts, placeholders where tokens will stand, and the fields chosen."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from merc_bemerc.prompters import BehaviourPrompter, EmotionPrompter

from merc import Answer, Conversation, LabelSpace, MercError, Prompt, Query, Slot, Text, Turn, Utterance
from merc.testing import PrompterContract

LABELS = LabelSpace(("joy", "anger"), {"anger": ("angry",)})
CUES = {"face": "She frowns.", "body": "She points at the door.", "posture": "She leans forward."}
TALK = Conversation(
    id="c",
    utterances=(
        Utterance(id="u0", speaker="Ben", text="I lost it.", label="joy", cues={"face": "He smiles."}),
        Utterance(id="u1", speaker="Ann", text="Go\naway!", label="anger", cues=CUES),
        Utterance(id="u2", text="", label=None),
    ),
)


def query(index: int, **more) -> Query:
    return Query(conversation=TALK, index=index, labels=LABELS, **more)


def words(prompt: Prompt, slot: str = "<{stream}>") -> str:
    """The prompt as text, each slot with the words that stand with it."""
    made = []
    for segment in prompt.segments:
        if isinstance(segment, Text):
            made.append(segment.text)
        elif isinstance(segment, Slot):
            made.append(segment.before + slot.format(stream=segment.stream) + segment.after)
        elif isinstance(segment, Turn):
            made.append(f"[{segment.role}]")
    return "".join(made)


class TestBehaviour(PrompterContract):
    component = BehaviourPrompter()
    name = "bemerc-behaviour"

    def conversation(self) -> Conversation:
        return TALK


class TestEmotion(PrompterContract):
    component = EmotionPrompter(cues=("face", "posture"), cues_of="all")
    name = "bemerc-emotion"


class TestEmotionWithDemonstrations(PrompterContract):
    component = EmotionPrompter(chat=True, order="shared-first")

    def demonstrations(self) -> tuple[Query, ...]:
        return (query(1),)


@pytest.mark.parametrize("prompter", [BehaviourPrompter(), EmotionPrompter()])
def test_the_four_parts_stand_in_the_papers_order(prompter):
    text = words(prompter.prompt(query(1)))
    assert re.findall(r"^# (\w+)$", text, re.M) == ["Title", "Context", "Objective", "Constraint"]
    shared = words(replace(prompter, order="shared-first").prompt(query(1)))
    assert re.findall(r"^# (\w+)$", shared, re.M) == ["Title", "Objective", "Constraint", "Context"]
    parts = [dict(re.findall(r"^# (\w+)\n(.*?)\n\n", t, re.M | re.S)) for t in (text, shared)]
    assert parts[0] == parts[1] and len(parts[0]) == 4


@pytest.mark.parametrize("prompter", [BehaviourPrompter(), EmotionPrompter()])
def test_a_flat_prompt_says_the_same_without_headings(prompter):
    structured = words(prompter.prompt(query(1)))
    flat = words(replace(prompter, structured=False).prompt(query(1)))
    assert "#" not in flat
    assert " ".join(re.sub(r"^# \w+$", "", structured, flags=re.M).split()) == " ".join(flat.split())


def test_placeholders_stand_where_the_tokens_will_stand():
    """Section 3.3: the same place in both prompts, so that tokens can take the placeholders' place."""
    behaviour, emotion = (p.prompt(query(1)) for p in (BehaviourPrompter(), EmotionPrompter()))
    assert not any(isinstance(s, Slot) for s in behaviour.segments)
    assert [s for s in emotion.segments if isinstance(s, Slot)] == [
        Slot("video", "u1", before=" video: "),
        Slot("audio", "u1", before=" audio: "),
    ]
    line = 'Ann: "Go away!" video: <video> audio: <audio>'
    assert line in words(behaviour) and line in words(emotion)
    assert 'Ben: "I lost it."\n' in words(behaviour)


def test_the_answer_is_the_description_in_the_chosen_fields():
    answer = BehaviourPrompter().prompt(query(1)).answer
    assert json.loads(answer.text) == CUES
    some = BehaviourPrompter(fields=("posture", "face")).prompt(query(1))
    assert json.loads(some.answer.text) == {"posture": CUES["posture"], "face": CUES["face"]}
    assert '{"posture": "...", "face": "..."}' in words(some) and "gestures" not in words(some)
    # What was not written is null, as the teacher says it, or left out.
    nothing = {"body": None, "posture": None}
    assert json.loads(BehaviourPrompter().prompt(query(0)).answer.text) == {"face": "He smiles.", **nothing}
    left_out = BehaviourPrompter(absent="left-out").prompt(query(0))
    assert json.loads(left_out.answer.text) == {"face": "He smiles."}


def test_an_utterance_without_a_description_teaches_nothing():
    assert [BehaviourPrompter(fields=("body",)).has_target(query(i)) for i in range(3)] == [False, True, False]
    with pytest.raises(MercError, match="utterance 'u2' has none of the cues face, body, posture to learn"):
        BehaviourPrompter().prompt(query(2))
    assert [EmotionPrompter().has_target(query(i)) for i in range(3)] == [True, True, False]


def test_cues_stand_beside_the_words_by_the_recipes_list():
    assert "She" not in words(EmotionPrompter().prompt(query(1)))
    text = words(EmotionPrompter(cues=("body", "prosody")).prompt(query(1)))
    assert 'Ann: "Go away!" (body: She points at the door.) video:' in text
    assert "prosody" not in text and "He smiles" not in text
    text = words(EmotionPrompter(cues=("face",), cues_of="all").prompt(query(1)))
    assert '"I lost it." (face: He smiles.)' in text and "(face: She frowns.)" in text
    assert EmotionPrompter(cues=("face",)).cue_fields() == ("face",)


def test_a_recipe_may_replace_the_text():
    own = {"ask": "Read {conversation}{media}. One of {labels}: how is {speaker}?"}
    prompt = EmotionPrompter(template=own, media=("voice",), cues=("face",)).prompt(query(1))
    said = 'Ben: "I lost it."\nAnn: "Go away!" (face: She frowns.)'
    assert words(prompt) == f"Read {said} voice: <voice>. One of joy, anger: how is Ann?\n\nEmotion:"
    about = BehaviourPrompter(fields=("face", "hands"), describes={"hands": "the hands"})
    assert "hands: the hands" in words(about.prompt(query(1))) and "face: the facial" in words(about.prompt(query(1)))
    braces = {"ask": 'Read {conversation} and answer {"like": {"this": 1}} {media}'}
    assert '{"like": {"this": 1}} voice: <voice>' in words(
        EmotionPrompter(template=braces, media=("voice",)).prompt(query(1))
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"template": {"ask": "{conversation} {media} {json}"}}, r"template.ask has the placeholder \{json\}"),
        ({"template": {"ask": "{conversation}"}}, r"template has no \{media\}"),
        ({"template": {"ask": "{media} {labels}"}}, r"template has no \{conversation\}"),
        ({"template": {}}, "template has no part"),
    ],
)
def test_templates_are_checked(params, message):
    with pytest.raises(ValueError, match=message):
        EmotionPrompter(**params)
    assert EmotionPrompter(template={"ask": "{conversation}"}, media=())


def test_labels_stand_in_the_constraint_and_the_label_is_the_answer():
    prompt = EmotionPrompter(end=False).prompt(query(1))
    assert "Answer with one of these words alone: joy, anger." in words(prompt)
    assert prompt.answer == Answer(end=False)


def test_history_is_cut_where_it_says():
    assert "I lost it" not in words(EmotionPrompter(history=0).prompt(query(1)))
    assert "I lost it" in words(EmotionPrompter(history=1).prompt(query(1)))
    with pytest.raises(ValueError, match="history counts utterances from 0, not -1"):
        EmotionPrompter(history=-1)


def test_fields_are_named_once():
    for fields in ((), ("face", "face")):
        with pytest.raises(ValueError, match="fields names at least one cue, each once"):
            BehaviourPrompter(fields=fields)


def test_words_that_are_missing_are_said_to_be():
    assert "the speaker: (no words)" in words(EmotionPrompter().prompt(query(2)))


def test_shared_first_shares_more_between_utterances():
    def shared(prompter) -> int:
        one, two = (words(prompter.prompt(query(i)), slot="") for i in (0, 1))
        return next(i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b)

    assert shared(EmotionPrompter(order="shared-first")) > shared(EmotionPrompter()) + 50


def test_demonstrations_have_their_labels():
    prompt = EmotionPrompter(chat=True).prompt(query(0, demonstrations=(query(1),)))
    assert re.findall(r"\[(\w+)\]", words(prompt)) == ["user", "assistant", "user"]
    assert "[assistant]angry[user]" in words(prompt)
    assert "Emotion: angry\n\n# Title" in words(EmotionPrompter().prompt(query(0, demonstrations=(query(1),))))
    with pytest.raises(MercError, match="demonstration 'u2' has no label to show"):
        EmotionPrompter().prompt(query(0, demonstrations=(query(2),)))
