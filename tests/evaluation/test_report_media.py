"""Players and frames of a report, from real clips, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from merc.cli.main import app
from merc.components import Prediction
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.evaluation import write_predictions, write_report
from merc.evaluation.media import FOLDER, Links, picture_name, write_pictures
from tests.media.clips import write_clip

from .test_browser import BROWSER
from .test_report import data, words

LABELS = LabelSpace(("joy", "anger"))


@pytest.fixture
def talk(tmp_path: Path) -> Conversation:
    """Two spans of a film, a sound file, and a file that is no video."""
    (tmp_path / "films").mkdir()
    film = write_clip(tmp_path / "films" / "a film #1 é.mp4", frames=50, size=(60, 80))
    sound = write_clip(tmp_path / "films" / "voice.wav", video=None, audio="pcm_s16le", seconds=1.0)
    broken = tmp_path / "films" / "broken.mp4"
    broken.write_bytes(b"no film")
    utterances = (
        Utterance(id="u0", text="One.", video=film, start=0.0, end=1.0),
        Utterance(id="u1", text="Two.", video=film, start=1.0, end=2.0),
        Utterance(id="u2", text="Heard.", audio=sound),
        Utterance(id="u3", text="Broken.", video=broken),
    )
    return Conversation(id="c", split="test", utterances=utterances)


@pytest.fixture
def run(tmp_path: Path, talk: Conversation) -> Path:
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    predictions = [
        Prediction(id=u.id, conversation="c", split="test", truth="joy", label="joy") for u in talk.utterances
    ]
    write_predictions(folder / "predictions.jsonl", predictions)
    (folder / "recipe.yaml").write_text(
        f"corpus: {{name: jsonl, path: {talk_file(folder.parent, talk)}}}\n"
        "backbone: {name: smollm2, tuning: {name: lora}}\n"
        "stages: [{id: merc, prompter: {name: conversation}, trainer: {name: sft, epochs: 1, lr: 1e-4}}]\n"
    )
    return folder


def talk_file(folder: Path, talk: Conversation) -> Path:
    file = folder / "talk.jsonl"
    utterances = [
        {"id": u.id, "text": u.text, "label": "joy"}
        | {k: str(v) for k, v in (("video", u.video), ("audio", u.audio)) if v is not None}
        | {k: v for k, v in (("start", u.start), ("end", u.end)) if v is not None}
        for u in talk.utterances
    ]
    file.write_text(json.dumps({"id": talk.id, "split": "test", "utterances": utterances}) + "\n")
    return file


def turns(html: str) -> list[dict[str, Any]]:
    return list(data(html)["conversations"][0]["turns"])


def merc_report(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", *arguments])


def test_players_are_links_relative_to_the_report_with_the_seconds_of_the_utterance(
    run: Path, talk: Conversation
) -> None:
    first, second, heard, _ = turns(write_report(run, [talk], LABELS).read_text())
    assert first["video"] == "../../films/a%20film%20%231%20%C3%A9.mp4#t=0,1"
    assert second["video"].endswith(".mp4#t=1,2") and "audio" not in second
    assert heard["audio"] == "../../films/voice.wav" and "video" not in heard


def test_a_report_that_is_moved_links_from_where_it_will_stand(run: Path, talk: Conversation, tmp_path: Path) -> None:
    html = write_report(run, [talk], LABELS, place=tmp_path / "elsewhere").read_text()
    assert turns(html)[2]["audio"] == "../films/voice.wav"


def test_media_that_moved_are_one_sentence_and_the_rest_goes_on(run: Path, talk: Conversation, tmp_path: Path) -> None:
    film = next((tmp_path / "films").glob("a film*"))
    film.rename(tmp_path / "moved.mp4")
    html = write_report(run, [talk], LABELS).read_text()
    assert "2 of 4 media files of utterances are not where the corpus says, so these have no player (the first is" in (
        words(html)
    )
    assert ["video" in turn or "audio" in turn for turn in turns(html)] == [False, False, True, True]


def test_frames_are_written_beside_the_report_and_the_reason_is_said_where_not(
    run: Path, talk: Conversation, tmp_path: Path
) -> None:
    ended = merc_report(str(run), "--frames")
    assert ended.exit_code == 0, ended.output
    said = " ".join(ended.stderr.split())
    assert "frames: 2 of 4 utterances have no picture:" in said
    assert "1 × the utterance has no video file" in said
    html = (run / "report.html").read_text()
    name = picture_name(talk, talk.utterances[0])
    assert turns(html)[0]["frames"] == f"{FOLDER}/{name}"
    assert ["frames" in turn for turn in turns(html)] == [True, True, False, False]
    with Image.open(run / FOLDER / name) as picture:
        assert picture.size == (3 * 128, 96)
    # Made again where the film is gone: the pictures stay, and the report shows them.
    film = next((tmp_path / "films").glob("a film*"))
    film.unlink()
    again = merc_report(str(run), "--frames")
    assert again.exit_code == 0, again.output
    assert "frames: 4 of 4 utterances have no picture" in " ".join(again.stderr.split())
    assert ["frames" in turn for turn in turns((run / "report.html").read_text())] == [True, True, False, False]


def test_frames_need_the_corpus(run: Path) -> None:
    ended = merc_report(str(run), "--frames", "--no-texts")
    assert ended.exit_code == 2
    assert "--frames takes the videos from the corpus, which --no-texts does without" in " ".join(ended.stderr.split())


def test_a_run_with_a_recipe_of_an_older_merc_is_told_what_to_do_and_goes_on_without_texts(run: Path) -> None:
    recipe = run / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "engine: torch\n")
    ended = merc_report(str(run))
    said = " ".join(ended.stderr.split())
    assert ended.exit_code == 2 and "merc convert" in said and "--no-texts makes the report without them" in said
    assert merc_report(str(run), "--no-texts").exit_code == 0
    assert [turn["text"] for turn in turns((run / "report.html").read_text())] == [None] * 4


def test_pictures_have_names_of_their_own_whatever_an_id_holds() -> None:
    said = Utterance(id="../../u 0\n", text="")
    names = {picture_name(Conversation(id="c", split=s, utterances=(said,)), said) for s in ("dev", "test")}
    assert len(names) == 2 and all(name.isascii() and "/" not in name for name in names)


def test_an_utterance_without_media_has_no_links(tmp_path: Path) -> None:
    said = Utterance(id="u", text="Hi.")
    links = Links(tmp_path)
    assert links.of_utterance(Conversation(id="c", utterances=(said,)), said) == {}
    assert links.note() == ""


@pytest.fixture
def page(run: Path, talk: Conversation) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if BROWSER is None:
        pytest.skip("no Chromium on PATH")
    write_pictures(
        run, [Prediction(id=u.id, conversation="c", split="test") for u in talk.utterances], [talk], print_nothing
    )
    report = write_report(run, [talk], LABELS)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 2000})
        page.errors = []
        page.on("console", lambda message: page.errors.append(message.text))
        page.address = report.as_uri()
        yield page
        browser.close()


def print_nothing(share: float, text: str) -> None:
    """No progress is shown."""


def test_a_player_plays_and_pictures_are_seen_under_the_page_s_own_policy(page: Any) -> None:
    page.goto(page.address)
    page.locator('li[data-id="u0"]').scroll_into_view_if_needed()
    player = page.locator('li[data-id="u0"] video')
    player.wait_for()
    assert player.evaluate("v => v.play().then(() => v.videoWidth)") == 80
    assert page.locator('li[data-id="u0"] img').evaluate("i => i.decode().then(() => i.naturalWidth)") == 384
    page.locator('li[data-id="u2"] audio').wait_for()
    assert [text for text in page.errors if "Content Security" in text] == []


def test_what_moved_after_the_report_was_made_is_a_sentence_in_its_place(page: Any, run: Path) -> None:
    (run / FOLDER).rename(run / "away")
    page.goto(page.address)
    page.locator('li[data-id="u3"]').scroll_into_view_if_needed()
    cannot = page.get_by_text(
        "broken.mp4 cannot be played: it has moved since, or this browser does not know its format."
    )
    cannot.wait_for()
    page.get_by_text("is not in the folder frames any more.").first.wait_for()
    assert page.locator("li.turn").count() == 4
