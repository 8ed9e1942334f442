"""What one decode for all encoders saves, and what a warm store costs.

``pytest bench/test_media.py -s`` prints the ratios. The plain way is each encoder decoding for itself, by the same
code. Two encoders "of one size" want the same 64 frames and the sound, as do two that share a preprocessing; "of two
sizes" the frames are also scaled for each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from merc import AudioClip, Encoder, FeatureSpec, Frames, VideoClip, Waveform
from merc.conversation import Conversation, Utterance
from merc.features import FeatureStore, encode
from merc.media import Want, decode_file
from merc.recipe import ComponentRef
from tests.media.clips import write_clip

SIZES = {
    "one size": ((224, 224), (224, 224)),
    "two sizes": ((224, 224), (336, 336)),
    "own and small": (None, (224, 224)),
}
CLIPS = {"720p": (720, 1280), "360p": (360, 640)}


@pytest.fixture(scope="module", params=[*CLIPS, "real"])
def clip(request, tmp_path_factory):
    """A clip of five seconds, H.264 with AAC, as long as MELD's are; or a real one where there is one."""
    if request.param == "real":
        folder = request.getfixturevalue("clips_folder")
        real = sorted(folder.glob("*.mp4"), key=lambda path: path.stat().st_size)
        return real[len(real) // 2]
    path = tmp_path_factory.mktemp("clips") / f"{request.param}.mp4"
    return _noisy(path, CLIPS[request.param])


def _noisy(path: Path, size: tuple[int, int], seed: int = 0) -> Path:
    """A clip with moving texture, so that decoding costs what it costs for a film."""
    import av

    plain = write_clip(path.with_suffix(".wav"), video=None, audio="pcm_s16le", seconds=5.0)
    rng = np.random.default_rng(seed)
    texture = rng.integers(0, 255, (size[0] // 8, size[1] // 4, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as out, av.open(str(plain)) as sound:
        pictures = out.add_stream("libx264", rate=25)
        pictures.height, pictures.width, pictures.pix_fmt = *size, "yuv420p"
        heard = out.add_stream("aac", rate=44_100, layout="stereo")
        for index in range(125):
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(texture[:, 3 * index :][:, : size[1]]), format="rgb24"
            )
            out.mux(pictures.encode(frame))
        out.mux(pictures.encode())
        convert = av.AudioResampler(format="fltp", layout="stereo", rate=44_100, frame_size=1024)
        for piece in [*(f for raw in sound.decode(audio=0) for f in convert.resample(raw)), *convert.resample(None)]:
            out.mux(heard.encode(piece))
        out.mux(heard.encode())
    return path


def wants(size: tuple[int, int] | None) -> list[Want]:
    return [Want(Frames(count=64, size=size)), Want(Waveform())]


def together(clip: Path, sizes) -> None:
    given = decode_file(clip, [want for size in sizes for want in wants(size)], seed=0)
    assert all(isinstance(d.clip, VideoClip | AudioClip) for d in given)


def apart(clip: Path, sizes) -> None:
    for size in sizes:
        given = decode_file(clip, wants(size), seed=0)
        assert all(isinstance(d.clip, VideoClip | AudioClip) for d in given)


@pytest.mark.parametrize("way", ["apart", "together"])
@pytest.mark.parametrize("sizes", SIZES)
def test_decode_for_two_encoders(benchmark, clip, sizes, way):
    benchmark.group = f"64 frames and sound for two encoders, {clip.stem}, {sizes}"
    benchmark.pedantic({"apart": apart, "together": together}[way], (clip, SIZES[sizes]), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("sizes", SIZES)
def test_ratio(clip, sizes, capsys):
    """The two ways in turn, in one run: the ratio of their medians."""
    wall: dict[Callable[..., None], list[float]] = {apart: [], together: []}
    cpu: dict[Callable[..., None], list[float]] = {apart: [], together: []}
    for _ in range(5):
        for way in wall:
            start, used = time.perf_counter(), time.process_time()
            way(clip, SIZES[sizes])
            wall[way].append(time.perf_counter() - start)
            cpu[way].append(time.process_time() - used)
    with capsys.disabled():
        print()
        for kind, times in (("elapsed", wall), ("CPU", cpu)):
            plain, shared = (1e3 * float(np.median(spent)) for spent in times.values())
            ratio = f"{plain / shared:.2f} times"
            print(f"{clip.stem}, {sizes}: {kind} {plain:.0f} ms apart, {shared:.0f} ms together, {ratio}")


@dataclass(frozen=True, kw_only=True)
class Whole(Encoder):
    """An encoder that costs nothing, so that the store's own cost shows."""

    modality = "audio"

    def sampling(self) -> Waveform:
        return Waveform()

    def spec(self) -> FeatureSpec:
        return FeatureSpec(dim=384)

    def load(self, device: str):
        return lambda clips: [np.resize(clip.samples, (100, 384)) for clip in clips]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A thousand short files, each with its own content."""
    folder = tmp_path_factory.mktemp("corpus")
    whole = write_clip(folder / "a.wav", video=None, audio="pcm_s16le", rate=16_000, layout="mono", seconds=0.5)
    data = whole.read_bytes()
    said = []
    for number in range(1000):
        path = folder / f"{number}.wav"
        path.write_bytes(data[:-8] + number.to_bytes(8, "little"))
        os.utime(path, (1e9, 1e9))
        said.append(Utterance(id=str(number), text="x", audio=path))
    return [Conversation(id="c", split="train", utterances=tuple(said))]


def _pass(store: Path, corpus) -> None:
    part = ComponentRef(name="whole", params={}, component=Whole())
    table = encode(FeatureStore(store), {"heard": part}, corpus, seed=0)
    assert not table.missing
    for number in range(1000):
        assert table.get("heard", str(number)).shape == (100, 384)


def test_cold_store(benchmark, corpus, tmp_path):
    benchmark.group = "a pass over 1000 utterances and reading all features"
    benchmark.pedantic(_pass, (tmp_path / "store", corpus), rounds=1)


def test_warm_store(benchmark, corpus, tmp_path):
    benchmark.group = "a pass over 1000 utterances and reading all features"
    _pass(tmp_path / "store", corpus)
    benchmark.pedantic(_pass, (tmp_path / "store", corpus), rounds=3)
