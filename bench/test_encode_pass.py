"""The pass that fills the feature store for three encoders of a recipe, against each encoder's own loop over the files.

The encoders are those of ``recipes/emotion-llama-v2/embedded.yaml``: Whisper on the sound, EfficientNet on one frame,
a face network on four. The plain ways know one encoder at a time: it is loaded, and for each clip the file is opened,
what the encoder wants is decoded, and that clip is encoded alone, by the same encoder. PyAV reads the sound. Pictures:

- ``PyAV to the last frame wanted`` decodes from the beginning, makes RGB of the frames wanted alone, and stops there;
- ``decord`` is asked for the frames wanted, and decodes from the last key frame before each;
- ``OpenCV, all frames`` reads the clip as pictures, in as many threads as it likes, and picks the frames afterwards.

All ways load the encoders and make the same frames (the middles of equal parts); the features must agree. What is
printed as "s of video/s" is hours of video an hour. Clips are real ones (left out where absent), or made up: drawn
faces that move before texture, small and clean, or as large and noisy as a camera's.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.conftest import THREADS
from bench.test_encoders import RATE, Clips, sound_of, waveform
from bench.workload import rounds
from merc import AudioClip, Frames, Missing, VideoClip
from merc.errors import MercError
from merc.features import FeatureStore, encode
from merc.media import Decoding
from merc.recipe import ComponentRef, load_recipe

RECIPE = "emotion-llama-v2/embedded"
SIZES = {"360p": (360, 640), "720p": (720, 1280), "1080p with grain": (1080, 1920)}
GRAIN = 4.0
"""The deviation of a camera's noise, of 255: it, and not what is seen, is most of what a recording's decoder reads."""
SECONDS = 5
FPS = 25

Found = dict[tuple[str, str], np.ndarray | None]
Pictures = Callable[[Path, int], list[np.ndarray]]


@pytest.fixture(scope="module", params=["real", *SIZES])
def clips(request, tmp_path_factory) -> Clips:
    if request.param == "real":
        paths = tuple(sorted(request.getfixturevalue("clips_folder").glob("*.mp4")))
    else:
        folder = tmp_path_factory.mktemp("clips")
        grain = GRAIN if "grain" in request.param else 0.0
        paths = tuple(film(folder / f"{n}.mp4", SIZES[request.param], n, grain) for n in range(6))
    return Clips(paths, sum(sound_of(path) for path in paths), f"{request.param} clips")


def film(path: Path, size: tuple[int, int], seed: int, grain: float) -> Path:
    """Five seconds of H.264 with AAC: a drawn face that moves before soft texture, and noise to hear."""
    av = pytest.importorskip("av")
    cv2 = pytest.importorskip("cv2")
    face = pytest.importorskip("merc_skits.face")
    from merc_skits.expression import Expression

    rng = np.random.default_rng(seed)
    looks = face.Looks.draw(random.Random(seed), woman=bool(seed % 2))
    side = size[0] // 2
    head = cv2.resize(face.Face(looks).picture(Expression()), (side, side))
    coarse = rng.integers(0, 255, (size[0] // 16, size[1] // 8, 3), dtype=np.uint8)
    texture = cv2.resize(coarse, (size[1] * 2, size[0]), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("libx264", rate=FPS)
        pictures.height, pictures.width, pictures.pix_fmt = *size, "yuv420p"
        heard = out.add_stream("aac", rate=RATE, layout="mono")
        for index in range(SECONDS * FPS):
            frame = texture[:, 2 * index :][:, : size[1]].copy()
            left = size[1] // 4 + index
            frame[side // 2 : side // 2 + side, left : left + side] = head
            if grain:
                frame = cv2.add(frame, cv2.randn(np.empty(frame.shape, np.int16), 0, grain), dtype=cv2.CV_8U)
            out.mux(pictures.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(pictures.encode())
        noise = rng.normal(0, 0.1, (1, SECONDS * RATE)).astype("float32")
        sound = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
        sound.sample_rate = RATE
        out.mux(heard.encode(sound))
        out.mux(heard.encode())
    return path


def middles(total: int, count: int) -> list[int]:
    """The frames in the middle of ``count`` equal parts."""
    return sorted({int((i + 0.5) / count * total) for i in range(count)})


def by_pyav(path: Path, count: int) -> list[np.ndarray]:
    import av

    taken = []
    with av.open(str(path)) as file:
        wanted = middles(file.streams.video[0].frames, count)
        for index, frame in enumerate(file.decode(video=0)):
            if index in wanted:
                taken.append(frame.to_ndarray(format="rgb24"))
                if index == wanted[-1]:
                    break
    return taken


def by_decord(path: Path, count: int) -> list[np.ndarray]:
    import decord

    film = decord.VideoReader(str(path))
    return list(film.get_batch(middles(len(film), count)).asnumpy())


def by_opencv(path: Path, count: int) -> list[np.ndarray]:
    import cv2

    film, frames = cv2.VideoCapture(str(path)), []
    while (read := film.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    return [frames[index] for index in middles(len(frames), count)]


def one_by_one(clips: Clips, encoders: dict[str, ComponentRef], pictures: Pictures) -> Found:
    """Each encoder by itself, over all clips, one at a time."""
    found: Found = {}
    for name, part in encoders.items():
        encoder = part.component
        run, wants = encoder.load("cpu"), encoder.sampling()
        for path in clips.paths:
            if isinstance(wants, Frames):
                frames = np.stack(pictures(path, wants.count))
                clip = VideoClip(frames=frames, times=np.arange(len(frames), dtype="float64"))
            else:
                clip = AudioClip(samples=waveform(path), rate=RATE)
            (given,) = run([clip])
            found[name, path.stem] = None if isinstance(given, Missing) else given
    return found


def check(name: str, other: Found, mine: Found) -> None:
    """The same clips have features, and they agree as far as resampling and scaling of another library allow."""
    assert other.keys() == mine.keys()
    for key, tokens in mine.items():
        assert (tokens is None) == (other[key] is None), (name, key)
        if tokens is not None:
            assert tokens.shape == other[key].shape, (name, key)
            like = np.sum(tokens * other[key]) / np.linalg.norm(tokens) / np.linalg.norm(other[key])
            assert like > 0.95, (name, key, like)


def test_three_encoders(compare, say, clips, tmp_path):
    for module in ("av", "decord"):
        pytest.importorskip(module)
    pytest.importorskip("cv2").setNumThreads(THREADS)
    recipe = load_recipe(RECIPE)
    try:
        for part in recipe.encoders.values():
            part.component.load("cpu")  # the first time checks the weights by their hashes
    except MercError as error:
        pytest.skip(str(error))
    number = itertools.count()

    def together() -> Found:
        store = FeatureStore(tmp_path / str(next(number)))
        table = encode(store, recipe.encoders, clips.talks, recipe.seed, decoding=Decoding.of(recipe))
        return {
            (name, path.stem): None if (name, path.stem) in table.missing else table.get(name, path.stem)
            for name in recipe.encoders
            for path in clips.paths
        }

    say(f"{len(clips.paths)} {clips.source}, {clips.seconds:.0f} s")
    ways = {"PyAV to the last frame wanted": by_pyav, "decord": by_decord, "OpenCV, all frames": by_opencv}
    compare(
        together,
        {name: lambda way=way: one_by_one(clips, recipe.encoders, way) for name, way in ways.items()},
        rounds(),
        check,
        round(clips.seconds),
        "s of video",
        dict.fromkeys(ways, 3),
    )
