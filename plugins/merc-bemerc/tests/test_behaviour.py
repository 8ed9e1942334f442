import re

from merc_bemerc.behaviour import FIELDS, behaviour_prompt, pictures, wording

import merc


def query(talk, index):
    return merc.Query(conversation=talk, index=index, labels=merc.LabelSpace(("joy",)))


def test_four_parts_in_the_papers_order(talk):
    text = behaviour_prompt(query(talk, 2)).text()
    assert re.findall(r"^# (.*)$", text, re.M) == ["Title", "Context", "Objective", "Constraint"]
    for name in FIELDS:
        assert f'"{name}"' in text


def test_context_tells_what_was_said_before_in_order(talk):
    context = behaviour_prompt(query(talk, 2)).context
    assert context.splitlines() == [
        "What was said before:",
        'Ann: "Did you hear? We won!"',
        'Ben: "Again? I can\'t believe it."',
        'Now Ann says: "Never mind, come on."',
    ]


def test_context_of_the_last_utterances_alone(talk):
    assert "We won" not in behaviour_prompt(query(talk, 2), before=1).context
    assert "believe" in behaviour_prompt(query(talk, 2), before=1).context
    assert behaviour_prompt(query(talk, 2), before=0).context.startswith("Nothing was said before.")
    assert behaviour_prompt(query(talk, 0)).context.startswith("Nothing was said before.")


def test_nobody_says_nothing(talk):
    assert "Now the speaker says: (no words)" in behaviour_prompt(query(talk, 3)).context


def test_flat_prompt_says_the_same_without_structure(talk):
    prompt = behaviour_prompt(query(talk, 1), shown=pictures([0.5]))
    flat = prompt.text(structured=False)
    assert "\n" not in flat and "#" not in flat
    assert flat.split() == re.sub("(?m)^# .*$", "", prompt.text()).split()


def test_pictures_are_told_with_their_times():
    assert pictures([0.0, 1.25]) == "You see 2 pictures of it in their order, taken at 0.0, 1.2 seconds."
    assert pictures([3.0]) == "You see one picture of it."


def test_the_wording_is_the_templates_alone():
    assert wording() == wording()
    assert "Constraint" in wording() and "Ann" not in wording()
