"""From stored features to tokens of the LLM's width: fusers, connectors, and how many tokens each gives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from merc.components import Connector, Encoder, Features, FeatureSpec, Fuser, Missing, SlotTokens, Stream
from merc.errors import MercError
from merc.model.normalization import NormalizedFuser
from merc.model.past import InPast, speaker_numbers, utterance_id
from merc.model.probe import evaluating
from merc.registry.faults import worker_for

Media = tuple[str, str]
"""A stream and an utterance."""

FeatureSource = Callable[[str, str, int], "Features | Missing"]
"""Features of a stream, an utterance and a draw."""


def inserts(connector: Connector) -> bool:
    """Whether a connector puts modules before layers of the language model."""
    return type(connector).insert is not Connector.insert


def means_of(media: Mapping[Media, Tensor]) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """The mean of each utterance's tokens ``[utterances, hidden]`` and the ids of the utterances, by stream."""
    rows: dict[str, list[Tensor]] = {}
    ids: dict[str, list[str]] = {}
    for (stream, utterance), tokens in media.items():
        if utterance:  # a soft prompt has none
            rows.setdefault(stream, []).append(tokens.mean(0))
            ids.setdefault(stream, []).append(utterance_id(utterance))
    return {stream: torch.stack(means) for stream, means in rows.items()}, ids


