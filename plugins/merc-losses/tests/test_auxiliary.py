"""Other questions about an utterance: what they ask, what is known, and that prompts share all but the question."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from merc_losses.auxiliary import Auxiliary

import merc
import merc.testing
from merc.builtin.prompters import ConversationPrompter
from merc.prompting import PromptEncoder, build_tree
from tests.prompting.tokenizers import byte_level
from tests.tiny_backbone import write_tiny_recipe

LABELS = merc.LabelSpace(("joy", "anger"))
SAID = [("Ann", "joy", "positive"), ("Bo", "joy", "positive"), ("Ann", "anger", ""), ("Bo", None, "neutral"),
        ("Cy", "joy", "neutral"), ("Ann", "anger", "negative")]  # fmt: skip
TALK = merc.Conversation(
    id="d",
    utterances=tuple(
        merc.Utterance(id=f"u{i}", text="Hm.", speaker=who, label=label, extra={"sentiment": mood} if mood else {})
        for i, (who, label, mood) in enumerate(SAID)
    ),
)


class TestAuxiliary(merc.testing.PrompterContract):
    component = Auxiliary(prompter=ConversationPrompter(), asks="shift")
    name = "auxiliary"


class TestSpeaker(merc.testing.PrompterContract):
    component = Auxiliary(prompter=ConversationPrompter(media=("face",), following=1), asks="speaker")


def answers(asks: str) -> list[str]:
    prompter = Auxiliary(prompter=ConversationPrompter(question="It is", end=False), asks=asks)
    every = [merc.Query(conversation=TALK, index=i, labels=LABELS) for i in range(len(SAID))]
    prompts = [prompter.prompt(query) for query in every]
    texts = [str(prompt.answer.text) for prompt in prompts]
    assert [prompter.has_target(query) for query in every] == list(map(bool, texts))
    assert not any(prompt.answer.end for prompt in prompts)
    return texts


@pytest.mark.parametrize(
    ("asks", "wanted"),
    [
        ("sentiment", ["positive", "positive", "", "neutral", "neutral", "negative"]),
        ("speaker", ["", "", "Ann", "Bo", "", "Ann"]),  # Cy is new, and at first there is no choice
        ("shift", ["", "no", "yes", "", "", "yes"]),  # of those before and after an unknown label nothing is known
        ("speaker-shift", ["", "", "yes", "", "", "no"]),
    ],
)
def test_what_is_learned(asks: str, wanted: list[str]) -> None:
    assert answers(asks) == wanted


def test_only_a_speaker_whom_the_prompt_names_is_asked_for() -> None:
    every = [merc.Query(conversation=TALK, index=i, labels=LABELS) for i in range(len(SAID))]
    for shown, wanted in ((ConversationPrompter(history=2), [False, False, True, True, False, False]),
                          (ConversationPrompter(speakers="roles"), [False] * 6)):  # fmt: skip
        ask = Auxiliary(prompter=shown, asks="speaker")
        assert [ask.has_target(query) for query in every] == wanted


def said_by(*lines: tuple[str, str]) -> merc.Query:
    """A query about the last of some lines, each with its speaker."""
    utterances = tuple(merc.Utterance(id=f"u{i}", text=text, speaker=who) for i, (who, text) in enumerate(lines))
    return merc.Query(
        conversation=merc.Conversation(id="d", utterances=utterances), index=len(lines) - 1, labels=LABELS
    )


@pytest.mark.parametrize("lines", [
    [("Al", "Hi."), ("Bo", "Also hi, Bob."), ("Al", "Yes.")],  # both names are within other words
    [("Al", "Hi, Bo."), ("Bo", "Hi, Al."), ("Al", "Yes.")],  # both are addressed
])  # fmt: skip
def test_a_name_within_what_is_said_is_not_whom_the_prompt_names(lines: list[tuple[str, str]]) -> None:
    query = said_by(*lines)
    assert not Auxiliary(prompter=ConversationPrompter(speakers="roles"), asks="speaker").has_target(query)
    assert Auxiliary(prompter=ConversationPrompter(), asks="speaker").has_target(query)


def test_who_spoke_before_the_history_and_is_addressed_in_it_is_not_named() -> None:
    query = said_by(("Al", "Hi."), ("Bo", "Al, stay."), ("Cy", "Bo, do not."), ("Bo", "Al!"))
    last = replace(query, conversation=replace(query.conversation, utterances=(
        *query.conversation.utterances, merc.Utterance(id="u4", text="What?", speaker="Al"))), index=4)  # fmt: skip
    assert not Auxiliary(prompter=ConversationPrompter(history=3), asks="speaker").has_target(last)
    assert Auxiliary(prompter=ConversationPrompter(history=4), asks="speaker").has_target(last)


@dataclass(frozen=True, kw_only=True)
class Counted(ConversationPrompter):
    """Counts the prompts that it writes."""

    times: list[int]

    def prompt(self, query: merc.Query) -> merc.Prompt:
        self.times.append(query.index)
        return super().prompt(query)


def test_finding_out_whom_a_prompt_names_costs_a_few_prompts() -> None:
    lines = [(f"Speaker {i}", "Hm.") for i in range(20)]
    prompter = Counted(times=[])
    assert Auxiliary(prompter=prompter, asks="speaker").has_target(said_by(*lines, lines[3]))
    assert len(prompter.times) == 3


def test_a_name_that_no_utterance_has_is_found_before_the_run_learns(tmp_path: Path) -> None:
    """A misspelled one would else teach nothing, and be a number in a note."""
    beside = "{name: auxiliary, asks: sentimnt, prompter: {name: conversation}}"
    tasks = f"[{{prompter: {{name: conversation}}}}, {{prompter: {beside}, beside: true}}]"
    recipe = tmp_path / "aside.yaml"
    text = write_tiny_recipe(tmp_path).read_text()
    recipe.write_text(text.replace("prompter: {name: conversation}", f"tasks: {tasks}"))
    with pytest.raises(merc.MercError, match=r"stages\.0\.tasks\.1: there is nothing to learn: no utterance"):
        merc.run(recipe, run_dir=tmp_path / "run")
    assert not (tmp_path / "run" / "stages").exists()


def test_who_speaks_is_hidden_where_it_is_asked() -> None:
    inner = ConversationPrompter(question="{speaker} is", instruction="")
    prompt = Auxiliary(prompter=inner, asks="speaker").prompt(merc.Query(conversation=TALK, index=2, labels=LABELS))
    words = "".join(segment.text for segment in prompt.segments if isinstance(segment, merc.Text))
    assert words == "Ann: Hm.\nBo: Hm.\nSpeaker: Hm.\nSpeaker is"


def test_beside_the_main_task_it_costs_its_question_and_answer() -> None:
    main, query = ConversationPrompter(), merc.Query(conversation=TALK, index=5, labels=LABELS)
    beside = Auxiliary(prompter=replace(main, question="The sentiment of {speaker} is"))
    encoder = PromptEncoder(byte_level())
    one = encoder.encode(main.prompt(query), lambda s, u: 0, LABELS, "anger")
    two = encoder.encode(beside.prompt(query), lambda s, u: 0, LABELS, "anger")
    question = encoder.encode(
        merc.Prompt((merc.Text("The sentiment of Ann is"), beside.prompt(query).answer), "q"), lambda s, u: 0
    )
    own = len(question.context) + len(two.answers[0].tokens) - 1
    assert len(build_tree([one, two])) <= len(build_tree([one])) + own < len(build_tree([one])) + len(two.context) / 2


def test_what_is_no_text() -> None:
    talk = replace(TALK, utterances=(replace(TALK.utterances[0], valence=0.5),))
    with pytest.raises(merc.MercError, match=r"auxiliary: 'valence' of utterance 'u0' is 0.5; asks names a text"):
        Auxiliary(prompter=ConversationPrompter(), asks="valence").has_target(
            merc.Query(conversation=talk, index=0, labels=LABELS)
        )
