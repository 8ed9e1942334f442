"""The pass that fills the feature store, with openSMILE and DenseNet, against a loop over the files.

The loop is what one writes without merc: each file opened by the usual library (PyAV for the sound, decord for the
pictures), given to the same openSMILE or the same network, one after the other. What is printed as "s of audio/s" is
hours of audio an hour. Clips are the real ones where they are (``$MERC_TEST_DATA/clips``, or ``shared/data/clips``
beside the repository), and otherwise made up; DenseNet's weights are random, which costs the same.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bench.workload import rounds
from merc import Encoder
from merc.conversation import Conversation, Utterance
from merc.features import FeatureStore, encode
from merc.media import Want, decode_file
from merc.recipe import ComponentRef

WINDOW = 2.0
RATE = 16_000


@dataclass(frozen=True)
class Clips:
    """Films, and how many seconds of sound they hold."""

    paths: tuple[Path, ...]
    seconds: float
    source: str

    @property
    def talks(self) -> list[Conversation]:
        """The films as a corpus."""
        said = tuple(Utterance(id=path.stem, text="x", video=path) for path in self.paths)
        return [Conversation(id="c", split="train", utterances=said)]


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Clips:
    from bench.test_media import _noisy

    root = Path(os.environ.get("MERC_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data") / "clips"
    paths, source = tuple(sorted(root.glob("*.mp4"))), "real clips"
    if not paths:
        folder = tmp_path_factory.mktemp("clips")
        paths, source = tuple(_noisy(folder / f"{n}.mp4", (360, 640), seed=n) for n in range(6)), "made-up clips"
    seconds = sum(sound_of(path) for path in paths)
    return Clips(paths, seconds, source)


def sound_of(path: Path) -> float:
    """How many seconds of sound a film has."""
    from merc import Waveform

    (decoded,) = decode_file(path, [Want(Waveform())], seed=0)
    return decoded.clip.seconds


def the_pass(folder: Path, clips: Clips, encoder: Encoder):
    """A way to encode all clips into a new store, and give their features by name."""
    number = itertools.count()

    def run() -> dict[str, np.ndarray]:
        store = FeatureStore(folder / str(next(number)))
        part = ComponentRef(name="bench", params={}, component=encoder)
        table = encode(store, {"x": part}, clips.talks, seed=0)
        assert not table.missing
        return {path.stem: table.get("x", path.stem) for path in clips.paths}

    return run


def waveform(path: Path) -> np.ndarray:
    """All sound of a file, mono at 16 kHz."""
    import av

    with av.open(str(path)) as file:
        convert = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        frames = [f for raw in file.decode(audio=0) for f in convert.resample(raw)] + convert.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


@pytest.mark.parametrize("features", ["ComParE_2016", "eGeMAPSv02"])
def test_opensmile(compare, say, clips, tmp_path, features):
    opensmile = pytest.importorskip("opensmile")
    from merc_audio.smile import OpenSmile
    from merc_audio.windows import windows

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet[features], feature_level=opensmile.FeatureLevel.Functionals
    )

    def loop() -> dict[str, np.ndarray]:
        found = {}
        for path in clips.paths:
            samples = waveform(path)
            places = windows(len(samples), int(WINDOW * RATE), RATE // 2)
            found[path.stem] = np.concatenate(
                [smile.process_signal(samples[begin:end], RATE).to_numpy() for begin, end in places]
            )
        return found

    def check(name: str, other: dict[str, np.ndarray], mine: dict[str, np.ndarray]) -> None:
        for stem, tokens in mine.items():
            assert tokens.shape == other[stem].shape, (name, stem)

    say(f"{len(clips.paths)} {clips.source}, {clips.seconds:.0f} s")
    compare(
        the_pass(tmp_path, clips, OpenSmile(features=features, window=WINDOW)),
        {"a loop over the files": loop},
        rounds=rounds(),
        check=check,
        count=round(clips.seconds),
        unit="s of audio",
        goals={},
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_densenet(compare, say, clips, tmp_path, dtype):
    decord = pytest.importorskip("decord")
    import torch
    from merc_vision.densenet import DEVIATION, MEAN, DenseNet
    from merc_vision.densenet_net import DenseNet121, build

    some = Clips(clips.paths[:2], sum(sound_of(path) for path in clips.paths[:2]), clips.source)
    torch.manual_seed(0)
    weights = tmp_path / "densenet121.pth"
    torch.save(DenseNet121().state_dict(), weights)
    net = build(torch.load(weights, weights_only=True))
    mean, deviation = (torch.tensor(three).view(3, 1, 1) for three in (MEAN, DEVIATION))

    @torch.inference_mode()
    def loop() -> dict[str, np.ndarray]:
        found = {}
        for path in some.paths:
            film = decord.VideoReader(str(path), width=336, height=336)
            drawn = np.sort(np.random.default_rng(0).permutation(len(film))[:64])
            pictures = torch.from_numpy(film.get_batch(drawn).asnumpy()).permute(0, 3, 1, 2)
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
                found[path.stem] = net((pictures.float() / 255 - mean) / deviation).float().numpy()
        return found

    def check(name: str, other: dict[str, np.ndarray], mine: dict[str, np.ndarray]) -> None:
        for stem, tokens in mine.items():
            assert tokens.shape == other[stem].shape, (name, stem)

    say(f"{len(some.paths)} {some.source}, {some.seconds:.0f} s")
    compare(
        the_pass(tmp_path / "stores", some, DenseNet(weights=weights, dtype=dtype)),
        {"a loop over the files": loop},
        rounds=rounds(),
        check=check,
        count=64 * len(some.paths),
        unit="frames",
        goals={},
    )
