"""One decode of a file for all that is wanted of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from merc.components.encoder import AudioClip, CannotEncode, Clip, Frames, TextClip, VideoClip, Waveform, Words
from merc.conversation import Region, Utterance
from merc.files import hash_file
from merc.media.audio import read_audio, resample
from merc.media.container import Media, Unreadable, error_text, opened
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

    clip: Clip | CannotEncode
    remarks: tuple[str, ...] = ()


def decode(
    utterance: Utterance, wants: Mapping[str, Frames | Waveform | Words], seed: int, draw: int = 0
) -> dict[str, Clip | CannotEncode]:
    """The clips of one utterance, by the names of ``wants``; a file that serves several is decoded once.

    What cannot be had is a CannotEncode with the reason; nothing is raised for a bad file.

    >>> decode(Utterance(id="u", text="Hi."), {"said": Words(), "seen": Frames(count=1)}, seed=0)
    {'said': TextClip(text='Hi.'), 'seen': CannotEncode(reason='the utterance has no video file')}
    """
    found: dict[str, Clip | CannotEncode] = {}
    files: dict[Path, dict[str, Want]] = {}
    for name, sampling in wants.items():
        if isinstance(sampling, Words):
            found[name] = words(utterance)
            continue
        source = locate(utterance, sampling)
        if isinstance(source, CannotEncode):
            found[name] = source
        else:
            files.setdefault(source, {})[name] = want_of(utterance, sampling, draw)
    for path, asked in files.items():
        random = any(isinstance(w.sampling, Frames) and w.sampling.strategy == "random" for w in asked.values())
        content = hash_file(path) if random and path.is_file() else ""
        for name, decoded in zip(asked, decode_file(path, list(asked.values()), seed, content), strict=True):
            found[name] = decoded.clip
    return {name: found[name] for name in wants}


def words(utterance: Utterance) -> TextClip | CannotEncode:
    """The text of an utterance; blank text is missing."""
    return TextClip(text=utterance.text) if utterance.text.strip() else CannotEncode("the utterance has no words")


def want_of(utterance: Utterance, sampling: Frames | Waveform, draw: int = 0) -> Want:
    """What is wanted of the file that ``locate`` gives."""
    start, end = utterance.span(_modality(sampling))
    return Want(sampling, start, end, draw, utterance.region if isinstance(sampling, Frames) else None)


def locate(utterance: Utterance, sampling: Frames | Waveform) -> Path | CannotEncode:
    """The file that holds what is wanted, or why there is none."""
    modality = _modality(sampling)
    if modality in utterance.missing:
        return CannotEncode(utterance.missing[modality])
    path = utterance.media(modality)
    if path is None:
        return CannotEncode(f"the utterance has no {modality} file")
    return path


def _modality(sampling: Frames | Waveform) -> str:
    return "video" if isinstance(sampling, Frames) else "audio"


def decode_file(path: Path, wants: Sequence[Want], seed: int, content: str = "") -> list[Decoded]:
    """What is wanted of a file, in the order of ``wants``. ``content`` is the file's hash, which seeds random draws.

    Frames are decoded once a span, whoever wants them, and sound once a span, whatever the rates.
    """
    found: dict[int, Decoded] = {}
    spans: dict[tuple[type, float | None, float | None], list[int]] = {}
    for place, want in enumerate(wants):
        if (want.start or 0.0) < 0 or (want.end is not None and want.end <= (want.start or 0.0)):
            reason = f"{path.name}: the span from {want.start} to {want.end} s is empty or begins before the file"
            found[place] = Decoded(CannotEncode(reason))
        else:
            spans.setdefault((type(want.sampling), want.start, want.end), []).append(place)
    try:
        with opened(path) as media:
            for (kind, start, end), places in spans.items():
                asked = [wants[place] for place in places]
                read = _pictures if kind is Frames else _sounds
                try:
                    given = read(media, start, end, asked, f"{seed}/{content}")
                except Unreadable as error:
                    given = [Decoded(CannotEncode(str(error)))] * len(places)
                found.update(zip(places, given, strict=True))
    except Unreadable as error:
        return [found.get(place, Decoded(CannotEncode(str(error)))) for place in range(len(wants))]
    except Exception as error:  # a decoder's own failure concerns one file, never the whole pass
        reason = f"{path.name} cannot be decoded ({error_text(error)})"
        return [found.get(place, Decoded(CannotEncode(reason))) for place in range(len(wants))]
    return [found[place] for place in range(len(wants))]


def _pictures(
    media: Media, start: float | None, end: float | None, wants: Sequence[Want], entropy: str
) -> list[Decoded]:
    name = media.path.name
    track = open_track(media)
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
            if wanted := [size for size, members in sizes.items() if index in members]:
                for size, scaled in scaler.at(part_of(picture, region), wanted).items():
                    pictures[region, size, index] = scaled
    times = track.times - (start or 0.0)
    clips = {want: _clip(name, want, indices, pictures, times) for want, indices in chosen.items()}
    return [replace(clips[want], remarks=(*remarks, *clips[want].remarks)) for want in wants]


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
        return Decoded(CannotEncode(f"{name}: none of its frames can be decoded"))
    lost = len(indices) - len(there)
    frames = np.stack([pictures[(*view, index)] for index in there])
    remarks = (f"{lost} of {len(indices)} frames could not be decoded",) if lost else ()
    return Decoded(VideoClip(frames=frames, times=np.maximum(times[there], 0.0)), remarks)


def _sounds(media: Media, start: float | None, end: float | None, wants: Sequence[Want], entropy: str) -> list[Decoded]:
    samples, source = read_audio(media, start, end)
    clips: dict[int, AudioClip] = {}
    given = []
    for want in wants:
        assert isinstance(want.sampling, Waveform)
        rate, least = want.sampling.rate, want.sampling.min_seconds
        seconds = len(samples) / source
        if seconds < least:
            reason = f"{media.path.name}: {seconds:.2f} s of audio; at least {least:.2f} s are needed"
            given.append(Decoded(CannotEncode(reason)))
            continue
        if rate not in clips:
            clips[rate] = resample(samples, source, rate)
        given.append(Decoded(clips[rate]))
    return given
