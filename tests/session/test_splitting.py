"""``split``: every conversation in one part, no group in two, the same for the same seed, and what is said of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from merc.conversation import Conversation, Utterance
from merc.errors import MercError
from merc.recipe import Splitting
from merc.session.splitting import divided, fold_names, groups_of, kept_parts, write_parts

LABELS = ("joy", "anger", "sadness", None)


def conversation(
    name: str, speakers: str = "", labels: Sequence[str | None] = ("joy",), **more: object
) -> Conversation:
    said = tuple(
        Utterance(id=f"{name}_{i}", text="Hm.", label=label, speaker=speakers[i % len(speakers)] if speakers else None)
        for i, label in enumerate(labels)
    )
    return Conversation(id=name, utterances=said, **more)  # type: ignore[arg-type]


@st.composite
def corpora(draw: st.DrawFn) -> list[Conversation]:
    count = draw(st.integers(4, 25))
    return [
        conversation(
            f"d{number}",
            draw(st.text("abcdefghijkl", min_size=1, max_size=2)),
            draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=5)),
            extra={"session": draw(st.integers(1, 8))},
        )
        for number in range(count)
    ]


SPLITS = st.builds(
    Splitting,
    by=st.sampled_from(["conversation", "speaker", "session"]),
    dev=st.sampled_from([0, 0.1, 0.3]),
    test=st.sampled_from([0.1, 0.25, 0.5]),
    stratify=st.booleans(),
    seed=st.integers(0, 5),
)


def parts_of(talks: Sequence[Conversation]) -> dict[str, str | None]:
    return {talk.id: talk.split for talk in talks}


def divide(talks: Sequence[Conversation], split: Splitting) -> dict[str, str | None]:
    try:
        return parts_of(divided(talks, split)[0])
    except MercError as error:
        assume("needs at least" not in str(error))
        raise


@settings(deadline=None, max_examples=60)
@given(corpora(), SPLITS, st.randoms(use_true_random=False))
def test_each_conversation_is_in_one_part_and_no_group_in_two(
    talks: list[Conversation], split: Splitting, draw: random.Random
) -> None:
    parts = divide(talks, split)
    wanted = {"train", "test", *(["dev"] if split.dev else [])}
    assert set(parts.values()) == wanted and list(parts) == [talk.id for talk in talks]
    for group in groups_of(talks, split.by)[0]:
        assert len({parts[talks[member].id] for member in group.members}) == 1
    if split.by == "speaker":
        of = {who: {parts[t.id] for t in talks if who in {u.speaker for u in t.utterances}} for who in "abcdefghijkl"}
        assert all(len(these) < 2 for these in of.values())
    # Neither the order of the file nor what the corpus states changes where a conversation goes.
    other = [replace(talk, split="train") for talk in draw.sample(talks, len(talks))]
    assert divide(other, split) == parts


@settings(deadline=None, max_examples=60)
@given(corpora(), st.integers(2, 4), st.booleans(), st.sampled_from(["conversation", "session"]))
def test_each_conversation_is_tested_in_one_fold(
    talks: list[Conversation], folds: int, stratify: bool, by: str
) -> None:
    every = [
        divide(talks, Splitting(by=by, folds=folds, fold=fold, dev=0, stratify=stratify))
        for fold in range(1, folds + 1)
    ]
    assert all(sum(parts[talk.id] == "test" for parts in every) == 1 for talk in talks)
    if by == "conversation":
        sizes = Counter(fold for fold, parts in enumerate(every) for part in parts.values() if part == "test")
        assert stratify or max(sizes.values()) - min(sizes.values()) <= 1


def distance(talks: Sequence[Conversation], parts: dict[str, str | None], shares: dict[str, float]) -> float:
    """The squared distances of each label's shares in the parts from those that the parts should have."""
    of = [(parts[talk.id], u.label) for talk in talks for u in talk.utterances if u.label is not None]
    total, counts = Counter(label for _, label in of), Counter(of)
    return sum((counts[part, one] / n - share) ** 2 for part, share in shares.items() for one, n in total.items())


