"""The pass that fills the store: files are decoded by workers while the encoders run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from merc.components.encoder import Clip, Missing, Named, NamedClip, TextClip, VideoClip
from merc.consent import require
from merc.conversation import Conversation
from merc.features.careful import CarefulFunction, Failed
from merc.features.notes import notes_of
from merc.features.plan import DecodeTask, FeaturePlan, FeatureRequest, NamedEncoder, look, plan, streams_of, without
from merc.features.store import Entry, FeatureStore
from merc.features.table import FeatureTable
from merc.media import DECODING, Decoded, Decoders, Decoding
from merc.memory import enough_memory
from merc.passes import ContentPass, Progress
from merc.registry.faults import FunctionOf

if TYPE_CHECKING:
    from merc.recipe import ComponentRef


def encode(
    store: FeatureStore,
    encoders: Mapping[str, ComponentRef],
    conversations: Sequence[Conversation],
    seed: int,
    progress: Progress = lambda fraction, what: None,
    device: str = "cpu",
    decoding: Decoding = DECODING,
) -> FeatureTable:
    """Encode what the store lacks, and say where everything is.

    A file is decoded once for all encoders that lack its features, an encoder is loaded once and only if there is
    something to encode. The pass can be interrupted at any time and goes on where it was; another process may fill the
    same store meanwhile. ``progress`` is called with the share that is done, from 0 to 1, and what is at hand.

    Raises MercError for an encoder that breaks its contract, naming it and the utterance, and when the disk is full.
    Raises what an encoder raises that fails on every clip. What concerns a single clip is no error: see
    ``FeatureTable.missing``.
    """
    streams = streams_of(encoders)
    feature_plan = plan(store, streams, conversations, seed, store.hashes, decoding.workers, progress)
    store.hashes.write()
    work = _EncodePass(store, streams, feature_plan, seed, device, decoding, progress)
    try:
        work.without_media()
        work.run(list(feature_plan.tasks()))
        work.finish()
    finally:
        store.claims.close()
    progress(1.0, "all features are there")
    return work.table()


class _EncodePass(ContentPass[DecodeTask, DecodeTask, list[Decoded]]):
    """The state of one pass."""

    def __init__(
        self,
        store: FeatureStore,
        streams: Mapping[str, NamedEncoder],
        feature_plan: FeaturePlan,
        seed: int,
        device: str,
        decoding: Decoding,
        progress: Progress,
    ) -> None:
        super().__init__(store.claims, decoding, self._report)
        self.store, self.streams, self.plan, self.seed = store, streams, feature_plan, seed
        self.device, self.progress = device, progress
        self.functions: dict[str, CarefulFunction] = {}
        self.waiting: dict[str, list[tuple[FeatureRequest, Decoded]]] = {name: [] for name in streams}
        self.failed: dict[str, Missing] = {}
        self.encoded: Counter[str] = Counter()
        self.claimed: dict[str, set[str]] = {}
        self.total = len(feature_plan.requests) - len(feature_plan.entries)
        self.done = 0

    def without_media(self) -> None:
        """Encode what needs no decoding."""
        for request in self.plan.without_media():
            named = isinstance(self.streams[request.stream].sampling, Named)
            clip = NamedClip(id=request.content) if named else TextClip(text=request.content)
            self._accept(request, Decoded(clip))
        self._flush()

    def tasks(self, items: Sequence[DecodeTask]) -> Iterator[DecodeTask]:
        """The files to decode, with what of each is still to be done."""
        for item in items:
            task = item

            def is_done() -> bool:
                nonlocal task
                task = self._lacking(task)
                return not task.requests

            if (claimed := self.claim(item.name, is_done)) is False:
                self.left.append(task)
            elif claimed:
                self.claimed[item.name] = {request.key for request in task.requests}
                yield task

    def decode(self, decoders: Decoders, task: DecodeTask) -> list[Decoded]:
        """The clips of a file."""
        wants = [request.want for request in task.requests if request.want is not None]
        return decoders.decode(task.path, wants, self.seed, task.content)

    def work(self, decoded: Iterator[tuple[DecodeTask, list[Decoded]]]) -> bool:
        """Encode here, in the order of the tasks."""
        for task, clips in decoded:
            for request, clip in zip(task.requests, clips, strict=True):
                self._accept(request, clip)
        self._flush()
        return True

    def _lacking(self, task: DecodeTask) -> DecodeTask:
        """What of a task the store lacks now."""
        self.done += sum(look(self.store, self.plan, request.key) for request in task.requests)
        return without(task, self.plan.entries)

    def _accept(self, request: FeatureRequest, decoded: Decoded) -> None:
        """Take a clip; encode when there are enough of them for a batch."""
        if isinstance(decoded.clip, Missing):
            # Not kept: what is wrong may be mended in another way than by changing the file.
            self.failed[request.key] = decoded.clip
            self._finish(request)
            return
        self.waiting[request.stream].append((request, decoded))
        if len(self.waiting[request.stream]) >= self.streams[request.stream].encoder.batch:
            self._encode(request.stream)

    def _flush(self) -> None:
        for name in self.streams:
            self._encode(name)

    def _encode(self, name: str) -> None:
        """Encode and keep what waits for an encoder."""
        batch, stream = self.waiting[name], self.streams[name]
        if not batch:
            return
        self.waiting[name] = []
        if name not in self.functions:
            self.report(f"loading {stream.part}")
            require(stream.encoder, str(stream.part))
            with self._enough_memory(name):
                function = FunctionOf(stream.encoder, stream.encoder.load(self.device))
            self.functions[name] = CarefulFunction(stream, function, lambda: self._has_worked(name))
        clips: list[Clip] = [decoded.clip for _, decoded in batch if not isinstance(decoded.clip, Missing)]
        requests = [request for request, _ in batch]
        files = ["" if request.path is None else request.path.name for request in requests]
        with self._enough_memory(name):
            answers = self.functions[name]([request.utterance for request in requests], clips, files)
        for (request, decoded), value in zip(batch, answers, strict=True):
            if isinstance(value, Failed):
                self._accept(request, Decoded(value))
                continue
            frames = len(decoded.clip.frames) if isinstance(decoded.clip, VideoClip) else None
            remarks = decoded.remarks
            if isinstance(value, Missing):
                entry = Entry((), value.reason, frames, remarks)
            else:
                assert not isinstance(decoded.clip, Missing)
                own = stream.encoder.remark(decoded.clip, value)
                remarks = remarks if own is None else (*remarks, own)
                entry = Entry(value.shape, None, frames, remarks)
                self.encoded[name] += 1
            self.store.save(request.key, value, frames, remarks)
            self.plan.entries[request.key] = entry
            self._finish(request)

    def _enough_memory(self, name: str) -> AbstractContextManager[None]:
        where = f"encoders.{name} ({self.streams[name].part!r}) on {self.device}"
        other = "" if self.device == "cpu" else ", or set strategy.device=cpu"
        return enough_memory(where, f"choose smaller parameters of encoders.{name} (dtype, frames, model){other}")

    def _has_worked(self, name: str) -> bool:
        """Whether there are answers of an encoder, of this pass or an earlier one."""
        return any(
            request.stream == name and request.key in self.plan.entries for request in self.plan.requests.values()
        )

    def finish(self) -> None:
        """Raise what an encoder raised that failed on every clip."""
        for function in self.functions.values():
            function.finish()

    def _finish(self, request: FeatureRequest) -> None:
        self.done += 1
        self.report(f"{request.stream}: {request.utterance}")
        for name, keys in list(self.claimed.items()):
            keys.discard(request.key)
            if not keys:
                self.claims.release(name)
                del self.claimed[name]

    def _report(self, what: str) -> None:
        self.progress(min(self.done / max(self.total, 1), 1.0), what)

    def table(self) -> FeatureTable:
        """Where everything is, and what is to be said of it."""
        places: dict[tuple[str, str], tuple[str | Missing, ...]] = {}
        missing: dict[tuple[str, str], str] = {}
        for at, keys in self.plan.places.items():
            places[at] = tuple(place if isinstance(place, Missing) else self._outcome(place) for place in keys)
            reasons = [place.reason for place in places[at] if isinstance(place, Missing)]
            if reasons:
                missing[at] = reasons[0]
        entries = {at: self.plan.entries.get(str(keys[0])) for at, keys in self.plan.places.items()}
        return FeatureTable(
            self.store, places, missing, notes_of(self.streams, self.plan),
            encoded={name: self.encoded[name] for name in self.streams},
            remarks={at: entry.remarks for at, entry in entries.items() if entry is not None and entry.remarks},
        )  # fmt: skip

    def _outcome(self, key: str) -> str | Missing:
        if key in self.failed:
            return self.failed[key]
        cannot = self.plan.entries[key].cannot
        return key if cannot is None else Missing(cannot)