class MediaTokens(nn.Module):
    """The connectors and fusers of a recipe as one module.

    ``specs`` are the shapes of the encoders' features by stream. A stream without a connector (an encoder that only
    feeds a fuser) cannot stand in a prompt. ``past`` are the streams that also come from what was said before; their
    slots name an utterance with its past (``InPast``), and ``inserts`` those that layers of the language model look at.
    ``opening`` are the streams without input, of no utterance (``""``), and how many tokens each has. ``encoders`` are
    those whose features they are, and ``networks`` those of encoders that learn: what ``source`` gives of these streams
    is what ``Encoder.prepare`` gave.
    """

    def __init__(
        self,
        specs: Mapping[str, FeatureSpec],
        connectors: Mapping[str, Connector],
        fusers: Mapping[str, Fuser],
        hidden: int,
        encoders: Mapping[str, Encoder] | None = None,
        networks: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.encoder_parts = dict(encoders or {})
        self.encoders = nn.ModuleDict(networks or {})
        self.encoders.eval()
        self.specs = dict(specs)
        self.connector_parts = dict(connectors)
        self.fuser_parts = dict(fusers)
        self.past = frozenset(name for name, fuser in fusers.items() if fuser.context == "past")
        self.opening = {name: c.tokens(0) for name, c in connectors.items() if c.inputs == "none"}
        self.inserts = {name for name, connector in connectors.items() if inserts(connector)}
        self.inputs = {name: tuple(f.inputs) or tuple(specs) for name, f in fusers.items()}
        self.fusers = nn.ModuleDict()
        shapes: dict[str, FeatureSpec] = dict(specs)
        for name, fuser in fusers.items():
            input_specs = {s: self._spec(specs, s, name) for s in self.inputs[name]}
            try:
                shape = fuser.spec(input_specs)
            except ValueError as error:
                raise MercError(f"fusers.{name}: {error}") from None
            if shape is not None:
                shapes[name] = shape
                module = worker_for(fuser, fuser.build(input_specs))
                self.fusers[name] = NormalizedFuser(module, input_specs) if fuser.normalize == "train" else module
        shapes.update(dict.fromkeys(self.opening, FeatureSpec(dim=0)))
        self.shapes = shapes
        self.connectors = nn.ModuleDict()
        for name, connector in connectors.items():
            if name in shapes:
                try:
                    self.connectors[name] = worker_for(connector, connector.build(shapes[name], hidden))
                except ValueError as error:
                    raise MercError(f"connectors.{name}: {error}") from None
        self.source: FeatureSource | None = None

    @staticmethod
    def _spec(specs: Mapping[str, FeatureSpec], stream: str, fuser: str) -> FeatureSpec:
        if stream not in specs:
            raise MercError(f"fusers.{fuser}.inputs: there is no encoder {stream!r}; there are: {', '.join(specs)}")
        return specs[stream]

    def length(self, stream: str, utterance: str, draw: int = 0) -> int:
        """How many tokens of the LLM's width a slot has; 0 when the utterance lacks the stream. Raises MercError for a
        stream without a connector."""
        if stream in self.fuser_parts and stream not in self.shapes:
            return 0  # a fuser that gives no stream
        if stream not in self.connectors:
            raise MercError(
                f"a prompt has a slot for {stream!r}, which has no connector; add connectors.{stream} to the recipe"
            )
        if (stream in self.opening) == bool(utterance):
            what = f"takes no input, and its slot names {utterance!r}" if utterance else "has no utterance in its slot"
            raise MercError(f"connectors.{stream} {what}; correct the prompter, or leave {stream!r} out of its streams")
        if stream in self.opening:
            return self.opening[stream]
        count = self._given_tokens(stream, utterance, draw)
        return self.connector_parts[stream].tokens(count) if count else 0

    def _given_tokens(self, stream: str, utterance: str, draw: int) -> int:
        """How many tokens the stream's connector gets of an utterance; 0 where it lacks the stream."""
        if stream not in self.fuser_parts:
            return self._count(stream, utterance, draw)
        counts = {s: self._count(s, utterance, draw) for s in self.inputs[stream]}
        return self.fuser_parts[stream].tokens(counts) if any(counts.values()) else 0

    def slot(self, stream: str, utterance: str, draw: int = 0) -> SlotTokens:
        """What a backbone knows of a slot: its length, its encoder, and where its tokens lie. Raises MercError for a
        stream without a connector."""
        count = self.length(stream, utterance, draw)
        where = None
        if count and stream in self.specs and self.specs[stream].axes:
            features = self._features(stream, utterance, draw)
            if features is not None:
                learns = stream in self.encoders
                places = (
                    self.encoder_parts[stream].places(features) if learns else features[:, self.specs[stream].dim :]
                )
                where = places if len(places) == count else None
        seen = not count and stream in self.inserts and bool(self._given_tokens(stream, utterance, draw))
        return SlotTokens(stream=stream, count=count, encoder=self.encoder_parts.get(stream), where=where, seen=seen)

    def tokens(self, media: Sequence[Media], draw: int = 0) -> dict[Media, Tensor]:
        """The tokens ``[tokens, hidden]`` of each of the media (stream, utterance)."""
        by_media: dict[Media, Tensor] = {}
        for stream in dict.fromkeys(stream for stream, _ in media):
            utterances = [utterance for own, utterance in media if own == stream]
            tokens = self.connectors[stream](self._given(stream, utterances, draw))
            for i, utterance in enumerate(utterances):
                by_media[stream, utterance] = tokens.values[i][tokens.mask[i]]
        return by_media

    def forward(
        self, slots: Sequence[tuple[str, str, int]], draw: int = 0, known: Mapping[Media, Tensor] | None = None
    ) -> Tensor:
        """Tokens ``[sum of counts, hidden]`` of slots (stream, utterance, count), in their order. ``known`` are those
        of the media, where they are computed already."""
        media = self.tokens([(stream, utterance) for stream, utterance, _ in slots], draw) if known is None else known
        for stream, utterance, count in slots:
            got = len(media[stream, utterance])
            if got != count:
                raise MercError(
                    f"the connector or fuser of {stream!r} said that it gives {count} tokens for {utterance!r} and "
                    f"gave {got}: its tokens() and forward() disagree"
                )
        return torch.cat([media[s, u] for s, u, _ in slots])

    @torch.no_grad()
    def fit(self, utterances: Iterable[str], but: Collection[str] = ()) -> list[str]:
        """Show each fuser that normalizes and each connector that has a ``fit`` the train split's features (those of a
        fuser as it is before training), but for those that are named (``connectors.face``); gives the names of those
        that were shown. For a fuser that looks at the past, utterances are given with it."""
        ids = list(utterances)
        fitted = []

        def features(stream: str) -> Iterator[Tensor]:
            streams = (self._stream(stream, [u], 0) for u in ids)
            return (s.values[0][s.mask[0]] for s in streams if bool(s.mask.any()))

        with evaluating(self):
            for name, module in self.fusers.items():
                own = {f"fusers.{name}", f"connectors.{name}"}
                if isinstance(module, NormalizedFuser) and own.isdisjoint(but):
                    module.fit(features)
                    fitted.append(f"fusers.{name}")
            for name, module in self.connectors.items():
                fit = getattr(module, "fit", None)
                if callable(fit) and f"connectors.{name}" not in but and name not in self.opening:
                    fused = (self._given(name, [u], 0) for u in ids)
                    fit(g.values[0][g.mask[0]] for g in fused if bool(g.mask.any()))
                    fitted.append(f"connectors.{name}")
        return fitted

    def _given(self, stream: str, utterances: Sequence[str], draw: int) -> Stream:
        """What the stream's connector gets."""
        if stream in self.opening:
            nothing = torch.zeros(len(utterances), 0, 0, device=self._device())
            return Stream(nothing, nothing.any(-1))
        if stream in self.past:
            return self._with_past(stream, utterances, draw)
        if stream in self.fuser_parts:
            fused: Stream = self.fusers[stream]({s: self._stream(s, utterances, draw) for s in self.inputs[stream]})
            return fused
        return self._stream(stream, utterances, draw)

    def _with_past(self, stream: str, utterances: Sequence[str], draw: int) -> Stream:
        """What a fuser gives of utterances from all that was said up to each of them. A conversation is computed once,
        to the last of its utterances that is wanted."""
        rows: dict[str, tuple[Tensor, Tensor]] = {}
        talks: dict[str, list[InPast]] = {}
        for utterance in utterances:
            if not isinstance(utterance, InPast):
                raise RuntimeError(f"the past of {utterance!r} is not known, and {stream!r} comes from it")
            talks.setdefault(utterance.start, []).append(utterance)
        for places in talks.values():
            last = max(places, key=lambda one: one.place)
            past = [utterance.id for utterance in last.conversation.utterances[: last.place + 1]]
            streams = {s: self._stream(s, past, draw) for s in self.inputs[stream]}
            speakers = torch.tensor(speaker_numbers(last.conversation, len(past)))
            fused = self.fusers[stream](streams, speakers.to(streams[self.inputs[stream][0]].values.device))
            if len(fused.values) != len(past) or len(fused.mask) != len(past):
                raise MercError(
                    f"fusers.{stream}: forward() gives {len(fused.values)} rows for {len(past)} utterances of a "
                    "conversation; it must give one for each"
                )
            rows.update({one: (fused.values[one.place], fused.mask[one.place]) for one in places})
        values, masks = ([rows[utterance][part] for utterance in utterances] for part in (0, 1))
        pad = nn.utils.rnn.pad_sequence
        return Stream(pad(values, batch_first=True), pad(masks, batch_first=True))

    def _features(self, stream: str, utterance: str, draw: int) -> Features | None:
        if self.source is None:
            raise RuntimeError("the model has no features: set media.source first")
        features = self.source(stream, utterance_id(utterance), draw)
        return None if isinstance(features, Missing) else features

    def train(self, mode: bool = True) -> Self:
        """As ``nn.Module.train``, but encoders always compute in evaluation mode: nothing of them is random, and what
        they keep of their batches stays as it was."""
        super().train(mode)
        self.encoders.eval()
        return self

    def _count(self, stream: str, utterance: str, draw: int) -> int:
        features = self._features(stream, utterance, draw)
        if features is None:
            return 0
        return len(self.encoder_parts[stream].places(features) if stream in self.encoders else features)

    def compute(self, stream: str, utterances: Sequence[str], draw: int = 0) -> list[Tensor | None]:
        """The features ``[tokens, dim]`` that the network of an encoder gives of utterances now; None for one that
        lacks the modality. Raises MercError for features that are not those that the encoder announces."""
        encoder, network = self.encoder_parts[stream], self.encoders[stream]
        rows = [self._features(stream, utterance, draw) for utterance in utterances]
        device = self._device()
        inputs = [torch.from_numpy(row).to(device) for row in rows if row is not None]
        parts = [inputs[i : i + encoder.batch] for i in range(0, len(inputs), encoder.batch)]
        computed = iter([features for part in parts for features in network(part)])
        all_features = [None if row is None else next(computed) for row in rows]
        for utterance, row, features in zip(utterances, rows, all_features, strict=True):
            if row is not None and features is not None:
                expected = (len(encoder.places(row)), self.specs[stream].dim)
                if tuple(features.shape) != expected:
                    raise MercError(
                        f"encoder {stream!r}, utterance {utterance_id(utterance)!r}: the network of build() gives "
                        f"features of shape {list(features.shape)}; token_count() and spec() say {list(expected)}"
                    )
        return all_features

    def _device(self) -> torch.device:
        return next(self.parameters(), torch.empty(0)).device

    def _stream(self, stream: str, utterances: Sequence[str], draw: int) -> Stream:
        if stream in self.encoders:
            return self._padded(self.compute(stream, utterances, draw), self.specs[stream].dim)
        rows = [self._features(stream, u, draw) for u in utterances]
        longest = max([len(r) for r in rows if r is not None] + [1])
        dim = self.specs[stream].dim
        values = np.zeros((len(rows), longest, dim), dtype=np.float32)
        mask = np.zeros((len(rows), longest), dtype=bool)
        for i, row in enumerate(rows):
            if row is not None:
                values[i, : len(row)] = row[:, :dim]
                mask[i, : len(row)] = True
        device = self._device()
        return Stream(torch.from_numpy(values).to(device), torch.from_numpy(mask).to(device))

    def _padded(self, rows: Sequence[Tensor | None], dim: int) -> Stream:
        """Features as a Stream, with their gradients."""
        device = self._device()
        lengths = torch.tensor([0 if row is None else len(row) for row in rows], device=device)
        values = [torch.zeros(1, dim, device=device) if row is None else row for row in rows]
        padded = nn.utils.rnn.pad_sequence(values, batch_first=True)
        return Stream(padded, torch.arange(padded.shape[1], device=device) < lengths[:, None])
