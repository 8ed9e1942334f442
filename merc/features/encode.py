"""The pass that fills the store: files are decoded by workers while the encoders run."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from merc.components.encoder import Clip, Missing, TextClip, VideoClip
from merc.consent import require
from merc.conversation import Conversation
from merc.features.careful import CarefulFunction, Failed
from merc.features.hashes import Hashes
from merc.features.notes import notes_of
from merc.features.plan import DecodeTask, FeatureRequest, Plan, Stream, look, plan, streams_of, without
from merc.features.store import Entry, FeatureStore
from merc.features.table import FeatureTable
from merc.media import DECODING, Decoded, Decoders, Decoding
from merc.memory import enough_memory

if TYPE_CHECKING:
    from merc.recipe import ComponentRef

Progress = Callable[[float, str], None]

_POLL_SECONDS = 0.2


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
    hashes = Hashes(store.root / "hashes.json")
    made = plan(store, streams, conversations, seed, hashes, decoding.workers, progress)
    hashes.remember()
    work = _Pass(store, streams, made, seed, device, progress)
    try:
        work.texts()
        work.files(decoding)
        work.finish()
    finally:
        store.claims.close()
    progress(1.0, "all features are there")
    return work.table()


class _Pass:
    """The state of one pass."""

    def __init__(
        self,
        store: FeatureStore,
        streams: Mapping[str, Stream],
        made: Plan,
        seed: int,
        device: str,
        progress: Progress,
    ) -> None:
        self.store, self.streams, self.plan, self.seed = store, streams, made, seed
        self.device, self.progress = device, progress
        self.functions: dict[str, CarefulFunction] = {}
        self.waiting: dict[str, list[tuple[FeatureRequest, Decoded]]] = {name: [] for name in streams}
        self.failed: dict[str, Missing] = {}
        self.encoded: Counter[str] = Counter()
        self.claimed: dict[str, set[str]] = {}
        self.total = len(made.jobs) - len(made.entries)
        self.done = 0

    def texts(self) -> None:
        """Encode texts, which need no decoding."""
        for job in self.plan.texts():
            self._accept(job, Decoded(TextClip(text=job.text or "")))
        self._flush()

    def files(self, decoding: Decoding) -> None:
        """Decode in decoder processes, for each of which a thread waits, and encode here, in the order of the tasks."""
        tasks = list(self.plan.tasks())
        decoders = Decoders(decoding.limits)
        with ThreadPoolExecutor(decoding.workers, "merc-decode") as pool:
            try:
                while tasks:
                    left: list[DecodeTask] = []
                    for task, decoded in self._decoded(pool, decoders, tasks, decoding.workers * 2, left):
                        for job, clip in zip(task.jobs, decoded, strict=True):
                            self._accept(job, clip)
                    # Nothing may be held back while waiting for others, or two processes could wait for each other.
                    self._flush()
                    if len(left) == len(tasks):
                        self._report(f"waiting for another process that encodes {left[0].path.name}")
                        time.sleep(_POLL_SECONDS)
                    tasks = left
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                decoders.stop()
                raise

    def _decoded(
        self,
        pool: ThreadPoolExecutor,
        decoders: Decoders,
        tasks: Sequence[DecodeTask],
        ahead: int,
        left: list[DecodeTask],
    ) -> Iterator[tuple[DecodeTask, list[Decoded]]]:
        """Tasks with their clips, in order, a few decoded ahead; those that another process has go to ``left``."""
        running: deque[tuple[DecodeTask, Future[list[Decoded]]]] = deque()
        for task in tasks:
            todo = self._claim(task)
            if todo is None:
                left.append(task)
                continue
            if not todo.jobs:
                continue
            wants = [job.want for job in todo.jobs if job.want is not None]
            running.append((todo, pool.submit(decoders.decode, todo.path, wants, self.seed, todo.content)))
            if len(running) > ahead:
                first, future = running.popleft()
                yield first, future.result()
        while running:
            first, future = running.popleft()
            yield first, future.result()

    def _claim(self, task: DecodeTask) -> DecodeTask | None:
        """What of a task is still to be done, claimed; ``None`` if another process is at it."""
        if not (todo := self._still(task)).jobs:
            return todo
        if not self.store.claims.take(task.name):
            return None
        if (todo := self._still(todo)).jobs:  # it may have been finished just before the claim was granted
            self.claimed[task.name] = {job.key for job in todo.jobs}
        else:
            self.store.claims.release(task.name)
        return todo

    def _still(self, task: DecodeTask) -> DecodeTask:
        there = [job.key for job in task.jobs if look(self.store, self.plan, job.key)]
        self.done += len(there)
        return without(task, self.plan.entries)

    def _accept(self, job: FeatureRequest, decoded: Decoded) -> None:
        """Take a clip; encode when there are enough of them for a batch."""
        if isinstance(decoded.clip, Missing):
            # Not kept: what is wrong may be mended in another way than by changing the file.
            self.failed[job.key] = decoded.clip
            self._finish(job)
            return
        self.waiting[job.stream].append((job, decoded))
        if len(self.waiting[job.stream]) >= self.streams[job.stream].encoder.batch:
            self._encode(job.stream)

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
            self._report(f"loading {stream.part}")
            require(stream.encoder, str(stream.part))
            with self._enough_memory(name):
                function = stream.encoder.load(self.device)
            self.functions[name] = CarefulFunction(stream, function, lambda: self._has_worked(name))
        clips: list[Clip] = [decoded.clip for _, decoded in batch if not isinstance(decoded.clip, Missing)]
        jobs = [job for job, _ in batch]
        files = [self.plan.files[self.plan.contents[job.key]].name if job.want is not None else "" for job in jobs]
        with self._enough_memory(name):
            answers = self.functions[name]([job.utterance for job in jobs], clips, files)
        for (job, decoded), value in zip(batch, answers, strict=True):
            if isinstance(value, Failed):
                self._accept(job, Decoded(value))
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
            self.store.save(job.key, value, frames, remarks)
            self.plan.entries[job.key] = entry
            self._finish(job)

    def _enough_memory(self, name: str) -> AbstractContextManager[None]:
        where = f"encoders.{name} ({self.streams[name].part!r}) on {self.device}"
        other = "" if self.device == "cpu" else ", or set strategy.device=cpu"
        return enough_memory(where, f"choose smaller parameters of encoders.{name} (dtype, frames, model){other}")

    def _has_worked(self, name: str) -> bool:
        """Whether there are answers of an encoder, of this pass or an earlier one."""
        return any(job.stream == name and job.key in self.plan.entries for job in self.plan.jobs.values())

    def finish(self) -> None:
        """Raise what an encoder raised that failed on every clip."""
        for function in self.functions.values():
            function.finish()

    def _finish(self, job: FeatureRequest) -> None:
        self.done += 1
        self._report(f"{job.stream}: {job.utterance}")
        for name, keys in list(self.claimed.items()):
            keys.discard(job.key)
            if not keys:
                self.store.claims.release(name)
                del self.claimed[name]

    def _report(self, what: str) -> None:
        self.progress(min(self.done / max(self.total, 1), 1.0), what)

    def table(self) -> FeatureTable:
        """Where everything is, and what is to be said of it."""
        places: dict[tuple[str, str], tuple[str | Missing, ...]] = {}
        missing: dict[tuple[str, str], str] = {}
        for at, found in self.plan.places.items():
            places[at] = tuple(place if isinstance(place, Missing) else self._outcome(place) for place in found)
            reasons = [place.reason for place in places[at] if isinstance(place, Missing)]
            if reasons:
                missing[at] = reasons[0]
        notes = notes_of(self.streams, self.plan)
        return FeatureTable(self.store, places, missing, notes, {name: self.encoded[name] for name in self.streams})

    def _outcome(self, key: str) -> str | Missing:
        if key in self.failed:
            return self.failed[key]
        cannot = self.plan.entries[key].cannot
        return key if cannot is None else Missing(cannot)