@settings(deadline=None, max_examples=60)
@given(corpora(), SPLITS)
def test_stratifying_brings_labels_no_further_from_their_shares(talks: list[Conversation], split: Splitting) -> None:
    plain, even = (divide(talks, replace(split, stratify=one)) for one in (False, True))
    assert isinstance(split.dev, int | float) and isinstance(split.test, float)
    shares = {"train": 1 - split.dev - split.test, "dev": split.dev, "test": split.test}
    assert distance(talks, even, shares) <= distance(talks, plain, shares) + 1e-9


def test_stratified_folds_are_about_as_even_as_those_of_scikit_learn() -> None:
    draw = random.Random(0)
    talks = [conversation(f"d{i}", "", draw.choices(LABELS[:3], (6, 3, 1), k=draw.randint(2, 9))) for i in range(60)]
    owner = [talk.id for talk in talks for _ in talk.utterances]
    labels = [u.label for talk in talks for u in talk.utterances]
    shares = {"test": 0.2}

    def mean(every: Sequence[dict[str, str | None]]) -> float:
        return float(np.mean([distance(talks, parts, shares) for parts in every]))

    def of(tested: set[str]) -> dict[str, str | None]:
        return {talk.id: "test" if talk.id in tested else "train" for talk in talks}

    theirs = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(owner, labels, owner)
    reference = mean([of({owner[i] for i in tested}) for _, tested in theirs])
    ours = {
        stratify: mean([divide(talks, Splitting(folds=5, fold=f, stratify=stratify)) for f in range(1, 6)])
        for stratify in (True, False)
    }
    assert ours[True] < 2 * reference and ours[True] < ours[False] / 3


def test_shares_are_of_conversations_as_near_as_can_be() -> None:
    talks = [conversation(f"d{i}") for i in range(10)]
    sizes = Counter(divide(talks, Splitting(dev=0.1, test=0.2)).values())
    assert sizes == {"train": 7, "dev": 1, "test": 2}
    other = divide(talks, Splitting(dev=0.1, test=0.2, seed=1))
    assert other != divide(talks, Splitting(dev=0.1, test=0.2))


def test_folds_of_a_field_come_in_its_order() -> None:
    talks = [conversation(f"d{i}", extra={"session": f"Session{i % 11 + 1}"}) for i in range(22)]
    split = Splitting(by="session", folds="all", dev=0)
    assert fold_names(talks, split) == [f"Session{i}" for i in range(1, 12)]
    parts = divide(talks, replace(split, fold=2))
    assert {name for name, part in parts.items() if part == "test"} == {"d1", "d12"}
    with pytest.raises(MercError, match=r"split.fold is from 1 to 11.* by session, not 12"):
        divided(talks, replace(split, fold=12))


def test_speakers_who_talk_with_each_other_stand_together_and_that_is_said() -> None:
    talks = [conversation(name, name, ("joy", "joy")) for name in ("ab", "bc", "de", "fg")] + [conversation("x")]
    groups, nameless = groups_of(talks, "speaker")
    assert [str(group) for group in groups] == ["a, b, c", "d, e", "f, g", "x"] and nameless == 1
    _, notes = divided(talks, Splitting(by="speaker", test=0.2))
    assert notes[0].startswith("split by speaker: 5 conversations in 4 groups: train ")
    assert "the largest has 2 of 5 conversations: a, b, c" in notes[1]
    assert "1 of 5 conversations has none" in notes[2]


def test_one_speaker_in_all_conversations_is_an_error_that_says_who() -> None:
    talks = [conversation(f"d{i}", f"z{'abcdef'[i]}", ("joy", "joy")) for i in range(6)]
    with pytest.raises(MercError) as raised:
        divided(talks, Splitting(by="speaker", test=0.2))
    for word in ("3 groups of speakers", "there is 1", "6 of 6 conversations", "none is cut", "z alone is in 6",
                 "by: conversation"):  # fmt: skip
        assert word in str(raised.value)


def test_more_folds_than_conversations() -> None:
    talks = [conversation(f"d{i}") for i in range(3)]
    with pytest.raises(MercError, match="folds: 5 needs at least 5 conversations, and there are 3; ask for fewer"):
        fold_names(talks, Splitting(folds=5))
    with pytest.raises(MercError, match="2 groups by 'session', and there is 1"):
        fold_names([conversation("d", extra={"session": 1})], Splitting(by="session", folds="all"))


