"""Sound and pictures that are given as arrays, and no file: checked, sampled as an encoder wants them, encoded. Nothing
of them is kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from merc.components import (
    Annotation,
    Annotator,
    AudioClip,
    Clip,
    Features,
    Frames,
    Missing,
    NoMedia,
    Observation,
    Sampling,
    VideoClip,
    Waveform,
)
from merc.consent import require
from merc.conversation import Conversation, Utterance
from merc.cues import CueTable, reading, shown
from merc.cues.admit import admit
from merc.errors import MercError
from merc.features import FeatureStore, FeatureTable, prepared
from merc.features.careful import CarefulFunction
from merc.features.plan import NamedEncoder, streams_of
from merc.media.audio import resample
from merc.media.decode import without_media
from merc.media.sampling import sample
from merc.media.scaling import Scaler
from merc.recipe import ComponentRef, in_order
from merc.registry.faults import FunctionOf
from merc.session.wiring import Wiring

Arrays = Mapping[str, Mapping[str, AudioClip | VideoClip]]
"""Clips by the id of their utterance and by modality: "audio", "video"."""

_LOUDEST = 2.0
"""Samples are from -1 to 1, and a little beyond where something was loud; 16-bit numbers are not."""


def check_clip(where: str, modality: str, clip: object) -> AudioClip | VideoClip:
    """The clip. Raises MercError, naming ``where`` and the field, for arrays that are not what a clip holds."""
    if modality == "audio" and isinstance(clip, AudioClip):
        _check_sound(f"{where}: audio", clip)
        return clip
    if modality == "video" and isinstance(clip, VideoClip):
        _check_pictures(f"{where}: video", clip)
        return clip
    expected = {"audio": "AudioClip", "video": "VideoClip"}[modality]
    raise MercError(f"{where}: {modality} is a {type(clip).__name__}; a merc.{expected} is wanted")


def _check_sound(where: str, clip: AudioClip) -> None:
    samples, rate = clip.samples, clip.rate
    _check_array(f"{where}.samples", samples, "float32", "[n] (mono)", lambda shape: len(shape) == 1)
    if not isinstance(rate, int | np.integer) or isinstance(rate, bool) or rate < 1:
        raise MercError(f"{where}.rate is {rate!r}; samples a second are wanted, such as 16000")
    loudest = float(np.abs(samples).max())
    if loudest > _LOUDEST:
        raise MercError(f"{where}.samples go up to {loudest:g}; they are wanted from -1 to 1 (16-bit ones over 32768)")


def _check_pictures(where: str, clip: VideoClip) -> None:
    frames, times = clip.frames, clip.times
    _check_array(f"{where}.frames", frames, "uint8", "[n, height, width, 3] (RGB)", lambda s: len(s) == 4 and s[3] == 3)
    _check_array(
        f"{where}.times", times, "float64", f"[{len(frames)}] (one for each frame)", lambda s: s == (len(frames),)
    )
    if times[0] < 0 or (np.diff(times) < 0).any():
        raise MercError(f"{where}.times are seconds from the start of the utterance, in order; given {times[:4]} ...")


def _check_array(where: str, value: Any, dtype: str, shape: str, fits: Any) -> None:
    if not isinstance(value, np.ndarray):
        raise MercError(f"{where} is a {type(value).__name__}; a numpy array of {dtype} {shape} is wanted")
    if value.dtype != dtype or not fits(value.shape):
        raise MercError(f"{where} is {value.dtype} of shape {list(value.shape)}; {dtype} of shape {shape} is wanted")
    if not value.size:
        raise MercError(f"{where} is empty (shape {list(value.shape)}); give some, or leave it out")
    if value.dtype.kind == "f" and (strange := int(np.count_nonzero(~np.isfinite(value)))):
        raise MercError(f"{where}: {strange} of its {value.size} numbers {'is' if strange == 1 else 'are'} not finite")


def with_arrays(
    table: FeatureTable,
    encoders: Mapping[str, ComponentRef],
    utterances: Sequence[Utterance],
    arrays: Arrays,
    wiring: Wiring,
) -> FeatureTable:
    """The table with the features of utterances whose media are arrays, computed now: those of their words too."""
    return table.overlaid(of_arrays(table.store, encoders, utterances, arrays, wiring))


def of_arrays(
    store: FeatureStore,
    encoders: Mapping[str, ComponentRef],
    utterances: Sequence[Utterance],
    arrays: Arrays,
    wiring: Wiring,
) -> FeatureTable:
    """These features alone."""
    seed, device = wiring.recipe.features.seed, wiring.device
    held: dict[tuple[str, str], Features] = {}
    missing: dict[tuple[str, str], str] = {}
    for name, stream in streams_of(prepared(encoders, wiring.recipe.learning_encoders)).items():
        require(stream.encoder, stream.part)
        ids, clips = [], list[Clip]()
        for u in utterances:
            clip = _clip(u, arrays.get(u.id, {}), stream.sampling, seed)
            if isinstance(clip, Missing):
                missing[name, u.id] = clip.reason
            else:
                ids.append(u.id)
                clips.append(clip)
        for utterance, features in zip(ids, _encoded(stream, ids, clips, device), strict=True):
            if isinstance(features, Missing):
                missing[name, utterance] = features.reason
            else:
                held[name, utterance] = features
    places: dict[tuple[str, str], tuple[str | Missing, ...]] = dict.fromkeys(held, ("",))
    places |= {key: (Missing(reason),) for key, reason in missing.items()}
    return FeatureTable(store, places, missing, held=held)


def _encoded(stream: NamedEncoder, ids: Sequence[str], clips: Sequence[Clip], device: str) -> list[Features | Missing]:
    """What an encoder gives of clips, in its batches; a clip that it fails on is missing with the reason."""
    if not clips:
        return []
    function = CarefulFunction(stream, FunctionOf(stream.encoder, stream.encoder.load(device)), lambda: False)
    features: list[Features | Missing] = []
    for at in range(0, len(clips), stream.encoder.batch):
        some = slice(at, at + stream.encoder.batch)
        features += function(ids[some], clips[some], [""] * len(clips[some]))
    function.finish()
    return features


def _clip(
    utterance: Utterance, arrays: Mapping[str, AudioClip | VideoClip], sampling: Sampling, seed: int
) -> Clip | Missing:
    """The clip that an encoder wants of an utterance."""
    if isinstance(sampling, NoMedia):
        return without_media(utterance, sampling)
    modality = "video" if isinstance(sampling, Frames) else "audio"
    clip = arrays.get(modality)
    if clip is None:
        return Missing(f"the utterance has no {modality}")
    if isinstance(clip, AudioClip):
        assert isinstance(sampling, Waveform)
        if clip.seconds < sampling.min_seconds:
            return Missing(f"{clip.seconds:.2f} s of audio; at least {sampling.min_seconds:.2f} s are needed")
        return resample(clip.samples, int(clip.rate), sampling.rate)
    assert isinstance(sampling, Frames)
    content = hashlib.sha256(clip.frames.tobytes()).hexdigest() if sampling.strategy == "random" else ""
    last, count = float(clip.times[-1]), len(clip.times)
    duration = (last - float(clip.times[0])) / max(count - 1, 1)
    end = last + duration  # the last frame is shown as long as the others, or until the utterance ends meanwhile
    if utterance.start is not None and utterance.end is not None:
        stated = utterance.end - utterance.start
        end = stated if abs(stated - end) <= duration else end
    chosen = sample(clip.times, 0.0, end, sampling, f"{seed}/{content}")
    scaler = Scaler()
    pictures = [scaler.at(clip.frames[index], [sampling.size])[sampling.size] for index in chosen]
    heard = arrays.get("audio") if sampling.sound else None
    sound = None
    if isinstance(heard, AudioClip) and sampling.sound is not None:
        sound = resample(heard.samples, int(heard.rate), sampling.sound)
    return VideoClip(frames=np.stack(pictures), times=clip.times[chosen], sound=sound)


def annotate_arrays(
    annotators: Mapping[str, ComponentRef],
    conversations: Sequence[Conversation],
    arrays: Arrays,
    device: str,
    only: Collection[str] | None = None,
) -> CueTable:
    """What annotators say of conversations whose media are arrays: of all utterances, or ``only`` of those with these
    ids. Raises MercError, naming the annotator, for one that does not answer for each."""
    known = CueTable()
    for name, part in in_order(annotators).items():
        annotator, answers = part.component, dict[tuple[str, str], Annotation]()
        assert isinstance(annotator, Annotator)
        require(annotator, f"annotators.{name} ({part.name!r})")
        for utterance, answer in FunctionOf(annotator, annotator.load(device))(
            _observations(annotator, conversations, arrays, known, only)
        ):
            answers[name, utterance] = admit(answer)[0]
        ids = [u.id for c in conversations for u in c.utterances if only is None or u.id in only]
        lacking = [one for one in ids if (name, one) not in answers]
        if lacking:
            raise MercError(f"annotators.{name} ({part.name!r}) gave no answer for {', '.join(lacking[:3])}")
        known = CueTable.joined([known, CueTable(answers, fields={name: annotator.fields()})])
    return known


def _observations(
    annotator: Annotator,
    conversations: Sequence[Conversation],
    arrays: Arrays,
    known: CueTable,
    only: Collection[str] | None,
) -> Iterator[Observation]:
    def seen(utterance: Utterance, sampling: Frames | Waveform | None) -> Any:
        nothing = Missing("not asked for")
        return nothing if sampling is None else _clip(utterance, arrays.get(utterance.id, {}), sampling, 0)

    for talk in conversations:
        for index, utterance in enumerate(talk.utterances):
            if only is not None and utterance.id not in only:
                continue
            cues, lacking, _ = reading(annotator, utterance, known, last=True)
            query = shown(talk, index, annotator, cues)
            video = seen(utterance, annotator.video_for(query))
            yield Observation(query=query, video=video, audio=seen(utterance, annotator.audio()), lacking=lacking)


def without(conversations: Sequence[Conversation], arrays: Arrays) -> list[Conversation]:
    """The conversations without the utterances whose media are arrays."""
    remaining = [replace(c, utterances=tuple(u for u in c.utterances if u.id not in arrays)) for c in conversations]
    return [c for c in remaining if c.utterances]
