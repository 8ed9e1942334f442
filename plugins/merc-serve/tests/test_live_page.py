"""The page's live talk in a real browser with known sound and pictures, and with a scripted server."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.spoken import write_wav

from .scripted import LABELS, RUN, Script, serving

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")
pytest.importorskip("playwright")

TONE = 440.0
DEVICES = "--use-fake-device-for-media-stream"
WILLING = "--use-fake-ui-for-media-stream"


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Starts browsers whose microphone plays a tone."""
    from playwright.sync_api import sync_playwright

    sound = 0.5 * np.sin(2 * np.pi * TONE * np.arange(48_000) / 48_000)
    tone = write_wav(tmp_path_factory.mktemp("tone") / "tone.wav", sound.astype(np.float32), 48_000)
    usual = [
        "--no-sandbox",
        "--host-resolver-rules=MAP merc.example 127.0.0.1",
        f"--use-file-for-fake-audio-capture={tone}",
    ]
    with sync_playwright() as playwright:
        browsers: dict[tuple[str, ...], Any] = {}

        def start(*args: str) -> Any:
            if args not in browsers:
                browsers[args] = playwright.chromium.launch(executable_path=BROWSER, args=[*usual, *args])
            return browsers[args]

        yield start
        for browser in browsers.values():
            browser.close()


