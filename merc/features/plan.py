"""What has to be encoded: every wanted feature once, grouped so that a file is decoded once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc.components.encoder import Encoder, Frames, Missing, NamedClip, NoMedia, Sampling, TextClip
from merc.conversation import Conversation, Utterance
from merc.errors import MercError
from merc.features.key import Source, key_of
from merc.features.store import Damaged, Entry, FeatureStore
from merc.features.wrapped import key_values
from merc.media import Want
from merc.media.decode import locate, want_of, without_media
from merc.passes import Hashes, Progress

if TYPE_CHECKING:
    from merc.recipe import ComponentRef, Recipe

# The spans of one file that are decoded in one go; their clips are in memory together.
_SPANS = 16


@dataclass(frozen=True, eq=False)
class NamedEncoder:
    """An encoder under the name that it has in the recipe."""

    name: str
    part: str
    encoder: Encoder
    sampling: Sampling
    recipe: Mapping[str, Any]

    @property
    def draws(self) -> int:
        """How many different draws of an utterance are kept."""
        return self.sampling.draws if isinstance(self.sampling, Frames) else 1

    @property
    def least(self) -> int | None:
        """How many frames it asks for; ``None`` where it asks for none."""
        return self.sampling.count if isinstance(self.sampling, Frames) else None


@dataclass(frozen=True)
class FeatureRequest:
    """One feature: its key, its stream, the utterance that is named when something is wrong with it, and what is
    encoded: ``content`` is a text, an utterance's id, or the hash of the file ``path`` of which something is wanted."""

    key: str
    stream: str
    utterance: str
    content: str
    want: Want | None = None
    path: Path | None = None


@dataclass(frozen=True)
class DecodeTask:
    """Requests that one decode of a file serves. ``name`` says which, to other processes too."""

    name: str
    path: Path
    content: str
    requests: tuple[FeatureRequest, ...]


@dataclass(eq=False)
class FeaturePlan:
    """Every wanted feature: where it belongs, the requests by key, what of them is in the store, and what is not."""

    places: dict[tuple[str, str], tuple[str | Missing, ...]] = field(default_factory=dict)
    requests: dict[str, FeatureRequest] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)

    def tasks(self) -> Iterator[DecodeTask]:
        """The files to decode, for the requests that the store lacks."""
        by_file: dict[str, dict[tuple[float, float], list[FeatureRequest]]] = {}
        for request in self.requests.values():
            if request.want is not None:
                span = (request.want.start or 0.0, float("inf") if request.want.end is None else request.want.end)
                by_file.setdefault(request.content, {}).setdefault(span, []).append(request)
        for content, spans in by_file.items():
            # Cut by all spans of the file, those that are done included, so that every process cuts alike.
            ordered = iter(sorted(spans))
            while chunk := list(islice(ordered, _SPANS)):
                requests = tuple(
                    request for span in chunk for request in spans[span] if request.key not in self.entries
                )
                if requests and requests[0].path is not None:
                    yield DecodeTask(f"{content}/{chunk[0]}", requests[0].path, content, requests)

    def without_media(self) -> list[FeatureRequest]:
        """What the store lacks of encoders that read no media."""
        return [
            request for request in self.requests.values() if request.want is None and request.key not in self.entries
        ]


def streams_of(encoders: Mapping[str, ComponentRef]) -> dict[str, NamedEncoder]:
    """The encoders of a recipe; raises MercError for a component of another kind."""
    streams = {}
    for name, part in encoders.items():
        encoder = part.component
        if not isinstance(encoder, Encoder):
            raise MercError(f"encoders.{name}: {part.name!r} is a {type(encoder).kind}, not an encoder")
        streams[name] = NamedEncoder(name, part.name, encoder, encoder.sampling(), key_values(part.name, encoder))
    return streams


