"""What a stage learns from, and what is said of what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from merc.builtin.prompters import ConversationPrompter
from merc.builtin.sft import SupervisedFineTuning
from merc.components import Answer, Prompt, Prompter, Query, Text, TrainReport
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.recipe import ComponentRef, Stage, Task
from merc.recipe.schema import StageData
from merc.session.data import Data
from merc.session.examples import examples, task_queries, without_partner
from merc.session.stages import Stages, _shares, checked_report


@dataclass(frozen=True, kw_only=True)
class Faces(Prompter):
    """Teaches the description of a face, where there is one."""

    def has_target(self, query: Query) -> bool:
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


def task(prompter: Prompter, share: float | None = None) -> Task:
    return Task(prompter=ComponentRef(name="p", params={}, component=prompter), share=share, path="stages.0")


def stage(*tasks: Task) -> Stage:
    return Stage(id="s", tasks=tasks, trainer=ComponentRef(name="sft", params={}, component=SupervisedFineTuning()))


def ids(*tasks: Task, epoch: int = 0) -> list[list[str]]:
    return [[example.query.target.id for example in group] for group in examples(stage(*tasks), DATA, epoch=epoch)]


def left_out(*tasks: Task) -> str:
    return Stages._why_left_out(stage(*tasks), DATA, [task_queries(one, DATA) for one in tasks])


def test_a_trainer_without_a_report_is_named() -> None:
    report = TrainReport(epochs=1, steps=1, seconds=1.0)
    assert checked_report("lazy", report) is report
    with pytest.raises(MercError, match=r"trainer 'lazy': train\(\) gives NoneType; .*merc\.TrainReport"):
        checked_report("lazy", None)


def test_by_default_what_has_a_label_is_learned() -> None:
    assert ids(task(ConversationPrompter())) == [["u0", "u1"], ["u1"]]
    assert left_out(task(ConversationPrompter())) == ""


def test_a_prompter_says_what_it_teaches_and_the_rest_is_counted() -> None:
    assert ids(task(Faces())) == [["u0", "u2"], ["u2"]]
    assert left_out(task(Faces())) == (
        "2 labelled utterances have nothing that its prompts could teach: left out (u1, ...)"
    )


def test_tasks_are_learned_side_by_side() -> None:
    both = (task(ConversationPrompter()), task(Faces()))
    assert ids(*both) == [["u0", "u1"], ["u1"], ["u0", "u2"], ["u2"]]
    assert left_out(*both) == ""
    asked = examples(stage(*both), DATA)
    assert [example.prompt().answer.text for example in asked[2]] == ["a smile", "a frown"]
    assert _shares(stage(*both), [task_queries(one, DATA) for one in both], 0) == (
        "an epoch has, in conversations, 2 of stages.0 (it has 2), 2 of stages.0 (it has 2)"
    )


def test_shares_say_how_much_of_an_epoch_a_task_has() -> None:
    shared = (task(ConversationPrompter(), share=1), task(Faces(), share=3))
    epochs = [ids(*shared, epoch=epoch) for epoch in range(2)]
    assert all(len(groups) == 4 for groups in epochs)
    assert sorted(groups[0] for groups in epochs) == [["u0", "u1"], ["u1"]]  # one an epoch, each in its turn
    faces = [group for groups in epochs for group in groups[1:]]
    assert faces.count(["u0", "u2"]) == faces.count(["u2"]) == 3


def test_a_task_beside_the_first_is_asked_in_its_groups() -> None:
    beside = replace(task(Faces()), beside=True)
    asked = examples(stage(task(ConversationPrompter()), beside), DATA)
    found = [[(one.query.target.id, type(one.prompter).__name__) for one in group] for group in asked]
    words, faces = "ConversationPrompter", "Faces"
    assert found == [[("u0", words), ("u1", words), ("u0", faces), ("u2", faces)], [("u1", words), ("u2", faces)]]
    shared = replace(beside, share=0.5)
    epochs = [ids(task(ConversationPrompter()), shared, epoch=epoch) for epoch in range(2)]
    counts = [[len(group) for group in groups] for groups in epochs]
    assert sorted(counts) == [[2, 2], [4, 1]]  # one of the two an epoch, each in its turn
    both = (task(ConversationPrompter()), shared)
    assert _shares(stage(*both), [task_queries(one, DATA) for one in both], 0) == (
        "an epoch has, in conversations, 2 of stages.0 (it has 2), 1 of stages.0 (it has 2)"
    )
    with pytest.raises(ValueError, match="share of a task beside the first"):
        replace(beside, share=1.5)


def test_a_task_beside_the_first_is_asked_once_about_what_an_epoch_has_of_the_first() -> None:
    """Whichever conversations that are: its share is of these, and what is never asked about is counted."""
    few = replace(task(ConversationPrompter()), data=StageData(limit=1))
    beside = replace(task(Faces()), beside=True, path="stages.0.tasks.1")
    assert ids(few, beside) == [["u0", "u1", "u0", "u2"]]
    said = _shares(stage(few, beside), [task_queries(one, DATA) for one in (few, beside)], 0)
    assert said.endswith("(it has 1), 1 of stages.0.tasks.1 (it has 2, 1 of them none of the first task's)")
    often = (task(ConversationPrompter(), share=3), task(ConversationPrompter(), share=1), beside)
    asked = examples(stage(*often), DATA)
    assert len(asked) == 4  # three of the first task, so one conversation comes twice
    faces = [one.query.target.id for group in asked for one in group if isinstance(one.prompter, Faces)]
    assert sorted(faces) == ["u0", "u2", "u2"]


def test_a_task_beside_the_first_without_a_conversation_of_it_is_refused() -> None:
    every = [task_queries(task(ConversationPrompter()), DATA)[:1], task_queries(task(Faces()), DATA)[1:]]
    beside = stage(task(ConversationPrompter()), replace(task(Faces()), beside=True))
    with pytest.raises(MercError, match=r"stages\.0\.beside: none of its 1 conversations is one that the first task"):
        without_partner(beside, every)