@contextmanager
def visiting(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """The live tab of a page, which must not complain about anything."""
    context = browser.new_context(accept_downloads=True, **options)
    context.set_default_timeout(120_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{address}#live")
    page.wait_for_selector("#inputs:visible, #key-field:visible")
    yield page
    context.close()
    assert not [text for text in complaints if "status of 4" not in text and "WebSocket" not in text], complaints


def until(page: Any, holds: Callable[[], bool]) -> None:
    for _ in range(1200):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it never came to it")


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def address(script: Script) -> Iterator[str]:
    with serving(script) as address:
        yield address


@pytest.fixture
def page(launch: Callable[..., Any], address: str) -> Iterator[Any]:
    with visiting(launch(DEVICES, WILLING), address) as page:
        yield page


def test_sound_is_resampled_without_loss(page: Any) -> None:
    code = """async ([from, frequency]) => {
        const { Resampler } = await import("./resample.js");
        const resampler = new Resampler(from, 16000);
        const given = [];
        const sample = (at) => Math.sin(2 * Math.PI * frequency * at / from);
        for (let at = 0; at < from; at += 128)
            given.push(...resampler.push(Float32Array.from({ length: 128 }, (_, n) => sample(at + n))));
        return given;
    }"""
    for rate in (48_000, 44_100, 22_050, 16_000, 8_000):
        samples = np.array(page.evaluate(code, [rate, 1000]))
        expected = np.sin(2 * np.pi * 1000 * np.arange(len(samples)) / 16_000)
        assert abs(16_000 - len(samples)) < 100
        assert np.abs(samples - expected)[100:-100].max() < 2e-3
    beyond = np.array(page.evaluate(code, [48_000, 9_000]))  # 16 kHz hold nothing above 8
    assert np.abs(beyond)[100:-100].max() < 2e-3


def test_a_talk_from_microphone_and_camera_to_its_files(page: Any, script: Script) -> None:
    from PIL import Image

    assert "Speak." in page.locator("#now-said").text_content() and page.locator("#results").is_hidden()
    script.settling.clear()
    page.fill("#speaker", "<i>Ann</i>")
    page.focus("#start")
    page.keyboard.press("Enter")
    page.wait_for_selector("#now[data-kind=provisional]")
    assert page.locator("#kind").text_content() == "provisional"
    assert page.locator("#timeline .draft").count() == 1
    assert page.locator("#spoken p").count() == 0 and page.locator("#utterances > li").count() == 0
    script.settling.set()
    page.wait_for_selector("#now[data-kind=final]")
    page.wait_for_selector("#utterances > li:nth-child(3)")
    assert page.evaluate("document.activeElement.id") == "stop"  # the button that was pressed is gone
    assert page.locator("#run").is_disabled() and page.locator("#tab-recording").is_disabled()
    page.keyboard.press("Enter")
    page.wait_for_selector("#start:visible")
    assert page.evaluate("document.activeElement.id") == "start" and page.locator("#tab-recording").is_enabled()
    (talk,) = script.talks
    assert talk.hello == {"run": "first", "rate": 16_000, "video": True, "speaker": "<i>Ann</i>"} and talk.ended

    loud = talk.samples[4_000:20_000]
    assert abs(np.argmax(np.abs(np.fft.rfft(loud))) - TONE) < 3
    assert {len(one) for one in talk.sound} == {3_200}
    times = [seconds for seconds, _ in talk.pictures]
    assert times == sorted(times) and times[0] >= 0 and times[-1] < len(talk.sound) / 10 + 1
    assert all(max(Image.open(io.BytesIO(jpeg)).size) == 480 for _, jpeg in talk.pictures)

    count = page.locator("#utterances > li").count()
    assert count == len(talk.sound) // 6
    assert page.locator("#spoken p").all_text_contents()[1] == "<i>Ann</i>: <b>Sentence</b> number 1. (anger, 85 %)"
    assert page.locator("#spoken p").count() == page.locator("#timeline [data-utterance]").count() == count
    assert page.locator("#timeline .draft").count() == 0
    assert page.locator("#utterances img").count() > 0
    with page.expect_download() as download:
        page.click("[data-export=jsonl]")
    records = [json.loads(line) for line in Path(download.value.path()).read_text(encoding="utf-8").splitlines()]
    assert len(records) == count and download.value.suggested_filename.startswith("live-")
    assert records[1] == {
        "id": "u1", "start": 0.6, "end": 1.1, "speaker": "<i>Ann</i>", "text": "<b>Sentence</b> number 1.",
        "label": "anger", "missing": {}, "latency": {"total": 0.9},
        "probabilities": pytest.approx({"joy": 0.05, "anger": 0.85, "sadness": 0.05, "neutral": 0.05}),
    }  # fmt: skip
    with page.expect_download() as download:
        page.click("[data-export=srt]")
    lines = Path(download.value.path()).read_text(encoding="utf-8").split("\n\n")[1].splitlines()
    assert lines == ["2", "00:00:00,600 --> 00:00:01,100", "[anger] <i>Ann</i>: <b>Sentence</b> number 1."]


def test_what_comes_to_nothing_goes_away(page: Any, script: Script) -> None:
    script.dropping = 1
    script.settling.clear()
    page.click("#start")
    page.wait_for_selector("#utterances > li")
    page.wait_for_selector("#now[data-kind=provisional]")
    assert page.locator("#timeline .draft").count() == 1
    script.settling.set()
    page.wait_for_selector("#now[data-kind=final]")
    assert page.locator("#now-said").text_content().endswith("<b>Sentence</b> number 0.")
    assert page.locator("#timeline .draft").count() == 0 and page.locator("#utterances > li").count() == 1
    page.click("#stop")
    page.wait_for_selector("#start:visible")
    script.dropping = 0
    script.settling.clear()
    page.click("#start:has-text('new talk')")
    page.wait_for_selector("#now[data-kind=provisional]")
    script.settling.set()
    page.wait_for_selector("#now[data-kind='']")
    assert page.locator("#now-said").text_content().startswith("Speak.")
    assert page.locator("#timeline .draft").count() == page.locator("#utterances > li").count() == 0


def test_a_paused_talk_goes_on_in_silence(page: Any, script: Script) -> None:
    page.click("#start")
    page.wait_for_selector("#now[data-kind=provisional]")
    page.click("#pause")
    assert "Paused" in page.locator("#live-status").text_content()
    page.wait_for_timeout(300)  # what was on its way
    (talk,) = script.talks
    heard, seen = len(talk.sound), len(talk.pictures)
    until(page, lambda: len(talk.sound) > heard + 6)
    assert np.abs(talk.samples[1_600 * heard :]).max() == 0 and len(talk.pictures) == seen
    page.click("#pause:has-text('Resume')")
    until(page, lambda: np.abs(talk.samples[-1_600:]).max() > 0.3)
    page.click("#stop")
    page.wait_for_selector("#start:visible")
    script.settling.clear()
    page.click("#start:has-text('new talk')")
    page.wait_for_selector("#now[data-kind=provisional]")
    assert page.locator("#utterances > li").count() == 0 and len(script.talks) == 2


def test_a_run_without_pictures_needs_no_camera_and_another_may_be_picked(launch: Callable[..., Any]) -> None:
    words = {**RUN, "title": "Words", "streams": [], "sees": False}
    deaf = {**RUN, "title": "Deaf", "streams": ["face"], "hears": False}
    script = Script({"words": words, "deaf": deaf})
    with serving(script) as address, visiting(launch(DEVICES, WILLING), address) as page:
        assert page.locator("#camera").is_disabled() and not page.locator("#camera").is_checked()
        page.click("#start")
        page.wait_for_selector("#now[data-kind=final]")
        assert "Not used: face (no <i>picture</i> came)" in page.locator("#now-notes").text_content()
        assert not script.talks[0].hello["video"] and not script.talks[0].pictures
        page.click("#stop")
        page.wait_for_selector("#start:visible")
        page.select_option("#run", "deaf")
        page.wait_for_selector("#obstacle:has-text('merc-speech')")
        assert page.locator("h1").text_content() == "Deaf" and page.locator("#start").is_disabled()
        assert "by the run Words" in page.locator("#results-about").text_content()  # whose result is still shown


def test_a_camera_that_is_refused_or_absent_leaves_the_sound(
    launch: Callable[..., Any], script: Script, address: str
) -> None:
    refused, absent = (DEVICES,), (f"{DEVICES}=device-count=0", WILLING)
    for args, why in ((refused, "somebody or a setting said no"), (absent, "No camera is connected")):
        with visiting(launch(*args), address, permissions=["microphone"]) as page:
            page.click("#start")
            page.wait_for_selector("#utterances > li")
            assert why in page.locator("#live-notes").text_content()
            assert "goes on without pictures" in page.locator("#live-notes").text_content()
            assert not script.talks[-1].hello["video"] and np.abs(script.talks[-1].samples).max() > 0.3


def test_a_microphone_that_is_refused_is_explained(launch: Callable[..., Any], script: Script, address: str) -> None:
    with visiting(launch(DEVICES), address) as page:
        page.click("#start")
        page.wait_for_selector("#error:has-text('does not give the microphone')")
        assert page.locator("#start").is_enabled() and not script.talks


def test_a_page_that_is_not_secure_says_what_to_do(launch: Callable[..., Any], address: str) -> None:
    with visiting(launch(DEVICES, WILLING), address.replace("127.0.0.1", "merc.example")) as page:
        assert "HTTPS" in page.locator("#obstacle").text_content() and page.locator("#start").is_disabled()


def test_what_ends_a_talk_is_said_and_what_was_answered_stays(page: Any, script: Script) -> None:
    script.closes = 10
    page.click("#start")
    page.wait_for_selector("#error:has-text('The connection broke after 0:0')")
    assert page.locator("#utterances > li").count() == 1 and page.locator("#timeline .draft").count() == 0
    script.answers = [
        {"type": "note", "text": "<b>slow</b>"},
        {"type": "error", "error": "too many <b>talks</b>; wait"},
    ]
    page.click("#start")
    page.wait_for_selector("#error:has-text('too many <b>talks</b>; wait')")
    assert page.locator("#live-notes").text_content() == "<b>slow</b>"
    script.answers = None
    page.click("#start")
    page.wait_for_selector("#error:has-text('did not take up the talk')")
    assert page.locator("#start").is_visible()


@pytest.mark.slow  # eighteen looks
def test_everybody_can_use_it(page: Any, script: Script) -> None:
    axe = pytest.importorskip("axe_core_python.sync_playwright").Axe()
    for state in ("idle", "live", "stopped"):
        if state == "live":
            page.click("#start")
            page.wait_for_selector("#utterances > li:nth-child(2)")
            script.settling.clear()  # a page that does not change meanwhile
        if state == "stopped":
            script.settling.set()
            page.click("#stop")
            page.wait_for_selector("#start:visible")
        for width in (400, 1280, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                faults = [(one["id"], one["nodes"][0]["html"]) for one in axe.run(page)["violations"]]
                assert not faults, (state, width, scheme, faults)


def test_a_server_with_a_key_asks_for_it(launch: Callable[..., Any]) -> None:
    script = Script(key="secret")
    with serving(script) as address, visiting(launch(DEVICES, WILLING), address) as page:
        page.wait_for_selector("#error:has-text('wants a key')")
        assert page.locator("#inputs").is_hidden()
        page.fill("#key", "wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("#error:has-text('does not know this key')")
        page.fill("#key", "secret")
        page.click("#key-field button")
        page.wait_for_selector("#inputs:visible")
        assert page.locator("#key-field").is_hidden() and page.locator("#error").is_hidden()
        page.click("#start")
        page.wait_for_selector("#now[data-kind=provisional]")


def test_tabs_go_by_arrows(page: Any) -> None:
    page.focus("#tab-live")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.id") == "tab-recording"
    assert page.locator("#recording").is_visible() and page.locator("#live").is_hidden()
    page.keyboard.press("ArrowRight")
    assert page.locator("#live").is_visible() and page.locator("#labels").text_content() == "".join(LABELS)