def test_a_field_of_utterances_serves_and_names_of_two_datasets_differ() -> None:
    talks = [
        Conversation(id=f"{of}{i}", dataset=of, utterances=(Utterance(id=f"{of}{i}u", text="Hm.", extra={"who": i}),))
        for of in ("a", "b")
        for i in range(2)
    ]
    assert len(groups_of(talks, "who")[0]) == 4 and len(groups_of(talks, "dataset")[0]) == 2
    # A list means a name in whichever dataset.
    parts = divide(talks, Splitting(by="who", test=(1,), dev=0))
    assert parts == {"a0": "train", "a1": "test", "b0": "train", "b1": "test"}
    with pytest.raises(MercError, match=r"'whoo'.*Did you mean 'who'\? What can be split by: conversation, speaker, "):
        groups_of(talks, "whoo")


def test_a_value_that_names_nothing_is_an_error() -> None:
    talks = [conversation("d", extra={"votes": ["joy"]})]
    with pytest.raises(MercError, match=r"field 'votes' of conversation 'd' is \[\"joy\"\]; a text or a number"):
        groups_of(talks, "votes")


def test_parts_may_list_names() -> None:
    talks = [conversation(f"d{i}", extra={"session": i % 5 + 1}) for i in range(10)]
    parts = divide(talks, Splitting(by="session", test=(5,), dev=("4",)))
    assert {part: sorted(n for n, p in parts.items() if p == part) for part in ("dev", "test")} == {
        "dev": ["d3", "d8"], "test": ["d4", "d9"],
    }  # fmt: skip
    with pytest.raises(MercError, match=r"split.test: no session is called '6'.* There are: 1, 2, 3, 4, 5"):
        divided(talks, Splitting(by="session", test=(6,)))
    with pytest.raises(MercError, match=r"split.test: '5' is of the dev part already"):
        divided(talks, Splitting(by="session", dev=(5,), test=(5,)))
    pairs = [conversation(name, name, ("joy", "joy")) for name in ("ab", "cd", "ef", "gh")]
    with pytest.raises(MercError, match=r"'a' stands in conversations with b, and no conversation is cut; list it too"):
        divided(pairs, Splitting(by="speaker", test=("a",)))
    assert divide(pairs, Splitting(by="speaker", test=("a", "b")))["ab"] == "test"


def test_the_test_part_may_stay_the_one_that_the_corpus_states() -> None:
    talks = [conversation(f"d{i}", split="test" if i < 3 else "train", extra={"show": i % 2}) for i in range(13)]
    result, notes = divided(talks, Splitting(dev=0.2))
    assert [talk.id for talk in result if talk.split == "test"] == ["d0", "d1", "d2"]
    assert sum(talk.split == "dev" for talk in result) == 3
    assert "3 of 13 conversations stand in another part than the corpus states" in notes[1]
    with pytest.raises(MercError, match=r"own test split has 2 of the 7 conversations of 0, which would be in two"):
        divided(talks, Splitting(by="show"))
    with pytest.raises(MercError, match=r"no conversation of the corpus states that it is of test; write .*test: 0\.2"):
        divided(talks[3:], Splitting())


def test_several_folds_are_several_runs() -> None:
    with pytest.raises(MercError, match=r"split\.folds: 5 is several runs: merc run RECIPE --folds .*split\.fold=1"):
        divided([conversation("d")], Splitting(folds=5))


def test_parts_are_kept_and_stand(tmp_path: Path) -> None:
    talks = [conversation(f"d{i}") for i in range(10)]
    divided_once, _ = divided(talks, Splitting(test=0.2))
    write_parts(tmp_path / "split.json", divided_once)
    assert kept_parts(tmp_path / "split.json", talks) == (divided_once, [])
    more = [*talks, conversation("new", split="dev"), conversation("other")]
    again, (note,) = kept_parts(tmp_path / "split.json", more)
    assert parts_of(again) == {**parts_of(divided_once), "new": "dev", "other": "test"}
    assert "2 of 12 conversations are not in" in note and "split.json" in note
    (tmp_path / "split.json").write_text('{"train": []}')
    with pytest.raises(MercError, match=r"split\.json.*take it away: the split is then drawn again"):
        kept_parts(tmp_path / "split.json", talks)
