"""Retrieval: what utterances are compared by, the FAISS index, and the choice of demonstrations."""

from __future__ import annotations

from merc.retrieval.choose import Chooser, IndexSource
from merc.retrieval.embed import Embeddings
from merc.retrieval.index import Index, Unusable

__all__ = ["Chooser", "Embeddings", "Index", "IndexSource", "Unusable"]
