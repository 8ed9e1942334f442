"""Which conversations a recipe wants cues of, and which annotators its prompts read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from merc.builtin.jsonl import JsonlCorpus
from merc.builtin.prompters import ConversationPrompter
from merc.builtin.sft import SupervisedFineTuning
from merc.components import Answer, Component, Prompt, Query
from merc.conversation import Conversation
from merc.recipe import ComponentRef, Evaluate, Features, Recipe, Stage, Task
from merc.recipe.schema import StageData
from merc.session.cues import annotate_command, annotators_of, cue_store, prompters_of, wanted_conversations
from tests.cues.parts import Among, Senses, Words, part, talk

TALKS = [talk("Hm.", name=f"{split}{n}", split=split) for split in ("train", "dev", "test") for n in range(3)]


def made(component: Component) -> ComponentRef:
    return ComponentRef(name="it", params={}, component=component)


def stage(number: int, *cues: str, **data: object) -> Stage:
    prompter = ConversationPrompter(cues=cues)
    task = Task(prompter=made(prompter), data=StageData(**data), path=f"stages.{number}")
    return Stage(id=f"s{number}", tasks=(task,), trainer=made(SupervisedFineTuning()))


def recipe(*stages: Stage, evaluate: Evaluate | None = None, **more: object) -> Recipe:
    annotators = {"senses": part(Senses()), "words": part(Words()), "among": part(Among())}
    corpus = made(JsonlCorpus(path=Path("talk.jsonl")))
    return Recipe(name="r", corpus=corpus, stages=stages, evaluate=evaluate, annotators=annotators, **more)


def names(conversations: list[Conversation]) -> list[str]:
    return [c.id for c in conversations]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (recipe(), ["train0", "train1", "train2", "dev0", "dev1", "dev2", "test0", "test1", "test2"]),
        (recipe(evaluate=Evaluate(splits=("test",))), ["test0", "test1", "test2"]),
        (recipe(stage(0, limit=1)), ["train0", "dev0", "dev1", "dev2"]),
        (recipe(stage(0, limit=1), stage(1, limit=2)), ["train0", "train1", "dev0", "dev1", "dev2"]),
        (recipe(stage(0, datasets=("songs",))), ["dev0", "dev1", "dev2"]),
        (recipe(stage(0), stage(1, limit=2)), ["train0", "train1", "train2", "dev0", "dev1", "dev2"]),
        (recipe(stage(0, limit=2), stage(1)), ["train0", "train1", "train2", "dev0", "dev1", "dev2"]),
        (
            recipe(stage(0, split="dev", limit=1), evaluate=Evaluate(splits=("test",))),
            ["dev0", "dev1", "dev2", "test0", "test1", "test2"],
        ),
    ],
)
def test_conversations_that_are_learned_or_predicted(given: Recipe, wanted: list[str]) -> None:
    assert names(wanted_conversations(given, TALKS)) == wanted


@dataclass(frozen=True, kw_only=True)
class Describes(ConversationPrompter):
    """Asks for the cue that it learns, a text."""

    def prompt(self, query: Query) -> Prompt:
        asked = super().prompt(query)
        return Prompt((*asked.segments[:-1], Answer(text=query.target.cues["gaze"])), asked.target)


def test_cues_are_wanted_where_a_prompt_reads_them_and_nowhere_else() -> None:
    def learned(number: int, prompter: ConversationPrompter) -> Stage:
        task = Task(prompter=made(prompter), path=f"stages.{number}")
        return Stage(id=f"s{number}", tasks=(task,), trainer=made(SupervisedFineTuning()))

    describes, plain = learned(0, Describes(cues=("gaze",))), learned(1, ConversationPrompter())
    given = recipe(describes, plain, evaluate=Evaluate(splits=("dev", "test")))
    assert names(wanted_conversations(given, TALKS, ("gaze",))) == ["train0", "train1", "train2"]
    assert names(wanted_conversations(given, TALKS, ("heard",))) == []
    asks = learned(1, ConversationPrompter(cues=("gaze", "heard")))
    later = recipe(
        describes, asks, evaluate=Evaluate(splits=("test",), prompter=made(ConversationPrompter(cues=("rank",))))
    )
    assert names(wanted_conversations(later, TALKS, ("heard",)))[3:] == ["dev0", "dev1", "dev2"]
    assert names(wanted_conversations(later, TALKS, ("rank",))) == ["test0", "test1", "test2"]
    shown = recipe(evaluate=Evaluate(splits=("test",), prompter=made(ConversationPrompter(cues=("rank",))),
                                     demonstrations=made(Senses())))  # fmt: skip
    assert len(wanted_conversations(shown, TALKS, ("rank",))) == 6


def test_annotators_whose_cues_some_prompt_reads() -> None:
    evaluate = Evaluate(prompter=made(ConversationPrompter(cues=("rank",))))
    given = recipe(stage(0, "heard"), stage(1, "gaze"), evaluate=evaluate)
    assert [path for path, _ in prompters_of(given)] == ["stages.0.prompter", "stages.1.prompter", "evaluate.prompter"]
    assert list(annotators_of(given, prompters_of(given))) == ["senses", "among"]
    assert annotators_of(recipe(stage(0)), prompters_of(recipe(stage(0)))) == {}


def test_places_and_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path))
    assert cue_store(recipe()).root == tmp_path / "cues"
    assert cue_store(recipe(features=Features(store="/data/features"))).root == Path("/data/cues")
    assert annotate_command(recipe()) == "merc annotate r"
    assert annotate_command(recipe(arguments=("a b.yaml", "seed=1"))) == "merc annotate 'a b.yaml' seed=1"
