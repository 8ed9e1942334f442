"""The review page: its server over HTTP, and the page in a real browser, rated by keyboard."""

from __future__ import annotations

import json
import random
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from merc_annotation.ratings import QUESTIONS, from_label_studio, label_studio_config, read_reviews, to_label_studio
from merc_annotation.records import write_jsonl
from merc_annotation.review_app import Reviews, create_app
from merc_serve import listen

from tests.media.clips import write_clip

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
COUNT = 50


def record(number: int, video: str | None = None) -> dict[str, Any]:
    return {
        "id": f"u{number}", "conversation": "talk", "dataset": None, "split": "train", "speaker": "<b>Ann</b>",
        "text": f"<script>alert({number})</script> We won.", "start": None, "end": None, "video": video, "audio": None,
        "label": ("joy", "anger")[number % 2], "label_source": "teacher", "uncertain": number == 3,
        "clues": {"visual_expression": "She smiles <i>broadly</i>.", "lexical": "Bo says: “We won.”"},
        "rationale": ["She smiles.", "So it is joy."], "evidence": {"visual": "She smiles."},
        "conflicts": ["audio: the voice is calm."] if number == 1 else [], "description": "She smiles.",
        "peak_frame": {"time": 0.5} if video else None,
        "quality": {"label_guided": [], "missing": {}}, "triplets": {},
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_clip(tmp_path / "clip.mp4", seconds=1.0)
    write_jsonl(tmp_path / "train.jsonl", [record(n, "clip.mp4" if n == 0 else None) for n in range(COUNT)])
    return tmp_path


@pytest.fixture
def client(folder: Path) -> Iterator[httpx.Client]:
    records = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    with listen("127.0.0.1", 0) as listening:
        app = create_app(folder, records, "Small", ["127.0.0.1", "localhost"])
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=60) as client:
            yield client
        server.should_exit = True
        thread.join(30)


def rate(client: httpx.Client, rater: str, name: str = "u0", **more: Any) -> httpx.Response:
    return client.post(f"/api/review?rater={rater}", json={"id": name, "answers": {"result": 4}, **more})


def test_raters_are_blind_to_each_other(client: httpx.Client, folder: Path) -> None:
    assert rate(client, "ann", label="anger", note="hm").status_code == 200
    assert rate(client, "bo").status_code == 200
    seen = client.get("/api/item/0?rater=bo").json()
    assert seen["review"]["answers"] == {"result": 4} and seen["review"]["label"] is None
    assert (
        "hm" not in client.get("/api/item/0?rater=cy").text
        and client.get("/api/item/0?rater=cy").json()["review"] is None
    )
    reviews = read_reviews(folder)
    assert reviews["u0"]["ann"]["note"] == "hm" and reviews["u0"].keys() == {"ann", "bo"}


def test_names_that_look_alike_in_a_file_system_stay_apart(folder: Path) -> None:
    reviews = Reviews(folder)
    for rater in ("a/b", "a-b", "../a b", "名前"):
        reviews.add({"id": "u0", "rater": rater, "answers": {}})
        assert reviews.of(rater).keys() == {"u0"}
    files = list((folder / "reviews").iterdir())
    assert len(files) == 4 and all(file.parent == folder / "reviews" for file in files)


def test_what_a_killed_process_left_is_passed_over(folder: Path) -> None:
    reviews = Reviews(folder)
    reviews.add({"id": "u0", "rater": "ann", "answers": {"result": 1}})
    (file,) = (folder / "reviews").iterdir()
    file.write_bytes(file.read_bytes() + b'{"id": "u1", "rater": "an')
    assert reviews.of("ann").keys() == {"u0"} == read_reviews(folder).keys()
    reviews.add({"id": "u2", "rater": "ann", "answers": {}})
    assert reviews.of("ann").keys() == {"u0", "u2"} == read_reviews(folder).keys()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"id": "nobody", "answers": {}}, "id is none of the clips"),
        ({"id": "u0", "answers": {"result": 6}}, "from 1 to 5 or null, not 6"),
        ({"id": "u0", "answers": {"taste": 1}}, "answers should hold visual"),
        ({"id": "u0", "answers": {}, "label": 7}, "label should be a text or null"),
        ([], "id is none of the clips"),
    ],
)
def test_what_is_no_review_is_refused_and_not_kept(client: httpx.Client, folder: Path, body: Any, message: str) -> None:
    response = client.post("/api/review?rater=ann", json=body)
    assert response.status_code == 422 and message in response.json()["error"]
    assert not (folder / "reviews").exists()
    assert client.post("/api/review", json={"id": "u0", "answers": {}}).json()["error"].startswith("say who rates")


