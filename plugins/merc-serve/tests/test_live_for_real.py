"""From the page to a final label with nothing in between replaced: Chromium whose microphone plays a spoken sentence
and whose camera shows a photograph, ``merc serve`` in a process of its own, and merc-speech."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import jiwer
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
def address(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    environment = {
        "MERC_PLUGINS": "tiny,merc-serve,merc-live,merc-speech",
        "MERC_CACHE": str(tmp_path_factory.mktemp("cache")),
        "PYTHONPATH": str(install_senses(tmp_path_factory.mktemp("site"))),
    }
    with serving({**os.environ, **environment}, str(trained)) as (_, address, _):
        yield address


@pytest.fixture
def page(portrait: np.ndarray, address: str, tmp_path: Path) -> Iterator[Any]:
    """Its microphone plays a sentence and a pause, again and again."""
    from playwright.sync_api import sync_playwright

    samples, _ = talk([("en-us+f4", SENTENCES[1])], pause=2.5, first=0.5)
    sound = write_wav(tmp_path / "sound.wav", resample(samples, RATE, 48_000).samples, 48_000)
    film = write_film(tmp_path / "film.y4m", portrait)
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


@pytest.mark.parametrize("camera", [False, True])
def test_what_is_spoken_gets_words_and_a_label(page: Any, camera: bool) -> None:
    page.set_checked("#camera", camera)
    page.click("#start")
    page.wait_for_selector("#utterances > li:nth-child(2)")  # of the first one, the beginning may be missed
    said = page.locator("#utterances > li:nth-child(2)")
    words = said.locator(".said").text_content()
    # The browser's sound passes through two resamplers, and a busy machine drops some of it.
    assert jiwer.wer(SENTENCES[1].lower().strip("."), words.lower().strip(".")) <= 0.34, words
    assert said.locator(".label").text_content() in page.locator("#labels li").all_text_contents()
    missing = " ".join(said.locator(".missing").all_text_contents())
    assert ("seen" in missing) is not camera and "heard" not in missing
    assert said.locator("img").count() == camera
    page.click("#stop")
    page.wait_for_selector("#start:visible")
    assert page.locator("#error").is_hidden()
