"""From the page to a final label with nothing in between replaced: Chromium whose microphone plays a spoken sentence
and whose camera shows a photograph, ``merc serve`` in a process of its own, and merc-speech."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from merc.media.audio import resample
from tests.senses import install_senses
from tests.spoken import RATE, SENTENCES, talk, write_wav

from .test_command import serving
from .test_live_page import BROWSER, DEVICES, WILLING, visiting

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")]
pytest.importorskip("playwright")
pytest.importorskip("faster_whisper")

CAMERA_RATE = 10


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence and a pause."""
    samples, _ = talk([("en-us+f4", SENTENCES[1])], pause=2.5, first=0.5)
    return write_wav(tmp_path_factory.mktemp("spoken") / "talk.wav", samples)


@pytest.fixture(scope="module")
def address(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    environment = {
        "MERC_PLUGINS": "tiny,merc-serve,merc-live,merc-speech",
        "MERC_CACHE": str(tmp_path_factory.mktemp("cache")),
        "PYTHONPATH": str(install_senses(tmp_path_factory.mktemp("site"))),
    }
    with serving({**os.environ, **environment}, str(trained)) as (_, address, _):
        yield address


@pytest.fixture(scope="module")
def page(spoken: Path, portrait: np.ndarray, address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    folder = tmp_path_factory.mktemp("devices")
    samples, _ = talk([("en-us+f4", SENTENCES[1])], pause=2.5, first=0.5)
    sound = write_wav(folder / "sound.wav", resample(samples, RATE, 48_000).samples, 48_000)
    film = write_film(folder / "film.y4m", portrait)
    files = [f"--use-file-for-fake-audio-capture={sound}", f"--use-file-for-fake-video-capture={film}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", DEVICES, WILLING, *files])
        with visiting(browser, address) as page:
            yield page
        browser.close()


def write_film(path: Path, picture: np.ndarray) -> Path:
    """A second in which a picture is seen."""
    with av.open(str(path), "w", format="yuv4mpegpipe") as out:
        stream = out.add_stream("rawvideo", rate=CAMERA_RATE)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        for number in range(CAMERA_RATE):
            shown = frame.reformat(640, 480, "yuv420p")
            shown.pts = number
            out.mux(stream.encode(shown))
        out.mux(stream.encode())
    return path


def test_what_is_spoken_gets_the_label_that_a_recording_gets(page: Any, address: str, spoken: Path) -> None:
    with spoken.open("rb") as file:
        body = httpx.post(f"{address}/v1/predict", files={"media": (spoken.name, file)}, timeout=300).json()
    (recorded,) = body["predictions"]
    page.uncheck("#camera")
    page.click("#start")
    page.wait_for_selector("#utterances > li:nth-child(2)")  # of the first one, the beginning may be missed
    said = page.locator("#utterances > li:nth-child(2)")
    assert said.locator(".said").text_content() == recorded["text"]
    assert said.locator(".label").text_content() == recorded["label"]
    assert "seen" in said.locator(".missing").first.text_content()
    page.click("#stop")
    page.wait_for_selector("#start:visible")


def test_who_is_seen_is_seen(page: Any) -> None:
    page.check("#camera")
    page.click("#start")
    page.wait_for_selector("#now[data-kind=provisional]")
    page.wait_for_selector("#utterances > li:nth-child(2)")
    assert page.locator("#utterances > li:nth-child(2) .missing").count() == 0
    assert page.locator("#utterances > li:nth-child(2) img").count() == 1
    page.click("#stop")
    page.wait_for_selector("#start:visible")
    assert page.locator("#error").is_hidden()
