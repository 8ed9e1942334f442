"""Conversations divided into parts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merc.builtin.prompters import ConversationPrompter
from merc.builtin.sft import SupervisedFineTuning
from merc.components import Component, Query
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.recipe.schema import ComponentRef, Evaluate, Stage, StageData, Task
from merc.session.data import Data, labelled
from merc.session.examples import examples
from merc.session.label_history import with_gold, with_predicted
from merc.session.segmentation import check_datasets, chosen_conversations, chosen_queries, divided, measured


def talk(name: str, length: int) -> Conversation:
    said = tuple(Utterance(id=f"{name}_{i}", text="Hm.", label="joy" if i % 2 else None) for i in range(length))
    return Conversation(id=name, split="train", utterances=said)


@given(
    lengths=st.lists(st.integers(1, 90), min_size=1, max_size=4),
    least=st.integers(1, 6),
    more=st.integers(0, 20),
    seed=st.integers(0, 3),
)
def test_every_utterance_stands_in_one_part_of_the_wanted_length(
    lengths: list[int], least: int, more: int, seed: int
) -> None:
    most = 2 * least - 1 + more
    talks = [talk(f"c{i}", n) for i, n in enumerate(lengths)]
    parts = divided(talks, (least, most), seed)
    assert [u for p in parts for u in p.utterances] == [u for c in talks for u in c.utterances]
    for part in parts:
        whole = next(c for c in talks if c.id == part.id)
        assert part.split == "train"
        assert least <= len(part.utterances) <= most or (part == whole and len(whole.utterances) < least)


def test_the_seed_draws_and_other_conversations_do_not() -> None:
    one, two = talk("one", 80), talk("two", 80)
    parts = [len(p.utterances) for p in divided([one], (5, 21), 0)]
    assert parts == [len(p.utterances) for p in divided([two, one], (5, 21), 0) if p.id == "one"]
    assert parts != [len(p.utterances) for p in divided([one], (5, 21), 1)]
    assert [len(p.utterances) for p in divided([two], (5, 21), 0)] != parts
    lengths = {len(p.utterances) for i in range(60) for p in divided([talk(f"c{i}", 80)], (5, 21), 0)}
    assert lengths == set(range(5, 22))


def test_nothing_is_divided_unless_asked() -> None:
    talks = [talk("one", 40)]
    assert divided(talks, None, 0) == talks


def a_part(component: Component) -> ComponentRef:
    return ComponentRef(name="it", params={}, component=component)


def data_of(*talks: Conversation, seed: int = 0) -> Data:
    return Data(talks, LabelSpace(("joy",)), by_split={"train": talks}, seed=seed)


def test_a_stage_learns_all_targets_or_the_last_of_each_dialogue() -> None:
    data = data_of(talk("a", 4), talk("b", 3), talk("c", 2))
    every = chosen_queries(StageData(), data, labelled)
    assert [[q.target.id for q in group] for group in every] == [["a_1", "a_3"], ["b_1"], ["c_1"]]
    # The last utterance of b has no label, so nothing of it is learned.
    last = chosen_queries(StageData(targets="last"), data, labelled)
    assert [[q.target.id for q in group] for group in last] == [["a_3"], ["c_1"]]
    assert chosen_queries(StageData(targets="last", limit=2), data, labelled) == last[:1]


def test_a_task_learns_from_the_datasets_that_it_names() -> None:
    talks = [replace(talk(f"c{i}", 2), dataset=name) for i, name in enumerate(("meld", "mosi", None, "meld", "mosi"))]
    data = data_of(*talks)
    assert StageData().chosen(talks) == talks
    assert [c.id for c in chosen_conversations(StageData(datasets=("mosi",)), data)] == ["c1", "c4"]
    both = StageData(datasets=("mosi", "meld"), limit=3)
    assert [c.id for c in chosen_conversations(both, data)] == ["c0", "c1", "c3"]
    assert StageData(split="dev", datasets=("meld",)).chosen(talks) == []
    check_datasets("stages.0.data", StageData(datasets=("mosi", "meld")), data)
    with pytest.raises(MercError) as told:
        check_datasets("stages.0.data", StageData(datasets=("meld", "mosei")), data)
    assert str(told.value) == (
        "stages.0.data.datasets: the split 'train' has no conversation of 'mosei'. Did you mean 'mosi'? "
        "Its datasets are: meld (2), mosi (2); 1 of its conversations name none"
    )
    with pytest.raises(MercError, match=r"of 'meld'\. Its datasets are: none; 1 of its conversations name none"):
        check_datasets("stages.0.data", StageData(datasets=("meld",)), data_of(talk("a", 2)))
    with pytest.raises(ValueError, match="datasets names none; leave it out to learn from all"):
        StageData(datasets=())


def test_a_task_a_dataset_with_shares_samples_datasets_by_a_ratio() -> None:
    talks = [replace(talk(f"c{i}", 2), dataset="meld" if i < 30 else "mosi") for i in range(40)]
    tasks = tuple(
        Task(prompter=a_part(ConversationPrompter()), data=StageData(datasets=(name,)), share=share, path=name)
        for name, share in (("meld", 1.0), ("mosi", 3.0))
    )
    stage = Stage(id="s", tasks=tasks, trainer=a_part(SupervisedFineTuning()))
    counts = Counter(group[0].query.conversation.dataset for group in examples(stage, data_of(*talks)))
    assert counts == {"meld": 10, "mosi": 30}


def test_parts_have_a_last_utterance_each() -> None:
    data = data_of(talk("a", 60), talk("b", 3))
    parts = divided(data.conversations, (5, 21), 0)
    last = chosen_queries(StageData(targets="last", segments=(5, 21)), data, lambda q: True)
    assert [group[0].conversation for group in last] == parts and len(parts) > 3
    assert [[q.target for q in group] for group in last] == [[part.utterances[-1]] for part in parts]
    other = chosen_queries(StageData(segments=(5, 21)), data_of(talk("a", 60), seed=1), lambda q: True)
    assert [len(group) for group in other] != [len(part.utterances) for part in parts[:-1]]


def test_gold_labels_are_told_by_place() -> None:
    (group,) = with_gold(chosen_queries(StageData(), data_of(talk("a", 3)), lambda q: True))
    assert [q.label_history for q in group] == [(None, None, None), (None, None, None), (None, "joy", None)]


def test_gold_labels_end_before_the_target_and_before_that_of_a_demonstration() -> None:
    said = tuple(Utterance(id=f"u{i}", text="Hm.", label=f"label{i}") for i in range(4))
    talk_of_all = Conversation(id="c", utterances=said)
    labels = LabelSpace(tuple(u.label or "" for u in said))
    shown = Query(conversation=talk_of_all, index=2, labels=labels)
    asked = Query(conversation=talk_of_all, index=1, labels=labels, demonstrations=(shown,))
    ((told,),) = with_gold([[asked]])
    assert told.label_history == ("label0", None, None, None)
    assert told.demonstrations[0].label_history == ("label0", "label1", None, None)
    own = with_predicted(asked, {0: "joy", 1: "fear", 3: "joy"})
    assert own.label_history == ("joy", None, None, None)


def test_what_is_measured_does_not_move_with_the_seed_of_the_run() -> None:
    talks = [talk(f"c{i}", 40) for i in range(5)]
    assert measured(talks, Evaluate()) == talks
    one, other = (measured(talks, Evaluate(segments=(5, 9), segments_seed=seed)) for seed in (0, 1))
    assert one == measured(talks, Evaluate(segments=(5, 9))) == divided(talks, (5, 9), 0)
    assert [len(part.utterances) for part in one] != [len(part.utterances) for part in other]
    with pytest.raises(ValueError, match="segments_seed counts from 0, not -1"):
        Evaluate(segments_seed=-1)
