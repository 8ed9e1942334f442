"""The prompter of tagged evidence: its words, and its rationales before and after the model's own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from merc_decoding.evidence import Evidence
from merc_decoding.rationale import RationaleThenVerbalizer

import merc
from merc.model.emotion_model import EmotionModel
from merc.testing import samples
from tests.decoding import plain

TALK = samples.conversation()
WHY = replace(TALK, id="why", utterances=tuple(u.with_cues({"why": f"It is {u.label}."}) for u in TALK.utterances))


def words(prompt: merc.Prompt) -> str:
    return "".join(part.text for part in prompt.segments if isinstance(part, merc.Text))


def query(index: int, *shown: merc.Query, talk: merc.Conversation = TALK) -> merc.Query:
    return merc.Query(conversation=talk, index=index, labels=samples.LABELS, demonstrations=shown)


def test_evidence_stands_after_its_tag() -> None:
    start = "Infer the speaker's emotion from the evidence. The emotions are: neutral, joy, anger.\n"
    first = "Ann: <Text> Did you hear? We won! <Audio-Prosody> fast and loud <Visual-AU> a broad smile\n"
    second = "Ben: <Text> Again? I can't believe it. <Audio-Prosody> low and tense <Visual-AU> a frown\n"
    assert words(Evidence().prompt(query(1))) == f"{start}{first}{second}The emotion of Ben?"
    assert words(Evidence(history=0).prompt(query(2))) == f"{start}Speaker: <Text> Well.\nThe emotion of Speaker?"
    target = Evidence(cues_of="target", tags={"face": "AU"}, text_tag="Words").prompt(query(1))
    assert words(target).split("\n")[1:3] == [
        "Ann: <Words> Did you hear? We won!",
        "Ben: <Words> Again? I can't believe it. <AU> a frown",
    ]


def test_demonstrations_are_context_rationale_label() -> None:
    prompter = Evidence(tags={}, history=0, rationale="why")
    found = words(prompter.prompt(query(3, query(0, talk=WHY), query(1, talk=WHY))))
    assert found.split("\n", 1)[1] == (
        "Ann: <Text> Did you hear? We won!\nThe emotion of Ann?\nReasoning: It is joy.\nSo the emotion is joy\n\n"
        "Ben: <Text> Again? I can't believe it.\nThe emotion of Ben?\nReasoning: It is anger.\nSo the emotion is anger"
        "\n\nAnn: <Text> Never mind, come on.\nThe emotion of Ann?\nReasoning:"
    )
    assert prompter.answer_fields() == ("why",) and "why" not in prompter.cue_fields()
    # Without rationales the labels stand at once.
    assert "The emotion of Ann? joy\n\n" in words(Evidence(history=0).prompt(query(3, query(0))))


def test_a_decoder_goes_on_as_the_demonstrations_do(model: EmotionModel) -> None:
    """What the labels are scored after is written like a demonstration."""
    prompter = Evidence(tags={}, history=0, rationale="why")
    asked = plain(model, prompter)
    scored: list[merc.Prompt] = []

    class Writes:
        labels, prompt = asked.labels, asked.prompt

        def generate(self, queries, *, count=1, **how):
            return [[merc.components.Generation(" She smiles.\n", (1,), (-1.0,), True)] for _ in queries]

        def score(self, queries, normalize="none", prompts=None):
            scored.extend(prompts)
            return asked.score([replace(q, labels=asked.labels) for q in queries], normalize, prompts)

    one = replace(query(3, query(0, talk=WHY)), labels=asked.labels)
    RationaleThenVerbalizer().decode(Writes(), [replace(one, demonstrations=())])  # type: ignore[arg-type]
    assert words(scored[0]).endswith("The emotion of Ann?\nReasoning: She smiles.\nSo the emotion is")


def test_a_demonstration_without_a_rationale_is_an_error() -> None:
    with pytest.raises(merc.MercError) as caught:
        Evidence(rationale="why").prompt(query(3, query(0)))
    assert "prompter evidence: demonstration 'talk_u0' has no cue 'why'" in str(caught.value)
    assert "rationale: null" in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "holds"),
    [
        ({"tags": {"face": "<AU>"}}, "a tag is a name without < and >"),
        ({"text_tag": ""}, "a tag is a name"),
        ({"rationale": "face"}, "'face' is among tags too"),
        ({"history": -1}, "history counts utterances from 0"),
        ({"question": "{who}?"}, "question may hold {speaker}"),
    ],
)
def test_values_that_cannot_be(wrong: dict[str, object], holds: str) -> None:
    with pytest.raises(ValueError, match=holds):
        Evidence(**wrong)  # type: ignore[arg-type]
