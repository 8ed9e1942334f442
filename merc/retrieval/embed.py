"""Vectors of queries: what encoders gave for their targets, through the feature store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from merc.components import Encoder, Missing, Query, Similarity, Vectors
from merc.conversation import Conversation, Utterance
from merc.features import FeatureStore, encode
from merc.features.plan import plan, streams_of
from merc.media import DECODING, Decoding
from merc.passes import Hashes
from merc.recipe import ComponentRef
from merc.registry import get_registry

Progress = Callable[[float, str], None]
_Encoders = Mapping[str, ComponentRef]


class Embeddings:
    """Makes the vectors that a comparison asks for. ``encoders`` are the recipe's."""

    def __init__(
        self,
        comparison: Similarity,
        encoders: Mapping[str, ComponentRef],
        store: FeatureStore,
        seed: int,
        device: str = "cpu",
        decoding: Decoding = DECODING,
    ) -> None:
        self.comparison, self.store, self.seed = comparison, store, seed
        self.device, self.decoding = device, decoding
        self.words: _Encoders = {}
        if comparison.embedder is not None:
            encoder = get_registry().resolve("encoder", comparison.embedder)()
            self.words = {"words": ComponentRef(name=comparison.embedder, params={}, component=encoder)}
        self.media: _Encoders = {name: encoders[name] for name in comparison.streams}
        self.weights = _weights(comparison)

    def data(self, queries: Sequence[Query]) -> str:
        """A hash of all that the vectors of these queries depend on. Nothing is encoded for it."""
        parts: list[object] = [asdict(replace(self.comparison, index="auto"))]
        hashes = Hashes(self.store.root / "hashes.json")
        for encoders, conversations in self._parts(queries):
            feature_plan = plan(
                self.store,
                streams_of(encoders),
                conversations,
                self.seed,
                hashes,
                self.decoding.workers,
                lambda share, what: None,
            )
            for (stream, utterance), places in feature_plan.places.items():
                parts.append([stream, utterance, "" if isinstance(places[0], Missing) else places[0]])
        hashes.write()
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def vectors(self, queries: Sequence[Query], progress: Progress = lambda share, what: None) -> Vectors:
        """A vector ``[dim]`` for each query, ``[queries, dim]``: what every encoder gave, averaged over its tokens and
        brought to length 1, times the root of its weight, side by side. So the inner product of two is the weighted
        mean of the cosines. What an utterance lacks is zero."""
        wide = [
            (name, part, self._dim(part)) for encoders in (self.words, self.media) for name, part in encoders.items()
        ]
        vectors = np.zeros((len(queries), sum(dim for _, _, dim in wide)), np.float32)
        at = 0
        for encoders, conversations in self._parts(queries):
            table = encode(self.store, encoders, conversations, self.seed, progress, self.device, self.decoding)
            for name, part in encoders.items():
                dim = self._dim(part)
                for row, query in enumerate(queries):
                    value = table.get(name, query.target.id)
                    if not isinstance(value, Missing):
                        mean = value[:, :dim].mean(axis=0, dtype=np.float64)
                        length = float(np.linalg.norm(mean))
                        if length > 0:
                            vectors[row, at : at + dim] = mean / length * self.weights[name] ** 0.5
                at += dim
        return vectors

    def _parts(self, queries: Sequence[Query]) -> list[tuple[_Encoders, list[Conversation]]]:
        """What is encoded: the target's words with those before it, and the target's media."""
        parts: list[tuple[_Encoders, list[Conversation]]] = []
        if self.words:
            parts.append((self.words, [self._read(query) for query in queries]))
        if self.media:
            parts.append((self.media, [replace(q.conversation, utterances=(q.target,)) for q in queries]))
        return parts

    def _read(self, query: Query) -> Conversation:
        """A conversation of one utterance, which is what the embedder reads of a query."""
        history = self.comparison.history
        text = query.target.text
        if history != 0:
            first = 0 if history is None else max(0, query.index - history)
            utterances = query.conversation.utterances[first : query.index + 1]
            text = "\n".join(f"{one.speaker}: {one.text}" if one.speaker else one.text for one in utterances)
        return Conversation(id=query.conversation.id, utterances=(Utterance(id=query.target.id, text=text),))

    @staticmethod
    def _dim(part: ComponentRef) -> int:
        assert isinstance(part.component, Encoder)
        return part.component.spec().dim


def _weights(comparison: Similarity) -> dict[str, float]:
    """The share of each part, the words' under ``words``.

    >>> _weights(Similarity(embedder="minilm", streams=("face", "voice"), weight=0.6))
    {'words': 0.6, 'face': 0.2, 'voice': 0.2}
    >>> _weights(Similarity(embedder="minilm")), _weights(Similarity(streams=("face",)))
    ({'words': 1.0}, {'face': 1.0})
    """
    words = (comparison.weight if comparison.streams else 1.0) if comparison.embedder is not None else 0.0
    shares = {"words": words} if comparison.embedder is not None else {}
    return shares | {name: round((1 - words) / len(comparison.streams), 12) for name in comparison.streams}
