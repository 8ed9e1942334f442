"""Real FAISS indices: what they find, and what becomes of their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.retrieval import Index, Unusable


def vectors(count: int, dim: int = 24, seed: int = 0) -> np.ndarray:
    """Points in a few loose heaps, as sentences are."""
    chance = np.random.default_rng(seed)
    heaps = np.random.default_rng(99).normal(size=(20, dim))
    made = (heaps[chance.integers(0, 20, count)] + 0.7 * chance.normal(size=(count, dim))).astype("float32")
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def ids(count: int) -> list[str]:
    return [f"u{i}" for i in range(count)]


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 60), count=st.integers(1, 70), kind=st.sampled_from(["flat", "hnsw", "ivf"]))
def test_small_pools_are_searched_exactly_whatever_the_kind(size, count, kind):
    made, asked = vectors(size), vectors(5, seed=1)
    scores, places = Index.build(made, ids(size), kind).search(asked, count)
    exact = asked @ made.T
    assert places.shape == scores.shape == (5, min(size, count))
    for row, (mine, found) in enumerate(zip(places, scores, strict=True)):
        assert len(set(mine.tolist())) == len(mine)
        assert np.allclose(found, exact[row][mine], atol=1e-5)
        assert np.allclose(found, np.sort(exact[row])[::-1][: len(mine)], atol=1e-5)


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_larger_pools_are_found_nearly_whole(kind):
    made, asked = vectors(6000), vectors(200, seed=1)
    index = Index.build(made, ids(6000), kind)
    _, places = index.search(asked, 7)
    exact = np.argsort(-(asked @ made.T), axis=1)[:, :7]
    recall = np.mean([len(set(a) & set(b)) / 7 for a, b in zip(exact.tolist(), places.tolist(), strict=True)])
    assert recall > 0.95
    # Neighbours beyond what the graph or the cells give are found by comparing all.
    assert sorted(index.search(asked[:1], 6000)[1][0].tolist()) == list(range(6000))


@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivf"])
def test_equals_stand_in_the_order_of_the_corpus_and_vectors_come_back(kind):
    made = np.repeat(np.eye(4, dtype="float32"), 3, axis=0)
    index = Index.build(made, ids(12), kind)
    assert index.search(made[:1], 4)[1][0].tolist()[:3] == [0, 1, 2]
    assert (index.vectors([11, 0, 5]) == made[[11, 0, 5]]).all()
    assert index.vectors([]).shape == (0, 4) and index.search(made[:0], 3)[1].shape == (0, 3)


@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivf"])
def test_the_same_seed_gives_the_same_file(kind, tmp_path: Path):
    made = vectors(2000)
    for name in ("a", "b"):
        Index.build(made, ids(2000), kind, seed=5).save(tmp_path / name, "data")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivf"])
def test_kept_and_read_back(kind, tmp_path: Path):
    made, asked = vectors(500), vectors(20, seed=1)
    index = Index.build(made, ids(500), kind)
    index.save(tmp_path / "index", "of today")
    again = Index.load(tmp_path / "index", "of today")
    assert (again.kind, again.ids, len(again)) == (kind, tuple(ids(500)), 500)
    assert (again.search(asked, 9)[1] == index.search(asked, 9)[1]).all()
    assert (again.vectors([3, 499]) == made[[3, 499]]).all()
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_an_index_that_does_not_serve_says_why(tmp_path: Path):
    file = tmp_path / "index"
    with pytest.raises(FileNotFoundError):
        Index.load(file, "data")
    Index.build(vectors(100), ids(100)).save(file, "data")
    with pytest.raises(Unusable, match=r"^was made from other data$"):
        Index.load(file, "others")
    whole = file.read_bytes()
    for cut in (0, 5, 300, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:cut])
        with pytest.raises(Unusable, match=r"^is truncated or damaged \(.+\)$"):
            Index.load(file, "data")
    changed = bytearray(whole)
    changed[-200] ^= 1
    file.write_bytes(changed)
    with pytest.raises(Unusable, match=r"^is damaged"):
        Index.load(file, "data")
    file.write_bytes(whole.replace(rb"format\": \"1", rb"format\": \"9"))
    with pytest.raises(Unusable, match=r"^is of another version of merc$"):
        Index.load(file, "data")
