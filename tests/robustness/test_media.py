"""Damaged media: each file gives features or a reason, and nothing else happens to merc."""

from __future__ import annotations

import random
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import numpy as np
import pytest

from merc import MercError
from merc.components import Missing
from merc.conversation import Conversation, Utterance
from merc.features import FeatureStore, FeatureTable, encode
from merc.media import Decoding, Limits, probe_media
from tests.features.parts import Brightness, Loudness, part
from tests.media.clips import numbered, write_clip
from tests.media.damage import write_floats

# Less than the defaults: a damaged file may ask for all that it is allowed.
LIMITS = Limits(seconds=20, gigabytes=1.0, megapixels=16)
TOGETHER = 50
EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFF00, 0xFFFFFFFF)
TABLES = (b"stts", b"stsz", b"stco", b"stsc", b"ctts")
BOXES = (
    b"stts", b"stsz", b"stco", b"stsc", b"stss", b"ctts", b"stsd", b"tkhd", b"mdhd", b"mvhd", b"elst", b"hdlr",
    b"avcC", b"avc1", b"esds", b"mp4a", b"moov", b"trak", b"mdat", b"ftyp",
)  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Mapping[str, bytes]:
    """Whole files by the end of their names."""
    folder = tmp_path_factory.mktemp("whole")
    made = {
        ".mp4": write_clip(folder / "a.mp4", frames=12, options={"x264-params": "bframes=2"}),
        ".mkv": write_clip(folder / "a.mkv", frames=12),
        ".avi": write_clip(folder / "a.avi", frames=12, video="mpeg4", audio="pcm_s16le"),
        ".webm": write_clip(folder / "a.webm", frames=6, video="libvpx", audio="libopus", rate=48_000),
        ".wav": write_clip(folder / "a.wav", video=None, audio="pcm_s16le", seconds=0.5),
        ".flac": write_clip(folder / "a.flac", video=None, audio="flac", seconds=0.5),
        ".mp3": write_clip(folder / "a.mp3", video=None, audio="libmp3lame", seconds=0.5),
        ".mov": png_movie(folder / "a.mov"),
    }
    return {end: path.read_bytes() for end, path in made.items()}


def png_movie(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("png", rate=25)
        pictures.height, pictures.width, pictures.pix_fmt = 48, 64, "rgb24"
        for index in range(4):
            out.mux(pictures.encode(av.VideoFrame.from_ndarray(numbered(index), format="rgb24")))
        out.mux(pictures.encode())
    return path


def flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        data[rng.randrange(len(data))] = rng.randrange(256)


def flip_near_an_end(data: bytearray, rng: random.Random) -> None:
    """Headers stand at the beginning or the end."""
    for _ in range(rng.choice((1, 2, 4))):
        at = rng.randrange(min(len(data), 2000))
        data[at if rng.random() < 0.5 else -at - 1] = rng.randrange(256)


def truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def lose(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 4, 512))]


