"""The page in a real browser: from a recording to a label, by mouse and keyboard, at three widths."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from . import scripted

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")
pytest.importorskip("playwright")

LABELS = ("joy", "anger", "sadness")


def timed(number: int) -> dict[str, Any]:
    return {**scripted.timed(number), "probabilities": scripted.shares(LABELS[number % 3], 0.8, LABELS)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, client: httpx.Client) -> Iterator[Any]:
    """The page of a server, which must not complain about anything."""
    context = browser.new_context(accept_downloads=True)
    context.set_default_timeout(120_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(str(client.base_url))
    page.wait_for_selector("h1:not(:has-text('Loading'))")
    yield page
    context.close()
    assert not [text for text in complaints if "status of 4" not in text], complaints


def test_words_become_labels(page: Any, client: httpx.Client) -> None:
    page.fill("#words", "Ann: You came!\n\nBo: I said: I would.\n<script>alert(1)</script>")
    page.keyboard.press("Tab")
    page.click("#go")
    page.wait_for_selector("#utterances li")
    body = {
        "utterances": [
            {"speaker": "Ann", "text": "You came!"},
            {"speaker": "Bo", "text": "I said: I would."},
            {"text": "<script>alert(1)</script>"},
        ]
    }
    answers = client.post("/v1/predict", json=body).json()["predictions"]
    assert page.locator("#utterances .label").all_text_contents() == [one["label"] for one in answers]
    assert page.locator("#utterances .said").all_text_contents()[2] == "<script>alert(1)</script>"
    assert page.locator("#player").is_hidden() and page.locator("#timeline").is_hidden()
    assert page.locator("#srt").is_disabled()


def test_a_recording_becomes_a_label(page: Any, senses: Path) -> None:
    clip = next(iter(sorted(senses.rglob("*.mp4"))))
    page.set_input_files("#file", str(clip))
    page.fill("#words", "Ann: Hello.")
    page.click("#go")
    page.wait_for_selector("#utterances li")
    assert page.locator("#utterances .label").first.text_content() in LABELS
    assert page.locator("#player").is_visible()


def test_what_the_server_refuses_is_shown(page: Any, tmp_path: Path) -> None:
    page.click("#go")
    assert "Give a recording" in page.locator("#error").text_content()
    broken = tmp_path / "talk.mp4"
    broken.write_bytes(b"PK\x03\x04 no film")
    page.set_input_files("#file", str(broken))
    page.fill("#words", "Hello.")
    page.click("#go")
    page.wait_for_selector("#error:has-text('talk.mp4')")
    assert page.locator("#go").is_enabled() and page.locator("#status").text_content() == ""


def test_a_newcomer_sees_which_run_it_is_and_an_example(page: Any) -> None:
    assert page.locator("#labels li").all_text_contents() == list(LABELS)
    assert page.locator("#streams").text_content() == "words, seen and heard"
    assert "Weighted F1 on its test split" in page.locator("#measured").text_content()
    page.click("summary")
    assert "That none of its labels fits" in page.locator("details").inner_text()
    page.click("#example")
    page.wait_for_selector("#utterances li:nth-child(4)")
    assert page.locator("#utterances .who").first.text_content() == "Ann: "
    assert "4 utterances, by the run" in page.locator("#results-about").text_content()


def test_files_that_cannot_be_sent_are_named_at_once(page: Any, tmp_path: Path) -> None:
    empty, whole = tmp_path / "<b>empty<b>.mp4", tmp_path / "talk.wav"
    empty.write_bytes(b"")
    whole.write_bytes(b"RIFF")
    page.set_input_files("#file", str(empty))
    assert page.locator("#chosen").text_content() == "<b>empty<b>.mp4 is empty: it has no bytes."
    assert page.locator("#remove").is_hidden()
    page.set_input_files("#file", str(whole))
    assert "talk.wav" in page.locator("#chosen").text_content()
    page.click("#remove")
    assert page.locator("#chosen").text_content() == "Nothing is chosen."
    assert page.evaluate("document.activeElement.id") == "file"
    code = """names => {
        const dataTransfer = new DataTransfer();
        for (const name of names) dataTransfer.items.add(new File(["sound"], name));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(code, ["a.wav", "b.wav"])
    assert page.locator("#chosen").text_content() == "2 files; give one after the other."
    page.evaluate(code, ["a.wav"])
    assert page.locator("#chosen").text_content() == "a.wav, 0.0 MiB"
    page.fill("#words", "Ann: One.\nAnn: Two.")
    page.click("#go")
    page.wait_for_selector("#error:has-text('write them in one line')")


def show_timeline(page: Any, count: int = 6) -> None:
    answer = {"predictions": [timed(number) for number in range(count)]}
    page.route("**/v1/predict*", lambda route: route.fulfill(json=answer))
    page.fill("#words", "anything")
    page.click("#go")
    page.wait_for_selector("#timeline [data-utterance]")


def test_a_timeline_has_a_row_a_speaker_and_a_band_a_label(page: Any) -> None:
    show_timeline(page)
    names = page.locator("#timeline th[scope=row]").all_text_contents()
    assert names == ["<b>Bo</b>", "Ann", *LABELS]
    assert page.locator("#timeline [data-utterance]").count() == 6
    assert page.locator("#timeline .band i").count() == 18
    assert "no face <i>found</i>" in page.locator("#utterance-1").text_content()
    page.locator("#timeline [data-utterance='3']").click()
    assert page.locator("#utterances li.current").get_attribute("id") == "utterance-3"
    page.keyboard.press("ArrowDown")
    assert page.locator("#utterances li.current").get_attribute("id") == "utterance-4"
    page.keyboard.press("k")
    assert page.locator("#timeline [aria-current=true]").get_attribute("data-utterance") == "3"


def test_results_are_saved_for_other_programs(page: Any) -> None:
    show_timeline(page, 3)
    texts = {}
    for kind in ("jsonl", "csv", "srt"):
        with page.expect_download() as download:
            page.click(f"[data-export={kind}]")
        texts[kind] = Path(download.value.path()).read_text(encoding="utf-8")
        assert download.value.suggested_filename == f"conversation.{kind}"
    assert [json.loads(line) for line in texts["jsonl"].splitlines()] == [timed(number) for number in range(3)]
    lines = texts["csv"].splitlines()
    assert lines[0] == "id,conversation,speaker,start,end,text,label,joy,anger,sadness,missing"
    formula = '"\'=1+1, sentence 1"'  # which is none for a spreadsheet
    assert lines[2] == f"u1,talk,Ann,0.5,0.9,{formula},anger,0.1,0.8,0.1,face: no face <i>found</i>"
    assert texts["srt"].split("\n\n")[1].splitlines() == [
        "2", "00:00:00,500 --> 00:00:00,900", "[anger] Ann: =1+1, sentence 1"
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280, 1920])
def test_everybody_can_use_it(page: Any, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_core_python.sync_playwright")
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    show_timeline(page)
    faults = [one for one in axe.Axe().run(page)["violations"] if one["impact"] in ("serious", "critical")]
    assert not faults, [(one["id"], one["nodes"][0]["html"]) for one in faults]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#key-field").is_hidden() and page.locator("#runs").is_hidden()
