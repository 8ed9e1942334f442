"""One decode of a file for all that is wanted of it, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from merc.components.encoder import (
    AudioClip,
    Clip,
    Frames,
    Missing,
    Named,
    NamedClip,
    NoMedia,
    TextClip,
    VideoClip,
    Waveform,
)
from merc.conversation import Region, Utterance
from merc.media.audio import Samples, read_audio, resample
from merc.media.container import Media, Unreadable, error_text, opened
from merc.media.limits import NO_LIMITS, Limits
from merc.media.sampling import sample
from merc.media.scaling import Picture, Scaler, Size, part_of
from merc.media.video import cut_short, open_track, within


@dataclass(frozen=True)
class Want:
    """Something that is wanted of a file: how to sample it, the span in seconds, which random draw, and the region of
    the picture, as fractions of it."""

    sampling: Frames | Waveform
    start: float | None = None
    end: float | None = None
    draw: int = 0
    region: Region | None = None


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a Want gave, and remarks on it, each a sentence without the file's name."""

    clip: Clip | Missing
    remarks: tuple[str, ...] = ()


def without_media(utterance: Utterance, sampling: NoMedia) -> TextClip | NamedClip | Missing:
    """What an encoder sees of an utterance that reads no media of it: its words, of which blank ones are missing, or
    which one it is."""
    if isinstance(sampling, Named):
        return NamedClip(id=utterance.id)
    if utterance.text.strip():
        return TextClip(text=utterance.text)
    return Missing(utterance.missing.get("text", "the utterance has no words"))


def want_of(utterance: Utterance, sampling: Frames | Waveform, draw: int = 0) -> Want:
    """What is wanted of the file that ``locate`` gives."""
    start, end = utterance.span(_modality(sampling))
    return Want(sampling, start, end, draw, utterance.region if isinstance(sampling, Frames) else None)


def locate(utterance: Utterance, sampling: Frames | Waveform) -> Path | Missing:
    """The file that holds what is wanted, or why there is none."""
    modality = _modality(sampling)
    if modality in utterance.missing:
        return Missing(utterance.missing[modality])
    path = utterance.media(modality)
    if path is None:
        return Missing(f"the utterance has no {modality} file")
    return path


def _modality(sampling: Frames | Waveform) -> str:
    return "video" if isinstance(sampling, Frames) else "audio"


def groups(wants: Sequence[Want]) -> list[list[int]]:
    """What is decoded in one go, as places in ``wants``: frames once a span, whoever wants them, and sound once a span,
    whatever the rates."""
    spans: dict[tuple[type, float | None, float | None], list[int]] = {}
    for place, want in enumerate(wants):
        spans.setdefault((type(want.sampling), want.start, want.end), []).append(place)
    return list(spans.values())


def decode_groups(
    path: Path, wants: Sequence[Want], seed: int, content: str = "", limits: Limits = NO_LIMITS
) -> Iterator[tuple[list[int], list[Decoded]]]:
    """The ``groups`` of a file, in order, each with what it gives. ``content`` is the file's hash, which seeds random
    draws. It decodes in this process, where a damaged file may do harm that no exception tells of."""
    todo = iter(groups(wants))

    def failed(places: list[int], error: Exception) -> list[Decoded]:
        return [Decoded(Missing(_reason(path, error, limits)))] * len(places)

    try:
        with opened(path) as media:
            for places in todo:
                try:
                    parts = _group(media, [wants[place] for place in places], f"{seed}/{content}", limits)
                except Exception as error:
                    parts = failed(places, error)
                yield places, parts
    except Exception as error:  # the file cannot be opened
        for rest in todo:
            yield rest, failed(rest, error)


def decode_here(path: Path, wants: Sequence[Want], seed: int, content: str = "") -> list[Decoded]:
    """What is wanted of a file, in the order of ``wants``, decoded in this process: for files that are known to be
    sound."""
    results = {
        place: decoded
        for places, parts in decode_groups(path, wants, seed, content)
        for place, decoded in zip(places, parts, strict=True)
    }
    return [results[place] for place in range(len(wants))]


def _reason(path: Path, error: Exception, limits: Limits) -> str:
    """Why a file gives nothing. A decoder's own failure concerns one file, never the whole pass."""
    if isinstance(error, Unreadable):
        return str(error)
    if isinstance(error, MemoryError) and limits.gigabytes is not None:
        return (
            f"{path.name}: decoding it takes more than {limits.gigabytes:g} GB of memory "
            "(features.decode_gigabytes allows more)"
        )
    return f"{path.name} cannot be decoded ({error_text(error)})"


def _group(media: Media, wants: Sequence[Want], entropy: str, limits: Limits) -> list[Decoded]:
    start, end = wants[0].start, wants[0].end
    if (start or 0.0) < 0 or (end is not None and end <= (start or 0.0)):
        raise Unreadable(f"{media.path.name}: the span from {start} to {end} s is empty or begins before the file")
    if isinstance(wants[0].sampling, Frames):
        return _pictures(media, wants, entropy, limits)
    return _sounds(media, wants)


