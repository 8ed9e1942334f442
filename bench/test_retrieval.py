"""Retrieval of 7 demonstrations: merc's index against comparing with every vector.

Among MELD's train utterances as MiniLM embeds them, asked by those of dev, where both are there, and else among as many
made-up vectors; among 100 thousand and a million made-up ones. These lie in heaps of about 30 in 384 dimensions whose
spread falls off as that of sentence embeddings does. Recall goes by likeness: of vectors that are equally like the
query, and MELD says "Yeah." dozens of times, any will do.
"""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import pytest

from bench.workload import LABELS, rounds, talks, tiny
from merc.components import Similarity, Vectors
from merc.errors import MercError
from merc.retrieval import Index

SHOTS = 7
DIM = 384
MELD = 9_989
RECALL = 0.95


def heaps(count: int, seed: int, size: int) -> Vectors:
    """``count`` vectors ``[count, 384]`` of length 1 around ``size // 30`` centres, the same for every seed."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((max(1, size // 30), DIM), dtype=np.float32)
    spread = (1 + np.arange(DIM, dtype=np.float32)) ** -0.5
    made = np.empty((count, DIM), np.float32)
    for at in range(0, count, 50_000):
        part = made[at : at + 50_000]
        noise = chance.standard_normal(part.shape, dtype=np.float32)
        part[:] = (centres[chance.integers(0, len(centres), len(part))] + 0.8 * noise) * spread
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return made


@cache
def vectors(size: int) -> tuple[Vectors, Vectors, str]:
    """A pool, what is asked, and where both come from."""
    queries = 100 if size >= 1_000_000 else 500
    if size == MELD and (found := _meld()) is not None:
        return found[0], found[1][:queries], "MELD, MiniLM"
    if tiny():
        size //= 20
    return heaps(size, 0, size), heaps(queries, 1, size), "made up"


def _meld() -> tuple[Vectors, Vectors] | None:
    """MELD's train split, and its dev split to ask, through merc's own embeddings."""
    from merc.features import FeatureStore
    from merc.files import cache_folder
    from merc.retrieval import Embeddings
    from merc.session.data import labelled, queries

    given = [talks(split) for split in ("train", "dev")]
    if tiny() or not all(one.source.startswith("MELD") for one in given):
        return None
    try:
        embeddings = Embeddings(Similarity(embedder="minilm"), {}, FeatureStore(cache_folder("features")), seed=0)
        pool, asked = (
            embeddings.vectors([q for group in queries(one.conversations, LABELS, labelled) for q in group])
            for one in given
        )
    except MercError:
        return None
    return pool, asked


@pytest.mark.parametrize(
    ("size", "kind"),
    [(MELD, "flat"), (MELD, "hnsw"), (MELD, "ivf"), (100_000, "hnsw"), (100_000, "ivf"), (1_000_000, "ivf")],
)
def test_retrieval(size, kind, compare, say):
    import faiss

    pool, asked, source = vectors(size)
    start = time.perf_counter()
    index = Index.build(pool, [f"u{i}" for i in range(len(pool))], kind)
    took = time.perf_counter() - start
    beside = faiss.serialize_index(index.index).nbytes / pool.nbytes
    far = {
        "hnsw": lambda: index.index.hnsw.efSearch,
        "ivf": lambda: f"{index.index.nprobe} of {index.index.nlist} cells",
    }
    say(
        f"{compare.title}: {len(pool)} vectors ({source}), built in {took:.1f} s, {pool.nbytes / 2**20:.0f} MiB times "
        f"{beside:.2f}; looks {far.get(kind, lambda: 'everywhere')()}"
    )

    def exact() -> tuple[Vectors, Vectors]:
        return faiss.knn(asked, pool, SHOTS, metric=faiss.METRIC_INNER_PRODUCT)

    recalls = []

    def check(name: str, plain, mine) -> None:
        recalls.append(float((mine[0] >= plain[0][:, -1:] - 1e-5).mean()))
        assert recalls[-1] >= RECALL, f"recall {recalls[-1]:.3f}"

    compare(lambda: index.search(asked, SHOTS), {"exact search": exact}, rounds(), check, len(asked), "queries", {})
    say(f"    recall of {SHOTS}: {recalls[-1]:.3f}")
