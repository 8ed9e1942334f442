"""Which labelled utterances are shown: never the query's own conversation, as many as asked for, in the named order."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.builtin.selectors import Balanced, Diverse, Fixed, Random, Retrieved
from merc.components import Pool, Query
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError

LABELS = LabelSpace(("neutral", "joy", "anger"))
DIM = 5


def talk(name: str, labels: str, split: str = "train") -> Conversation:
    """A conversation whose utterances have the labels n(eutral), j(oy), a(nger)."""
    names = {label[0]: label for label in LABELS.labels}
    said = tuple(Utterance(id=f"{name}{i}", text=f"{name} {i}", label=names[c]) for i, c in enumerate(labels))
    return Conversation(id=name, split=split, utterances=said)


def asked(*talks: Conversation) -> list[Query]:
    return [Query(conversation=c, index=i, labels=LABELS) for c in talks for i in range(len(c.utterances))]


def vectors(count: int, seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(count, DIM)).astype("float32")
    return made / np.linalg.norm(made, axis=1, keepdims=True)


corpora = st.lists(st.text("nja", min_size=1, max_size=5), min_size=2, max_size=9).map(
    lambda many: [talk(chr(97 + i), labels) for i, labels in enumerate(many)]
)
NEW = asked(talk("z", "nj", "test"))


def selector(kind: str, k: int, distinct: str, order: str):
    drawn = order if order in ("label", "drawn") else "drawn"
    return {
        "random": lambda: Random(k=k, sets=3, distinct=distinct, order=drawn),
        "anew": lambda: Random(k=k, sets=None, distinct=distinct, order=drawn),
        "balanced": lambda: Balanced(k=k, sets=2, distinct=distinct, order=drawn),
        "retrieved": lambda: Retrieved(embedder="minilm", k=k, distinct=distinct, order=order),
        "relevance": lambda: Diverse(embedder="minilm", k=k, candidates=k + 3, distinct=distinct, order=order),
        "max-min": lambda: Diverse(embedder="minilm", k=k, rule="max-min", sets=2, distinct=distinct, order=order),
    }[kind]()


@settings(max_examples=150, deadline=None)
@given(
    talks=corpora,
    kind=st.sampled_from(["random", "anew", "balanced", "retrieved", "relevance", "max-min"]),
    k=st.integers(1, 7),
    distinct=st.sampled_from(["conversations", "utterances"]),
    order=st.sampled_from(["nearest-last", "nearest-first", "label", "drawn"]),
    seed=st.integers(0, 3),
    draw=st.integers(0, 1),
)
def test_what_every_choice_keeps(talks, kind, k, distinct, order, seed, draw):
    chooses = selector(kind, k, distinct, order)
    pool = Pool(asked(*talks), seed, vectors(sum(len(c.utterances) for c in talks)))
    queries = [*asked(*talks), *NEW]
    given_vectors = vectors(len(queries), 1)
    given_vectors[-1] = 0  # it has nothing to be compared by
    draw = min(draw, chooses.draws() - 1)
    for query, vector in zip(queries, given_vectors, strict=True):
        others = [q for q in pool.queries if q.conversation.id != query.conversation.id]
        there = len({q.conversation.id for q in others}) if distinct == "conversations" else len(others)
        try:
            (places,) = chooses.load(pool)([query], vector[None], draw)
        except MercError as error:
            assert there < k and str(error).startswith(f"k: {k} wants more demonstrations than there are")
            continue
        shown = [pool.queries[place] for place in places]
        assert len(set(places)) == len(places) == k <= there
        assert all(q.conversation.id != query.conversation.id for q in shown)
        if distinct == "conversations":
            assert len({q.conversation.id for q in shown}) == k
        (again,) = chooses.load(Pool(pool.queries, seed, pool.vectors(range(len(pool)))))([query], vector[None], draw)
        assert again == places
        likeness = (pool.vectors(places) @ vector).tolist()
        if order == "label":
            labels = [LABELS.index(q.target.label) for q in shown]
            assert labels == sorted(labels)
        elif order.startswith("nearest") and kind in ("retrieved", "relevance", "max-min") and vector.any():
            assert likeness == sorted(likeness, reverse=order == "nearest-first")


TALKS = [talk(name, "nja") for name in "abcdefgh"]


def shown(chooses, query: Query, draw: int = 0, seed: int = 0, talks=TALKS, vector=None) -> list[str]:
    pool = Pool(asked(*talks), seed, vectors(sum(len(c.utterances) for c in talks)))
    given = None if vector is None else vector[None]
    if given is None and chooses.comparison() is not None:
        given = vectors(1, 9)
    return [pool.queries[p].target.id for p in chooses.load(pool)([query], given, draw)[0]]


@pytest.mark.parametrize(
    "chooses", [Random(k=4, sets=10), Balanced(k=4, sets=10), Diverse(embedder="m", k=4, rule="max-min", sets=10)]
)
def test_draws_and_seeds_differ_and_everybody_else_sees_the_same(chooses):
    drawn = [shown(chooses, NEW[0], draw) for draw in range(10)]
    assert len(set(map(tuple, drawn))) > 6
    assert drawn != [shown(chooses, NEW[0], draw, seed=1) for draw in range(10)]
    for draw, names in enumerate(drawn):
        owners = {name[0] for name in names}
        for query in asked(*TALKS):
            mine = shown(chooses, query, draw)
            assert (mine == names) == (query.conversation.id not in owners)


def test_one_drawn_after_stands_in_for_the_query_s_own():
    chooses = Random(k=4)
    names = shown(chooses, NEW[0])
    second = next(q for q in asked(*TALKS) if q.conversation.id == names[1][0])
    mine = shown(chooses, second)
    assert mine[:3] == [names[0], *names[2:]] and mine[3] not in names


def test_anew_for_every_query():
    drawn = [tuple(shown(Random(k=4, sets=None), q)) for q in asked(*TALKS)]
    assert len(set(drawn)) == len(drawn)
    assert Random(sets=None).draws() == 1


@pytest.mark.parametrize("k", [3, 6, 7])
def test_balanced_shows_each_label_as_often(k):
    rare = [talk(name, "nnnn") for name in "abcdef"] + [talk("g", "j"), talk("h", "a"), talk("i", "j"), talk("j", "a")]
    for draw in range(5):
        names = shown(Balanced(k=k, sets=5), NEW[0], draw, talks=rare)
        label_of = {u.id: u.label for c in rare for u in c.utterances}
        counts = Counter(label_of[name] for name in names)
        assert sorted(counts.values()) == sorted([-(-k // 3) if i < k % 3 else k // 3 for i in range(3)])


def test_balanced_passes_over_a_label_that_has_no_more():
    few = [*(talk(name, "n") for name in "abcdef"), talk("g", "j")]
    names = shown(Balanced(k=5), NEW[0], talks=few)
    assert len(names) == 5 and "g0" in names


def test_fixed_shows_what_is_named():
    assert shown(Fixed(ids=("c1", "a0", "b2")), NEW[0]) == ["c1", "a0", "b2"]
    assert shown(Fixed(ids=("c1", "a0", "b2"), order="label"), NEW[0]) == ["a0", "c1", "b2"]
    spare = Fixed(ids=("c1", "a0", "b2", "d0"), k=3)
    assert shown(spare, NEW[0]) == ["c1", "a0", "b2"] and shown(spare, asked(*TALKS)[0]) == ["c1", "b2", "d0"]
    assert shown(Fixed(ids=("a0", "b2")), asked(*TALKS)[0]) == ["b2"]


def test_fixed_names_ids_that_are_not_there():
    with pytest.raises(MercError) as error:
        shown(Fixed(ids=("a0", "a00", "x")), NEW[0])
    assert str(error.value) == (
        "ids: 2 of 3 are no labelled utterance of the train split: 'a00', 'x'. Did you mean 'a0'? Its ids are such as "
        "'a0'"
    )


def test_retrieved_are_the_most_alike():
    pool = vectors(24)
    for number, query in enumerate(asked(*TALKS)):
        likeness = pool @ pool[number]
        own = [i for i, q in enumerate(asked(*TALKS)) if q.conversation.id == query.conversation.id]
        likeness[own] = -2
        expected = [asked(*TALKS)[i].target.id for i in np.argsort(-likeness)[:3]]
        chooses = Retrieved(embedder="m", k=3, distinct="utterances", order="nearest-first")
        assert shown(chooses, query, vector=pool[number]) == expected
        last = Retrieved(embedder="m", k=3, distinct="utterances")
        assert shown(last, query, vector=pool[number]) == expected[::-1]
    shuffled = {tuple(shown(Retrieved(embedder="m", k=4, order="drawn"), NEW[0], seed=seed)) for seed in range(5)}
    assert len(shuffled) > 1 and len({tuple(sorted(one)) for one in shuffled}) == 1


def test_relevance_is_the_formula():
    """Carbonell and Goldstein (1998), eq. 1, over all candidates."""
    pool, query = vectors(24), vectors(1, 9)[0]
    chosen: list[int] = []
    while len(chosen) < 4:

        def worth(i, chosen=chosen):
            redundant = max((float(pool[i] @ pool[j]) for j in chosen), default=0.0)
            return 0.3 * float(pool[i] @ query) - 0.7 * redundant

        chosen.append(max((i for i in range(24) if i not in chosen), key=worth))
    chooses = Diverse(embedder="m", k=4, balance=0.3, candidates=24, distinct="utterances")
    assert shown(chooses, NEW[0]) == [asked(*TALKS)[i].target.id for i in chosen]
    # All for the query is retrieval.
    near = Retrieved(embedder="m", k=4, order="nearest-first")
    assert shown(Diverse(embedder="m", k=4, balance=1, candidates=8), NEW[0]) == shown(near, NEW[0])


def test_max_min_takes_the_farthest():
    pool = vectors(24)
    names = shown(Diverse(embedder="m", k=4, rule="max-min", distinct="utterances"), NEW[0])
    places = [[q.target.id for q in asked(*TALKS)].index(name) for name in names]
    for count in range(1, 4):
        nearest = (pool @ pool[places[:count]].T).max(axis=1)
        assert places[count] == int(np.argmin(nearest))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Random(k=0), "k counts from 1, not 0"),
        (lambda: Random(sets=0), "sets counts from 1, not 0"),
        (lambda: Fixed(ids=()), "ids names no utterance; for no demonstrations write demonstrations: null"),
        (lambda: Fixed(ids=("a", "b", "a")), "ids names 'a' twice"),
        (lambda: Fixed(ids=("a", "b"), k=3), "k is from 1 to the number of ids, 2, not 3"),
        (lambda: Retrieved(embedder=None), "there is nothing to compare by: name an embedder (a text encoder), or str"),
        (lambda: Retrieved(embedder="m", weight=1.5), "weight is the share of the words, from 0 to 1, not 1.5"),
        (lambda: Retrieved(embedder="m", history=-1), "history counts utterances from 0, not -1"),
        (lambda: Retrieved(embedder="m", streams=("a", "a")), "streams names each encoder once, not ['a', 'a']"),
        (lambda: Diverse(embedder="m", balance=2), "balance is from 0 (unlike each other) to 1 (like the query), not"),
        (lambda: Diverse(embedder="m", candidates=3), "candidates: 3 are too few to choose k: 7 of"),
        (lambda: Diverse(embedder="m", sets=2), "sets: 2 needs rule: max-min; relevance goes by the query and draws"),
    ],
)
def test_parameters_that_cannot_be(make, said):
    with pytest.raises(ValueError) as error:
        make()
    assert str(error.value).startswith(said)


def test_more_than_the_train_split_has():
    with pytest.raises(MercError) as error:
        shown(Random(k=9), NEW[0])
    assert str(error.value) == (
        "k: 9 wants more demonstrations than there are: the train split has 24 labelled utterances in 8 conversations, "
        "and each demonstration comes from another one; lower k, or set distinct: utterances"
    )
    with pytest.raises(MercError) as error:
        shown(Random(k=8), asked(*TALKS)[0])
    assert str(error.value) == (
        "k: 8 wants more demonstrations than there are for 'a0', whose own conversation is never shown: the train "
        "split has 24 labelled utterances in 8 conversations, and each demonstration comes from another one; lower k, "
        "or set distinct: utterances"
    )
    with pytest.raises(MercError, match=r"the train split has 1 labelled utterance in 1 conversation; lower k$"):
        shown(Random(k=2, distinct="utterances"), NEW[0], talks=[talk("a", "n")])
