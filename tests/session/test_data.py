from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from merc.builtin.fusers import Concat
from merc.builtin.jsonl import JsonlCorpus
from merc.builtin.prompters import ConversationPrompter
from merc.builtin.sft import SupervisedFineTuning
from merc.components import Component, Corpus, CorpusData, Missing
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.features import FeatureStore, FeatureTable
from merc.recipe import ComponentRef, Evaluate, Recipe, Stage, Task
from merc.session.data import (
    FeatureCache,
    encoders_of,
    inputs_of,
    labelled,
    load_data,
    missing_streams,
    queries,
    used_streams,
)
from tests.features.parts import Brightness, Letters, Loudness
from tests.senses import talk, write_talk


def part(component: Component, name: str = "it") -> ComponentRef:
    return ComponentRef(name=name, params={}, component=component)


class Given(Corpus):
    """A corpus of what a test gives."""

    def load(self) -> CorpusData:
        return self.data


@dataclass(frozen=True, kw_only=True)
class Around(Given):
    """A corpus that reads another."""

    corpus: Corpus


def given(*conversations: Conversation, labels: LabelSpace | None = None) -> Recipe:
    corpus = Given()
    object.__setattr__(corpus, "data", CorpusData(conversations=conversations, labels=labels, notes=("a note",)))
    return Recipe(name="r", corpus=part(corpus, "given"))


def said(name: str, label: str | None = "joy", text: str = "Hm.", **more) -> Utterance:
    return Utterance(id=name, text=text, label=label, **more)


def conversation(name: str, *utterances: Utterance, split="train") -> Conversation:
    return Conversation(id=name, split=split, utterances=utterances)


def test_splits_and_notes():
    recipe = given(
        conversation("a", said("a0"), said("a1", "anger")),
        conversation("b", said("b0", None), split="dev"),
        conversation("c", said("c0"), split=None),
        conversation("d", split="test"),
    )
    data = load_data(recipe)
    assert data.labels.labels == ("anger", "joy")
    assert {name: [c.id for c in found] for name, found in data.by_split.items()} == {
        "train": ["a"], "dev": ["b"], "test": ["c"],
    }  # fmt: skip
    assert data.notes == (
        "a note",
        "1 of 4 conversations has no utterance: left out",
        "1 of 3 conversations states no split: counted as test",
        "1 of 4 utterances has no label: read as context and predicted, never learned",
    )


def test_each_dataset_keeps_its_own_labels():
    faces, voices = LabelSpace(("joy", "fear")), LabelSpace(("calm", "joy"), {"calm": ("calm", "neutral")})
    talks = [
        replace(conversation("a", said("a0")), dataset="faces"),
        replace(conversation("b", said("b0", "calm")), dataset="voices"),
        replace(conversation("c", said("c0", "anger")), dataset="others"),
        replace(conversation("d", said("d0", "fear"), split="test"), dataset="faces"),
    ]
    recipe = given(*talks)
    loaded = CorpusData(conversations=talks, spaces={"faces": faces, "voices": voices})
    object.__setattr__(recipe.corpus.component, "data", loaded)
    data = load_data(recipe)
    asked = queries(data.conversations, data.labels, spaces=data.spaces)
    assert data.labels.labels == ("joy", "fear", "calm", "anger")
    assert [g[0].labels for g in asked] == [faces, voices, LabelSpace(("anger",)), faces]
    # A trained run does not learn new labels of a set, and the labels that a recipe declares are those of every set.
    again = load_data(recipe, LabelSpace(("joy", "fear", "calm", "anger")))
    assert again.spaces == data.spaces
    object.__setattr__(recipe.corpus.component, "data", replace(loaded, conversations=talks[:1]))
    assert load_data(recipe, LabelSpace(("joy",))).spaces == {"faces": LabelSpace(("joy",))}
    assert load_data(replace(recipe, labels=LabelSpace(("joy", "hate")))).spaces == {}


