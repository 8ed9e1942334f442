import re
from dataclasses import replace

import pytest
from merc_bemerc.behaviour import BEHAVIOUR, DESCRIPTION, FIELDS, MEANINGS, pictures, teacher_prompt, wording
from merc_bemerc.openai_compatible import OpenAICompatible
from merc_bemerc.prompters import BehaviourPrompter
from merc_bemerc.qwen2_vl import Qwen2VL, VideoDescription

import merc

ASKED = {name: MEANINGS[name] for name in FIELDS}


def query(talk, index):
    return merc.Query(conversation=talk, index=index, labels=merc.LabelSpace(("joy",)))


def prompt(talk, index, **more) -> str:
    return teacher_prompt(query(talk, index), BEHAVIOUR, ASKED, **more)


def context(text: str) -> str:
    return text.split("# Context\n")[1].split("\n\n# ")[0]


def test_four_parts_in_the_papers_order(talk):
    text = prompt(talk, 2)
    assert re.findall(r"^# (.*)$", text, re.M) == ["Title", "Context", "Objective", "Constraint"]
    for name in FIELDS:
        assert f'"{name}": "..."' in text and f"{name}: {MEANINGS[name]}" in text


def test_context_tells_what_was_said_before_in_order(talk):
    assert context(prompt(talk, 2, media=pictures([0.5]))).splitlines() == [
        'Ann: "Did you hear? We won!"',
        'Ben: "Again? I can\'t believe it."',
        'Ann: "Never mind, come on." You see one picture of it.',
    ]


def test_context_of_the_last_utterances_alone(talk):
    assert "We won" not in prompt(talk, 2, before=1) and "believe" in prompt(talk, 2, before=1)
    assert context(prompt(talk, 2, before=0)) == 'Ann: "Never mind, come on."'


def test_nobody_says_nothing(talk):
    assert context(prompt(talk, 3)).endswith("the speaker: (no words)")


def test_flat_prompt_says_the_same_without_structure(talk):
    flat = prompt(talk, 1, media=pictures([0.5]), structured=False)
    assert "\n" not in flat and "#" not in flat
    assert flat.split() == re.sub("(?m)^# .*$", "", prompt(talk, 1, media=pictures([0.5]))).split()


def test_one_template_serves_generation_and_alignment(talk):
    """Figure 7: the student reads what its teacher read, with placeholders where the teacher saw pictures."""
    said = list(talk.utterances)
    said[2] = said[2].with_cues({"face": "She smiles."})
    asked = BehaviourPrompter(media=("video",)).prompt(query(replace(talk, utterances=tuple(said)), 2))
    student = "".join(one.text for one in asked.segments if isinstance(one, merc.Text))
    assert student == prompt(talk, 2, media="video: <video>") + "\n\nBehaviour:"
    for teacher in (Qwen2VL(path="m"), OpenAICompatible(base_url="http://host/v1", model="m")):
        assert teacher.template == BehaviourPrompter().template and teacher.fields() == BehaviourPrompter().fields


def test_a_recipe_may_replace_the_text(talk):
    own = {"task": "What does {speaker} do? {conversation}\nAnswer as {json}: {fields}"}
    teacher = OpenAICompatible(base_url="http://host/v1", model="m", template=own, describes={"hands": "the hands"})
    assert teacher.fields() == ("hands",)
    text = teacher_prompt(query(talk, 0), teacher.template, teacher.describes)
    assert text == 'What does Ann do? Ann: "Did you hear? We won!"\nAnswer as {"hands": "..."}: hands: the hands'
    assert teacher.identity()["prompt"] != OpenAICompatible(base_url="http://host/v1", model="m").identity()["prompt"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"template": {"all": "{conversation} {jsn}"}}, r"template.all has the placeholder \{jsn\}; there are"),
        ({"template": {"all": "{conversation}"}}, r"template has no \{json\}"),
        ({"template": {}}, "template has no part"),
        ({"template": {"all": " "}}, "template has no part, or an empty one"),
        ({"describes": {}}, "describes names no field"),
    ],
)
def test_templates_are_checked(params, message):
    for make in (lambda **more: Qwen2VL(path="m", **more), lambda **more: OpenAICompatible(
        base_url="http://host/v1", model="m", **more)):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            make(**params)


def test_a_video_description_is_another_cue_of_the_same_teacher(talk):
    teacher = VideoDescription(path="m")
    assert teacher.fields() == ("description",) and teacher.template == DESCRIPTION
    asked = teacher_prompt(query(talk, 1), teacher.template, teacher.describes)
    assert '{"description": "..."}' in asked and "face" not in asked and "feels" not in asked
    assert teacher.identity() != Qwen2VL(path="m").identity()


def test_pictures_are_told_with_their_times():
    assert pictures([0.0, 1.25]) == "You see 2 pictures of it in their order, taken at 0.0, 1.2 seconds."
    assert pictures([3.0]) == "You see one picture of it."


def test_the_wording_is_the_templates_alone():
    whole = wording(BEHAVIOUR, ASKED, True)
    assert whole == wording(BEHAVIOUR, ASKED, True) != wording(BEHAVIOUR, ASKED, False)
    assert "Constraint" in whole and "Ann" not in whole