def test_other_sites_and_other_names_of_this_machine_are_refused(client: httpx.Client) -> None:
    own = client.post(
        "/api/review?rater=a", json={"id": "u0", "answers": {}}, headers={"origin": str(client.base_url).rstrip("/")}
    )
    assert own.status_code == 200
    other = client.post(
        "/api/review?rater=a", json={"id": "u0", "answers": {}}, headers={"origin": "https://evil.example"}
    )
    assert other.status_code == 403
    assert client.get("/api/set?rater=a", headers={"host": "evil.example"}).status_code == 400


def test_media_come_in_ranges(client: httpx.Client) -> None:
    part = client.get("/api/media/0", headers={"range": "bytes=0-99"})
    assert part.status_code == 206 and len(part.content) == 100
    assert client.get("/api/media/1").status_code == 404 and client.get("/api/media/99").status_code == 404


def test_label_studio_gives_back_what_it_was_given(folder: Path) -> None:
    records = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()][:2]
    review = {"id": "u0", "rater": "ann@example.org", "answers": {"result": 4, "visual": 2}, "label": "anger",
              "description": "She frowns.", "note": None}  # fmt: skip
    tasks = to_label_studio(records, {"u0": "/data/clip.mp4"}, {"u0": {"ann@example.org": review}})
    assert tasks[0]["data"]["video"] == "/data/clip.mp4" and tasks[1]["annotations"] == []
    assert from_label_studio(json.loads(json.dumps(tasks))) == [review]
    config = label_studio_config(["joy", 'a "b" & <c>'], ["lexical"])
    import xml.etree.ElementTree as ElementTree

    tree = ElementTree.fromstring(config)
    assert [one.get("name") for one in tree.iter("Rating")] == list(QUESTIONS)
    assert [one.get("value") for one in tree.iter("Choice")] == ["joy", 'a "b" & <c>']
    with pytest.raises(ValueError, match="task 1 is none of merc's"):
        from_label_studio([{"data": {}}])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if BROWSER is None:
        pytest.skip("no Chromium on PATH")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, client: httpx.Client) -> Iterator[Any]:
    """The page of a server, which must not complain about anything."""
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(str(client.base_url))
    yield page
    context.close()
    assert not complaints, complaints


def enter(page: Any, name: str) -> None:
    page.fill("#name", name)
    page.keyboard.press("Enter")
    page.wait_for_selector("#review:not([hidden])")
    page.wait_for_selector("#who:not(:empty)")


def wait_for_text(page: Any, selector: str, ending: str) -> None:
    """Wait until what an element says ends so. The page's policy forbids what evaluates a text as a script."""
    page.locator(selector).filter(has_text=re.compile(f"{re.escape(ending)}$")).wait_for()


@pytest.mark.slow
def test_fifty_clips_are_rated_by_keyboard_and_a_rater_may_stop_midway(
    page: Any, client: httpx.Client, folder: Path
) -> None:
    draw = random.Random(0)
    pressed = {f"u{n}": [draw.choice("012345") for _ in QUESTIONS] for n in range(COUNT)}
    enter(page, "Ann")
    for number, (name, keys) in enumerate(pressed.items()):
        wait_for_text(page, "#who", f" {name}")
        for key in keys:
            page.keyboard.press(key)
        if number == 20:  # she closes the page and comes back
            wait_for_text(page, "#progress", " 21 done")
            page.reload()
            enter(page, "Ann")
        else:
            page.keyboard.press("Enter")
    wait_for_text(page, "#progress", " 50 done")
    reviews = read_reviews(folder)
    assert len(reviews) == COUNT
    for name, keys in pressed.items():
        answers = [None if key == "0" else int(key) for key in keys]
        assert reviews[name]["Ann"]["answers"] == dict(zip(QUESTIONS, answers, strict=True))
    wait_for_text(page, "#saved", "saved")


def test_an_edit_a_label_and_a_note_are_kept(page: Any, folder: Path) -> None:
    enter(page, "Bo")
    page.wait_for_selector("#peak:not([hidden])")
    assert page.locator("#text").text_content() == "<script>alert(0)</script> We won."
    page.keyboard.press("e")
    page.keyboard.type("She grins.")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.type("12345")  # no answers: she writes
    page.keyboard.press("Escape")
    page.select_option("#own-label", "anger")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    wait_for_text(page, "#who", " u1")
    assert page.locator("#conflicts li").count() == 1 and page.locator("#no-media").is_visible()
    page.keyboard.press("k")
    wait_for_text(page, "#who", " u0")
    assert page.input_value("#edit") == "She grins."
    review = read_reviews(folder)["u0"]["Bo"]
    assert (review["description"], review["label"], review["note"], review["answers"]) == (
        "She grins.",
        "anger",
        "12345",
        {},
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280, 1920])
def test_everybody_can_use_it(page: Any, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_core_python.sync_playwright")
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    enter(page, "Cy")
    page.keyboard.press("4")
    faults = [one for one in axe.Axe().run(page)["violations"] if one["impact"] in ("serious", "critical")]
    assert not faults, [(one["id"], one["nodes"][0]["html"]) for one in faults]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
