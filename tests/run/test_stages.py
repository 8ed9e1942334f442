"""What a stage learns from, and what is said of what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass

from merc.builtin.prompters import ConversationPrompter
from merc.builtin.sft import SupervisedFineTuning
from merc.components import Answer, Prompt, Prompter, Query, Text
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.recipe import Part, Stage
from merc.run.data import Data
from merc.run.stages import Stages, lessons


@dataclass(frozen=True, kw_only=True)
class Faces(Prompter):
    """Teaches the description of a face, where there is one."""

    def teaches(self, query: Query) -> bool:
        return "face" in query.target.cues

    def prompt(self, query: Query) -> Prompt:
        return Prompt((Text("Face:"), Answer(text=query.target.cues["face"])), query.target.id)


SAID = (
    Utterance(id="u0", text="a", label="joy", cues={"face": "a smile"}),
    Utterance(id="u1", text="b", label="joy"),
    Utterance(id="u2", text="c", cues={"face": "a frown"}),
)
TALKS = tuple(Conversation(id=f"c{i}", split="train", utterances=SAID[i:]) for i in range(2))
DATA = Data(TALKS, LabelSpace(("joy",)), by_split={"train": TALKS})


def stage(prompter: Prompter) -> Stage:
    part: dict[str, Part] = {
        "prompter": Part(name="p", params={}, component=prompter),
        "trainer": Part(name="sft", params={}, component=SupervisedFineTuning()),
    }
    return Stage(id="s", **part)


def ids(prompter: Prompter) -> list[list[str]]:
    return [[q.target.id for q in group] for group in lessons(stage(prompter), DATA)]


def test_by_default_what_has_a_label_is_learned() -> None:
    assert ids(ConversationPrompter()) == [["u0", "u1"], ["u1"]]
    assert Stages._why_left_out(stage(ConversationPrompter()), DATA, lessons(stage(ConversationPrompter()), DATA)) == ""


def test_a_prompter_says_what_it_teaches_and_the_rest_is_counted() -> None:
    assert ids(Faces()) == [["u0", "u2"], ["u2"]]
    assert Stages._why_left_out(stage(Faces()), DATA, lessons(stage(Faces()), DATA)) == (
        "2 labelled utterances have nothing that its prompts could teach: left out (u1, ...)"
    )