def test_a_limit_keeps_the_first_conversations_of_dev_and_test():
    recipe = given(
        *(conversation(f"train{i}", said(f"train{i}u")) for i in range(3)),
        *(conversation(f"dev{i}", said(f"dev{i}u"), split="dev") for i in range(3)),
        *(conversation(f"t{i}", said(f"t{i}u"), split=[None, "test"][i]) for i in range(2)),
    )
    data = load_data(replace(recipe, evaluate=Evaluate(limit=2)))
    assert {name: [c.id for c in found] for name, found in data.by_split.items()} == {
        "train": ["train0", "train1", "train2"], "dev": ["dev0", "dev1"], "test": ["t0", "t1"],
    }  # fmt: skip
    assert {c.id for c in data.conversations} == {c.id for found in data.by_split.values() for c in found}
    assert data.notes[2:] == ("evaluate.limit: of dev the first 2 of 3 conversations, no others",)


def test_a_limit_of_train_keeps_dev_and_test_whole():
    talks = [conversation(f"t{i}", said(f"t{i}u")) for i in range(30)]
    talks += [conversation(f"d{i}", said(f"d{i}u"), split="dev") for i in range(3)]

    def kept(**limits):
        recipe = given(*talks)
        for name, value in limits.items():
            object.__setattr__(recipe.corpus.component, name, value)
        data = load_data(recipe)
        assert [c.id for c in data.split("dev")] == ["d0", "d1", "d2"]
        return [c.id for c in data.split("train")], [note for note in data.notes if "limit" in note]

    assert kept(limit=2) == (["t0", "t1"], ["corpus.limit: of train the first 2 of 30 conversations, no others"])
    drawn, notes = kept(limit=5, limit_seed=0)
    assert len(drawn) == 5 and drawn != [f"t{i}" for i in range(5)]
    assert drawn == sorted(drawn, key=lambda name: int(name[1:])) == kept(limit=5, limit_seed=0)[0]
    assert drawn != kept(limit=5, limit_seed=1)[0]
    assert notes == ["corpus.limit: of train by chance 5 of 30 conversations, no others"]
    assert kept(limit=30)[1] == [] and len(kept()[0]) == 30
    with pytest.raises(MercError, match=r"corpus\.limit counts conversations from 1, not 0"):
        kept(limit=0)


def test_a_limit_of_a_corpus_in_another_is_not_passed_over():
    outer = Around(corpus=JsonlCorpus(path="talk.jsonl", limit=3))
    recipe = given(conversation("a", said("a0")))
    object.__setattr__(outer, "data", recipe.corpus.component.data)
    with pytest.raises(MercError, match=r"corpus\.corpus\.limit: .*set corpus\.limit"):
        load_data(replace(recipe, corpus=part(outer, "around")))


def test_an_empty_split_names_the_others():
    data = load_data(given(conversation("a", said("a0")), conversation("b", said("b0"))))
    with pytest.raises(MercError, match=r"no conversation in the split 'dev'; the splits with some are: train \(2\)"):
        data.split("dev")


@pytest.mark.parametrize("conversations", [[], [conversation("a")]])
def test_an_empty_corpus(conversations):
    with pytest.raises(MercError, match="corpus 'given' is empty: it gave no conversation with an utterance"):
        load_data(given(*conversations))


def test_no_labels():
    with pytest.raises(MercError, match=r"no labels are known: .*; list the labels in the recipe, as in labels: \["):
        load_data(given(conversation("a", said("a0", None))))
    with pytest.raises(MercError, match="no labels are known"):  # the labels of dev and test are not looked at
        load_data(given(conversation("a", said("a0"), split="test")))


