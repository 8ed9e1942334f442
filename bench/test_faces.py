"""``merc encode`` with BlazeFace against the same pass with the Haar cascade that found faces before, over the real
clips and over 25 that ``skits`` makes: the stream ``face`` alone, and the three encoders of
``recipes/emotion-llama-v2/embedded.yaml``. Beside it, in how many of 8 frames a clip each detector finds a face, and
how long it searches a frame.

CPU time is that of merc and its decoder processes together, which other programs disturb less than the clock.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.test_encode_pass import RECIPE, by_decord, clips  # noqa: F401 - a fixture
from bench.test_encoders import Clips, sound_of
from bench.test_isolation import cpu_seconds
from bench.workload import rounds
from merc.errors import MercError
from merc.features import FeatureStore, encode
from merc.media import Decoding, isolation
from merc.recipe import ComponentRef, load_recipe

DETECTORS = ("full-range", "haar")
OTHERS = ("short-range",)
LEAST = 3


def encoders_of(recipe: ComponentRef, detector: str, frames: int) -> ComponentRef:
    """The encoder of faces of a recipe with another detector."""
    return dataclasses.replace(
        recipe, component=dataclasses.replace(recipe.component, detector=detector, frames=frames)
    )


@pytest.fixture(scope="module")
def skits_clips() -> Clips:
    pytest.importorskip("merc_skits")
    from merc.recipe.single import load_part

    corpus = load_part("corpus", "skits", {}, ["conversations={train: 3, dev: 1, test: 1}"]).component
    utterances = [one for talk in corpus.load().conversations for one in talk.utterances]
    paths = tuple(one.video for one in utterances)
    return Clips(paths, sum(sound_of(path) for path in paths), "clips of skits")


@pytest.mark.skipif(not isolation.ISOLATED or not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("streams", ["face alone, 8 frames", "three encoders"])
@pytest.mark.parametrize("clips", ["real"], indirect=True)
def test_encoding_faces(say: Callable[[str], None], clips: Clips, streams, tmp_path, benchmark):  # noqa: F811
    _compare(say, clips, streams, tmp_path, benchmark)


@pytest.mark.skipif(not isolation.ISOLATED or not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("streams", ["face alone, 8 frames", "three encoders"])
def test_encoding_faces_of_skits(say: Callable[[str], None], skits_clips: Clips, streams, tmp_path, benchmark):
    _compare(say, skits_clips, streams, tmp_path, benchmark)


def _compare(say: Callable[[str], None], films: Clips, streams: str, tmp_path: Path, benchmark) -> None:
    recipe = load_recipe(RECIPE)
    alone = streams.startswith("face")
    ways = {}
    for detector in DETECTORS:
        face = encoders_of(recipe.encoders["video"], detector, 8 if alone else 4)
        ways[detector] = {"video": face} if alone else {**recipe.encoders, "video": face}
    try:
        for part in itertools.chain(*(way.values() for way in ways.values())):
            part.component.load("cpu")  # the first time checks the weights by their hashes
    except MercError as error:
        pytest.skip(str(error))
    number = itertools.count()
    elapsed: dict[str, list[float]] = {name: [] for name in ways}
    used: dict[str, list[float]] = {name: [] for name in ways}

    def run(name: str) -> None:
        store = FeatureStore(tmp_path / str(next(number)))
        clock, cpu = time.perf_counter(), cpu_seconds()
        table = encode(store, ways[name], films.talks, recipe.seed, decoding=Decoding.of(recipe))
        elapsed[name].append(time.perf_counter() - clock)
        used[name].append(cpu_seconds() - cpu)
        assert any(table.encoded.values())

    run("full-range")  # the decoder processes start
    elapsed["full-range"].clear(), used["full-range"].clear()
    for _ in range(max(1, rounds() - 1)):
        for name in ("haar", "full-range"):
            run(name)
    run("haar")
    benchmark.pedantic(lambda: run("full-range"), rounds=1)
    say(f"{streams}, {len(films.paths)} {films.source}, {films.seconds:.0f} s")
    for name in ways:
        clock, cpu = statistics.median(elapsed[name]), statistics.median(used[name])
        say(f"  {name}: {clock:.2f} s, {cpu:.2f} s of CPU: {films.seconds / cpu:.1f} hours of video an hour of CPU")
    ratios = [
        statistics.median(a / b for a, b in zip(x["haar"], x["full-range"], strict=True)) for x in (elapsed, used)
    ]
    say(f"  haar against full-range: {ratios[0]:.2f} on the clock, {ratios[1]:.2f} of CPU (to reach {LEAST})")


@pytest.mark.parametrize("clips", ["real"], indirect=True)
def test_finding_faces(say: Callable[[str], None], clips: Clips, benchmark):  # noqa: F811
    embedded = pytest.importorskip("merc_embedded")
    frames = [frame for path in clips.paths for frame in by_decord(path, 8)]
    for name in (*DETECTORS, *OTHERS):
        try:
            finder = embedded.FaceFinder.load(name)
        except MercError as error:
            pytest.skip(str(error))
        finder.find(frames[0])
        found, spent = 0, []
        for frame in frames:
            start = time.process_time()
            found += bool(finder.find(frame))
            spent.append(time.process_time() - start)
        each = 1000 * statistics.median(spent)
        say(f"{name}: a face in {found} of {len(frames)} frames, {each:.1f} ms of CPU a frame")
    benchmark.pedantic(lambda: embedded.FaceFinder.load().find(frames[0]), rounds=1)