def fill(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    size = min(rng.choice((4, 64, 4096)), len(data) - at)
    data[at : at + size] = bytes([rng.choice((0, 255))]) * size


def repeat(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at:at] = data[at : at + rng.choice((16, 1024))]


def box(data: bytearray, rng: random.Random) -> None:
    """A number of a box of an MP4: its size, a count or a table's entry."""
    places = _all(data, rng.choice(TABLES if rng.random() < 0.6 else BOXES))
    if not places:
        flip(data, rng)
        return
    # What follows a name: version and flags, in tables a count and the entries.
    at = rng.choice(places) + rng.choice((-4, 4, 8, 12, 12, 16, 16, 4 + rng.randrange(96)))
    if 0 <= at <= len(data) - 4:
        struct.pack_into(">I", data, at, rng.choice((*EXTREMES, rng.randrange(1 << 32))))


def _all(data: bytearray, name: bytes) -> list[int]:
    found, at = [], data.find(name)
    while at >= 0:
        found.append(at)
        at = data.find(name, at + 1)
    return found


def riff(data: bytearray, rng: random.Random) -> None:
    """A field of the header of a WAV or an AVI."""
    at = rng.choice((4, 16, 20, 22, 24, 28, 32, 34, 40))
    form, most = rng.choice((("<H", 1 << 16), ("<I", 1 << 32)))
    struct.pack_into(form, data, at, rng.choice([value for value in EXTREMES if value < most]))


def picture(data: bytearray, rng: random.Random) -> None:
    """PNG pictures that state another size, with checksums that are right."""
    width, height = (rng.choice((1, 64, 5_000, 30_000, 60_000, 0x7FFFFFFF)) for _ in range(2))
    for at in _all(data, b"IHDR"):
        struct.pack_into(">II", data, at + 4, width, height)
        struct.pack_into(">I", data, at + 17, zlib.crc32(data[at : at + 17]))
    if rng.random() < 0.5:
        for at in _all(data, b"png ")[:1]:
            struct.pack_into(">HH", data, at + 28, min(width, 65_535), min(height, 65_535))


ANYWHERE = (flip, flip_near_an_end, truncate, lose, fill, repeat)
DIRECTED = {".mp4": box, ".mov": picture, ".wav": riff, ".avi": riff}


def write_damaged(path: Path, sources: Mapping[str, bytes], rng: random.Random) -> Path:
    """A damaged file; the end of its name is that of its form, but for a few."""
    end = rng.choice((".mp4", ".mp4", ".mp4", *sources))
    data = bytearray(sources[end])
    kind = rng.random()
    if kind < 0.02:
        end, data = ".mp4", bytearray(sources[".mp4"])
        struct.pack_into(">I", data, data.index(b"stts") + 12, rng.randrange(1 << 31, 1 << 32))
    elif kind < 0.04:
        data.clear()
    elif kind < 0.06:
        samples = np.full(8_000, 0.1, "float32")
        samples[rng.randrange(8_000)] = rng.choice((np.nan, np.inf, -np.inf, 3e38))
        return write_floats(path.with_suffix(".wav"), samples, 16_000)
    elif kind < 0.08:
        data = bytearray(rng.randbytes(rng.randrange(1, 4_000)))
    else:
        change = DIRECTED[end] if end in DIRECTED and kind < 0.55 else rng.choice(ANYWHERE)
        change(data, rng)
    path = path.with_suffix(rng.choice((*sources, ".txt")) if rng.random() < 0.05 else end)
    path.write_bytes(data)
    return path


def check(table: FeatureTable, path: Path, outcomes: Counter[str]) -> None:
    """Features, or a reason that names the file in one line."""
    for stream in ("seen", "heard"):
        found = table.get(stream, path.stem)
        if isinstance(found, Missing):
            assert path.name in found.reason, (path, found.reason)
            assert "\n" not in found.reason and len(found.reason) < 400, found.reason
            outcomes["crashed" if "crashed" in found.reason else "a reason"] += 1
        else:
            assert found.dtype == np.float32 and len(found) and np.isfinite(found).all(), path
            outcomes["features"] += 1


def test_damaged_media_give_features_or_a_reason(
    sources: Mapping[str, bytes], tmp_path: Path, rounds: Callable[[int, int], int], fuzz_seed: int, capsys
):
    rng = random.Random(fuzz_seed)
    count = rounds(60, 1000)
    encoders = {"seen": part(Brightness()), "heard": part(Loudness())}
    outcomes: Counter[str] = Counter()
    seen: set[bytes] = set()
    while len(seen) < count:
        paths = []
        while len(paths) < min(TOGETHER, count - len(seen) + len(paths)):
            path = write_damaged(tmp_path / f"u{len(seen)}", sources, rng)
            if (content := path.read_bytes()) not in seen:  # files of one content are decoded once
                seen.add(content)
                paths.append(path)
        # One whole file in each batch: an encoder that fails on all files is a fault of the encoder.
        whole = tmp_path / f"whole{len(seen)}.mp4"
        whole.write_bytes(sources[".mp4"])
        said = tuple(Utterance(id=path.stem, text="x", video=path, audio=path) for path in (*paths, whole))
        store = FeatureStore(tmp_path / "store")
        table = encode(store, encoders, [Conversation(id="c", utterances=said)], 0, decoding=Decoding(limits=LIMITS))
        assert not [at for at in table.missing if at[1] == whole.stem]
        for path in paths:
            check(table, path, outcomes)
            try:
                probe_media(path, LIMITS)
            except MercError as error:
                assert path.name in str(error)
            path.unlink()
    with capsys.disabled():
        print(f"\n{count} damaged files: " + ", ".join(f"{n} × {what}" for what, n in outcomes.most_common()))
    assert outcomes["features"] and outcomes["a reason"]
    assert outcomes["crashed"], "no decoder crashed, so this says nothing of what happens then"