def test_ids_that_stand_twice():
    with pytest.raises(MercError, match=r"every conversation of a corpus needs an id of its own; .*: 'a'$"):
        load_data(given(conversation("a", said("a0")), conversation("a", said("a1"))))
    one, two = said("u", origin="x.csv, line 2"), said("u", origin="x.csv, line 9")
    wanted = r"every utterance of a corpus needs an id .*: 'u' \(x\.csv, line 2; x\.csv, line 9\)$"
    with pytest.raises(MercError, match=wanted):
        load_data(given(conversation("a", one), conversation("b", two)))
    many = [conversation(f"c{i}", said(f"u{i % 7}")) for i in range(14)]
    with pytest.raises(MercError, match=r"'u4' and 2 more$"):
        load_data(given(*many))


def test_labels_outside_the_label_space_name_file_and_line(tmp_path: Path):
    wrong = talk("test", 0)
    wrong["utterances"][1]["label"] = "joyy"
    file = write_talk(tmp_path / "talk.jsonl", [talk("train", 0), talk("train", 1), wrong])
    recipe = Recipe(
        name="r", corpus=part(JsonlCorpus(path=file), "jsonl"), labels=LabelSpace(("joy", "anger", "sadness"))
    )
    with pytest.raises(MercError) as told:
        load_data(recipe)
    head, line = str(told.value).splitlines()
    assert head.startswith("1 of 6 labels outside the label space (joy, anger, sadness); correct them")
    assert line == f"  {file}, line 3: utterance 'test0_u1' has the label 'joyy'. Did you mean 'joy'?"


def test_labels_that_differ_by_capitals_alone_are_one_error_with_every_spelling(tmp_path: Path):
    other = talk("test", 0)
    other["utterances"][0]["label"], other["utterances"][1]["label"] = "Joy", " anger "
    file = write_talk(tmp_path / "talk.jsonl", [talk("train", 0), other])
    recipe = Recipe(name="r", corpus=part(JsonlCorpus(path=file), "jsonl"))
    with pytest.raises(MercError, match="1 of 2 labels are spelled in ways that differ by capitals alone") as told:
        load_data(recipe)
    assert f"'joy' (1 utterance; the first: {file}, line 1), 'Joy' (1 utterance; the first: {file}, line 2)" in str(
        told.value
    )
    declared = replace(recipe, labels=LabelSpace(("JOY", "anger")))
    with pytest.raises(MercError, match=r"'JOY' \(declared\), 'joy' \(1 utterance"):
        load_data(declared)
    other["utterances"][0]["label"] = "joy\t"
    write_talk(file, [talk("train", 0), other])
    assert load_data(recipe).labels.labels == ("anger", "joy")


def test_sets_that_are_read_together_spell_labels_alike():
    faces, voices = LabelSpace(("joy",)), LabelSpace(("Joy",))
    talks = [
        replace(conversation("a", said("a0")), dataset="faces"),
        replace(conversation("b", said("b0", "Joy")), dataset="voices"),
    ]
    recipe = given(*talks)
    loaded = CorpusData(conversations=talks, spaces={"faces": faces, "voices": voices})
    object.__setattr__(recipe.corpus.component, "data", loaded)
    with pytest.raises(MercError, match=r"'joy' \(1 utterance; .*'Joy' \(1 utterance"):
        load_data(recipe)


def test_conversations_that_stand_in_two_splits_are_noted(tmp_path: Path):
    words = ("How are you?", "Fine,  thanks.")
    talks = [
        conversation("d0", *(said(f"d0_{i}", text=text) for i, text in enumerate(words))),
        conversation(
            "copy", *(said(f"c_{i}", text=" ".join(text.split())) for i, text in enumerate(words)), split="test"
        ),
        conversation("part", said("p", text=words[0]), split="test"),
        conversation("film", said("f", video=tmp_path / "a.mp4", start=1.0, end=2.0)),
        conversation("same", said("s", text="Oh.", video=tmp_path / "a.mp4", start=1.0, end=2.0), split="dev"),
        conversation("later", said("l", text="Oh.", video=tmp_path / "a.mp4", start=2.0, end=3.0), split="dev"),
        conversation("short", said("x"), split="test"),
    ]
    assert load_data(given(*talks)).notes[1:] == (
        "1 of 3 conversations of test stands in train too, by words or media: copy = d0",
        "1 of 2 conversations of dev stands in train too, by words or media: same = film",
    )


