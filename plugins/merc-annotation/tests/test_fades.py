"""Where shots go over into each other little by little, in films that are drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from merc_annotation.segments import find_shots

from .test_recordings import scene

Picture = np.ndarray
BLACK, WHITE = (np.full((72, 96, 3), value, np.uint8) for value in (0, 255))


def blend(one: Picture, two: Picture, share: float) -> Picture:
    share = min(1.0, max(0.0, share))
    return ((1 - share) * one + share * two).astype(np.uint8)


def write(path: Path, seconds: float, rate: int, picture: Callable[[float, int], Picture]) -> Path:
    """A film, from the picture at a time with a number."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"crf": "18"})
        stream.height, stream.width, stream.pix_fmt = 72, 96, "yuv420p"
        for at in range(round(seconds * rate)):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture(at / rate, at), format="rgb24")))
        out.mux(stream.encode())
    return path


@pytest.mark.parametrize("rate", [10, 25])
@pytest.mark.parametrize("lasts", [0.6, 1.0, 2.0, 3.0])
def test_a_dissolve_ends_a_shot_in_its_middle(tmp_path: Path, lasts: float, rate: int) -> None:
    film = write(
        tmp_path / "film.mkv", 9, rate,
        lambda time, at: blend(scene(0, at), blend(scene(1, at), scene(2, at), (time - 6) / 0.8), (time - 2) / lasts),
    )  # fmt: skip
    assert find_shots(film) == pytest.approx([0.0, 2 + lasts / 2, 6.4, 9.0], abs=0.25)


@pytest.mark.parametrize("colour", [BLACK, WHITE], ids=["black", "white"])
@pytest.mark.parametrize("stays", [0.0, 0.3, 1.0])
def test_a_fade_through_one_colour_ends_a_shot_once(tmp_path: Path, colour: Picture, stays: float) -> None:
    def picture(time: float, at: int) -> Picture:
        if time < 3:
            return blend(scene(0, at), colour, (time - 2) / 1.0)
        return blend(colour, scene(2, at), (time - 3 - stays) / 1.0)

    film = write(tmp_path / "film.mkv", 8, 25, picture)
    assert find_shots(film) == pytest.approx([0.0, 3 + stays / 2, 8.0], abs=0.25)


def test_fades_at_both_ends_make_no_shots(tmp_path: Path) -> None:
    film = write(
        tmp_path / "film.mkv", 7, 25,
        lambda time, at: blend(blend(BLACK, scene(0, at), time - 0.5), BLACK, time - 5),
    )  # fmt: skip
    assert find_shots(film) == pytest.approx([0.0, 7.0], abs=0.06)


def test_who_moves_a_camera_that_turns_and_more_light_end_no_shot(tmp_path: Path) -> None:
    wide = np.random.default_rng(0).integers(0, 255, (9, 60), np.uint8).repeat(8, 0).repeat(8, 1)[..., None]

    def turning(time: float, at: int) -> Picture:
        left = round(60 * time)
        return np.ascontiguousarray(wide[:, left : left + 96].repeat(3, 2))

    def lit(time: float, at: int) -> Picture:
        return (scene(2, at) * (0.4 + 0.15 * time)).astype(np.uint8)

    for name, picture in (("turning", turning), ("lit", lit), ("moving", lambda time, at: scene(1, 3 * at))):
        assert find_shots(write(tmp_path / f"{name}.mkv", 6, 25, picture)) == pytest.approx([0.0, 6.0], abs=0.06), name


def test_cuts_beside_dissolves_stay_where_they_are(tmp_path: Path) -> None:
    film = write(
        tmp_path / "film.mkv", 8, 25,
        lambda time, at: scene(2, at) if time < 1 else blend(scene(0, at), scene(1, at), (time - 3) / 1.0)
        if time < 5.4 else scene(2, at),
    )  # fmt: skip
    found = find_shots(film)
    assert found == pytest.approx([0.0, 1.0, 3.5, 5.4, 8.0], abs=0.2)
    assert found[1] == pytest.approx(1.0, abs=0.05) and found[3] == pytest.approx(5.4, abs=0.05)