def known_missing(
    encoders: Mapping[str, ComponentRef], conversations: Iterable[Conversation]
) -> dict[tuple[str, str], str]:
    """Which features there cannot be, by encoder and utterance, and why: what corpora say, so no medium is read."""
    utterances = [u for c in conversations for u in c.utterances]
    located = ((s.name, u.id, _located(s, u)) for s in streams_of(encoders).values() for u in utterances)
    return {(name, id_): place.reason for name, id_, place in located if isinstance(place, Missing)}


def _located(stream: NamedEncoder, utterance: Utterance) -> Path | TextClip | NamedClip | Missing:
    """What of an utterance is encoded, or why there is nothing."""
    sampling = stream.sampling
    return without_media(utterance, sampling) if isinstance(sampling, NoMedia) else locate(utterance, sampling)


def plan(
    store: FeatureStore,
    streams: Mapping[str, NamedEncoder],
    conversations: Sequence[Conversation],
    seed: int,
    hashes: Hashes,
    workers: int,
    progress: Progress,
) -> FeaturePlan:
    """Find out what is wanted, what is there and what is not. Reads no media but to hash them."""
    feature_plan = FeaturePlan()
    utterances = [u for c in conversations for u in c.utterances]
    located = {
        (stream.name, at): _located(stream, utterance)
        for stream in streams.values()
        for at, utterance in enumerate(utterances)
    }
    contents = hashes.of_all(located.values(), workers, lambda _, what: progress(0.0, what))
    for (name, at), place in located.items():
        utterance = utterances[at]
        known = contents[place] if isinstance(place, Path) else place
        keys: list[str | Missing] = []
        for draw in range(streams[name].draws):
            if isinstance(known, Missing):
                keys.append(known)
            else:
                file = place if isinstance(place, Path) else None
                keys.append(_add(feature_plan, streams[name], utterance, known, file, seed, draw))
        if feature_plan.places.setdefault((name, utterance.id), tuple(keys)) != tuple(keys):
            raise MercError(
                f"two utterances have the id {utterance.id!r} and are not the same; every utterance of a corpus needs "
                "an id of its own"
            )
    for key in feature_plan.requests:
        look(store, feature_plan, key)
    return feature_plan


def lacking(
    store: FeatureStore,
    encoders: Mapping[str, ComponentRef],
    conversations: Sequence[Conversation],
    recipe: Recipe,
    progress: Progress,
) -> list[str]:
    """The utterances of which a store lacks features, by their ids in their order; their files are hashed for it."""
    section = recipe.features
    whole = plan(store, streams_of(encoders), conversations, section.seed, store.hashes, section.workers, progress)
    store.hashes.write()
    return list(dict.fromkeys(one.utterance for one in whole.requests.values() if one.key not in whole.entries))


def _add(
    feature_plan: FeaturePlan,
    stream: NamedEncoder,
    utterance: Utterance,
    known: str | TextClip | NamedClip,
    file: Path | None,
    seed: int,
    draw: int,
) -> str:
    """Add one feature to the plan, and give its key."""
    want = None if isinstance(stream.sampling, NoMedia) else want_of(utterance, stream.sampling, draw)
    content = known.text if isinstance(known, TextClip) else known.id if isinstance(known, NamedClip) else known
    source = Source(content) if want is None else Source(content, want.start, want.end, want.region)
    key = key_of(source, stream.recipe, stream.encoder, seed, draw)
    feature_plan.requests.setdefault(key, FeatureRequest(key, stream.name, utterance.id, content, want, file))
    return key


def look(store: FeatureStore, feature_plan: FeaturePlan, key: str) -> bool:
    """Whether a feature is in the store now; a damaged one is noted and removed."""
    try:
        entry = store.look(key)
    except Damaged as error:
        feature_plan.damaged.append(f"{store.path(key)} ({error})")
        store.path(key).unlink(missing_ok=True)
        return False
    if entry is not None:
        feature_plan.entries[key] = entry
    return entry is not None


def without(task: DecodeTask, keys: Mapping[str, Entry]) -> DecodeTask:
    """The same task less what is there by now."""
    return replace(task, requests=tuple(request for request in task.requests if request.key not in keys))