def test_the_labels_of_a_trained_run_come_first():
    recipe = given(conversation("a", said("a0")), labels=LabelSpace(("joy", "anger")))
    assert load_data(recipe).labels.labels == ("joy", "anger")
    assert load_data(recipe, LabelSpace(("fear", "joy"))).labels.labels == ("fear", "joy")
    with pytest.raises(MercError, match=r"1 of 1 labels outside the label space \(fear\)"):
        load_data(recipe, LabelSpace(("fear",)))


def test_queries_are_of_all_utterances_or_of_the_labelled():
    talks = [conversation("a", said("a0"), said("a1", None)), conversation("b", said("b0", None))]
    labels = LabelSpace(("joy",))
    assert [[q.target.id for q in g] for g in queries(talks, labels)] == [["a0", "a1"], ["b0"]]
    assert [[q.target.id for q in g] for g in queries(talks, labels, labelled)] == [["a0"]]


def streams_recipe() -> Recipe:
    stage = Stage(
        id="s",
        tasks=(Task(prompter=part(ConversationPrompter(media=("both",)))),),
        trainer=part(SupervisedFineTuning()),
    )
    return Recipe(
        name="r",
        corpus=part(Given()),
        encoders={"words": part(Letters()), "seen": part(Brightness()), "heard": part(Loudness())},
        fusers={"both": part(Concat(inputs=("heard", "seen"))), "all": part(Concat())},
        stages=(stage,),
        evaluate=Evaluate(prompter=part(ConversationPrompter(media=("heard",)))),
    )


def test_the_streams_of_prompts_and_the_encoders_after_them():
    recipe = streams_recipe()
    assert used_streams(recipe) == ({"both", "heard"}, {"heard", "seen"})
    assert inputs_of(recipe, "all") == ("words", "seen", "heard")
    assert list(encoders_of(recipe, ["both"])) == ["seen", "heard"]
    assert list(encoders_of(recipe, [])) == []


def test_reasons_for_what_a_prompt_does_not_show(tmp_path: Path):
    gone, mute = Missing("gone"), Missing("mute")
    places = {("heard", "u"): (mute,), ("seen", "u"): (gone,), ("words", "u"): (gone,)}
    missing = {key: reason[0].reason for key, reason in places.items()}
    table = FeatureTable(FeatureStore(tmp_path), places, missing)
    assert missing_streams(streams_recipe(), table, "u", {"both"}) == {"heard": "mute", "seen": "gone"}
    assert missing_streams(streams_recipe(), table, "u", {"heard"}) == {"heard": "mute"}
    assert missing_streams(streams_recipe(), table, "other", {"both"}) == {}


def test_features_are_kept_in_memory_up_to_the_limit_and_draws_go_round(tmp_path: Path):
    store = FeatureStore(tmp_path)
    for key in ("aa", "bb", "cc"):
        store.save(key * 32, np.full((1, 4), ord(key[0]), "float32"))
    places = {("s", "u"): ("aa" * 32, "bb" * 32), ("s", "v"): ("cc" * 32,), ("s", "w"): (Missing("no"),)}
    cache = FeatureCache(FeatureTable(store, places, {}), limit=32)
    assert [cache("s", "u", draw)[0, 0] for draw in range(3)] == [ord("a"), ord("b"), ord("a")]
    assert cache("s", "u", 0) is cache("s", "u", 2)
    assert cache.held == 32
    assert cache("s", "v", 0) is not cache("s", "v", 0) and cache.held == 32
    assert cache("s", "w", 5) == Missing("no")
