"""A FAISS index over the vectors of a pool: built by size, searched by inner product, kept in one file with its ids."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from merc.components import IndexKind, Indices, Vectors
from merc.files import whole_file

Kind = Literal["flat", "hnsw", "ivf"]

# Every utterance of the pool is a query once, so what counts is building and that many searches together. Measured by
# bench/test_retrieval.py with 384 numbers a vector: at ten thousand a graph takes longer to build than it saves, and at
# a hundred thousand it is three times as fast as an exact search. Building one for a million takes many times IVF's
# 39 s by extrapolation; where between the two IVF begins to pay was not measured.
FLAT_UP_TO = 50_000
HNSW_UP_TO = 200_000

_LINKS = 32
_FORMAT = "1"
_FOUND = 0.97
_ASKING, _NEIGHBOURS = 400, 10


def _faiss() -> Any:
    """FAISS, imported when it is first needed. Its type stubs lack some of its classes."""
    import faiss

    return faiss


class Unusable(Exception):
    """A kept index that cannot be used; the message says why."""


def kind_for(size: int, kind: IndexKind = "auto") -> Kind:
    """The kind of index for a number of vectors.

    >>> kind_for(9_989), kind_for(100_000), kind_for(1_000_000), kind_for(10, "ivf")
    ('flat', 'hnsw', 'ivf', 'ivf')
    """
    if kind != "auto":
        return kind
    return "flat" if size <= FLAT_UP_TO else "hnsw" if size <= HNSW_UP_TO else "ivf"


class Index:
    """Vectors ``[n, dim]`` to search, each with an id.

    ``flat`` compares with all of them and is exact. ``hnsw`` walks a graph of neighbours, ``ivf`` looks into the
    nearest of about 2·√n cells; the similarities of what they find are exact, but they may miss some. How far they look
    is found out when they are built: as far as finds 97 in 100 of the nearest of some that are held back.

    >>> index = Index.build(np.eye(3, dtype="float32"), ["a", "b", "c"])
    >>> scores, places = index.search(np.array([[0.6, 0.8, 0.0]], "float32"), 2)
    >>> places.tolist(), index.kind
    ([[1, 0]], 'flat')
    """

    def __init__(self, index: Any, ids: Sequence[str], kind: Kind) -> None:
        self.index, self.ids, self.kind = index, tuple(ids), kind

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def build(cls, vectors: Vectors, ids: Sequence[str], index_kind: IndexKind = "auto", seed: int = 0) -> Index:
        """An index of the wanted kind. The same vectors and seed give the same index."""
        faiss = _faiss()

        count, dim = vectors.shape
        kind = kind_for(count, index_kind)
        # The last ones ask, before they are in it: what is in an index is found more easily than what comes new.
        first = count - min(_ASKING, count // 4)
        if kind == "flat":
            index = faiss.IndexFlatIP(dim)
        elif kind == "hnsw":
            index = faiss.IndexHNSWFlat(dim, _LINKS, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = 80
        else:
            cells = max(1, min(round(2 * count**0.5), count // 40))
            index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT)
            index.cp.seed, index.cp.min_points_per_centroid = seed % 2**31, 1
            sample = np.random.default_rng(seed).permutation(first)[: 64 * cells]
            index.train(np.ascontiguousarray(vectors[np.sort(sample)]))
        threads = faiss.omp_get_max_threads()
        try:
            # Threads add to a graph in an order of their own, and then its neighbours differ from run to run.
            faiss.omp_set_num_threads(1 if kind == "hnsw" else threads)
            index.add(np.ascontiguousarray(vectors[:first]))
            if kind != "flat":
                _look_far_enough(index, kind, vectors[:first], vectors[first:])
            index.add(np.ascontiguousarray(vectors[first:]))
        finally:
            faiss.omp_set_num_threads(threads)
        return cls(index, ids, kind)._ready()

    def search(self, vectors: Vectors, count: int) -> tuple[Vectors, Indices]:
        """Similarities and places ``[n, min(count, size)]``, most similar first and, of equals, the first place."""
        faiss = _faiss()

        count = min(count, len(self))
        rows = np.ascontiguousarray(vectors, np.float32)
        if not len(rows) or not count:
            return np.zeros((len(rows), count), np.float32), np.zeros((len(rows), count), np.int64)
        how = None
        if self.kind == "hnsw":
            how = faiss.SearchParametersHNSW(efSearch=max(self.index.hnsw.efSearch, 2 * count))
        elif self.kind == "ivf":  # the cells looked into hold some times what is asked for
            cells = max(self.index.nprobe, 4 * count * self.index.nlist // len(self))
            how = faiss.SearchParametersIVF(nprobe=min(self.index.nlist, cells))
        scores, places = self.index.search(rows, count, params=how)
        for row in np.flatnonzero((places < 0).any(axis=1)):  # rare: the cells or the graph held too few
            scores[row], places[row] = self._exact(rows[row], count)
        order = np.lexsort((places, -scores), axis=1)
        return np.take_along_axis(scores, order, 1), np.take_along_axis(places, order, 1)

    def vectors(self, places: Sequence[int] | Indices) -> Vectors:
        """The vectors ``[places, dim]``."""
        rows = np.asarray(places, np.int64)
        if not len(rows):
            return np.zeros((0, self.index.d), np.float32)
        vectors: Vectors = self.index.reconstruct_batch(rows)
        return vectors

    def save(self, path: Path, data: str) -> None:
        """Write the index and its ids, whole or not at all; ``data`` names what it was made from."""
        from safetensors.numpy import save_file

        parts = {
            "index": _faiss().serialize_index(self.index),
            "ids": np.frombuffer(json.dumps(self.ids).encode(), np.uint8),
        }
        notes = {"format": _FORMAT, "kind": self.kind, "data": data, "checksum": _checksum(parts)}
        with whole_file(path) as temporary:
            # One note, since the order of several is not always the same.
            save_file(parts, temporary, metadata={"merc": json.dumps(notes)})

    @classmethod
    def load(cls, path: Path, data: str) -> Index:
        """Read a kept index. Raises Unusable for one that is damaged or was made from other data, and
        FileNotFoundError where there is none."""
        from safetensors import SafetensorError, safe_open

        if not path.exists():
            raise FileNotFoundError(path)
        try:
            with safe_open(path, framework="numpy") as file:
                notes = json.loads((file.metadata() or {}).get("merc", "{}"))
                if notes.get("format") != _FORMAT:
                    raise Unusable("is of another version of merc")
                if notes["data"] != data:
                    raise Unusable("was made from other data")
                parts = {name: file.get_tensor(name) for name in ("index", "ids")}
        except (SafetensorError, KeyError, ValueError, OSError) as error:
            raise Unusable(f"is truncated or damaged ({str(error).splitlines()[0]})") from None
        if _checksum(parts) != notes.get("checksum"):
            raise Unusable("is damaged (its content changed since it was written)")
        # Only what is as it was written reaches FAISS, which does not survive everything.
        return cls(
            _faiss().deserialize_index(parts["index"]), json.loads(parts["ids"].tobytes()), notes["kind"]
        )._ready()

    def _exact(self, vector: Vectors, count: int) -> tuple[Vectors, Indices]:
        scores = self.vectors(range(len(self))) @ vector
        places = np.argsort(-scores, kind="stable")[:count]
        return scores[places], places

    def _ready(self) -> Index:
        if self.kind == "ivf":  # it keeps vectors by cell; this finds them by place
            self.index.make_direct_map()
        return self


def _look_far_enough(index: Any, kind: Kind, vectors: Vectors, probes: Vectors) -> None:
    """Set how far an index of ``vectors`` looks, half as far again each time, until it finds enough of the nearest of
    what is asked.

    How far that is differs much between data. FAISS writes it with the index.
    """
    faiss = _faiss()
    ivf, count = kind == "ivf", min(_NEIGHBOURS, len(vectors))
    far, most = (1, index.nlist) if ivf else (2 * count, 2560)
    probes = np.ascontiguousarray(probes)
    exact = faiss.knn(probes, np.ascontiguousarray(vectors), count, metric=faiss.METRIC_INNER_PRODUCT)[0]
    while True:
        far = min(far, most)
        if ivf:
            index.nprobe = far
        else:
            index.hnsw.efSearch = far
        if far == most or not len(probes):
            return
        similarities, places = index.search(probes, count)
        # By likeness: of those that are equally like, any will do.
        if ((similarities >= exact[:, -1:] - 1e-5) & (places >= 0)).mean() >= _FOUND:
            return
        far = far * 3 // 2 + 1


def _checksum(parts: dict[str, Any]) -> str:
    return str(zlib.crc32(memoryview(parts["ids"]), zlib.crc32(memoryview(parts["index"]))))