def _pictures(media: Media, wants: Sequence[Want], entropy: str, limits: Limits) -> list[Decoded]:
    name, start, end = media.path.name, wants[0].start, wants[0].end
    track = open_track(media, most_pixels=limits.pixels)
    if cut := cut_short(media, track, end):
        raise Unreadable(f"{name} is cut short or damaged: {cut}")
    span = within(track, start, end)
    if not len(span):
        raise Unreadable(f"{name}: no frame within {start or 0:.2f}-{end or track.end:.2f} s; it has {track.end:.2f} s")
    remarks = []
    if end is not None and end > track.end + 0.5:
        remarks.append(f"its video ends {end - track.end:.1f} s before the utterance does")
    last = track.end if end is None else min(end, track.end)
    # Sizes and regions do not matter here: the same frames are drawn, whatever is made of them.
    chosen = {
        want: span[sample(track.times[span], start or 0.0, last, want.sampling, _draw(entropy, want))]
        for want in dict.fromkeys(wants)
        if isinstance(want.sampling, Frames)
    }
    union = np.unique(np.concatenate(list(chosen.values())))
    views: dict[Region | None, dict[Size, set[int]]] = {}
    for want, indices in chosen.items():
        assert isinstance(want.sampling, Frames)
        views.setdefault(want.region, {}).setdefault(want.sampling.size, set()).update(indices.tolist())
    scaler = Scaler()
    pictures: dict[tuple[Region | None, Size, int], Picture] = {}
    for index, picture in track.read(union):
        for region, sizes in views.items():
            if needed := [size for size, members in sizes.items() if index in members]:
                for size, scaled in scaler.at(part_of(picture, region), needed).items():
                    pictures[region, size, index] = scaled
    times = track.times - (start or 0.0)
    clips = {want: _clip(name, want, indices, pictures, times) for want, indices in chosen.items()}
    rates = {want.sampling.sound for want in wants if isinstance(want.sampling, Frames)} - {None}
    if rates and (heard := _sound_beside(media, start, end)):
        sounds = {rate: resample(*heard, rate) for rate in rates if rate is not None}
        clips = {want: _with_sound(want, decoded, sounds) for want, decoded in clips.items()}
    return [replace(clips[want], remarks=(*remarks, *clips[want].remarks)) for want in wants]


def _sound_beside(media: Media, start: float | None, end: float | None) -> tuple[Samples, int] | None:
    """The sound of a span and its rate; None where the file has none there, or none that can be read."""
    try:
        samples, rate = read_audio(media, start, end)
    except Unreadable:
        return None
    return (samples, rate) if np.isfinite(samples).all() else None


def _with_sound(want: Want, decoded: Decoded, sounds: Mapping[int, AudioClip]) -> Decoded:
    assert isinstance(want.sampling, Frames)
    if want.sampling.sound is None or not isinstance(decoded.clip, VideoClip):
        return decoded
    return replace(decoded, clip=replace(decoded.clip, sound=sounds[want.sampling.sound]))


def _draw(entropy: str, want: Want) -> str:
    return f"{entropy}/{want.start}/{want.end}/{want.draw}"


def _clip(
    name: str,
    want: Want,
    indices: np.ndarray[tuple[int], np.dtype[np.int64]],
    pictures: Mapping[tuple[Region | None, Size, int], Picture],
    times: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> Decoded:
    assert isinstance(want.sampling, Frames)
    view = (want.region, want.sampling.size)
    there = [int(index) for index in indices if (*view, int(index)) in pictures]
    if not there:
        return Decoded(Missing(f"{name}: none of its frames can be decoded"))
    lost = len(indices) - len(there)
    frames = np.stack([pictures[(*view, index)] for index in there])
    remarks = (f"{lost} of {len(indices)} frames could not be decoded",) if lost else ()
    return Decoded(VideoClip(frames=frames, times=np.maximum(times[there], 0.0)), remarks)


def _sounds(media: Media, wants: Sequence[Want]) -> list[Decoded]:
    samples, source = read_audio(media, wants[0].start, wants[0].end)
    if strange := int(np.count_nonzero(~np.isfinite(samples))):
        verb = "is" if strange == 1 else "are"
        raise Unreadable(f"{media.path.name}: {strange} of its {len(samples)} samples {verb} no number")
    clips: dict[int, AudioClip] = {}
    parts = []
    for want in wants:
        assert isinstance(want.sampling, Waveform)
        rate, least = want.sampling.rate, want.sampling.min_seconds
        seconds = len(samples) / source
        if seconds < least:
            reason = f"{media.path.name}: {seconds:.2f} s of audio; at least {least:.2f} s are needed"
            parts.append(Decoded(Missing(reason)))
            continue
        if rate not in clips:
            clips[rate] = resample(samples, source, rate)
        parts.append(Decoded(clips[rate]))
    return parts
